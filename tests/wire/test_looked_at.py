"""Streams that pass untouched in formats other than OpenAI's: events, lines and arrays."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.errors import UpstreamFailed
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import Target
from oneapi_asgi.wire.dialect import MalformedAnswerError
from oneapi_asgi.wire.dialects import CLIENTS, UPSTREAMS
from oneapi_asgi.wire.looked_at import LookedAt
from oneapi_asgi.wire.passage import MAX_HELD, Told
from oneapi_asgi.wire.sse import MAX_EVENT, EventTooLargeError
from oneapi_asgi.wire.watch import Watch

from .streams import event

TARGET = Target(model="m", stream=True)
CUT = UpstreamFailed("It was cut.", code="upstream_cut")
USAGE = {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7}


def looked_at(name: str, content_type: str, *, stream: bool = True) -> LookedAt:
    dialect = UPSTREAMS[name]

    def told(body: bytes) -> Told:
        watch = Watch()
        try:
            watch.see(dialect.decode(body, TARGET))
        except MalformedAnswerError:
            return Told(body)
        return Told(body, watch.usage, watch.failed)

    form = LookedAt(dialect.decoder(TARGET), told, stream=stream)
    assert form.streams(content_type) is stream
    return form


def fed(form: LookedAt, chunks: Iterable[bytes]) -> bytes:
    out = []
    for chunk in chunks:
        out.append(form.feed(chunk))
        form.count()
    return b"".join([*out, form.finish()])


def says(text: str, **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, **more}], "modelVersion": "m"}


ARRAY = json.dumps(
    [says("Grüß] {"), says(' "Gott,"'), says("", finishReason="STOP") | {"usageMetadata": USAGE}],
    indent=1,
    ensure_ascii=False,
).encode()
LINES = b"".join(
    json.dumps(line).encode() + b"\n"
    for line in (
        {"model": "m", "message": {"role": "assistant", "content": "Hello"}, "done": False},
        {"model": "m", "message": {"role": "assistant", "content": " you"}, "done": False},
        {"model": "m", "done": True, "done_reason": "stop", "prompt_eval_count": 5, "eval_count": 2},
    )
)
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [],
    "stop_reason": None,
}
EVENTS = b"".join(
    event(data, str(data["type"]))
    for data in (
        {"type": "message_start", "message": MESSAGE | {"usage": {"input_tokens": 5, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    )
)
STREAMS: dict[str, tuple[str, str, bytes]] = {
    "array": ("gemini", "application/json", ARRAY),
    "lines": ("ollama", "application/x-ndjson", LINES),
    "events": ("anthropic", "text/event-stream", EVENTS),
}
by_name = pytest.mark.parametrize("name", STREAMS)


@by_name
def test_bytes_pass_whole_and_one_by_one(name: str) -> None:
    dialect, content_type, stream = STREAMS[name]
    for size in (len(stream), 1, 7):
        form = looked_at(dialect, content_type)
        assert fed(form, (stream[at : at + size] for at in range(0, len(stream), size))) == stream
        assert form.whole
        assert not form.reader.failed
        assert form.reader.counts == Usage(input=5, output=2)
        assert form.content_type is None


@settings(max_examples=60)
@given(st.sampled_from(sorted(STREAMS)), st.lists(st.integers(0, 700), max_size=6))
def test_bytes_pass_in_any_pieces(name: str, places: list[int]) -> None:
    dialect, content_type, stream = STREAMS[name]
    form = looked_at(dialect, content_type)
    assert fed(form, (stream[start:end] for start, end in pairwise([0, *sorted(places), len(stream)]))) == stream
    assert form.whole


@by_name
def test_cut_anywhere_it_is_not_whole_and_its_error_can_be_read(name: str) -> None:
    dialect, content_type, stream = STREAMS[name]
    client = CLIENTS[dialect]
    for end in range(1, len(stream) - 1):
        form = looked_at(dialect, content_type)
        given = b"".join(form.feed(stream[at : at + 1]) for at in range(end))
        given += form.finish()
        if form.whole:
            assert END[name] in stream[:end], "it lacks no more than a line end"
            continue
        assert "It was cut." in json.dumps(read(name, given + form.fail(client, CUT))[-1])


END = {"array": b"]\n", "lines": b'"done": true', "events": b'"message_stop"'}


def read(name: str, body: bytes) -> list[Any]:
    """As a client does; it breaks on half a frame."""
    if name == "array":
        found: list[Any] = json.loads(body)
        return found
    if name == "lines":
        return [json.loads(line) for line in body.splitlines()]
    return [json.loads(part.partition(b"data: ")[2]) for part in body.split(b"\n\n") if b"data: " in part]


def test_nothing_is_given_out_before_the_first_content() -> None:
    form = looked_at("gemini", "application/json")
    assert form.feed(b"[" + json.dumps({"modelVersion": "m"}).encode()) == b""
    assert form.feed(b",\n") == b""
    assert form.feed(json.dumps(says("a")).encode()[:-1]) == b""
    assert form.feed(b"}").startswith(b'[{"modelVersion"')
    assert form.feed(b', {"candid') == b",", "and never half an element"


def test_elements_without_content_are_not_held_for_ever() -> None:
    form = looked_at("gemini", "application/json")
    element = b'{"modelVersion":"%b"},' % (b"m" * 1000)
    given = form.feed(b"[") + b"".join(form.feed(element) for _ in range(100))
    assert len(given) >= MAX_HELD
    assert not form.reader.started


@pytest.mark.parametrize(
    ("before", "between"),
    [(b"", b"["), (b"[", b""), (b"[%b", b","), (b"[%b,", b""), (b"[%b, \n", b""), (b"[%b,{", b"")],
)
def test_how_a_broken_array_ends(before: bytes, between: bytes) -> None:
    form = looked_at("gemini", "application/json")
    sent = form.feed(before.replace(b"%b", json.dumps(says("a")).encode())) + form.finish()
    assert not form.whole
    end = form.fail(CLIENTS["gemini"], CUT)
    assert end.startswith(between + b"{")
    assert json.loads(sent + end)[-1]["error"]["message"] == "It was cut."


def test_an_error_as_an_element() -> None:
    form = looked_at("gemini", "application/json")
    given = fed(form, [b'[{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}\n]'])
    assert given.startswith(b'[{"error"')
    assert (form.whole, form.reader.failed) == (True, True)


WHOLE = json.dumps(
    MESSAGE
    | {
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 5, "output_tokens": 2},
    }
).encode()


@pytest.mark.parametrize(
    ("dialect", "body", "usage", "failed"),
    [
        pytest.param("anthropic", WHOLE, Usage(input=5, output=2), False, id="anthropic"),
        pytest.param("anthropic", b" \n" + WHOLE + b"\n", Usage(input=5, output=2), False, id="with spaces"),
        pytest.param("anthropic", b'{"type":"error","error":{"type":"overloaded_error"}}', None, True, id="error"),
        pytest.param(
            "gemini",
            json.dumps(says("a", finishReason="STOP") | {"usageMetadata": USAGE}).encode(),
            Usage(input=5, output=2),
            False,
            id="gemini",
        ),
    ],
)
def test_a_whole_answer_where_a_stream_was_asked_for(
    dialect: str, body: bytes, usage: Usage | None, failed: bool
) -> None:
    for size in (len(body), 1):
        form = looked_at(dialect, "application/json")
        assert fed(form, (body[at : at + size] for at in range(0, len(body), size))) == body
        assert (form.whole, form.reader.failed, form.reader.counts) == (True, failed, usage)


def test_a_whole_answer_that_nobody_can_read_still_costs() -> None:
    form = looked_at("anthropic", "application/json")
    body = json.dumps({"odd": "x" * 400}).encode()
    assert fed(form, [body]) == body
    assert (form.whole, form.reader.failed, form.reader.usage) == (True, False, None)
    assert form.reader.output > 0


def test_half_an_object() -> None:
    form = looked_at("anthropic", "application/json")
    assert fed(form, [WHOLE[:-1]]) == b""
    assert not form.whole


@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson", "text/plain"])
def test_what_is_no_stream(content_type: str) -> None:
    assert not LookedAt(UPSTREAMS["gemini"].decoder(TARGET), Told, stream=False).streams(content_type)


def test_a_last_line_without_its_end() -> None:
    form = looked_at("ollama", "application/jsonl")
    assert fed(form, [LINES[:-1]]) == LINES
    assert form.whole
    form = looked_at("ollama", "application/ndjson")
    assert fed(form, [LINES[:-5]]) == LINES[: LINES.rindex(b"\n", 0, -1) + 1], "half a line is left out"
    assert not form.whole


def test_bounds() -> None:
    form = looked_at("ollama", "application/x-ndjson")
    with pytest.raises(EventTooLargeError, match="a line"):
        form.feed(b"x" * (MAX_EVENT + 1))
    form = looked_at("gemini", "application/json")
    with pytest.raises(EventTooLargeError):
        form.feed(b'["' + b"x" * (MAX_EVENT + 1))


def test_lines_before_the_first_content_are_held() -> None:
    form = looked_at("ollama", "application/x-ndjson")
    assert form.feed(b'{"model":"m","message":{"content":""},"done":false}\n') == b""
    assert form.feed(b'{"model":"m","mess') == b""
    assert form.feed(b'age":{"content":"a"},"done":false}\n').count(b"\n") == 2
