"""Answers in the Responses format, as upstreams give them: whole, and in streams."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.errors import RateLimited, UpstreamFailed, UpstreamRefused
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import File, Reasoning, Refusal, Target, Text, ToolCall
from oneapi_asgi.wire.dialect import MalformedAnswerError
from oneapi_asgi.wire.events import (
    Answer,
    Broken,
    Choice,
    Citation,
    Ended,
    Event,
    Finished,
    ReasoningEnded,
    Started,
    TextDelta,
    ToolEnded,
    ToolStarted,
    collect,
)
from oneapi_asgi.wire.responses.format import RESPONSES
from oneapi_asgi.wire.sealed import Signature
from oneapi_asgi.wire.sse import EventTooLargeError

from .streams import DONE, cut_at, pieces

TARGET = Target(model="gpt-5", stream=True)
COUNTS = {
    "input_tokens": 20,
    "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 4},
    "total_tokens": 29,
}
COUNTED = Usage(input=20, output=9, cache_read=3, cache_write=2, reasoning=4)
URL = {"type": "url_citation", "url": "https://a.b", "title": "A", "start_index": 0, "end_index": 2}
TOKEN = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}

THOUGHT = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "First."}, {"type": "summary_text", "text": "Then."}],
    "encrypted_content": "gAAA",
}
SAID = {
    "id": "msg_1",
    "type": "message",
    "status": "completed",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Hi \u2028é", "annotations": [URL], "logprobs": []}],
}
SECOND = SAID | {"id": "msg_2", "content": [{"type": "output_text", "text": "there", "annotations": [URL]}]}
REFUSED = SAID | {"id": "msg_3", "content": [{"type": "refusal", "refusal": "No."}]}
SCORED = SAID | {"content": [{"type": "output_text", "text": "Hi", "annotations": [], "logprobs": [TOKEN]}]}
CALLED = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"a":1}'}
OTHER = {"id": "fc_2", "type": "function_call", "call_id": "call_2", "name": "g", "arguments": ""}
CUSTOM = {"id": "ctc_1", "type": "custom_tool_call", "call_id": "call_3", "name": "sql", "input": "SELECT 1"}
SEARCHED = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search"}}
DRAWN = {"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "aGk="}


def response(*output: dict[str, Any], **fields: Any) -> dict[str, Any]:
    head = {"id": "resp_1", "object": "response", "created_at": 7.0, "model": "gpt-5-2", "status": "completed"}
    return head | {"output": list(output), "usage": COUNTS, "error": None, "incomplete_details": None} | fields


def frame(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: ".encode() + msgspec.json.encode({"type": kind} | fields) + b"\n\n"


def split(text: str) -> list[str]:
    return [text[:2], text[2:]] if text[2:] else [text]


def told(index: int, item: dict[str, Any]) -> Iterable[bytes]:
    """An item, as it is streamed."""
    place = {"item_id": item["id"], "output_index": index}
    empty: dict[str, Any] = {
        "content": [],
        "summary": [],
        "arguments": "",
        "input": "",
        "encrypted_content": None,
        "result": None,
    }
    yield frame("response.output_item.added", output_index=index, item=item | {k: empty[k] for k in empty if k in item})
    for part, content in enumerate(item.get("content", ())):
        yield frame("response.content_part.added", **place, content_index=part, part={"type": content["type"]})
        kind, text = ("refusal", "refusal") if content["type"] == "refusal" else ("output_text", "text")
        for piece in split(content[text]):
            yield frame(f"response.{kind}.delta", **place, content_index=part, delta=piece)
        for number, annotation in enumerate(content.get("annotations", ())):
            kind = "response.output_text.annotation.added"
            yield frame(kind, **place, content_index=part, annotation_index=number, annotation=annotation)
    for part, content in enumerate(item.get("summary", ())):
        for piece in split(content["text"]):
            yield frame("response.reasoning_summary_text.delta", **place, summary_index=part, delta=piece)
        yield frame("response.reasoning_summary_text.done", **place, summary_index=part, text=content["text"])
    for field, kind in (("arguments", "function_call_arguments"), ("input", "custom_tool_call_input")):
        for piece in split(item.get(field, "")):
            yield frame(f"response.{kind}.delta", **place, delta=piece)
    yield frame("response.output_item.done", output_index=index, item=item)


def stream(whole: dict[str, Any], *, terse: bool = False) -> bytes:
    """What streams to ``whole``; ``terse``: items come when they are done only."""
    start = whole | {"status": "in_progress", "output": [], "usage": None}
    frames = [frame("response.created", response=start), frame("response.in_progress", response=start)]
    for index, item in enumerate(whole["output"]):
        frames += [frame("response.output_item.done", output_index=index, item=item)] if terse else told(index, item)
    return b"".join([*frames, frame(f"response.{whole['status']}", response=whole)])


def fed(*chunks: bytes) -> tuple[list[Event], bool]:
    decoder = RESPONSES.decoder(TARGET)
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return events + decoder.finish(), decoder.whole


def decode(whole: dict[str, Any]) -> list[Event]:
    return RESPONSES.decode(msgspec.json.encode(whole), TARGET)


def choice(*parts: Any, finish: Any = "stop", **fields: Any) -> Choice:
    return Choice(parts=list(parts), finish=finish, **fields)


SIGNED = Reasoning(text="First.\n\nThen.", signature=Signature("responses", "gpt-5", "gAAA"))
CITED = Citation(url="https://a.b", title="A", start=0, end=2)
F, G = ToolCall(id="call_1", name="f", arguments='{"a":1}'), ToolCall(id="call_2", name="g")

ANSWERS = [
    pytest.param(response(), None, id="nothing"),
    pytest.param(response(THOUGHT, SAID), choice(SIGNED, Text(text="Hi \u2028é"), citations=[CITED]), id="C53-text"),
    pytest.param(
        response(SAID, SECOND),
        choice(
            Text(text="Hi \u2028éthere"),
            citations=[CITED, Citation(url="https://a.b", title="A", start=5, end=7)],
        ),
        id="two messages",
    ),
    pytest.param(response(REFUSED), choice(Refusal(text="No.")), id="refusal"),
    pytest.param(response(CALLED, OTHER), choice(F, G, finish="tool_calls"), id="C48-C52-C67-calls"),
    pytest.param(
        response(SEARCHED, CUSTOM),
        choice(ToolCall(id="call_3", name="sql", arguments="SELECT 1", custom=True), finish="tool_calls"),
        id="custom",
    ),
    pytest.param(response(DRAWN), choice(File(kind="image", media_type="image/png", data="aGk=")), id="picture"),
    pytest.param(response(SCORED), choice(Text(text="Hi"), logprobs=[TOKEN]), id="logprobs"),
    pytest.param(
        response({"id": "rs_2", "type": "reasoning", "summary": [], "content": [], "encrypted_content": "x"}),
        choice(Reasoning(signature=Signature("responses", "gpt-5", "x"), redacted=True)),
        id="C40-not shown",
    ),
    pytest.param(
        response(SAID, status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
        choice(Text(text="Hi \u2028é"), citations=[CITED], finish="length"),
        id="C49-length",
    ),
    pytest.param(
        response(SAID, status="incomplete", incomplete_details={"reason": "content_filter"}),
        choice(Text(text="Hi \u2028é"), citations=[CITED], finish="content_filter"),
        id="C49-filter",
    ),
    pytest.param(
        response(SAID, status="incomplete", incomplete_details=None),
        choice(Text(text="Hi \u2028é"), citations=[CITED], finish="length"),
        id="cut for no reason",
    ),
]


def expected(whole: dict[str, Any], answer: Choice | None) -> Answer:
    return Answer(id="resp_1", model="gpt-5-2", created=7, choices=[answer or choice()], usage=COUNTED)


@pytest.mark.parametrize(("whole", "answer"), ANSWERS)
def test_answers_at_once(whole: dict[str, Any], answer: Choice | None) -> None:
    assert collect(decode(whole)) == expected(whole, answer)


@pytest.mark.parametrize(("whole", "answer"), ANSWERS)
@pytest.mark.parametrize("terse", [False, True])
def test_streams_however_they_come(whole: dict[str, Any], answer: Choice | None, terse: bool) -> None:
    raw = stream(whole, terse=terse)
    for chunks in ([raw], [raw[i : i + 1] for i in range(len(raw))], [raw.replace(b"\n", b"\r\n"), DONE], [raw[:-2]]):
        events, complete = fed(*chunks)
        assert complete
        assert collect(events) == expected(whole, answer)
        assert isinstance(events[0], Started)
        assert [type(event) for event in events[-3:]] == [Usage, Finished, Ended]


WHOLE: list[Any] = [case.values[0] for case in ANSWERS]
STREAMS = [stream(whole) for whole in WHOLE]


@given(pieces(st.sampled_from(STREAMS)))
@settings(max_examples=60, deadline=None)
def test_streams_in_any_pieces(chunks: list[bytes]) -> None:
    events, complete = fed(*chunks)
    assert complete
    assert collect(events) == collect(fed(b"".join(chunks))[0])


@given(st.sampled_from(STREAMS), st.data())
@settings(max_examples=60, deadline=None)
def test_c65_streams_that_are_cut_have_no_end(raw: bytes, data: st.DataObject) -> None:
    end = raw.rindex(b"event: ")
    events, complete = fed(*cut_at(raw[: data.draw(st.integers(0, end))], 10))
    assert not complete
    assert not any(isinstance(event, Finished | Ended) for event in events)


def test_calls_that_come_apart() -> None:
    frames = [
        frame("response.created", response=response()),
        frame("response.output_item.added", output_index=0, item=CALLED | {"arguments": ""}),
        frame("response.output_item.added", output_index=2, item=OTHER),
        frame("response.function_call_arguments.delta", output_index=2, item_id="fc_2", delta='{"b"'),
        frame("response.function_call_arguments.delta", output_index=0, item_id="fc_1", delta='{"a":'),
        frame("response.function_call_arguments.delta", output_index=2, item_id="fc_2", delta=":2}"),
        frame("response.output_item.done", output_index=0, item=CALLED),
        frame("response.output_item.done", output_index=2, item=OTHER | {"arguments": '{"b":2}'}),
        frame("response.completed", response=response(CALLED, OTHER | {"arguments": '{"b":2}'})),
    ]
    events, complete = fed(*frames)
    calls = collect(events).choices[0].calls
    assert complete
    assert [(call.id, call.arguments) for call in calls] == [("call_1", '{"a":1}'), ("call_2", '{"b":2}')]
    assert [event.index for event in events if isinstance(event, ToolStarted | ToolEnded)] == [0, 1, 0, 1]


TOLERATED = [
    pytest.param(CALLED | {"arguments": {"a": 1}}, ToolCall(id="call_1", name="f", arguments='{"a":1}'), id="object"),
    pytest.param(CALLED | {"call_id": None}, ToolCall(id="fc_1", name="f", arguments='{"a":1}'), id="no call id"),
    pytest.param(CALLED | {"arguments": None}, ToolCall(id="call_1", name="f"), id="no arguments"),
    pytest.param(SAID | {"content": "Hi", "id": None}, Text(text="Hi"), id="content as text"),
    pytest.param(
        SAID | {"content": [{"type": "output_text", "text": "Hi", "annotations": None, "logprobs": None}]},
        Text(text="Hi"),
        id="null",
    ),
    pytest.param({"type": "reasoning", "content": [{"text": "hm"}]}, Reasoning(text="hm"), id="thoughts as content"),
]


@pytest.mark.parametrize(("item", "part"), TOLERATED)
def test_tolerated(item: dict[str, Any], part: object) -> None:
    for events in (decode(response(item)), fed(stream(response(item), terse=True))[0]):
        assert collect(events).choices[0].parts == [part]


def test_ids_are_made_where_there_are_none() -> None:
    first, second = collect(decode(response(*({"type": "function_call", "name": "f"},) * 2))).choices[0].calls
    assert first.id.startswith("call_")
    assert first.id != second.id


def test_what_is_missing_or_unknown() -> None:
    events, complete = fed(
        frame("response.output_item.added", item=None),
        frame("response.output_item.added", output_index=0, item={"type": "mcp_call", "output": [1], "name": 7}),
        frame("response.mcp_call_arguments.delta", output_index=0, delta={"x": 1}),
        frame("response.output_text.delta", delta="Hi"),
        frame("response.output_text.annotation.added", annotation={"type": "file_citation", "file_id": "f"}),
        b"data: {}\n\n: ping\n\n",
        frame("response.completed", response={"output": None}),
        frame("response.output_text.delta", delta="late"),
    )
    assert complete
    assert events == [Started(), TextDelta("Hi"), Finished(reason="stop"), Ended()]


def test_thoughts_that_end_without_a_signature() -> None:
    item = {"type": "reasoning", "summary": [{"text": "hm"}]}
    assert ReasoningEnded() in decode(response(item))
    assert not [event for event in decode(response(item | {"summary": []})) if isinstance(event, ReasoningEnded)]


FAILURES = [
    pytest.param({"code": "server_error", "message": "sk-secret"}, UpstreamFailed, id="server"),
    pytest.param({"code": "rate_limit_exceeded", "message": "slow"}, RateLimited, id="C57-rate limit"),
    pytest.param({"code": "invalid_prompt", "message": "No."}, UpstreamRefused, id="C58-prompt"),
    pytest.param({"code": "image_too_large", "message": "No."}, UpstreamRefused, id="C58-image"),
    pytest.param({"code": 7, "type": "invalid_request_error", "message": "No."}, UpstreamRefused, id="C58-type"),
    pytest.param("overloaded", UpstreamFailed, id="text"),
    pytest.param({}, UpstreamFailed, id="nothing"),
]


@pytest.mark.parametrize(("error", "kind"), FAILURES)
def test_c64_errors_within_an_answer(error: Any, kind: type[Exception]) -> None:
    failed = response(SAID, status="failed", error=error, usage=None)
    flat = {"error": error} if isinstance(error, str) or "type" in error else error
    for raw in (stream(failed), frame("error", **flat, sequence_number=1), b"data: " + encoded(error=error) + b"\n\n"):
        events, complete = fed(raw)
        assert complete
        assert isinstance(events[-1], Broken)
        assert not any(isinstance(event, Finished) for event in events)
        assert type(events[-1].error) is kind
        assert "sk-secret" not in events[-1].error.message
    assert isinstance(decode(failed)[-1], Broken)
    assert isinstance(decode({"error": error})[-1], Broken)


def test_c58_the_upstreams_code_and_parameter_are_kept() -> None:
    error = {"type": "invalid_request_error", "code": "context_length_exceeded", "message": "Long.", "param": "input"}
    broken = fed(frame("error", error=error))[0][-1]
    assert isinstance(broken, Broken)
    found = broken.error
    assert (found.status, found.code, found.param, found.message) == (400, "context_length_exceeded", "input", "Long.")


def encoded(**fields: Any) -> bytes:
    return msgspec.json.encode(fields)


MALFORMED = [b"", b"[]", b"nul", b"\xff", b"{}", b'{"output":[{"type":"message","content":7}]}', b"[" * 100_000]


@pytest.mark.parametrize("body", [*MALFORMED, encoded(output=[], status="in_progress"), encoded(output={})])
def test_bodies_that_are_none(body: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        RESPONSES.decode(body, TARGET)


BAD_DELTA = frame("response.output_text.delta", delta=7)


@pytest.mark.parametrize("data", [b"data: nul\n\n", b"data: \xff\n\n", b"data: " + b"[" * 100_000 + b"\n\n", BAD_DELTA])
def test_frames_that_are_none(data: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        RESPONSES.decoder(TARGET).feed(data)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KINDS = st.sampled_from(["output_item.added", "output_item.done", "output_text.delta", "completed", "x"])
FIELDS = st.sampled_from(["output_index", "item", "delta", "logprobs", "response", "error", "annotation"])


@given(st.lists(st.tuples(KINDS, st.dictionaries(FIELDS, JSON, max_size=3)), max_size=3), JSON)
@settings(max_examples=60, deadline=None)
def test_anything_is_read_or_malformed(frames: list[tuple[str, dict[str, Any]]], token: Any) -> None:
    shapes: dict[str, Any] = {"logprobs": [{"token": token, "top_logprobs": token, "logprob": 0}], "delta": "a"}
    scored = frame("response.output_text.delta", **shapes)
    with suppress(MalformedAnswerError):
        fed(scored, *(frame(f"response.{kind}", **fields) for kind, fields in frames))


def test_frames_that_never_end() -> None:
    with pytest.raises(EventTooLargeError):
        RESPONSES.decoder(TARGET).feed(b"x" * 17_000_000)
