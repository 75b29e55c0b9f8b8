"""Anthropic's Messages: requests as they are read."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.wire.anthropic.format import ANTHROPIC
from oneapi_asgi.wire.chat import (
    Chat,
    File,
    Format,
    Message,
    Part,
    Reasoning,
    Target,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearch,
)
from oneapi_asgi.wire.operations import Operation
from oneapi_asgi.wire.sealed import Signature, seal


def operation(path: str = "/messages") -> Operation:
    found = ANTHROPIC.operation(path)
    assert found is not None
    return found


def read(**fields: Any) -> Chat:
    least = {"model": "claude-x", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]}
    return ANTHROPIC.read(operation(), msgspec.json.encode(least | fields))


def user(*blocks: dict[str, Any]) -> tuple[Message, ...]:
    return read(messages=[{"role": "user", "content": list(blocks)}]).messages


def assistant(*blocks: dict[str, Any]) -> tuple[Part, ...]:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": list(blocks)}]
    return read(messages=messages).messages[1].parts


HELLO = (Message(role="user", parts=(Text(text="Hi"),)),)


def test_the_least() -> None:
    assert read() == Chat(model="claude-x", messages=HELLO, max_output=10, include_usage=True)
    body = b'{"model": "m", "messages": []}'
    assert ANTHROPIC.read(operation("/messages/count_tokens"), body).max_output is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"stop_sequences": ["a"]}, {"stop": ("a",)}),
        ({"temperature": 1, "top_p": 0.5, "top_k": 2}, {"temperature": 1.0, "top_p": 0.5, "top_k": 2}),
        ({"metadata": {"user_id": "u"}}, {"user": "u"}),
        ({"service_tier": "standard_only"}, {"service_tier": "default"}),
        ({"service_tier": "auto", "stream": True}, {"service_tier": "auto", "stream": True}),
        ({"thinking": None, "tools": None, "system": None, "container": None}, {}),
        ({"tool_choice": {"type": "any"}}, {"tool_choice": ToolChoice(mode="required")}),
        ({"tool_choice": {"type": "none"}}, {"tool_choice": ToolChoice(mode="none")}),
        (
            {"tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True}},
            {"tool_choice": ToolChoice(mode="required", names=("f",)), "parallel_tool_calls": False},
        ),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"thinking": Thinking(budget=1024)}),
        (
            {"thinking": {"type": "adaptive", "display": "summarized"}},
            {"thinking": Thinking(budget=-1, shown=True)},
        ),
        (
            {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "max"}},
            {"thinking": Thinking(effort="max", shown=False)},
        ),
        ({"thinking": {"type": "disabled"}}, {"thinking": Thinking(effort="none")}),
        ({"thinking": {"type": "between_tools"}}, {"thinking": Thinking(effort="none")}),
        ({"output_config": {"effort": "low"}}, {"thinking": Thinking(effort="low")}),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"a": 1}}}},
            {"format": Format(kind="schema", schema={"a": 1})},
        ),
        (
            {"output_format": {"type": "json_schema", "schema": {"a": 1}}, "output_config": {"effort": "low"}},
            {"format": Format(kind="schema", schema={"a": 1}), "thinking": Thinking(effort="low")},
        ),
        (
            {"mcp_servers": [{"url": "u"}], "unheard": 1, "cache_control": {"type": "ephemeral"}},
            {"others": {"mcp_servers": [{"url": "u"}], "unheard": 1, "cache_control": {"type": "ephemeral"}}},
        ),
    ],
)
def test_fields(fields: dict[str, Any], expected: dict[str, Any]) -> None:  # C69
    assert read(**fields) == msgspec.structs.replace(read(), **expected)


def test_tools() -> None:
    own = {"name": "f", "description": "F.", "input_schema": {"type": "object"}, "strict": True}
    search = {
        "type": "web_search_20260209",
        "name": "web_search",
        "max_uses": 3,
        "blocked_domains": ["a.org"],
        "user_location": {"type": "approximate", "city": "Oslo"},
    }
    hosted = {"type": "bash_20250124", "name": "bash", "x": [1]}
    chat = read(
        tools=[own | {"cache_control": {"type": "ephemeral", "ttl": "1h"}}, search, hosted, own | {"type": "custom"}]
    )
    tool = Tool(name="f", description="F.", parameters={"type": "object"}, strict=True)
    assert chat.tools == (msgspec.structs.replace(tool, cache="1h"), tool)
    assert chat.web_search == WebSearch(max_uses=3, blocked_domains=("a.org",), location={"city": "Oslo"})
    assert chat.others == {"server_tools": [hosted]}


def test_instructions() -> None:
    blocks = [{"type": "text", "text": "A", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "B"}]
    messages = [{"role": "user", "content": "Hi"}, {"role": "system", "content": "Now."}]
    chat = read(system=blocks, messages=messages)
    assert chat.messages == (
        Message(role="system", parts=(Text(text="A", cache="5m"), Text(text="B"))),
        *HELLO,
        Message(role="system", parts=(Text(text="Now."),)),
    )


BASE64 = {"type": "base64", "media_type": "image/png", "data": "AA=="}
DOCUMENT = {"type": "document", "title": "T"}


@pytest.mark.parametrize(
    ("block", "parts"),
    [
        ({"type": "image", "source": BASE64}, [File(kind="image", media_type="image/png", data="AA==")]),
        (
            {"type": "image", "source": {"type": "url", "url": "https://a"}, "cache_control": {"type": "ephemeral"}},
            [File(kind="image", url="https://a", cache="5m")],
        ),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, [File(kind="image", file_id="f")]),
        (
            DOCUMENT
            | {"source": {"type": "text", "media_type": "text/plain", "data": "D"}, "citations": {"enabled": True}},
            [File(kind="document", media_type="text/plain", text="D", name="T", cited=True)],
        ),
        (
            DOCUMENT | {"source": {"type": "content", "content": "D"}, "context": "C"},
            [Text(text="C"), File(kind="document", media_type="text/plain", text="D", name="T")],
        ),
        (
            DOCUMENT
            | {
                "source": {
                    "type": "content",
                    "content": [{"type": "text", "text": "D"}, {"type": "image", "source": BASE64}],
                }
            },
            [
                File(kind="document", media_type="text/plain", text="D", name="T"),
                File(kind="image", media_type="image/png", data="AA=="),
            ],
        ),
        (
            {
                "type": "search_result",
                "source": "https://a",
                "title": "T",
                "content": [{"type": "text", "text": "D"}],
                "citations": {"enabled": True},
            },
            [File(kind="document", media_type="text/plain", text="https://a\n\nD", name="T", cited=True)],
        ),
        ({"type": "container_upload", "file_id": "f"}, [File(kind="document", file_id="f")]),
    ],
)
def test_files(block: dict[str, Any], parts: list[Part]) -> None:
    assert user(block) == (Message(role="user", parts=tuple(parts)),)


def test_results_come_before_the_rest_and_know_their_tool() -> None:
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "And?"},
                {"type": "tool_result", "tool_use_id": "a", "content": "no", "is_error": True},
                {
                    "type": "tool_result",
                    "tool_use_id": "b",
                    "content": [{"type": "image", "source": BASE64}, {"type": "tool_reference", "tool_name": "g"}],
                    "cache_control": {"type": "ephemeral"},
                },
                {"type": "tool_result", "tool_use_id": "c"},
            ],
        },
    ]
    image = File(kind="image", media_type="image/png", data="AA==")
    assert read(messages=messages).messages[1:] == (
        Message(role="assistant", parts=(ToolCall(id="a", name="f", arguments='{"x":1}'),)),
        Message(role="tool", parts=(ToolResult(call_id="a", name="f", parts=(Text(text="no"),), error=True),)),
        Message(role="tool", parts=(ToolResult(call_id="b", parts=(image, Text(text="g")), cache="5m"),)),
        Message(role="tool", parts=(ToolResult(call_id="c"),)),
        Message(role="user", parts=(Text(text="And?"),)),
    )


def test_thoughts_and_their_signatures() -> None:
    other = Signature("gemini", "gemini-3", "Z")
    of_call = seal(Signature("call:gemini", "gemini-3", "Y"))
    parts = assistant(
        {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
        {"type": "thinking", "thinking": "So.", "signature": ""},
        {"type": "thinking", "thinking": "Ah.", "signature": seal(other)},
        {"type": "redacted_thinking", "data": "data"},
        {"type": "text", "text": "See:", "citations": None},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "web_search_result", "url": "u"}]},
        {"type": "code_execution_tool_result", "tool_use_id": "s", "content": {"type": "error"}},
        {"type": "compaction", "content": "Before."},
        {"type": "compaction", "content": None},
        {"type": "redacted_thinking", "data": of_call},
        {"type": "tool_use", "id": "a", "name": "f", "input": {}},
        {"type": "tool_use", "id": "b", "name": "f", "input": {}},
    )
    assert parts == (
        Reasoning(text="Hm.", signature=Signature("anthropic", "", "sig")),
        Reasoning(text="So."),
        Reasoning(text="Ah.", signature=other),
        Reasoning(redacted=True, signature=Signature("anthropic", "", "data")),
        Text(text="See:"),
        Text(text="Before."),
        ToolCall(id="a", name="f", signature=Signature("gemini", "gemini-3", "Y")),
        ToolCall(id="b", name="f"),
    )


TOOL_USE = {"type": "tool_use", "id": "a", "name": "f"}


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b"{", None, "invalid_json"),
        (b"\xff", None, "invalid_json"),
        (b'{"model": "m", "messages": [], "max_tokens": 1, "x": "\xff"}', None, "invalid_json"),
        (b'{"x":' * 10_000, None, "invalid_json"),
        (b'{"x":' * 3000 + b"1" + b"}" * 3000, None, "invalid_json"),
        (b"[]", None, "invalid_type"),
        ({"messages": [], "max_tokens": 1}, None, "missing_required_parameter"),
        ({"model": "m", "messages": []}, "max_tokens", "missing_required_parameter"),
        ({"max_tokens": -1}, "max_tokens", "invalid_value"),
        ({"max_tokens": "1"}, "max_tokens", "invalid_type"),
        ({"messages": [{"role": "tool", "content": ""}]}, "messages[0].role", "invalid_type"),
        ({"messages": [{"role": "user"}]}, "messages[0]", "missing_required_parameter"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content", "invalid_type"),
        ({"tools": [{"input_schema": {}}]}, "tools[0]", "missing_required_parameter"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice", "missing_required_parameter"),
        ({"thinking": {"type": "enabled"}}, "thinking", "missing_required_parameter"),
        ({"system": [{"type": "image"}]}, "system[0].type", "invalid_value"),
    ],
)
def test_mistakes(body: bytes | dict[str, Any], param: str | None, code: str) -> None:
    if isinstance(body, dict) and "model" not in body and "messages" not in body:
        body = {"model": "m", "messages": [], "max_tokens": 1} | body
    elif isinstance(body, dict) and "max_tokens" not in body and "model" not in body:
        body = {"model": "m", "max_tokens": 1} | body
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    with pytest.raises(BadRequest) as raised:
        ANTHROPIC.read(operation(), raw)
    assert (raised.value.param, raised.value.code) == (param, code)


@pytest.mark.parametrize(
    ("role", "block", "place"),
    [
        ("user", {"type": "text"}, ""),
        ("user", {}, ".type"),
        ("user", {"type": "thinking", "thinking": ""}, ".type"),
        ("user", {"type": "image"}, ""),
        ("user", {"type": "image", "source": {"type": "x"}}, ".source.type"),
        ("user", {"type": "image", "source": {"type": "base64"}}, ".source"),
        ("user", {"type": "document", "source": {"type": "url"}}, ".source"),
        ("user", {"type": "tool_result"}, ""),
        ("user", {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "tool_result"}]}, ".content[0].type"),
        ("assistant", {"type": "image"}, ".type"),
        ("assistant", TOOL_USE | {"input": "{}"}, ".input"),
        ("assistant", {"type": "tool_use", "name": "f"}, ""),
    ],
)
def test_mistakes_in_blocks(role: str, block: dict[str, Any], place: str) -> None:
    with pytest.raises(BadRequest) as raised:
        read(messages=[{"role": role, "content": [block]}])
    assert raised.value.param == f"messages[0].content[0]{place}"


BLOCKS = st.one_of(
    st.builds(lambda words: {"type": "text", "text": words}, st.text(min_size=1).filter(str.strip)),
    st.just({"type": "image", "source": BASE64}),
    st.just({"type": "document", "source": {"type": "url", "url": "https://a"}, "title": "T"}),
)


@settings(max_examples=60)
@given(st.lists(st.lists(BLOCKS, min_size=1), min_size=1, max_size=4))
def test_what_was_read_is_written_again(given_turns: list[list[dict[str, Any]]]) -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": blocks} for blocks in given_turns]
    for place in range(len(messages) - 1, 0, -1):
        messages.insert(place, {"role": "assistant", "content": [{"type": "text", "text": "ok"}]})
    chat = read(messages=messages)
    written = ANTHROPIC.write(chat, Target(model="claude-opus-5", stream=False))
    assert written.body["messages"] == messages
    assert written.dropped == ()


@settings(max_examples=60)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["type", "content", "source", "text", "role", "input", "name", "messages"]), inner
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_comes_is_read_or_refused(value: object) -> None:
    for field in ("messages", "system", "tools", "thinking"):
        with suppress(BadRequest):
            assert read(**{field: value}).model
