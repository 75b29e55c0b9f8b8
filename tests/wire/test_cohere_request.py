"""What is asked in Cohere's format, read into the neutral request."""

from __future__ import annotations

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
    Target,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from oneapi_asgi.wire.cohere.format import COHERE
from oneapi_asgi.wire.operations import Operation
from oneapi_asgi.wire.sealed import Signature, seal

TARGET = Target(model="command-a", stream=False)
HELLO = Message(role="user", parts=(Text(text="Hello"),))
PIXEL = "iVBORw0KGgo="


def operation(path: str = "/v2/chat") -> Operation:
    found = COHERE.operation(path)
    assert found is not None
    return found


def read(**fields: Any) -> Chat:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], **fields}
    return COHERE.read(operation(), msgspec.json.encode(body))


def assistant(*parts: Any) -> Message:
    return Message(role="assistant", parts=parts)


def result(call_id: str, *parts: Text | File, name: str = "weather", error: bool = False) -> Message:
    return Message(role="tool", parts=(ToolResult(call_id=call_id, name=name, parts=parts, error=error),))


CALL = ToolCall(id="c1", name="weather", arguments='{"city":"Oslo"}')
WRITTEN_CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}


def test_a_request_is_read_field_by_field() -> None:
    chat = read(
        max_tokens=7,
        temperature=0.5,
        p=0.9,
        k=4,
        stop_sequences=["x"],
        seed=3,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        logprobs=True,
        stream=True,
        safety_mode="STRICT",
        priority=None,
        something={"new": 1},
        tools=[{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
        strict_tools=True,
        tool_choice="REQUIRED",
        response_format={"type": "json_object", "json_schema": {"type": "object"}},
        thinking={"type": "enabled", "token_budget": 100},
    )
    assert chat == Chat(
        model="m",
        messages=(HELLO,),
        tools=(Tool(name="weather", parameters={"type": "object"}, strict=True),),
        tool_choice=ToolChoice(mode="required"),
        format=Format(kind="schema", schema={"type": "object"}),
        thinking=Thinking(budget=100),
        max_output=7,
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        stop=("x",),
        seed=3,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        logprobs=0,
        stream=True,
        include_usage=True,
        others={"safety_mode": "STRICT", "something": {"new": 1}},
    )


@pytest.mark.parametrize(
    ("fields", "name", "value"),
    [
        ({"tool_choice": "NONE"}, "tool_choice", ToolChoice(mode="none")),
        ({"response_format": {"type": "text"}}, "format", None),
        ({"response_format": {"type": "json_object"}}, "format", Format(kind="json")),
        ({"thinking": {"type": "disabled"}}, "thinking", Thinking(effort="none")),
        ({"thinking": {"type": "enabled"}}, "thinking", Thinking(budget=-1)),
        ({"stream": None, "stop_sequences": None, "tools": None}, "stop", ()),
    ],
)
def test_a_field_is_read(fields: dict[str, Any], name: str, value: object) -> None:
    assert getattr(read(**fields), name) == value


def test_a_conversation_is_read() -> None:
    sealed = seal(Signature("anthropic", "claude", "sig"))
    messages = read(
        messages=[
            {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}},
                ],
            },
            {
                "role": "assistant",
                "tool_plan": "I ask.",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": sealed},
                    {"type": "text", "text": "Wait."},
                ],
                "tool_calls": [{**WRITTEN_CALL, "signature": "own"}],
                "citations": [{"start": 0}],
            },
            {
                "role": "tool",
                "tool_call_id": "c1",
                "content": [{"type": "text", "text": "wet"}, {"type": "document", "document": {"data": {"t": 3}}}],
            },
            {"role": "assistant", "content": "It rains."},
        ]
    ).messages
    assert messages == (
        Message(role="system", parts=(Text(text="Be brief."),)),
        Message(
            role="user",
            parts=(
                Text(text="Look"),
                File(kind="image", media_type="image/png", data=PIXEL, detail="low"),
                File(kind="image", url="https://a.example/b.png"),
            ),
        ),
        assistant(
            Reasoning(text="Hm.", signature=Signature("anthropic", "claude", "sig")),
            Reasoning(text="I ask."),
            Text(text="Wait."),
            msgspec.structs.replace(CALL, signature=Signature("cohere", "", "own")),
        ),
        result("c1", Text(text="wet"), Text(text='{"t":3}')),
        assistant(Text(text="It rains.")),
    )


@pytest.mark.parametrize(
    ("document", "file"),
    [
        ("plain", File(kind="document", media_type="text/plain", text="plain", cited=True)),
        (
            {"id": "d1", "data": "string"},
            File(kind="document", media_type="text/plain", text="string", name="d1", cited=True),
        ),
        (
            {"data": {"title": "T", "snippet": "S", "year": 1999}},
            File(kind="document", media_type="text/plain", text="year: 1999\nS", name="T", cited=True),
        ),
    ],
)
def test_documents_are_files_of_the_last_question(document: object, file: File) -> None:
    chat = read(documents=[document])
    assert chat.messages == (Message(role="user", parts=(file, Text(text="Hello"))),)
    quiet = read(documents=[document], citation_options={"mode": "OFF"})
    assert quiet.messages[0].parts[0] == msgspec.structs.replace(file, cited=False)


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b"{", None, "invalid_json"),
        (b"\xff", None, "invalid_json"),
        (b'{"model": "m", "messages": [], "new": ' + b"[" * 100_000, None, "invalid_json"),
        (b'{"model": "m", "messages": [], "citation_options": {"a": ' + b"[" * 100_000, None, "invalid_json"),
        (b'{"model": "m", "messages": [], "new": ' + b"[" * 9_000 + b"]" * 9_000 + b"}", None, "invalid_json"),
        (b"[]", None, "invalid_type"),
        (b'{"messages": []}', None, "missing_required_parameter"),
        (b'{"model": "m", "messages": [{"role": "user", "content": 3}]}', "messages[].content", "invalid_type"),
        (b'{"model": "m", "messages": [{"role": "robot"}]}', "messages[].role", "invalid_type"),
        (b'{"model": "m", "messages": [], "temperature": "hot"}', "temperature", "invalid_type"),
        (b'{"model": "m", "messages": [], "tool_choice": "any"}', "tool_choice", "invalid_type"),
        (
            b'{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:x"}}]}]}',
            "messages",
            "invalid_value",
        ),
    ],
)
def test_what_cannot_be_read_is_told(body: bytes, param: str | None, code: str) -> None:
    with pytest.raises(BadRequest) as caught:
        COHERE.read(operation(), body)
    assert (caught.value.code, (caught.value.param or "").replace("[0]", "[]") or None) == (code, param)


def test_what_was_read_is_written_again() -> None:
    body = {
        "model": "command-a",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "tool_calls": [WRITTEN_CALL], "tool_plan": "I ask."},
            {"role": "tool", "tool_call_id": "c1", "content": "wet"},
        ],
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
        "tool_choice": "NONE",
        "documents": [{"data": {"text": "Rain.", "title": "News"}}],
        "max_tokens": 9,
        "p": 0.5,
        "safety_mode": "OFF",
        "stream": False,
    }
    again = COHERE.write(COHERE.read(operation(), msgspec.json.encode(body)), TARGET)
    assert again.body == body
    assert again.dropped == ()
