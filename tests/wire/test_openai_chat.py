"""Chat completions as clients ask for them: what is read into a neutral request, and what is refused, and how."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.wire.chat import (
    Chat,
    File,
    Format,
    Message,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearch,
    check_calls,
)
from oneapi_asgi.wire.openai.chat import read_chat

PNG = base64.b64encode(b"\x89PNG").decode()
GRAMMAR = {"type": "text"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}


def read(*messages: dict[str, Any], **fields: Any) -> Chat:
    said = list(messages) or [{"role": "user", "content": "Hi"}]
    return read_chat(msgspec.json.encode({"model": "m", "messages": said, **fields}))


def test_the_least_request() -> None:
    assert read() == Chat(model="m", messages=(Message(role="user", parts=(Text(text="Hi"),)),))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(
            {"role": "system", "content": "Be brief", "name": "boss"},
            Message(role="system", parts=(Text(text="Be brief"),), name="boss"),
            id="C1-system",
        ),
        pytest.param(
            {"role": "developer", "content": [{"type": "text", "text": "Be brief"}]},
            Message(role="system", parts=(Text(text="Be brief"),)),
            id="C1-developer",
        ),
        pytest.param(
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]},
            Message(role="user", parts=(File(kind="image", media_type="image/png", data=PNG),)),
            id="C28-data-url",
        ),
        pytest.param(
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a/b", "detail": "low"}}]},
            Message(role="user", parts=(File(kind="image", url="https://a/b", detail="low"),)),
            id="C29-http-url",
        ),
        pytest.param(
            {"role": "user", "content": [{"type": "image_url", "image_url": "gs://a/b"}]},
            Message(role="user", parts=(File(kind="image", url="gs://a/b"),)),
            id="C32-gs",
        ),
        pytest.param(
            {"role": "user", "content": [{"type": "video_url", "video_url": {"url": "https://a/b"}}]},
            Message(role="user", parts=(File(kind="video", url="https://a/b"),)),
            id="video",
        ),
        pytest.param(
            {
                "role": "user",
                "content": [
                    {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PNG}", "filename": "a.pdf"}},
                    {"type": "file", "file": {"file_id": "file-1"}},
                    {"type": "file", "file": {"file_data": PNG.rstrip("=")}},
                    {"type": "file", "file": {"file_data": f"data:image/png;base64,{PNG}"}},
                    {"type": "file", "file": {"file_data": "https://a/b.pdf"}},
                ],
            },
            Message(
                role="user",
                parts=(
                    File(kind="document", media_type="application/pdf", data=PNG, name="a.pdf"),
                    File(kind="document", file_id="file-1"),
                    File(kind="document", media_type="application/pdf", data=PNG),
                    File(kind="image", media_type="image/png", data=PNG),
                    File(kind="document", url="https://a/b.pdf"),
                ),
            ),
            id="C30-files",
        ),
        pytest.param(
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": PNG, "format": "mp3"}}]},
            Message(role="user", parts=(File(kind="audio", media_type="audio/mpeg", data=PNG),)),
            id="C31-audio",
        ),
        pytest.param(
            {"role": "user", "content": "Hi", "cache_control": {"type": "ephemeral"}},
            Message(role="user", parts=(Text(text="Hi", cache="5m"),)),
            id="C42-message",
        ),
        pytest.param(
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                    {"type": "text", "text": "b", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}},
                    {"type": "text", "text": "c", "prompt_cache_breakpoint": {"mode": "explicit"}},
                ],
            },
            Message(
                role="user",
                parts=(Text(text="a", cache="1h"), Text(text="b", cache="1h"), Text(text="c", cache="5m")),
            ),
            id="C42-parts",
        ),
        pytest.param(
            {"role": "assistant", "content": "", "refusal": "No."},
            Message(role="assistant", parts=(Refusal(text="No."),)),
            id="C43-refusal",
        ),
        pytest.param(
            {
                "role": "assistant",
                "content": None,
                "audio": {"id": "audio_1"},
                "images": [{"image_url": {"url": "https://a"}}],
            },
            Message(
                role="assistant",
                parts=(File(kind="audio", file_id="audio_1"), File(kind="image", url="https://a")),
            ),
            id="made-files",
        ),
    ],
)
def test_messages(message: dict[str, Any], expected: Message) -> None:
    assert read(message).messages == (expected,)


def test_c19_c22_calls_and_their_results() -> None:
    chat = read(
        {"role": "user", "content": "?"},
        {
            "role": "assistant",
            "content": "Let me see",
            "tool_calls": [
                CALL,
                {"id": "call_2", "type": "custom", "custom": {"name": "shell", "input": "ls"}},
                {"id": "call_3", "type": "function", "function": {"name": "now", "arguments": ""}},
                {"id": "call_4", "type": "function", "function": {"name": "now", "arguments": {"a": 1}}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny", "cache_control": {"ttl": "1h"}},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "a.txt"}]},
        {"role": "tool", "tool_call_id": "call_3", "content": None},
        {"role": "tool", "tool_call_id": "call_4", "content": "5"},
    )
    check_calls(chat)
    assert chat.messages[1].parts == (
        Text(text="Let me see"),
        ToolCall(id="call_1", name="weather", arguments='{"city":"Paris"}'),
        ToolCall(id="call_2", name="shell", arguments="ls", custom=True),
        ToolCall(id="call_3", name="now", arguments="{}"),
        ToolCall(id="call_4", name="now", arguments='{"a":1}'),
    )
    assert [message.parts[0] for message in chat.messages[2:5]] == [
        ToolResult(call_id="call_1", name="weather", parts=(Text(text="sunny"),), cache="1h"),
        ToolResult(call_id="call_2", name="shell", parts=(Text(text="a.txt"),), custom=True),
        ToolResult(call_id="call_3", name="now"),
    ]


def test_c27_older_functions_are_tools_whose_calls_match_by_name_and_order() -> None:
    called = {"name": "f", "arguments": "{}"}
    chat = read(
        {"role": "assistant", "content": None, "function_call": called},
        {"role": "function", "name": "f", "content": "1"},
        {"role": "assistant", "content": None, "function_call": called},
        {"role": "function", "name": "f", "content": "2"},
        functions=[{"name": "f", "parameters": {"type": "object"}}],
        function_call={"name": "f"},
    )
    check_calls(chat)
    assert chat.functions
    assert chat.others == {}
    assert chat.tools == (Tool(name="f", parameters={"type": "object"}),)
    assert chat.tool_choice == ToolChoice(mode="required", names=("f",))
    first, second = (part for message in chat.messages for part in message.parts if isinstance(part, ToolCall))
    assert first.id != second.id
    assert read(function_call="none").tool_choice == ToolChoice(mode="none")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"max_tokens": 5}, {"max_output": 5}, id="C4-old"),
        pytest.param({"max_completion_tokens": 7, "max_tokens": 5}, {"max_output": 7}, id="C4"),
        pytest.param({"stop": "END"}, {"stop": ("END",)}, id="C6-string"),
        pytest.param({"stop": ["a", "b"]}, {"stop": ("a", "b")}, id="C6-list"),
        pytest.param(
            {"temperature": 1, "top_p": 0.5, "top_k": 3}, {"temperature": 1.0, "top_p": 0.5, "top_k": 3}, id="C7"
        ),
        pytest.param({"seed": 1, "n": 2, "presence_penalty": 1}, {"seed": 1, "n": 2, "presence_penalty": 1.0}, id="C8"),
        pytest.param({"logprobs": True, "top_logprobs": 3}, {"logprobs": 3}, id="C8-logprobs"),
        pytest.param({"logprobs": True}, {"logprobs": 0}, id="C8-no-alternatives"),
        pytest.param({"logprobs": False}, {}, id="C8-no-logprobs"),
        pytest.param({"user": "u", "metadata": {"a": "b"}}, {"user": "u", "metadata": {"a": "b"}}, id="C9"),
        pytest.param({"logit_bias": {"5": -100}}, {"logit_bias": {"5": -100.0}}, id="bias"),
        pytest.param({"parallel_tool_calls": False}, {"parallel_tool_calls": False}, id="C18"),
        pytest.param({"response_format": {"type": "text"}}, {}, id="text"),
        pytest.param({"response_format": {"type": "json_object"}}, {"format": Format(kind="json")}, id="C34"),
        pytest.param(
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "strict": True}}},
            {"format": Format(kind="schema", name="a", schema={}, strict=True)},
            id="C33",
        ),
        pytest.param({"reasoning_effort": "low"}, {"thinking": Thinking(effort="low")}, id="C35"),
        pytest.param({"reasoning_effort": "none"}, {"thinking": Thinking(effort="none")}, id="C38"),
        pytest.param(
            {"reasoning": {"max_tokens": 99, "exclude": True}},
            {"thinking": Thinking(budget=99, shown=False)},
            id="object",
        ),
        pytest.param({"reasoning": {"effort": "high"}}, {"thinking": Thinking(effort="high")}, id="object-effort"),
        pytest.param({"thinking": {"type": "enabled"}}, {"thinking": Thinking(budget=-1)}, id="type"),
        pytest.param(
            {"thinking": {"type": "enabled", "budget_tokens": 5}}, {"thinking": Thinking(budget=5)}, id="type-budget"
        ),
        pytest.param({"thinking": {"type": "disabled"}}, {"thinking": Thinking(effort="none")}, id="type-disabled"),
        pytest.param({"enable_thinking": False}, {"thinking": Thinking(effort="none")}, id="flag-off"),
        pytest.param({"enable_thinking": True, "thinking_budget": 9}, {"thinking": Thinking(budget=9)}, id="flag"),
        pytest.param(
            {
                "web_search_options": {
                    "search_context_size": "low",
                    "user_location": {"type": "approximate", "approximate": {"city": "Paris"}},
                }
            },
            {"web_search": WebSearch(context_size="low", location={"city": "Paris"})},
            id="C47",
        ),
        pytest.param(
            {"stream": True, "stream_options": {"include_usage": True}},
            {"stream": True, "include_usage": True},
            id="stream",
        ),
        pytest.param(
            {"prediction": {"type": "content"}, "store": True, "made_up": [1], "modalities": ["text", "audio"]},
            {
                "others": {
                    "prediction": {"type": "content"},
                    "store": True,
                    "made_up": [1],
                    "modalities": ["text", "audio"],
                }
            },
            id="others",
        ),
        pytest.param(
            {"store": False, "modalities": ["text"], "prediction": None, "stop": None, "n": None}, {}, id="unsaid"
        ),
        pytest.param({"tool_choice": "required"}, {"tool_choice": ToolChoice(mode="required")}, id="C16"),
        pytest.param({"tool_choice": "any"}, {"tool_choice": ToolChoice(mode="required")}, id="C16-any"),
        pytest.param(
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            {"tool_choice": ToolChoice(mode="required", names=("f",))},
            id="C16-named",
        ),
        pytest.param(
            {
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
                }
            },
            {"tool_choice": ToolChoice(mode="auto", names=("f",))},
            id="C16-allowed",
        ),
        pytest.param(
            {
                "tools": [
                    {"type": "function", "function": {"name": "f", "description": "d", "strict": True}},
                    {"type": "custom", "custom": {"name": "c", "format": GRAMMAR}, "cache_control": {}},
                ]
            },
            {
                "tools": (
                    Tool(name="f", description="d", strict=True),
                    Tool(name="c", custom=True, grammar=GRAMMAR, cache="5m"),
                )
            },
            id="C10-C15",
        ),
    ],
)
def test_fields(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    plain = Chat(model="m", messages=(Message(role="user", parts=(Text(text="Hi"),)),))
    assert read(**fields) == msgspec.structs.replace(plain, **expected)


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b"[]", None, "invalid_type"),
        (b"{", None, "invalid_json"),
        (b'{"model":"m","messages":[]}', "messages", "invalid_value"),
        (b'{"model":"m"}', None, "missing_required_parameter"),
        (b'{"model":"m","messages":null}', "messages", "invalid_type"),
        (b'{"model":"m","messages":[{"role":"king","content":"x"}]}', "messages[0].role", "invalid_type"),
        (b'{"model":"m","messages":[{"role":"user"}]}', "messages[0].content", "missing_required_parameter"),
        (
            b'{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}',
            "messages[0].content[0].text",
            None,
        ),
        (
            b'{"model":"m","messages":[{"role":"user","content":[{"type":"song"}]}]}',
            "messages[0].content[0].type",
            None,
        ),
        (b'{"model":"m","messages":[{"role":"tool","content":"x"}]}', "messages[0].tool_call_id", None),
        (b'{"model":"m","messages":[{"role":"function","name":"f","content":"x"}]}', "messages[0].name", None),
        (b'{"model":"m","messages":[],"temperature":"hot"}', "temperature", "invalid_type"),
        (b'{"model":"m","messages":[],"n":0}', "n", None),
        (b'{"model":"m","messages":[],"top_logprobs":2}', "top_logprobs", None),
        (b'{"model":"m","messages":[],"tools":[{"type":"function"}]}', "tools[0].function", None),
        (b'{"model":"m","messages":[],"tool_choice":{"type":"function"}}', "tool_choice.function", None),
        (b'{"model":"m","messages":[],"response_format":{"type":"json_schema"}}', "response_format.json_schema", None),
        (b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}', None, None),
        (b'{"model":"m","messages":[],"x":' + b"[" * 100_000, None, "invalid_json"),
    ],
)
def test_what_cannot_be_read_is_refused(body: bytes, param: str | None, code: str | None) -> None:
    with pytest.raises(BadRequest) as refused:
        read_chat(body)
    assert refused.value.param == param
    assert code is None or refused.value.code == code


@pytest.mark.parametrize(
    ("call", "param"),
    [({"id": ""}, "messages[0].tool_calls[0].id"), ({"id": "a"}, "messages[0].tool_calls[0].function")],
)
def test_calls_that_are_none_are_refused(call: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read({"role": "assistant", "tool_calls": [call]})
    assert refused.value.param == param


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png,raw"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,&&&"}},
        {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}},
        {"type": "input_audio", "input_audio": {"data": "&"}},
        {"type": "file", "file": {}},
    ],
)
def test_files_that_are_none_are_refused(part: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        read({"role": "user", "content": [part]})


def test_instructions_are_text() -> None:
    with pytest.raises(BadRequest):
        read({"role": "system", "content": [{"type": "image_url", "image_url": "https://a"}]})


KEYS = st.sampled_from(["role", "content", "type", "text", "tool_calls", "function", "id", "name"])
JSON: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
    max_leaves=12,
)


@settings(max_examples=60)
@given(JSON)
def test_any_json_is_read_or_refused(value: object) -> None:
    for field in ("messages", "tools", "tool_choice", "response_format"):
        try:
            read_chat(msgspec.json.encode({"model": "m", "messages": [], field: [value]}))
        except BadRequest as refused:
            assert refused.message  # noqa: PT017
