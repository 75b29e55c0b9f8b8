"""Dify: requests as POST /chat-messages has them, and its answers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import Chat, File, Message, Target, Text, Tool
from oneapi_asgi.wire.dialect import MalformedAnswerError, UpstreamDialect
from oneapi_asgi.wire.dify import DIFY
from oneapi_asgi.wire.events import (
    Broken,
    Citation,
    Cited,
    Ended,
    Event,
    FileMade,
    Finished,
    ReasoningDelta,
    ReasoningEnded,
    Started,
    TextDelta,
)
from oneapi_asgi.wire.operations import Operation

from .pieces import fed, same_in_all_pieces

TARGET = Target(model="support", stream=True)
USER = Message(role="user", parts=(Text(text="Hi"),))
ANSWER = Message(role="assistant", parts=(Text(text="Hello"),))


def written(*messages: Message, target: Target = TARGET, **fields: Any) -> dict[str, Any]:
    return DIFY.write(Chat(model="m", messages=messages, **fields), target).body


def test_it_is_an_upstream_dialect() -> None:
    dialect: UpstreamDialect = DIFY
    assert dialect.path(Operation(name="chat", task="chat"), "x", stream=True) == "/chat-messages"
    assert dialect.path(Operation(name="images", task="images"), "x", stream=False) is None


# --- requests ---------------------------------------------------------------------------------------------------------


def test_a_question() -> None:
    assert written(USER) == {"inputs": {}, "query": "Hi", "response_mode": "streaming", "user": "oneapi"}
    target = Target(model="support", stream=False, options={"user_id": "ops"})
    assert written(USER, target=target) == {"inputs": {}, "query": "Hi", "response_mode": "blocking", "user": "ops"}
    assert written(USER, user="u")["user"] == "u"


def test_a_conversation_is_told_as_one_question() -> None:
    assert written(USER, ANSWER, USER)["query"] == "User: Hi\n\nAssistant: Hello\n\nUser: Hi"


def test_a_conversation_that_goes_on_there_is_not_told_again() -> None:
    body = written(USER, ANSWER, USER, others={"conversation_id": "c", "inputs": {"city": "Rome"}})
    assert (body["query"], body["conversation_id"], body["inputs"]) == ("Hi", "c", {"city": "Rome"})
    assert written(USER, others={"conversation_id": "c"})["query"] == "Hi"


def test_files_go_by_url_or_id() -> None:
    parts = (Text(text="Look"), File(kind="image", url="https://x.test/a.png"), File(kind="audio", file_id="7"))
    assert written(Message(role="user", parts=parts))["files"] == [
        {"type": "image", "transfer_method": "remote_url", "url": "https://x.test/a.png"},
        {"type": "audio", "transfer_method": "local_file", "upload_file_id": "7"},
    ]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(Message(role="system", parts=(Text(text="x"),)), id="system-only"),
        pytest.param(
            Message(role="user", parts=(Text(text="x"), File(kind="image", media_type="image/png", data="AA=="))),
            id="inline-image",
        ),
    ],
)
def test_what_cannot_be_said(message: Message) -> None:
    with pytest.raises(BadRequest):
        written(message)


def test_what_is_left_out_is_told() -> None:
    chat = Chat(
        model="m",
        messages=(USER,),
        tools=(Tool(name="t"),),
        max_output=5,
        user="u",
        others={"inputs": {}, "store": True},
    )
    assert DIFY.write(chat, TARGET).dropped == ("tools", "max_output", "store")


# --- answers ----------------------------------------------------------------------------------------------------------


def frames(*data: dict[str, object]) -> bytes:
    return b"".join(b"data: %s\n\n" % msgspec.json.encode(one) for one in data)


def event(name: str, **fields: object) -> dict[str, object]:
    return {
        "event": name,
        "task_id": "t",
        "message_id": "m1",
        "conversation_id": "c",
        "created_at": 1705398420,
    } | fields


STARTED = Started(id="m1", model="support", created=1705398420)
USAGE = {"prompt_tokens": 1033, "prompt_unit_price": "0.001", "completion_tokens": 135, "total_tokens": 1168}
RESOURCE = {"position": 1, "document_name": "iPhone List", "content": "Model", "score": 0.98}
END = event("message_end", metadata={"usage": USAGE, "retriever_resources": [RESOURCE]})
FINISHED = event("workflow_finished", data={"status": "succeeded", "outputs": {}, "total_tokens": 3})
CHATFLOW = (
    frames(event("workflow_started", data={"id": "w", "inputs": {}}), event("node_started", data={"index": 1}))
    + b"event: ping\n\n"
    + frames(
        event("reasoning_chunk", data={"reasoning": "Well, ", "node_id": "n", "is_final": False}),
        event("reasoning_chunk", data={"reasoning": "yes", "node_id": "n", "is_final": False}),
        event("reasoning_chunk", data={"reasoning": "", "node_id": "n", "is_final": True}),
        event("message", answer="Héllo"),
        event("message", answer=" there"),
        event("message_file", id="f", type="image", belongs_to="assistant", url="https://x.test/a.png"),
        event("message_file", id="g", type="image", belongs_to="user", url="https://x.test/b.png"),
        event("agent_log", data=["odd"], message={"odd": 1}),
        END,
        FINISHED,
        event("tts_message_end", audio=""),
    )
)
TOLD: list[Event] = [
    Cited(Citation(title="iPhone List", quote="Model")),
    Finished(reason="stop"),
    Usage(input=1033, output=135),
    Ended(),
]


def decoded(stream: bytes) -> list[Event]:
    return fed(DIFY.decoder(TARGET), [stream])


def test_a_chatflow_in_all_pieces() -> None:
    assert same_in_all_pieces(lambda: DIFY.decoder(TARGET), CHATFLOW) == [
        STARTED,
        ReasoningDelta("Well, yes"),
        ReasoningEnded(),
        TextDelta("Héllo there"),
        FileMade(File(kind="image", url="https://x.test/a.png")),
        *TOLD,
    ]


def test_an_agent_repeats_itself_at_the_end() -> None:
    stream = frames(
        event("agent_thought", thought="", tool="search", observation="x"),
        event("agent_message", answer="It is "),
        event("agent_message", answer="noon"),
        event("message", answer="It is noon"),
        END,
    )
    assert same_in_all_pieces(lambda: DIFY.decoder(TARGET), stream) == [STARTED, TextDelta("It is noon"), *TOLD]


def test_an_answer_at_once_is_the_same_as_a_stream() -> None:
    body = event("message", mode="chat", answer="Héllo there", metadata=END["metadata"])
    whole = DIFY.decode(msgspec.json.encode(body), TARGET)
    assert whole == [STARTED, TextDelta("Héllo there"), *TOLD]
    untold = DIFY.decode(b'{"answer":"Hi","metadata":null}', TARGET)
    assert untold == [Started(model="support"), TextDelta("Hi"), Finished(reason="stop"), Ended()]


def test_moderation_takes_an_answer_back() -> None:
    replaced = frames(event("message_replace", answer="I cannot say."), event("message_end"))
    assert decoded(replaced) == [STARTED, TextDelta("I cannot say."), Finished(reason="content_filter"), Ended()]
    after = frames(
        event("message", answer="Bad"), event("message_replace", answer="I cannot say."), event("message_end")
    )
    assert decoded(after) == [STARTED, TextDelta("Bad"), Finished(reason="content_filter"), Ended()]


def test_an_answer_without_words() -> None:
    stream = frames(event("message", answer=""), FINISHED, event("message_end", metadata=None))
    assert decoded(stream) == [STARTED, Finished(reason="stop"), Ended()]


def test_a_stream_is_whole_at_its_end_only() -> None:
    decoder = DIFY.decoder(TARGET)
    decoder.feed(frames(event("message", answer="Hi")))
    assert not decoder.whole
    assert decoder.finish() == []
    assert not decoder.whole
    decoder.feed(frames(event("message_end")) + b"data: [DONE]\n\n")
    assert decoder.whole


FAILED = event("workflow_finished", data={"status": "failed", "error": "node broke"})


@pytest.mark.parametrize(
    ("stream", "status", "code", "message"),
    [
        (
            frames(event("message", answer="Hi"), event("error", status=400, code="invalid_param", message="no")),
            400,
            "invalid_param",
            "no",
        ),
        (
            frames(FAILED, event("error", status=500, code="completion_request_error")),
            500,
            "completion_request_error",
            "",
        ),
        (frames(FAILED), 502, "upstream_refused", "node broke"),
        (
            frames(event("workflow_finished", data={"status": "stopped"})),
            502,
            "upstream_refused",
            "The workflow has stopped.",
        ),
        (frames(event("workflow_paused", data={"reasons": []})), 422, "upstream_refused", ""),
    ],
)
def test_errors_within_an_answer(stream: bytes, status: int, code: str, message: str) -> None:
    decoder = DIFY.decoder(TARGET)
    last = fed(decoder, [stream])[-1]
    assert isinstance(last, Broken)
    assert (last.error.status, last.error.code) == (status, code)
    assert message in last.error.message
    assert decoder.whole


def test_an_error_at_once() -> None:
    (event,) = DIFY.decode(b'{"code":"not_chat_app","message":"x","status":400}', TARGET)
    assert isinstance(event, Broken)
    assert (event.error.status, event.error.code) == (400, "not_chat_app")


@pytest.mark.parametrize(
    "stream",
    [b"data: {\n\n", b"data: 7\n\n", b'data: {"event":"message","answer":7}\n\n', b"data: " + b"[" * 100_000 + b"\n\n"],
)
def test_malformed_streams(stream: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        decoded(stream)
    with pytest.raises(MalformedAnswerError):
        DIFY.decode(b"<html>", TARGET)


def test_refusals() -> None:
    error = DIFY.refusal(429, b'{"code":"too_many_requests","message":"slow down","status":429}')
    assert (error.status, error.code, error.message) == (429, "too_many_requests", "slow down")
