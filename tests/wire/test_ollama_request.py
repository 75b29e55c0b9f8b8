"""What is asked in Ollama's format: read into the neutral request, and written out of it."""

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
from oneapi_asgi.wire.ollama.answers import Prompted
from oneapi_asgi.wire.ollama.format import OLLAMA
from oneapi_asgi.wire.operations import Operation
from oneapi_asgi.wire.sealed import Signature, seal

TARGET = Target(model="llama", stream=False)
HELLO = Message(role="user", parts=(Text(text="Hello"),))
PIXEL = "iVBORw0KGgo="
WEATHER = Tool(name="weather", description="The weather", parameters={"type": "object", "properties": {}})
CALL = ToolCall(id="c1", name="weather", arguments='{"city":"Oslo"}')
WRITTEN_CALL = {"id": "c1", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}


def operation(path: str = "/api/chat") -> Operation:
    found = OLLAMA.operation(path)
    assert found is not None
    return found


def read(path: str = "/api/chat", **fields: Any) -> Chat:
    chatting = {"messages": [{"role": "user", "content": "Hello"}]} if path == "/api/chat" else {}
    return OLLAMA.read(operation(path), msgspec.json.encode({"model": "m", **chatting, **fields}))


def ask(*messages: Message, **fields: Any) -> Chat:
    return Chat(model="m", messages=messages or (HELLO,), **fields)


def assistant(*parts: Any) -> Message:
    return Message(role="assistant", parts=parts)


def result(call_id: str, *parts: Text | File, name: str = "weather", error: bool = False) -> Message:
    return Message(role="tool", parts=(ToolResult(call_id=call_id, name=name, parts=parts, error=error),))


