"""What Ollama's servers answer, whole and as lines, as neutral events; embeddings on the upstream side."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from oneapi_asgi.errors import BadRequest, UpstreamFailed, UpstreamRefused
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import File, Target
from oneapi_asgi.wire.dialect import MalformedAnswerError
from oneapi_asgi.wire.events import (
    Broken,
    Ended,
    Event,
    FileMade,
    Finished,
    FinishReason,
    Probabilities,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolDelta,
    ToolEnded,
    ToolStarted,
    collect,
)
from oneapi_asgi.wire.ollama.format import OLLAMA
from oneapi_asgi.wire.sse import EventTooLargeError
from oneapi_asgi.wire.tasks import Embed, Embedded

from .pieces import fed, same_in_all_pieces

TARGET = Target(model="llama", stream=True)
STAMP = "2023-08-04T19:22:45.499127123Z"
CREATED = 1_691_176_965


def line(done: bool = False, **fields: object) -> bytes:
    return msgspec.json.encode({"model": "llama", "created_at": STAMP, "done": done, **fields}) + b"\n"


def said(content: str | None = "", **message: object) -> bytes:
    return line(message={"role": "assistant", "content": content, **message})


def end(reason: str | None = "stop", content: str = "", **more: object) -> bytes:
    counts = {"total_duration": 1, "prompt_eval_count": 26, "eval_count": 9}
    return line(True, message={"role": "assistant", "content": content}, done_reason=reason, **{**counts, **more})


def called(name: str, arguments: object, **more: object) -> dict[str, object]:
    return {"function": {"name": name, "arguments": arguments}, **more}


COUNTED = Usage(input=26, output=9)
START = Started(created=CREATED)
TOKEN = {"token": "a", "logprob": -1.5, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -2}]}

STREAMS: dict[str, tuple[bytes, list[Event]]] = {
    "text": (
        said("Grüß ") + said("👋\u2028\x85") + end(),
        [START, TextDelta("Grüß 👋\u2028\x85"), COUNTED, Finished(reason="stop"), Ended()],
    ),
    "thoughts": (
        said(thinking="Hm") + said(thinking="m.") + said("Yes.") + end("length"),
        [START, ReasoningDelta("Hmm."), TextDelta("Yes."), COUNTED, Finished(reason="length"), Ended()],
    ),
    "C67-calls": (
        said(tool_calls=[called("weather", {"city": "Oslo"}, id="c1")])
        + said(tool_calls=[called("time", None, id="c2"), called("text", '{"a": 1}', id="c3")])
        + end(),
        [
            START,
            ToolStarted(index=0, id="c1", name="weather"),
            ToolDelta(0, '{"city":"Oslo"}'),
            ToolEnded(0),
            ToolStarted(index=1, id="c2", name="time"),
            ToolEnded(1),
            ToolStarted(index=2, id="c3", name="text"),
            ToolDelta(2, '{"a": 1}'),
            ToolEnded(2),
            COUNTED,
            Finished(reason="tool_calls"),
            Ended(),
        ],
    ),
    "probabilities": (
        line(message={"content": "a"}, logprobs=[TOKEN]) + end(logprobs=[]),
        [
            START,
            TextDelta("a"),
            Probabilities(({**TOKEN, "top_logprobs": [{"token": "b", "logprob": -2.0, "bytes": None}]},)),
            COUNTED,
            Finished(reason="stop"),
            Ended(),
        ],
    ),
    "images": (
        said(images=["iVBORw0KGgo="]) + end(),
        [
            START,
            FileMade(File(kind="image", media_type="image/png", data="iVBORw0KGgo=")),
            COUNTED,
            Finished(reason="stop"),
            Ended(),
        ],
    ),
    "links": (
        said(images=["https://a/b.png"]) + end(),
        [
            START,
            FileMade(File(kind="image", url="https://a/b.png")),
            COUNTED,
            Finished(reason="stop"),
            Ended(),
        ],
    ),
    "strange": (
        b"".join(
            (
                b"\r\n \n",
                b'{"message": null, "new": [], "created_at": 7}\r\n',
                b'{"message": {"content": null, "tool_calls": null, "thinking": null}}\r\n',
                b'{"message": {"content": "a", "tool_calls": [{"id": "i"}]}, "done": null}\n',
                b'{"done": true, "done_reason": null}',
            )
        ),
        [
            Started(),
            TextDelta("a"),
            ToolStarted(index=0, id="i", name=""),
            ToolEnded(0),
            Finished(reason="tool_calls"),
            Ended(),
        ],
    ),
}


@pytest.mark.parametrize(("stream", "expected"), STREAMS.values(), ids=STREAMS)
def test_a_stream(stream: bytes, expected: list[Event]) -> None:
    assert same_in_all_pieces(lambda: OLLAMA.decoder(TARGET), stream) == expected


@pytest.mark.parametrize(("stream", "_events"), STREAMS.values(), ids=STREAMS)
def test_a_stream_is_whole_when_it_is_done(stream: bytes, _events: list[Event]) -> None:
    """C65"""
    decoder = OLLAMA.decoder(TARGET)
    fed(decoder, [stream])
    assert decoder.whole
    assert decoder.feed(said("more") + b"nonsense\n") == []
    cut = OLLAMA.decoder(TARGET)
    events = fed(cut, [stream[: stream.rstrip(b"\n").rfind(b"\n") + 1]])
    assert not cut.whole
    assert not [event for event in events if isinstance(event, Finished | Ended | Usage)]


def test_an_error_in_a_stream() -> None:
    """C64"""
    decoder = OLLAMA.decoder(TARGET)
    *events, broken = fed(decoder, [said("Ye") + b'{"error": "secret prose"}\n'])
    assert events == [START, TextDelta("Ye")]
    assert isinstance(broken, Broken)
    assert isinstance(broken.error, UpstreamFailed)
    assert "secret" not in broken.error.message
    assert decoder.whole


@pytest.mark.parametrize(
    ("stream", "name"),
    [
        (end(content="Yes."), "content"),
        (line(True, message={"content": "Hi", "thinking": "Hm."}, done_reason="stop"), "thinking"),
    ],
)
def test_a_whole_answer_is_its_only_line(stream: bytes, name: str) -> None:
    """P2"""
    pretty = msgspec.json.format(stream)
    assert OLLAMA.decode(pretty, TARGET) == OLLAMA.decode(stream, TARGET) == fed(OLLAMA.decoder(TARGET), [stream])


def test_calls_without_ids_get_their_own() -> None:
    body = line(True, message={"tool_calls": [called("t", {}), called("t", {})]}, done_reason="stop")
    (choice,) = collect(OLLAMA.decode(body, TARGET)).choices
    assert len({call.id for call in choice.calls}) == 2
    assert [call.arguments for call in choice.calls] == ["{}", "{}"]
    assert choice.finish == "tool_calls"


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("load", "stop"),
        ("unload", "stop"),
        (None, "stop"),
        ("content_filter", "content_filter"),
        ("error", "error"),
    ],
)
def test_why_it_ended(reason: str | None, finish: FinishReason) -> None:
    assert collect(OLLAMA.decode(end(reason, "a"), TARGET)).choices[0].finish == finish


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({}, COUNTED),
        ({"prompt_eval_count": None}, Usage(output=9)),
        ({"prompt_eval_count": -1, "eval_count": -2}, None),
        ({"prompt_eval_count": 10**30}, None),
        ({"prompt_eval_count": None, "eval_count": None}, None),
    ],
)
def test_counts(counts: dict[str, Any], usage: Usage | None) -> None:
    """P5"""
    assert collect(OLLAMA.decode(end(**counts), TARGET)).usage == usage


@pytest.mark.parametrize(
    "data",
    [b"{", b"\xff", b"[]", b'{"message": 3}', b'{"message": {"content": {}}}', b"[" * 100_000, b"<html>"],
)
def test_nonsense(data: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        OLLAMA.decoder(TARGET).feed(data + b"\n")
    with pytest.raises(MalformedAnswerError):
        OLLAMA.decode(data, TARGET)


def test_an_empty_answer_is_none() -> None:
    with pytest.raises(MalformedAnswerError):
        OLLAMA.decode(b"", TARGET)


def test_a_line_without_end() -> None:
    with pytest.raises(EventTooLargeError):
        OLLAMA.decoder(TARGET).feed(b"x" * (16 * 1024 * 1024 + 1))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": "model not found"}', "model not found"),
        (b'{"message": "no"}', "no"),
        (b'{"error": {"a": 1}}', "The model's server refused this with status 404."),
        (b"404 page not found", "The model's server refused this with status 404."),
        (b"[" * 100_000, "The model's server refused this with status 404."),
    ],
)
def test_a_refusal(body: bytes, message: str) -> None:
    """C57"""
    error = OLLAMA.refusal(404, body)
    assert isinstance(error, UpstreamRefused)
    assert (error.status, error.message) == (404, message)


@pytest.mark.parametrize(
    ("fields", "expected", "dropped"),
    [
        ({}, {}, ()),
        ({"dimensions": 256}, {"dimensions": 256}, ()),
        ({"purpose": "query", "user": "u"}, {}, ("purpose", "user")),
        (
            {"others": {"truncate": True, "keep_alive": "5m", "num_ctx": 9, "x": 1}},
            {"truncate": True, "keep_alive": "5m", "options": {"num_ctx": 9}},
            ("x",),
        ),
    ],
)
def test_embeddings_are_asked_for(fields: dict[str, Any], expected: dict[str, Any], dropped: tuple[str, ...]) -> None:
    request = OLLAMA.write_embed(Embed(model="m", inputs=("a", "b"), **fields), TARGET)
    assert request.body == {"model": "llama", "input": ["a", "b"], **expected}
    assert request.dropped == dropped


def test_tokens_are_no_texts() -> None:
    with pytest.raises(BadRequest, match="tokenized"):
        OLLAMA.write_embed(Embed(model="m", inputs=((1, 2),)), TARGET)


def test_embeddings_are_read() -> None:
    body = b'{"model": "m", "embeddings": [[1, 2.5]], "prompt_eval_count": 4}'
    assert OLLAMA.decode_embed(body) == Embedded(vectors=((1.0, 2.5),), usage=Usage(input=4))
    assert OLLAMA.decode_embed(b'{"embeddings": []}') == Embedded(vectors=())


@pytest.mark.parametrize("body", [b"", b"{}", b'{"embeddings": [["a"]]}'])
def test_nonsense_for_embeddings(body: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        OLLAMA.decode_embed(body)
