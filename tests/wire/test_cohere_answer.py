"""What Cohere's servers answer, whole and as a stream, as neutral events."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from oneapi_asgi.errors import UpstreamFailed, UpstreamRefused, UpstreamTimeout
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import Target
from oneapi_asgi.wire.cohere.format import COHERE
from oneapi_asgi.wire.dialect import MalformedAnswerError
from oneapi_asgi.wire.events import (
    Broken,
    Citation,
    Cited,
    Ended,
    Event,
    Finished,
    FinishReason,
    Probabilities,
    ReasoningDelta,
    ReasoningEnded,
    Started,
    TextDelta,
    ToolDelta,
    ToolEnded,
    ToolStarted,
    collect,
)

from .pieces import fed, same_in_all_pieces

TARGET = Target(model="command-a", stream=True)
USED = {
    "billed_units": {"input_tokens": 50, "output_tokens": 26},
    "tokens": {"input_tokens": 793.0, "output_tokens": 61.0},
    "cached_tokens": 176,
}
COUNTED = Usage(input=793, output=61, cache_read=176)
EMPTY = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
DONE = b"data: [DONE]\n\n"


def event(kind: str, message: object = None, **fields: object) -> bytes:
    delta = {} if message is None else {"delta": {"message": message}}
    return f"event: {kind}\ndata: ".encode() + msgspec.json.encode({"type": kind, **delta, **fields}) + b"\n\n"


def end(reason: str, **more: object) -> bytes:
    return event("message-end", delta={"finish_reason": reason, "usage": USED, **more}) + DONE


START = event("message-start", EMPTY, id="5c1f")


def content(text: str, kind: str = "text", index: int = 0) -> bytes:
    return event("content-delta", {"content": {kind: text}}, index=index)


def block(kind: str, *texts: str, index: int = 0) -> bytes:
    start = event("content-start", {"content": {"type": kind, kind: ""}}, index=index)
    return start + b"".join(content(text, kind, index) for text in texts) + event("content-end", index=index)


def call(index: int, name: str, *arguments: str, call_id: str | None = None) -> bytes:
    told = {"id": call_id or f"{name}_id", "type": "function", "function": {"name": name, "arguments": ""}}
    start = event("tool-call-start", {"tool_calls": told}, index=index)
    deltas = [
        event("tool-call-delta", {"tool_calls": {"function": {"arguments": piece}}}, index=index) for piece in arguments
    ]
    return start + b"".join(deltas) + event("tool-call-end", index=index)


CITATION = {
    "start": 0,
    "end": 4,
    "text": "Grüß",
    "type": "TEXT_CONTENT",
    "sources": [
        {
            "type": "document",
            "id": "d1",
            "document": {"id": "d1", "title": "T", "url": "https://a.example", "text": "S"},
        },
        {"type": "tool", "id": "t:1", "tool_output": {"x": 1}},
    ],
}

STREAMS: dict[str, tuple[bytes, list[Event]]] = {
    "text": (
        START + block("text", "Grüß", " 👋\u2028") + end("COMPLETE"),
        [Started(id="5c1f"), TextDelta("Grüß 👋\u2028"), COUNTED, Finished(reason="stop"), Ended()],
    ),
    "thoughts": (
        START + block("thinking", "Hm", "m.") + block("text", "Yes.", index=1) + end("MAX_TOKENS"),
        [
            Started(id="5c1f"),
            ReasoningDelta("Hmm."),
            ReasoningEnded(),
            TextDelta("Yes."),
            COUNTED,
            Finished(reason="length"),
            Ended(),
        ],
    ),
    "C48-C61-calls": (
        START
        + event("tool-plan-delta", {"tool_plan": "I "})
        + event("tool-plan-delta", {"tool_plan": "ask."})
        + call(1, "weather", '{\n    "city":', ' "Oslo"\n}')
        + call(2, "time")
        + end("TOOL_CALL"),
        [
            Started(id="5c1f"),
            ReasoningDelta("I ask."),
            ToolStarted(index=0, id="weather_id", name="weather"),
            ToolDelta(0, '{\n    "city":'),
            ToolDelta(0, ' "Oslo"\n}'),
            ToolEnded(0),
            ToolStarted(index=1, id="time_id", name="time"),
            ToolEnded(1),
            COUNTED,
            Finished(reason="tool_calls"),
            Ended(),
        ],
    ),
    "citations": (
        START
        + event("content-start", {"content": {"type": "text", "text": ""}}, index=0)
        + content("Grüß")
        + event("citation-start", {"citations": CITATION}, index=0)
        + event("citation-end", index=0)
        + event("citation-start", {"citations": {**CITATION, "type": "PLAN"}}, index=1)
        + event("content-end", index=0)
        + end("STOP_SEQUENCE"),
        [
            Started(id="5c1f"),
            TextDelta("Grüß"),
            Cited(Citation(url="https://a.example", title="T", quote="S", start=0, end=4)),
            Cited(Citation(start=0, end=4)),
            COUNTED,
            Finished(reason="stop"),
            Ended(),
        ],
    ),
    "probabilities": (
        START
        + event(
            "content-delta",
            {"content": {"text": "ab"}},
            logprobs={"text": "ab", "token_ids": [1, 2], "logprobs": [-1, -2]},
        )
        + end("COMPLETE"),
        [
            Started(id="5c1f"),
            TextDelta("ab"),
            Probabilities(({"token": "ab", "logprob": -3.0, "bytes": None, "top_logprobs": []},)),
            COUNTED,
            Finished(reason="stop"),
            Ended(),
        ],
    ),
    "C63-strange": (
        b": ping\r\n\r\nevent: ping\r\ndata: {}\r\n\r\n"
        + event("message-start", None, id=None, delta=None)
        + event("debug", prompt=["?"], delta=7)
        + event("content-delta", {"content": "a"})
        + event("content-delta", {"content": [{"text": "b", "new": 1}]})
        + event("content-delta", {"content": None})
        + event("content-delta", None)
        + event("tool-call-start", {"tool_calls": [{"id": "i", "function": {"name": None, "arguments": {"a": 1}}}]})
        + event("tool-call-delta", {"tool_calls": [{"function": None}, {"function": {"arguments": ""}}]})
        + event("tool-call-end")
        + event("tool-plan-delta", {"tool_plan": None})
        + event("message-end", delta={"finish_reason": "NEW", "usage": None}).rstrip(b"\n"),
        [
            Started(),
            TextDelta("ab"),
            ToolStarted(index=0, id="i", name=""),
            ToolDelta(0, '{"a":1}'),
            ToolEnded(0),
            Finished(reason="stop"),
            Ended(),
        ],
    ),
    "C64-error": (
        START + block("text", "Ye") + event("message-end", delta={"finish_reason": "ERROR", "error": "secret prose"}),
        [Started(id="5c1f"), TextDelta("Ye"), Broken(UpstreamFailed("x"))],
    ),
    "error-body": (
        START + b'data: {"message": "internal error", "id": "1"}\n\n',
        [Started(id="5c1f"), Broken(UpstreamFailed("x"))],
    ),
}


def comparable(events: list[Event]) -> list[Event | type[Exception]]:
    return [type(event.error) if isinstance(event, Broken) else event for event in events]


@pytest.mark.parametrize(("stream", "expected"), STREAMS.values(), ids=STREAMS)
def test_a_stream(stream: bytes, expected: list[Event]) -> None:
    whole = fed(COHERE.decoder(TARGET), [stream])
    same = [event for event in whole if not isinstance(event, Broken)] == whole
    events = same_in_all_pieces(lambda: COHERE.decoder(TARGET), stream) if same else whole
    assert comparable(events) == comparable(expected)


@pytest.mark.parametrize(("stream", "_events"), STREAMS.values(), ids=STREAMS)
def test_a_stream_is_whole_at_its_terminator_alone(stream: bytes, _events: list[Event]) -> None:
    """C65"""
    decoder = COHERE.decoder(TARGET)
    decoder.feed(stream)
    decoder.finish()
    assert decoder.whole
    ends = max(stream.rfind(b"event: message-end"), stream.rfind(b'data: {"message"'))
    cut = COHERE.decoder(TARGET)
    events = fed(cut, [stream[:ends]])
    assert not cut.whole
    assert not [event for event in events if isinstance(event, Finished | Ended | Broken)]


def test_nothing_follows_the_end() -> None:
    decoder = COHERE.decoder(TARGET)
    assert decoder.feed(START + end("COMPLETE"))
    assert decoder.feed(content("more") + b"data: nonsense\n\n") == []
    assert decoder.finish() == []


@pytest.mark.parametrize(
    "data",
    [
        b"data: {\n\n",
        b"data: \xff\n\n",
        b"data: []\n\n",
        event("content-delta", {"content": {"text": 3}}),
        event("tool-call-delta", {"tool_calls": {"function": {"arguments": "{"}}}, index=0),
        event("tool-call-end", index=0),
        b"data: " + b"[" * 100_000 + b"\n\n",
        b'data: {"type": "content-delta", "delta": ' + b"[" * 100_000 + b"\n\n",
    ],
)
def test_nonsense_in_a_stream(data: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        COHERE.decoder(TARGET).feed(data)


def whole(message: object, reason: str | None = "COMPLETE", **more: object) -> bytes:
    return msgspec.json.encode({"id": "5c1f", "message": message, "finish_reason": reason, "usage": USED, **more})


MESSAGES: dict[str, tuple[str, bytes]] = {
    "text": ("text", whole({"role": "assistant", "content": [{"type": "text", "text": "Grüß 👋\u2028"}]})),
    "thoughts": (
        "thoughts",
        whole(
            {"content": [{"type": "thinking", "thinking": "Hmm."}, {"type": "text", "text": "Yes."}]},
            "MAX_TOKENS",
        ),
    ),
    "calls": (
        "C48-C61-calls",
        whole(
            {
                "tool_plan": "I ask.",
                "content": None,
                "tool_calls": [
                    {"id": "weather_id", "function": {"name": "weather", "arguments": '{\n    "city": "Oslo"\n}'}},
                    {"id": "time_id", "function": {"name": "time", "arguments": ""}},
                ],
            },
            "TOOL_CALL",
        ),
    ),
    "citations": (
        "citations",
        whole({"content": [{"type": "text", "text": "Grüß"}], "citations": [CITATION]}, "STOP_SEQUENCE"),
    ),
    "probabilities": (
        "probabilities",
        whole(
            {"content": "ab"}, logprobs=[{"text": "ab", "token_ids": [1, 2], "logprobs": [-1, -2]}, {"token_ids": []}]
        ),
    ),
}


@pytest.mark.parametrize(("name", "body"), MESSAGES.values(), ids=MESSAGES)
def test_a_whole_answer_is_as_its_stream(name: str, body: bytes) -> None:
    """P2"""
    assert collect(COHERE.decode(body, TARGET)) == collect(STREAMS[name][1])


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("TOOL_CALL", "tool_calls"),
        ("ERROR_TOXIC", "content_filter"),
        ("ERROR_LIMIT", "length"),
        ("SOMETHING", "stop"),
    ],
)
def test_why_it_ended(reason: str, finish: FinishReason) -> None:
    events = COHERE.decode(whole({"content": []}, reason), TARGET)
    assert events == [Started(id="5c1f"), COUNTED, Finished(reason=finish), Ended()]


@pytest.mark.parametrize(("reason", "error"), [("ERROR", UpstreamFailed), ("TIMEOUT", UpstreamTimeout)])
def test_an_answer_that_failed(reason: str, error: type[Exception]) -> None:
    *_, usage, broken = COHERE.decode(whole({"content": [{"text": "Ye"}]}, reason), TARGET)
    assert usage == COUNTED
    assert isinstance(broken, Broken)
    assert type(broken.error) is error


def test_an_error_with_a_status_of_success() -> None:
    (broken,) = COHERE.decode(b'{"message": "secret prose"}', TARGET)
    assert isinstance(broken, Broken)
    assert "secret" not in broken.error.message


def test_a_call_without_an_id_gets_one() -> None:
    body = whole({"tool_calls": [{"function": {"name": "t"}}, {"id": "", "function": None}]}, "TOOL_CALL")
    ids = [event.id for event in COHERE.decode(body, TARGET) if isinstance(event, ToolStarted)]
    assert len(set(ids)) == 2
    assert all(len(call_id) == 29 for call_id in ids)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"{}", b'{"message": 3}', b'{"id":' + b"[" * 100_000])
def test_nonsense_for_an_answer(body: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        COHERE.decode(body, TARGET)


@pytest.mark.parametrize(
    ("used", "usage"),
    [
        ({"tokens": {"input_tokens": 5, "output_tokens": 2}}, Usage(input=5, output=2)),
        ({"billed_units": {"input_tokens": 5}}, Usage(input=5)),
        ({"tokens": {"input_tokens": 5, "output_tokens": -2}, "cached_tokens": 9}, Usage(input=5, cache_read=5)),
        ({"tokens": {"input_tokens": 1e300}}, None),
        ({}, None),
        (None, None),
    ],
)
def test_counts(used: Any, usage: Usage | None) -> None:
    """C54, P5"""
    body = msgspec.json.encode({"message": {"content": "a"}, "finish_reason": "COMPLETE", "usage": used})
    assert collect(COHERE.decode(body, TARGET)).usage == usage


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"id": "1", "message": "too many tokens"}', "too many tokens"),
        (b'{"error": "no"}', "no"),
        (b'{"message": {"a": 1}}', "The model's provider refused this with status 422."),
        (b"<html>", "The model's provider refused this with status 422."),
        (b"[" * 100_000, "The model's provider refused this with status 422."),
    ],
)
def test_a_refusal(body: bytes, message: str) -> None:
    """C57, C58"""
    error = COHERE.refusal(422, body)
    assert isinstance(error, UpstreamRefused)
    assert (error.status, error.message) == (422, message)


def test_c57_too_long_a_conversation() -> None:
    body = b'{"message": "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292."}'
    assert COHERE.refusal(400, body).code == "context_length_exceeded"
    assert COHERE.refusal(429, body).code != "context_length_exceeded"
