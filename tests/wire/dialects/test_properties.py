"""P1–P7: what holds for every client's and every upstream's format, whatever is asked and answered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oneapi_asgi.errors import BadRequest, UpstreamFailed
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.chat import Chat
from oneapi_asgi.wire.dialects import UPSTREAMS
from oneapi_asgi.wire.events import Broken, Ended, Event, Finished, collect
from oneapi_asgi.wire.sse import datas

from .contract import (
    CALL_ID,
    CLIENT_NAMES,
    PAIRS,
    UPSTREAM_NAMES,
    answered,
    asked,
    client,
    heard,
    streamed,
    translation,
)
from .recordings import RECORDINGS, Recording, target_of
from .strategies import answers, chats

_FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
_FEWER = settings(_FEW, max_examples=12)
_DATA = re.compile(rb"^data: ?(.*)$", re.MULTILINE)

Frame = dict[str, Any]


def _frames(mine: str, stream: bytes) -> list[Frame]:
    found = stream.splitlines() if mine == "ollama" else [data for data in datas(stream) if data != b"[DONE]"]
    return [msgspec.json.decode(data) for data in found]


# --- P1: nobody changes what he is given -----------------------------------------------------------------------------


@pytest.mark.parametrize("theirs", UPSTREAM_NAMES)
def test_p1_writing_changes_nothing(theirs: str) -> None:
    @_FEWER
    @given(chats())
    def check(chat: Chat) -> None:
        before = msgspec.json.encode(chat)
        target = target_of(theirs, stream=chat.stream)
        try:
            written = UPSTREAMS[theirs].write(chat, target)
        except BadRequest:
            assert msgspec.json.encode(chat) == before
            return
        assert msgspec.json.encode(chat) == before
        assert UPSTREAMS[theirs].write(chat, target) == written
        known = {*Chat.__struct_fields__, *chat.others}
        assert set(written.dropped) <= known
        assert len(set(written.dropped)) == len(written.dropped)

    check()


@pytest.mark.parametrize("mine", CLIENT_NAMES)
def test_p1_answering_changes_nothing(mine: str) -> None:
    @_FEWER
    @given(answers(refusals=True))
    def check(events: list[Event]) -> None:
        before = msgspec.json.encode(events)
        answer = collect(events)
        told, chat = repr(answer), asked(mine, stream=False)
        noted = repr(chat)
        given = client(mine).answer(answer, chat, CALL_ID)
        client(mine).encoder(chat, CALL_ID).encode(events)
        assert (msgspec.json.encode(events), repr(answer), repr(chat)) == (before, told, noted)
        assert given

    check()


# --- P2: a stream and a whole answer say the same, for all pairs ------------------------------------------------------


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda one: f"{one.upstream}-{one.name}")
@pytest.mark.parametrize("mine", CLIENT_NAMES)
def test_p2_streamed_or_asked_at_once(mine: str, recording: Recording) -> None:
    """Whether the client wants a stream, whether the upstream gives one: four ways to the same answer."""
    found = []
    for wanted in (True, False):
        passage = translation(mine, recording.upstream, stream=wanted)
        found.append(_collected(mine, passage.feed(recording.raw) + passage.finish(), streamed=wanted))
        if recording.whole:
            at_once = translation(mine, recording.upstream, stream=wanted).told(recording.whole)
            assert not at_once.failed
            found.append(_collected(mine, at_once.body, streamed=wanted))
    assert all(one == found[0] for one in found)


def _collected(mine: str, given: bytes, *, streamed: bool) -> tuple[Any, ...]:
    events = heard(mine, given)[0] if streamed else UPSTREAMS[mine].decode(given, target_of(mine))
    answer = collect(events)
    (choice,) = answer.choices
    calls = [(call.id, call.name, msgspec.json.decode(call.arguments)) for call in choice.calls]
    return choice.text, choice.reasoning, calls, choice.finish, answer.usage


# --- P3, P4: the form of a stream -------------------------------------------------------------------------------------


def _forms(events: list[Event], mine: str) -> tuple[bytes, list[Frame]]:
    stream = streamed(mine, events, one_by_one=True)
    return stream, _frames(mine, stream)


@_FEW
@given(answers(refusals=True))
def test_p3_c61_c66_one_reason_to_finish_in_the_last_chunk_with_content(events: list[Event]) -> None:
    stream, frames = _forms(events, "openai")
    choices = [frame for frame in frames if frame["choices"]]
    reasons = [frame["choices"][0]["finish_reason"] for frame in choices]
    assert choices[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [reason for reason in reasons if reason is not None] == reasons[-1:]
    reports = [frame for frame in frames if not frame["choices"]]
    assert all(frame["choices"] == [] and frame["usage"]["total_tokens"] for frame in reports)
    assert len(reports) == any(isinstance(event, Usage) for event in events)
    assert not reports or frames[-1] is reports[0]
    assert stream.endswith(b"data: [DONE]\n\n")


_DELTAS: Final = {
    "text": {"text_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
    "redacted_thinking": set[str](),
}


@_FEW
@given(answers(refusals=True))
def test_p4_c72_blocks_are_numbered_and_never_interleave(events: list[Event]) -> None:
    stream, frames = _forms(events, "anthropic")
    assert stream.count(b"event: ") == len(frames)
    kinds = [frame["type"] for frame in frames]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    opened, index = "", -1
    for frame in frames[1:-2]:
        if frame["type"] == "content_block_start":
            assert not opened
            opened, index = frame["content_block"]["type"], index + 1
        elif frame["type"] == "content_block_delta":
            assert frame["delta"]["type"] in _DELTAS[opened]
        else:
            assert frame["type"] == "content_block_stop"
            assert opened
            opened = ""
        assert frame["index"] == index
    assert not opened


@_FEW
@given(answers(refusals=True))
def test_c78_events_are_counted_and_items_end_before_the_next_begins(events: list[Event]) -> None:
    _, frames = _forms(events, "responses")
    assert [frame["sequence_number"] for frame in frames] == list(range(len(frames)))
    opened: dict[int, str] = {}
    done: dict[int, Frame] = {}
    for frame in frames:
        if frame["type"] == "response.output_item.added":
            assert set(opened.values()) <= {"function_call"}  # calls that the upstream tells at once
            assert frame["output_index"] == len(opened) + len(done)
            opened[frame["output_index"]] = frame["item"]["type"]
        elif frame["type"] == "response.output_item.done":
            del opened[frame["output_index"]]
            done[frame["output_index"]] = frame["item"]
    assert not opened
    assert frames[-1]["response"]["output"] == [done[index] for index in range(len(done))]


# --- P5: counts ------------------------------------------------------------------------------------------------------


def _numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _numbers(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, int | float):
        yield path, value


_TOTALS: Final = {
    "openai": ("usage", "prompt_tokens", "completion_tokens", "total_tokens"),
    "responses": ("usage", "input_tokens", "output_tokens", "total_tokens"),
    "gemini": ("usageMetadata", "promptTokenCount", "candidatesTokenCount", "totalTokenCount"),
}


@pytest.mark.parametrize("mine", CLIENT_NAMES)
def test_p5_c54_c71_parts_are_at_most_their_whole(mine: str) -> None:
    @_FEW
    @given(answers())
    def check(events: list[Event]) -> None:
        usage = collect(events).usage
        body = msgspec.json.decode(answered(mine, events))
        assert all(number >= 0 for path, number in _numbers(body) if "usage" in path.lower())
        if usage is None:
            return
        if mine in _TOTALS:
            where, before, after, total = _TOTALS[mine]
            counts = body[where]
            thought = counts.get("thoughtsTokenCount", 0)
            assert counts[total] == counts[before] + counts[after] + thought == usage.input + usage.output
        found = collect(UPSTREAMS[mine].decode(answered(mine, events), target_of(mine))).usage
        assert found is not None
        assert (found.input, found.output) == (usage.input, usage.output)
        assert found.cache_read in (usage.cache_read, 0)
        assert found.reasoning in (usage.reasoning, 0)
        assert found.cache_read + found.cache_write + found.cache_write_1h <= found.input

    check()


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda one: f"{one.upstream}-{one.name}")
def test_p5_c54_c55_c56_counts_of_upstreams_are_bounded_whatever_they_say(recording: Recording) -> None:
    """Each number in turn is made negative, huge, or nothing."""
    for strange in (b"-7", b"99999999999999999999", b"null", b"0"):
        for found in re.finditer(rb'(?i)(?:tokens|count|characters)": (\d+)', recording.whole):
            body = recording.whole[: found.start(1)] + strange + recording.whole[found.end(1) :]
            try:
                usage = collect(recording.dialect.decode(body, target_of(recording.upstream))).usage
            except ValueError:  # nothing is said of an answer that cannot be read
                continue
            if usage is not None:
                assert min(usage.input, usage.output, usage.cache_read, usage.reasoning) >= 0
                assert usage.cache_read + usage.cache_write + usage.cache_write_1h <= usage.input
                assert usage.reasoning <= usage.output


# --- P6: no end that is a lie ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mine", CLIENT_NAMES)
def test_p6_c64_a_stream_that_breaks_off_ends_in_an_error(mine: str) -> None:
    @_FEW
    @given(answers(refusals=True), st.data(), st.booleans())
    def check(events: list[Event], data: st.DataObject, in_band: bool) -> None:
        end = next(at for at, event in enumerate(events) if isinstance(event, Finished | Usage))
        encoder = client(mine).encoder(asked(mine, stream=True), CALL_ID)
        error = UpstreamFailed("It broke.")
        given = encoder.encode(events[: data.draw(st.integers(0, end))])
        given += encoder.encode([Broken(error)]) if in_band else encoder.fail(error)
        after = encoder.fail(error) + encoder.finish() if in_band else b""
        found, _ = heard(mine, given)
        assert isinstance(found[-1], Broken)
        assert not any(isinstance(event, Finished | Ended) for event in found)
        assert not after

    check()


# --- P7: arguments are JSON ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
def test_p7_c20_c52_c62_arguments_are_always_json(mine: str, theirs: str) -> None:
    for recording in RECORDINGS:
        if recording.upstream == theirs:
            passage = translation(mine, theirs)
            events, whole = heard(mine, passage.feed(recording.raw) + passage.finish())
            assert whole
            for call in collect(events).choices[0].calls:
                assert isinstance(msgspec.json.decode(call.arguments), dict)
