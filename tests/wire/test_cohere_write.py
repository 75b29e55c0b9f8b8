"""The neutral request, written in Cohere's format."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.wire.chat import (
    Chat,
    File,
    Format,
    Message,
    Reasoning,
    Refusal,
    Target,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearch,
)
from oneapi_asgi.wire.cohere.format import COHERE
from oneapi_asgi.wire.sealed import Signature

TARGET = Target(model="command-a", stream=False)
HELLO = Message(role="user", parts=(Text(text="Hello"),))
PIXEL = "iVBORw0KGgo="
WEATHER = Tool(name="weather", description="The weather", parameters={"type": "object", "properties": {}})


def ask(*messages: Message, **fields: Any) -> Chat:
    return Chat(model="m", messages=messages or (HELLO,), **fields)


def written(chat: Chat, target: Target = TARGET) -> dict[str, Any]:
    before = copy.deepcopy(chat)
    body = COHERE.write(chat, target).body
    assert chat == before  # P1
    msgspec.json.encode(body)
    return body


def assistant(*parts: Any) -> Message:
    return Message(role="assistant", parts=parts)


def result(call_id: str, *parts: Text | File, name: str = "weather", error: bool = False) -> Message:
    return Message(role="tool", parts=(ToolResult(call_id=call_id, name=name, parts=parts, error=error),))


CALL = ToolCall(id="c1", name="weather", arguments='{"city":"Oslo"}')
WRITTEN_CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}


def test_a_request_is_written_field_by_field() -> None:
    chat = ask(
        tools=(WEATHER,),
        tool_choice=ToolChoice(mode="required"),
        format=Format(kind="schema", name="n", schema={"type": "object"}, strict=True),
        thinking=Thinking(effort="low"),
        max_output=9000,
        temperature=0.5,
        top_p=0.5,
        top_k=4,
        stop=("x",),
        seed=3,
        presence_penalty=0.0,
        frequency_penalty=0.2,
        logprobs=0,
        stream=True,
        others={"safety_mode": "OFF", "store": True},
    )
    request = COHERE.write(chat, Target(model="command-a", stream=True))
    assert request.dropped == ("format", "store")
    assert request.body == {
        "model": "command-a",
        "messages": [{"role": "user", "content": "Hello"}],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "weather",
                    "description": "The weather",
                    "parameters": {"type": "object", "properties": {}},
                },
            }
        ],
        "tool_choice": "REQUIRED",
        "thinking": {"type": "enabled", "token_budget": 2048},
        "max_tokens": 9000,
        "temperature": 0.5,
        "p": 0.5,
        "k": 4,
        "stop_sequences": ["x"],
        "seed": 3,
        "frequency_penalty": 0.2,
        "logprobs": True,
        "safety_mode": "OFF",
        "stream": True,
    }


@pytest.mark.parametrize(
    ("fields", "expected", "dropped"),
    [
        pytest.param({"max_output": 5}, {"max_tokens": 5}, (), id="C4"),
        pytest.param({"stop": ("a", "b")}, {"stop_sequences": ["a", "b"]}, (), id="C6"),
        pytest.param({"stop": tuple("abcdef")}, {"stop_sequences": list("abcde")}, ("stop",), id="C6-most"),
        pytest.param(
            {"temperature": 1.8, "top_p": 1.0, "top_k": 900},
            {"temperature": 1, "p": 0.99, "k": 500},
            (),
            id="C7-limits",
        ),
        pytest.param(
            {"presence_penalty": 0.5, "frequency_penalty": 0.4},
            {"frequency_penalty": 0.4},
            ("presence_penalty",),
            id="C8-one-penalty",
        ),
        pytest.param(
            {"presence_penalty": 2.0, "frequency_penalty": -1.0},
            {"presence_penalty": 1},
            ("frequency_penalty",),
            id="C8-penalties",
        ),
        pytest.param({"n": 3, "logit_bias": {"1": 2.0}}, {}, ("n", "logit_bias"), id="C8"),
        pytest.param({"logprobs": 3}, {"logprobs": True}, ("logprobs",), id="C8-logprobs"),
        pytest.param({"user": "u"}, {}, ("user",), id="C9"),
        pytest.param({"parallel_tool_calls": False}, {}, ("parallel_tool_calls",), id="C18"),
        pytest.param({"format": Format(kind="json")}, {"response_format": {"type": "json_object"}}, (), id="C34"),
        pytest.param(
            {"format": Format(kind="schema", name="n", schema={"type": "object"}, strict=True)},
            {"response_format": {"type": "json_object", "json_schema": {"type": "object"}}},
            (),
            id="C33",
        ),
        pytest.param(
            {"thinking": Thinking(effort="high"), "max_output": 100},
            {"thinking": {"type": "enabled", "token_budget": 99}, "max_tokens": 100},
            (),
            id="C35",
        ),
        pytest.param(
            {"thinking": Thinking(budget=70)}, {"thinking": {"type": "enabled", "token_budget": 70}}, (), id="C37"
        ),
        pytest.param({"thinking": Thinking(effort="none")}, {"thinking": {"type": "disabled"}}, (), id="C38"),
        pytest.param({"thinking": Thinking(budget=-1)}, {"thinking": {"type": "enabled"}}, (), id="thinking-freely"),
        pytest.param({"web_search": WebSearch()}, {}, ("web_search",), id="C47"),
        pytest.param({"tool_choice": ToolChoice(mode="required")}, {}, ("tool_choice",), id="no-tools"),
    ],
)
def test_a_field_is_written(fields: dict[str, Any], expected: dict[str, Any], dropped: tuple[str, ...]) -> None:
    request = COHERE.write(ask(**fields), TARGET)
    rest = {name: value for name, value in request.body.items() if name not in ("model", "messages", "stream")}
    assert (rest, request.dropped) == (expected, dropped)


def test_c34_a_form_goes_not_with_tools() -> None:
    request = COHERE.write(ask(format=Format(kind="json"), tools=(WEATHER,)), TARGET)
    assert "response_format" not in request.body
    assert request.dropped == ("format",)


@pytest.mark.parametrize(
    ("choice", "word", "names"),
    [
        (None, None, ["weather", "time"]),
        (ToolChoice(mode="auto"), None, ["weather", "time"]),
        (ToolChoice(mode="none"), "NONE", ["weather", "time"]),
        (ToolChoice(mode="required"), "REQUIRED", ["weather", "time"]),
        (ToolChoice(mode="required", names=("time",)), "REQUIRED", ["time"]),
        (ToolChoice(mode="auto", names=("time",)), None, ["time"]),
    ],
    ids=lambda value: f"C16-{value.mode}" if isinstance(value, ToolChoice) else "",
)
def test_the_choice_of_tools(choice: ToolChoice | None, word: str | None, names: list[str]) -> None:
    body = written(ask(tools=(WEATHER, Tool(name="time")), tool_choice=choice))
    assert body.get("tool_choice") == word
    assert [tool["function"]["name"] for tool in body["tools"]] == names


@pytest.mark.parametrize(
    ("tool", "parameters"),
    [
        pytest.param(
            Tool(name="t", parameters={"$schema": "s", "properties": {"a": {}}}),
            {"type": "object", "properties": {"a": {}}},
            id="C10",
        ),
        pytest.param(Tool(name="t"), {"type": "object", "properties": {}}, id="C15"),
        pytest.param(
            Tool(name="t", custom=True),
            {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]},
            id="custom",
        ),
    ],
)
def test_a_tool_is_written(tool: Tool, parameters: dict[str, Any]) -> None:
    body = written(ask(tools=(tool, Tool(name="s", strict=True))))
    assert body["tools"][0] == {"type": "function", "function": {"name": "t", "parameters": parameters}}
    assert body["strict_tools"] is True


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param(
            [
                Message(role="system", parts=(Text(text="a"), Text(text="b"))),
                Message(role="system", parts=(Text(text="c"),)),
                HELLO,
            ],
            [
                {"role": "system", "content": [{"type": "text", "text": text} for text in "abc"]},
                {"role": "user", "content": "Hello"},
            ],
            id="C1",
        ),
        pytest.param(
            [HELLO, Message(role="system", parts=(Text(text="a"),)), HELLO],
            [
                {"role": "user", "content": "Hello"},
                {"role": "user", "content": [{"type": "text", "text": "<system>\na\n</system>"}]},
                {"role": "user", "content": "Hello"},
            ],
            id="C2-C3",
        ),
        pytest.param(
            [HELLO, assistant(Reasoning(text="Hm."), Text(text="I ask."), CALL), result("c1", Text(text="wet"))],
            [
                {"role": "user", "content": "Hello"},
                {"role": "assistant", "tool_calls": [WRITTEN_CALL], "tool_plan": "Hm.\n\nI ask."},
                {"role": "tool", "tool_call_id": "c1", "content": "wet"},
            ],
            id="C19",
        ),
        pytest.param(
            [
                HELLO,
                assistant(
                    Reasoning(text="secret", signature=Signature("anthropic", "", "s")),
                    ToolCall(id="c", name="t", arguments=""),
                ),
                result("c", Text(text="no"), error=True),
            ],
            [
                {"role": "user", "content": "Hello"},
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "t", "arguments": "{}"}}],
                },
                {"role": "tool", "tool_call_id": "c", "content": "Error: no"},
            ],
            id="C20-C40",
        ),
        pytest.param(
            [
                HELLO,
                assistant(CALL, msgspec.structs.replace(CALL, id="c2")),
                result("c1", Text(text="a"), File(kind="image", media_type="image/png", data=PIXEL)),
                result("c2", Text(text="b")),
                HELLO,
            ],
            [
                {"role": "user", "content": "Hello"},
                {"role": "assistant", "tool_calls": [WRITTEN_CALL, {**WRITTEN_CALL, "id": "c2"}]},
                {"role": "tool", "tool_call_id": "c1", "content": "a"},
                {"role": "tool", "tool_call_id": "c2", "content": "b"},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Of the result of the tool weather:"},
                        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                    ],
                },
                {"role": "user", "content": "Hello"},
            ],
            id="C22-C23",
        ),
        pytest.param(
            [
                Message(
                    role="user",
                    parts=(
                        File(kind="image", media_type="image/png", data=PIXEL),
                        File(kind="image", url="https://a.example/b.png", detail="high"),
                    ),
                )
            ],
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                        {"type": "image_url", "image_url": {"url": "https://a.example/b.png", "detail": "high"}},
                    ],
                }
            ],
            id="C28-C29",
        ),
        pytest.param(
            [
                Message(role="user"),
                Message(role="user", parts=(Text(text="", cache="5m"), Text(text="x", cache="1h"))),
                assistant(Text(text="")),
            ],
            [{"role": "user", "content": "x"}],
            id="C42-C43",
        ),
        pytest.param(
            [HELLO, assistant(Refusal(text="No.")), HELLO],
            [
                {"role": "user", "content": "Hello"},
                {"role": "assistant", "content": "No."},
                {"role": "user", "content": "Hello"},
            ],
            id="refusal",
        ),
        pytest.param(
            [HELLO, assistant(ToolCall(id="c", name="t", arguments="go", custom=True)), result("c")],
            [
                {"role": "user", "content": "Hello"},
                {
                    "role": "assistant",
                    "tool_calls": [
                        {"id": "c", "type": "function", "function": {"name": "t", "arguments": '{"input":"go"}'}}
                    ],
                },
                {"role": "tool", "tool_call_id": "c", "content": "(empty)"},
            ],
            id="custom",
        ),
    ],
)
def test_messages_are_written(messages: list[Message], expected: list[dict[str, Any]]) -> None:
    assert written(ask(*messages))["messages"] == expected


def test_texts_go_with_the_question_or_beside_it() -> None:
    """C30, as far as this format can."""
    cited = File(kind="document", text="Rain.", name="News", cited=True)
    plain = File(kind="document", media_type="text/plain", data="UmFpbi4=", name="a.txt")
    body = written(ask(Message(role="user", parts=(cited, plain, Text(text="?")))))
    assert body["documents"] == [{"data": {"text": "Rain.", "title": "News"}}]
    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "a.txt\nRain."},
        {"type": "text", "text": "?"},
    ]


@pytest.mark.parametrize(
    ("messages", "word"),
    [
        pytest.param(
            [HELLO, assistant(ToolCall(id="c", name="weather", arguments="{")), result("c")], "weather", id="C21"
        ),
        pytest.param([HELLO, assistant(CALL), HELLO], "c1", id="C25-call"),
        pytest.param([HELLO, result("c9")], "c9", id="C25-result"),
        pytest.param([Message(role="system", parts=(Text(text="a"),))], "instructions", id="C44"),
        pytest.param([Message(role="user", parts=(File(kind="document", data="JVBERi0="),))], "document", id="C30"),
        pytest.param([Message(role="user", parts=(File(kind="audio", data="aaaa"),))], "audio", id="C31"),
        pytest.param([Message(role="user", parts=(File(kind="image", url="gs://b/c"),))], "image", id="C32"),
        pytest.param([Message(role="user", parts=(File(kind="image", file_id="f"),))], "image", id="file-id"),
        pytest.param(
            [Message(role="user", parts=(File(kind="document", media_type="text/plain", data="////"),))],
            "document",
            id="no-text",
        ),
    ],
)
def test_what_cannot_be_said_is_refused(messages: list[Message], word: str) -> None:
    with pytest.raises(BadRequest, match=word) as caught:
        COHERE.write(ask(*messages), TARGET)
    assert caught.value.param is not None
    assert caught.value.code == "invalid_value"