def test_a_request_is_read_field_by_field() -> None:
    chat = read(
        tools=[{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
        format={"type": "object"},
        think="high",
        logprobs=True,
        top_logprobs=2,
        keep_alive="5m",
        new=1,
        old=None,
        options={
            "num_predict": 7,
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 4,
            "stop": ["x"],
            "seed": 3,
            "presence_penalty": 0.1,
            "frequency_penalty": 0.2,
            "num_ctx": 4096,
            "numa": None,
        },
    )
    assert chat == Chat(
        model="m",
        messages=(HELLO,),
        tools=(Tool(name="weather", parameters={"type": "object"}),),
        format=Format(kind="schema", schema={"type": "object"}),
        thinking=Thinking(effort="high", shown=True),
        max_output=7,
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        stop=("x",),
        seed=3,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        logprobs=2,
        stream=True,
        include_usage=True,
        others={"keep_alive": "5m", "new": 1, "num_ctx": 4096},
    )


@pytest.mark.parametrize(
    ("fields", "name", "value"),
    [
        ({}, "stream", True),
        ({"stream": False}, "stream", False),
        ({"format": "json"}, "format", Format(kind="json")),
        ({"think": True}, "thinking", Thinking(budget=-1, shown=True)),
        ({"think": False}, "thinking", Thinking(effort="none")),
        ({"options": {"num_predict": -1}}, "max_output", None),
        ({"options": {"stop": "x"}, "format": ""}, "stop", ("x",)),
        ({"options": None}, "others", {}),
        ({"logprobs": True}, "logprobs", 0),
        ({"top_logprobs": 3}, "logprobs", None),
        ({"messages": []}, "messages", ()),
    ],
)
def test_a_field_is_read(fields: dict[str, Any], name: str, value: object) -> None:
    assert getattr(read(**fields), name) == value


def test_a_conversation_is_read() -> None:
    sealed = seal(Signature("gemini", "g", "sig"))
    messages = read(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Look", "images": [PIXEL, f"data:image/webp;base64,{PIXEL}", "aaaa"]},
            {
                "role": "assistant",
                "content": "Wait.",
                "thinking": "Hm.",
                "tool_calls": [
                    {"function": {"name": "weather", "arguments": {"city": "Oslo"}}},
                    {"function": {"name": "time"}, "signature": sealed},
                    {"id": "own", "function": {"name": "weather", "arguments": {}}},
                    {"function": {"name": "last", "arguments": {}}},
                ],
            },
            {"role": "tool", "content": "noon", "tool_name": "time"},
            {"role": "tool", "content": "wet", "tool_call_id": "own"},
            {"role": "tool", "content": "dry", "tool_name": "weather"},
            {"role": "tool", "content": "", "images": [PIXEL]},
        ]
    ).messages
    assert messages[:3] == (
        Message(role="system", parts=(Text(text="Be brief."),)),
        Message(
            role="user",
            parts=(
                Text(text="Look"),
                File(kind="image", media_type="image/png", data=PIXEL),
                File(kind="image", media_type="image/webp", data=PIXEL),
                File(kind="image", data="aaaa"),
            ),
        ),
        assistant(
            Reasoning(text="Hm."),
            Text(text="Wait."),
            msgspec.structs.replace(CALL, id="call_2_0"),
            ToolCall(id="call_2_1", name="time", signature=Signature("gemini", "g", "sig")),
            ToolCall(id="own", name="weather"),
            ToolCall(id="call_2_3", name="last"),
        ),
    )
    assert messages[3:] == (
        result("call_2_1", Text(text="noon"), name="time"),
        result("own", Text(text="wet")),
        result("call_2_0", Text(text="dry")),
        result("call_2_3", File(kind="image", media_type="image/png", data=PIXEL), name="last"),
    )


def test_a_result_of_no_call_is_refused_later() -> None:
    """C25"""
    chat = read(messages=[{"role": "tool", "content": "x", "tool_name": "weather"}])
    with pytest.raises(BadRequest, match="weather"):
        OLLAMA.write(chat, TARGET)


def test_a_prompt_is_read() -> None:
    chat = read("/api/generate", prompt="Hello", system="Be brief.", images=[PIXEL], raw=True, options={"seed": 1})
    assert isinstance(chat, Prompted)
    assert chat.messages == (
        Message(role="system", parts=(Text(text="Be brief."),)),
        Message(role="user", parts=(Text(text="Hello"), File(kind="image", media_type="image/png", data=PIXEL))),
    )
    assert (chat.seed, chat.stream, chat.others) == (1, True, {"raw": True})
    assert read("/api/generate").messages == ()


DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b"{", None, "invalid_json"),
        (b"\xff", None, "invalid_json"),
        (b'{"model": "m", "new": ' + DEEP, None, "invalid_json"),
        (b'{"model": "m", "options": {"new": ' + DEEP, None, "invalid_json"),
        (b'{"model": "m", "options": {"new": ' + DEEP[:9000] + b"]" * 9000 + b"}}", None, "invalid_json"),
        (b"[]", None, "invalid_type"),
        (b"{}", None, "missing_required_parameter"),
        (b'{"model": "m", "messages": [{"role": "robot"}]}', "messages[].role", "invalid_type"),
        (b'{"model": "m", "messages": [{"role": "user", "content": []}]}', "messages[].content", "invalid_type"),
        (b'{"model": "m", "options": {"temperature": "hot"}}', "options.temperature", "invalid_type"),
        (b'{"model": "m", "format": "xml"}', "format", "invalid_value"),
        (b'{"model": "m", "think": "hard"}', "think", "invalid_value"),
        (
            b'{"model": "m", "messages": [{"role": "user", "images": ["https://a.example/b.png"]}]}',
            "messages[].images",
            "invalid_value",
        ),
    ],
)
def test_what_cannot_be_read_is_told(body: bytes, param: str | None, code: str) -> None:
    with pytest.raises(BadRequest) as caught:
        OLLAMA.read(operation(), body)
    assert (caught.value.code, (caught.value.param or "").replace("[0]", "[]") or None) == (code, param)


