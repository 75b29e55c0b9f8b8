"""Coze: requests as POST /v3/chat has them, and its streams."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import Chat, File, Message, Part, Role, Target, Text, Tool, ToolCall, ToolResult
from oneapi_asgi.wire.coze import COZE
from oneapi_asgi.wire.dialect import MalformedAnswerError, UpstreamDialect
from oneapi_asgi.wire.events import (
    Broken,
    Ended,
    Event,
    FileMade,
    Finished,
    ReasoningDelta,
    ReasoningEnded,
    Started,
    TextDelta,
    collect,
)
from oneapi_asgi.wire.operations import Operation

from .pieces import fed, same_in_all_pieces

TARGET = Target(model="7379462189365198898", stream=True)
CHAT = Operation(name="chat", task="chat")
IMAGE = File(kind="image", url="https://x.test/a.png")


def message(role: Role, *parts: Part | str) -> Message:
    return Message(role=role, parts=tuple(Text(text=part) if isinstance(part, str) else part for part in parts))


def written(*messages: Message, target: Target = TARGET, **fields: Any) -> dict[str, Any]:
    return COZE.write(Chat(model="m", messages=messages, **fields), target).body


def test_it_is_an_upstream_dialect() -> None:
    dialect: UpstreamDialect = COZE
    assert dialect.path(CHAT, "x", stream=True) == "/chat"
    assert dialect.path(Operation(name="embeddings", task="embeddings"), "x", stream=False) is None


# --- requests ---------------------------------------------------------------------------------------------------------


def test_a_question() -> None:
    assert written(message("user", "Hi")) == {
        "bot_id": "7379462189365198898",
        "user_id": "oneapi",
        "stream": True,
        "auto_save_history": False,
        "additional_messages": [{"role": "user", "type": "question", "content": "Hi", "content_type": "text"}],
    }


def test_a_conversation_keeps_its_turns() -> None:
    body = written(
        message("system", "Be brief."),
        message("user", "What time is it?"),
        message("assistant", ToolCall(id="c", name="time")),
        message("tool", ToolResult(call_id="c", name="time", parts=(Text(text="noon"),))),
        message("assistant"),
        message("user", "Thanks"),
    )
    assert [(turn["role"], turn["content"]) for turn in body["additional_messages"]] == [
        ("user", "Be brief."),
        ("user", "What time is it?"),
        ("assistant", "[calls time with {}]"),
        ("user", "[time: noon]"),
        ("user", "Thanks"),
    ]


def test_files_go_by_url_or_id() -> None:
    document = File(kind="document", file_id="7")
    note = File(kind="document", text="a note")
    (turn,) = written(message("user", "Look", IMAGE, document, note, ""))["additional_messages"]
    assert turn["content_type"] == "object_string"
    assert msgspec.json.decode(turn["content"]) == [
        {"type": "text", "text": "Look"},
        {"type": "image", "file_url": "https://x.test/a.png"},
        {"type": "file", "file_id": "7"},
        {"type": "text", "text": "a note"},
    ]


def test_a_picture_alone_is_a_question() -> None:
    (turn,) = written(message("user", IMAGE))["additional_messages"]
    assert msgspec.json.decode(turn["content"]) == [{"type": "image", "file_url": "https://x.test/a.png"}]


def test_images_that_a_tool_shows_are_kept() -> None:
    result = ToolResult(call_id="c", name="shot", parts=(Text(text="here"), IMAGE))
    body = written(message("user", "Go"), message("assistant", ToolCall(id="c", name="shot")), message("tool", result))
    content = msgspec.json.decode(body["additional_messages"][-1]["content"])
    assert content == [
        {"type": "text", "text": "[shot: here]"},
        {"type": "image", "file_url": "https://x.test/a.png"},
    ]


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param((message("user", File(kind="image", media_type="image/png", data="AA==")),), id="inline-image"),
        pytest.param((message("system", "x"),), id="system-only"),
        pytest.param((message("user", "x"), message("assistant", ToolCall(id="c", name="t"))), id="C10-open-call"),
    ],
)
def test_what_cannot_be_said(messages: tuple[Message, ...]) -> None:
    with pytest.raises(BadRequest) as caught:
        written(*messages)
    assert (caught.value.param or "").startswith("messages")


def test_who_asks() -> None:
    target = Target(model="bot-1", stream=False, options={"user_id": "ops"})
    assert written(message("user", "x"), target=target)["user_id"] == "ops"
    body = written(message("user", "x"), target=target, user="u1", metadata={"a": "b"}, others={"custom_variables": {}})
    assert (body["user_id"], body["bot_id"], body["stream"]) == ("u1", "1", True)
    assert (body["meta_data"], body["custom_variables"]) == ({"a": "b"}, {})


def test_what_is_left_out_is_told() -> None:
    chat = Chat(
        model="m",
        messages=(message("user", "x"),),
        tools=(Tool(name="t"),),
        temperature=1,
        user="u",
        metadata={"deep": {}},
        others={"conversation_id": "1", "parameters": {}},
    )
    assert COZE.write(chat, TARGET).dropped == ("tools", "temperature", "metadata", "conversation_id")


# --- answers ----------------------------------------------------------------------------------------------------------


def frames(*events: tuple[str, object]) -> bytes:
    return b"".join(b"event:%s\ndata:%s\n\n" % (name.encode(), msgspec.json.encode(data)) for name, data in events)


def chat_event(status: str, **fields: object) -> tuple[str, object]:
    chat = {"id": "73821", "conversation_id": "9", "bot_id": "7", "created_at": 1718792949, "status": status}
    chat |= {"last_error": {"code": 0, "msg": ""}, "usage": {"token_count": 0, "output_count": 0, "input_count": 0}}
    return f"conversation.chat.{status}", chat | fields


def said(text: str | None, kind: str = "answer", event: str = "delta", **fields: object) -> tuple[str, object]:
    data = {"id": "m1", "role": "assistant", "type": kind, "content": text, "content_type": "text", "chat_id": "73821"}
    return f"conversation.message.{event}", data | fields


USAGE = {"token_count": 633, "output_count": 19, "input_count": 614}
BEGIN = (chat_event("created"), chat_event("in_progress"))
END: tuple[tuple[str, object], ...] = (chat_event("completed", usage=USAGE), ("done", "[DONE]"))
STARTED = Started(id="73821", model=TARGET.model, created=1718792949)
STREAM = frames(
    *BEGIN,
    said("", reasoning_content="Octo"),
    said(None, reasoning_content="ber"),
    said("星期"),
    ("conversation.audio.delta", {"content": "AAAA"}),
    said("三。"),
    said("星期三。", event="completed"),
    said('{"msg_type":"generate_answer_finish"}', kind="verbose", event="completed", id="m2"),
    said("More?", kind="follow_up", event="completed", id="m3"),
    *END,
)


def decoded(stream: bytes) -> list[Event]:
    return fed(COZE.decoder(TARGET), [stream])


def test_a_stream_in_all_pieces() -> None:
    assert same_in_all_pieces(lambda: COZE.decoder(TARGET), STREAM) == [
        STARTED,
        ReasoningDelta("October"),
        ReasoningEnded(),
        TextDelta("星期三。"),
        Finished(reason="stop"),
        Usage(input=614, output=19),
        Ended(),
    ]


def test_a_stream_is_whole_at_its_end_only() -> None:
    decoder = COZE.decoder(TARGET)
    cut = STREAM.index(b"event:conversation.chat.completed")
    decoder.feed(STREAM[:cut])
    assert not decoder.whole
    decoder.feed(STREAM[cut:])
    assert decoder.whole


def test_an_answer_collected() -> None:
    answer = collect(COZE.decode(STREAM, TARGET))
    assert answer.choices[0].text == "星期三。"
    assert answer.usage == Usage(input=614, output=19)


def test_a_message_that_comes_at_once() -> None:
    assert decoded(frames(*BEGIN, said("Hi", event="completed", reasoning_content="hm"), *END))[:4] == [
        STARTED,
        ReasoningDelta("hm"),
        ReasoningEnded(),
        TextDelta("Hi"),
    ]


def test_a_message_of_parts() -> None:
    parts = msgspec.json.encode([{"type": "text", "text": "See"}, {"type": "image", "file_url": IMAGE.url}, {}])
    events = decoded(frames(said(parts.decode(), event="completed", content_type="object_string"), *END))
    assert events[:3] == [Started(model=TARGET.model), TextDelta("See"), FileMade(IMAGE)]


@pytest.mark.parametrize("kind", ["card", "audio"])
def test_content_that_is_no_text_is_passed_over(kind: str) -> None:
    stream = frames(said("{}", content_type=kind), said("{}", event="completed", content_type=kind), *END)
    assert not [event for event in decoded(stream) if isinstance(event, TextDelta)]


@pytest.mark.parametrize(
    ("stream", "status", "code"),
    [
        (frames(*BEGIN, chat_event("failed", last_error={"code": 4013, "msg": "model"})), 502, "4013"),
        (frames(*BEGIN, chat_event("failed", last_error=None)), 502, "upstream_refused"),
        (frames(("error", {"code": 4000, "msg": "bad"})), 400, "4000"),
        (frames(("error", {"code": 5000, "msg": "oh"})), 502, "5000"),
        (frames(*BEGIN, chat_event("requires_action")), 422, "upstream_refused"),
        (b'{"code":4100,"msg":"authentication is invalid"}', 401, "4100"),
        (b'{"code":4008,"msg":"limit"}\n', 429, "4008"),
    ],
)
def test_errors_within_an_answer(stream: bytes, status: int, code: str) -> None:
    decoder = COZE.decoder(TARGET)
    last = fed(decoder, [stream, b"\n\n" + frames(*END)])[-1]
    assert isinstance(last, Broken)
    assert (last.error.status, last.error.code) == (status, code)
    assert decoder.whole


@pytest.mark.parametrize(
    "stream",
    [
        b"event:conversation.chat.created\ndata:{\n\n",
        b"event:conversation.message.delta\ndata:[]\n\n",
        b"event:conversation.chat.completed\ndata:" + b"[" * 100_000 + b"\n\n",
        b'event:conversation.message.delta\ndata:{"content":"\xff"}\n\n',
    ],
)
def test_malformed_streams(stream: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        decoded(stream)


def test_an_answer_that_only_began_is_malformed() -> None:
    with pytest.raises(MalformedAnswerError):
        COZE.decode(frames(*BEGIN), TARGET)


def test_counts_that_cannot_be_are_none() -> None:
    usage = {"token_count": 1, "output_count": -1, "input_count": 2}
    assert not [event for event in decoded(frames(chat_event("completed", usage=usage))) if isinstance(event, Usage)]


@pytest.mark.parametrize(
    ("status", "body", "seen"),
    [
        (200, b'{"code":4100,"msg":"x"}', 401),
        (401, b'{"code":700012006,"msg":"access token invalid"}', 401),
        (500, b'{"code":1,"msg":"x"}', 500),
        (400, b'{"code":"4100","msg":"x"}', 401),
        (400, '{"code":"²","msg":"x"}'.encode(), 400),
        (400, b'{"code":"%b","msg":"x"}' % (b"9" * 5000), 400),
        (502, b"<html>", 502),
    ],
)
def test_refusals(status: int, body: bytes, seen: int) -> None:
    assert COZE.refusal(status, body).status == seen