def test_a_request_is_written_field_by_field() -> None:
    chat = ask(
        tools=(WEATHER,),
        format=Format(kind="schema", name="n", schema={"type": "object"}),
        thinking=Thinking(effort="low"),
        max_output=9,
        temperature=0.5,
        top_p=1.0,
        top_k=4,
        stop=("x",),
        seed=3,
        presence_penalty=0.1,
        frequency_penalty=-0.2,
        logprobs=2,
        others={"keep_alive": -1, "num_ctx": 4096, "store": True},
    )
    before = copy.deepcopy(chat)
    request = OLLAMA.write(chat, Target(model="llama", stream=True))
    assert chat == before  # P1
    assert request.dropped == ("store",)
    assert request.body == {
        "model": "llama",
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
        "format": {"type": "object"},
        "think": "low",
        "options": {
            "num_predict": 9,
            "temperature": 0.5,
            "top_p": 1.0,
            "top_k": 4,
            "stop": ["x"],
            "seed": 3,
            "presence_penalty": 0.1,
            "frequency_penalty": -0.2,
            "num_ctx": 4096,
        },
        "logprobs": True,
        "top_logprobs": 2,
        "keep_alive": -1,
        "stream": True,
    }


@pytest.mark.parametrize(
    ("fields", "expected", "dropped"),
    [
        pytest.param({"max_output": 5}, {"options": {"num_predict": 5}}, (), id="C4"),
        pytest.param({"stop": ("a", "b")}, {"options": {"stop": ["a", "b"]}}, (), id="C6"),
        pytest.param(
            {"n": 3, "logit_bias": {"1": 2.0}, "logprobs": 0}, {"logprobs": True}, ("n", "logit_bias"), id="C8"
        ),
        pytest.param({"user": "u", "metadata": {"a": "b"}}, {}, ("user", "metadata"), id="C9"),
        pytest.param({"parallel_tool_calls": False}, {}, ("parallel_tool_calls",), id="C18"),
        pytest.param({"parallel_tool_calls": True}, {}, (), id="C18-default"),
        pytest.param({"format": Format(kind="json")}, {"format": "json"}, (), id="C34"),
        pytest.param({"thinking": Thinking(budget=20000)}, {"think": "high"}, (), id="C35"),
        pytest.param({"thinking": Thinking(effort="xhigh")}, {"think": "high"}, (), id="C37"),
        pytest.param({"thinking": Thinking(effort="none")}, {"think": False}, (), id="C38"),
        pytest.param({"thinking": Thinking(budget=0)}, {"think": False}, (), id="C38-budget"),
        pytest.param({"thinking": Thinking(budget=-1)}, {"think": True}, (), id="thinking-freely"),
        pytest.param({"thinking": Thinking()}, {"think": True}, (), id="thinking"),
        pytest.param({"web_search": WebSearch()}, {}, ("web_search",), id="C47"),
    ],
)
def test_a_field_is_written(fields: dict[str, Any], expected: dict[str, Any], dropped: tuple[str, ...]) -> None:
    request = OLLAMA.write(ask(**fields), TARGET)
    rest = {name: value for name, value in request.body.items() if name not in ("model", "messages", "stream")}
    assert (rest, request.dropped) == (expected, dropped)


@pytest.mark.parametrize(
    ("choice", "names", "dropped"),
    [
        (None, ["weather", "time"], ()),
        (ToolChoice(mode="auto"), ["weather", "time"], ()),
        (ToolChoice(mode="none"), [], ()),
        (ToolChoice(mode="required"), ["weather", "time"], ("tool_choice",)),
        (ToolChoice(mode="required", names=("time",)), ["time"], ("tool_choice",)),
        (ToolChoice(mode="auto", names=("time",)), ["time"], ()),
    ],
    ids=lambda value: f"C16-{value.mode}" if isinstance(value, ToolChoice) else "",
)
def test_the_choice_of_tools(choice: ToolChoice | None, names: list[str], dropped: tuple[str, ...]) -> None:
    """C17: a tool that must not be called is not offered."""
    request = OLLAMA.write(ask(tools=(WEATHER, Tool(name="time")), tool_choice=choice), TARGET)
    assert [tool["function"]["name"] for tool in request.body.get("tools", ())] == names
    assert request.dropped == dropped


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
    body = OLLAMA.write(ask(tools=(tool,)), TARGET).body
    assert body["tools"] == [{"type": "function", "function": {"name": "t", "parameters": parameters}}]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param(
            [Message(role="system", parts=(Text(text="a"), Text(text="b"))), HELLO, assistant(Text(text=""))],
            [{"role": "system", "content": "a\nb"}, {"role": "user", "content": "Hello"}],
            id="C1-C43",
        ),
        pytest.param([Message(role="system", parts=(Text(text="a"),))], [{"role": "system", "content": "a"}], id="C44"),
        pytest.param(
            [
                assistant(Reasoning(text="Hm."), Text(text="I "), Refusal(text="ask."), CALL),
                result("c1", Text(text="wet")),
            ],
            [
                {"role": "assistant", "content": "I ask.", "thinking": "Hm.", "tool_calls": [WRITTEN_CALL]},
                {"role": "tool", "content": "wet", "tool_name": "weather", "tool_call_id": "c1"},
            ],
            id="C19",
        ),
        pytest.param(
            [
                assistant(
                    Reasoning(text="secret", signature=Signature("anthropic", "", "s")),
                    ToolCall(id="c", name="t", arguments=""),
                ),
                result("c", Text(text="no"), name="", error=True),
            ],
            [
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [{"id": "c", "function": {"name": "t", "arguments": {}}}],
                },
                {"role": "tool", "content": "Error: no", "tool_name": "t", "tool_call_id": "c"},
            ],
            id="C20-C40",
        ),
        pytest.param(
            [
                assistant(CALL, ToolCall(id="c2", name="x", arguments="go", custom=True)),
                result("c2", Text(text="a"), Text(text="b"), File(kind="image", data=PIXEL), name="x"),
                result("c1"),
                HELLO,
            ],
            [
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [WRITTEN_CALL, {"id": "c2", "function": {"name": "x", "arguments": {"input": "go"}}}],
                },
                {"role": "tool", "content": "a\nb", "images": [PIXEL], "tool_name": "x", "tool_call_id": "c2"},
                {"role": "tool", "content": "", "tool_name": "weather", "tool_call_id": "c1"},
                {"role": "user", "content": "Hello"},
            ],
            id="C22-C23",
        ),
        pytest.param(
            [
                Message(
                    role="user",
                    parts=(
                        File(kind="image", data=PIXEL),
                        File(kind="document", text="Rain.", name="News"),
                        File(kind="document", media_type="text/plain", data="UmFpbi4="),
                        Text(text="?", cache="5m"),
                    ),
                )
            ],
            [{"role": "user", "content": "News\nRain.\nRain.\n?", "images": [PIXEL]}],
            id="C28-C42",
        ),
    ],
)
def test_messages_are_written(messages: list[Message], expected: list[dict[str, Any]]) -> None:
    assert OLLAMA.write(ask(*messages), TARGET).body["messages"] == expected


@pytest.mark.parametrize(
    ("messages", "word"),
    [
        pytest.param([assistant(ToolCall(id="c", name="weather", arguments="{")), result("c")], "weather", id="C21"),
        pytest.param([assistant(CALL), HELLO], "c1", id="C25"),
        pytest.param([Message(role="user", parts=(Text(text=""),))], "no message", id="C43-nothing"),
        pytest.param([Message(role="user", parts=(File(kind="image", url="https://a.example"),))], "data", id="C29"),
        pytest.param([Message(role="user", parts=(File(kind="image", file_id="f"),))], "data", id="file-id"),
        pytest.param(
            [Message(role="user", parts=(File(kind="document", data="JVBERi0=", name="a.pdf"),))], "a.pdf", id="C30"
        ),
        pytest.param([Message(role="user", parts=(File(kind="audio", data="aaaa"),))], "audio", id="C31"),
        pytest.param(
            [Message(role="user", parts=(File(kind="document", media_type="text/plain", data="////"),))],
            "document",
            id="no-text",
        ),
    ],
)
def test_what_cannot_be_said_is_refused(messages: list[Message], word: str) -> None:
    with pytest.raises(BadRequest, match=word) as caught:
        OLLAMA.write(ask(*messages), TARGET)
    assert caught.value.param is not None
    assert caught.value.code == "invalid_value"
