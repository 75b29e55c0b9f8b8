"""Bytes pass unchanged, nothing before the first content, one event may be hidden, and the end tells no lie."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.errors import UpstreamFailed
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.openai.format import OPENAI
from oneapi_asgi.wire.passage import Passage
from oneapi_asgi.wire.sse import EventTooLargeError

from .streams import COUNTED, DONE, REPORT, ROLE, STREAMS, Recorded, chunk, cut_at, event, pieces

ERROR = UpstreamFailed("The upstream ended before the answer was complete.", code="upstream_cut")
HELLO = chunk({"content": "Hello"})
STOP = chunk({}, "stop")

by_name = pytest.mark.parametrize("recorded", STREAMS, ids=lambda recorded: recorded.name)


def passed(passage: Passage, chunks: Iterable[bytes]) -> bytes:
    out = []
    for piece in chunks:
        out.append(passage.feed(piece))
        passage.count()
    return b"".join([*out, passage.finish()])


def same(one: bytes, other: bytes) -> bool:
    return sha256(one).digest() == sha256(other).digest()


def check(passage: Passage, recorded: Recorded) -> None:
    reader = passage.reader
    assert reader.usage == recorded.usage
    assert (reader.finished, reader.done, reader.failed) == (recorded.finished, recorded.done, recorded.failed)
    assert passage.whole


@by_name
def test_bytes_pass_wherever_they_are_cut(recorded: Recorded) -> None:
    for place in range(len(recorded.raw) + 1):
        passage = Passage()
        assert same(passed(passage, cut_at(recorded.raw, place)), recorded.raw)
        check(passage, recorded)
        assert recorded.output / 2 <= passage.reader.output <= recorded.output * 2 + 1


@by_name
def test_bytes_pass_one_by_one(recorded: Recorded) -> None:
    passage = Passage()
    assert same(passed(passage, (recorded.raw[at : at + 1] for at in range(len(recorded.raw)))), recorded.raw)
    check(passage, recorded)
    assert recorded.output / 2 <= passage.reader.output <= recorded.output * 2 + 1


@given(pieces(st.sampled_from([recorded.raw for recorded in STREAMS])))
def test_bytes_pass_in_any_pieces(chunks: list[bytes]) -> None:
    stream = b"".join(chunks)
    assert same(passed(Passage(), chunks), stream)
    recorded = next(one for one in STREAMS if one.raw == stream)
    assert passed(Passage(hide_usage=True), chunks) == stream.replace(recorded.report or stream, b"") or not (
        recorded.report
    )


@pytest.mark.parametrize("recorded", [one for one in STREAMS if one.report], ids=lambda recorded: recorded.name)
def test_the_hidden_report_is_all_that_is_missing(recorded: Recorded) -> None:
    visible = recorded.raw.replace(recorded.report, b"")
    for place in range(len(recorded.raw) + 1):
        passage = Passage(hide_usage=True)
        assert same(passed(passage, cut_at(recorded.raw, place)), visible)
        check(passage, recorded)


@pytest.mark.parametrize(
    "kept",
    [
        event({"choices": [], "prompt_filter_results": []}),
        event({"choices": [], "usage": None}),
        event({"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}}),
        chunk({"content": '"choices":[],"usage":{"prompt_tokens":1}'}, usage={"prompt_tokens": 1}),
        event({"choices": [{"delta": {}, "usage": {"prompt_tokens": 1}}]}),
        event({"usage": {"prompt_tokens": 1}}),
        b'data: not json, but "usage": here\n\n',
        b': "usage"\n\n',
    ],
)
def test_nothing_else_is_hidden(kept: bytes) -> None:
    stream = ROLE + HELLO + kept + STOP + DONE
    assert passed(Passage(hide_usage=True), [stream]) == stream


@pytest.mark.parametrize(
    "report",
    [
        REPORT,
        b'data:{"choices":[],"usage":{"prompt_tokens":19,"completion_tokens":10}}\n\n',
        b'data: { "usage" : {"prompt_tokens":19,"completion_tokens":10} , "choices" : [ ] }\r\n\r\n',
        b'id: 3\nevent: m\ndata: {"choices": [],\ndata: "usage": {"prompt_tokens":19,"completion_tokens":10}}\n\n',
    ],
)
def test_a_report_is_hidden_however_it_is_written(report: bytes) -> None:
    passage = Passage(hide_usage=True)
    assert passed(passage, [HELLO + STOP + report + DONE]) == HELLO + STOP + DONE
    assert passage.reader.usage is not None
    assert (passage.reader.usage.input, passage.reader.usage.output) == (19, 10)


@by_name
def test_nothing_is_given_out_before_the_first_content(recorded: Recorded) -> None:
    passage = Passage()
    first = recorded.raw[recorded.preamble :]
    end = recorded.preamble + len(first) - len(first.lstrip(b"\r\n"))
    for at in range(end):
        assert passage.feed(recorded.raw[at : at + 1]) == b""
        assert not passage.reader.started
        assert passage.pending == recorded.raw[: at + 1]
    assert passage.feed(recorded.raw[end:]).startswith(recorded.raw[: recorded.preamble + 1])
    assert passage.reader.started


def test_a_preamble_without_end_is_not_held_for_ever() -> None:
    passage, given_out = Passage(), b""
    for _ in range(1000):
        given_out += passage.feed(ROLE)
    assert given_out
    assert given_out + passage.pending == ROLE * 1000


def test_an_event_without_end_is_refused() -> None:
    passage = Passage(limit=100)
    with pytest.raises(EventTooLargeError):
        passage.feed(b"data: " + b"x" * 100)


@pytest.mark.parametrize(
    ("stream", "ended"),
    [
        (ROLE + HELLO + STOP, DONE),
        (ROLE + HELLO + STOP + REPORT, DONE),
        (ROLE + HELLO + STOP[:-2], b"\n\n" + DONE),
        (ROLE + HELLO + STOP[:-1], b"\n" + DONE),
        (ROLE + HELLO + STOP + DONE, b""),
        (ROLE + HELLO + STOP + DONE[:-2], b"\n\n"),
        (ROLE + HELLO + DONE, b""),
        (ROLE + HELLO, b""),
        (event({"error": {"message": "x"}}), b""),
    ],
)
def test_the_forgotten_end_is_added(stream: bytes, ended: bytes) -> None:
    assert passed(Passage(ends_with_done=True), [stream]) == stream + ended


def test_no_end_is_added_where_the_operation_has_none() -> None:
    assert passed(Passage(), [ROLE + HELLO + STOP]) == ROLE + HELLO + STOP


@pytest.mark.parametrize("stream", [ROLE + HELLO, ROLE, b"", b": ping\n\n"])
def test_an_answer_that_did_not_finish_is_not_whole(stream: bytes) -> None:
    passage = Passage(ends_with_done=True)
    assert passed(passage, [stream]) == stream
    assert not passage.whole


@pytest.mark.parametrize("closed", [False, True], ids=["broke off", "closed as if complete"])
@by_name
def test_after_a_failure_comes_the_error_and_never_half_an_event(recorded: Recorded, *, closed: bool) -> None:
    for place in range(len(recorded.raw)):
        passage = Passage()
        sent = passage.feed(recorded.raw[:place])
        passage.count()
        if passage.whole:
            break
        sent += passage.finish() if closed else b""
        # A last event that lacks nothing but its empty line has got it.
        assert recorded.raw.startswith(sent) or recorded.raw.startswith(sent.rstrip(b"\r\n"))
        if not passage.whole:
            sent += passage.fail(OPENAI, ERROR)
            assert sent.endswith(OPENAI.error_event(ERROR))
        assert all(_readable(one) for one in sent.replace(b"\r\n", b"\n").split(b"\n\n") if one.strip())


def _readable(one: bytes) -> bool:
    for line in one.split(b"\n"):
        if line.startswith(b"data: ") and line != b"data: [DONE]":
            msgspec.json.decode(line[6:])
    return True


def test_the_error_can_be_read_by_the_caller() -> None:
    passage = Passage()
    passage.feed(ROLE + HELLO + STOP[:20])
    told = passage.fail(OPENAI, ERROR)
    error = msgspec.json.decode(told.removeprefix(b"data: "))["error"]
    assert error == {"message": ERROR.message, "type": "upstream_error", "param": None, "code": "upstream_cut"}


def test_counting_waits_until_after_the_send() -> None:
    passage = Passage()
    passage.feed(HELLO)
    passage.count()
    assert passage.feed(STOP + REPORT) == STOP + REPORT
    assert not passage.reader.finished
    passage.count()
    passage.count()
    assert passage.reader.finished
    assert passage.reader.usage == COUNTED


def test_usage_after_the_end_still_counts() -> None:
    passage = Passage(ends_with_done=True)
    stream = HELLO + STOP + DONE
    assert passed(passage, [stream + REPORT]) == stream
    assert passage.reader.usage == COUNTED


AFTER = {
    "the terminator again": DONE,
    "content": HELLO,
    "an error": event({"error": {"message": "x"}}),
    "a comment": b": bye\n\n",
    "no JSON": b"data: <html>\n\n",
    "half an event": b"data: {",
}


@pytest.mark.parametrize("what", AFTER)
def test_nothing_passes_after_the_terminator(what: str) -> None:
    """Wherever the stream is cut, nor does anything there change what the answer was."""
    whole = ROLE + HELLO + STOP + DONE
    for end in (b"\n", b"\r\n", b"\r"):
        stream, after = whole.replace(b"\n", end), AFTER[what].replace(b"\n", end)
        for place in range(len(stream) - 40, len(stream + after) + 1):
            passage = Passage(ends_with_done=True)
            given = passed(passage, cut_at(stream + after, place))
            passing = after if what == "a comment" else b""  # which means nothing
            assert given.rstrip(b"\r\n") == (stream + passing).rstrip(b"\r\n")
            assert (passage.whole, passage.reader.failed, passage.reader.output) == (True, False, 1)


@pytest.mark.parametrize(
    ("reports", "usage"),
    [
        ([{"prompt_tokens": 1, "completion_tokens": 1}, {"prompt_tokens": 9, "completion_tokens": 4}], (9, 4)),
        ([{"prompt_tokens": 9, "completion_tokens": 4}, {"prompt_tokens": 3, "completion_tokens": 1}], (3, 1)),
        ([{"prompt_tokens": 9, "completion_tokens": 4}, {"prompt_tokens": 0, "completion_tokens": 0}], (9, 4)),
        ([{"prompt_tokens": 9, "completion_tokens": 4}, {"prompt_tokens": -1, "completion_tokens": 5}], (9, 4)),
        ([{"prompt_tokens": 9, "completion_tokens": 4}, {"prompt_tokens": 1 << 62, "completion_tokens": 5}], (9, 4)),
        ([{"prompt_tokens": 9, "completion_tokens": 4}, None, {}, "x", [], 7], (9, 4)),
    ],
)
def test_the_last_usage_that_makes_sense_counts(reports: list[object], usage: tuple[int, int]) -> None:
    passage = Passage()
    passed(passage, [HELLO, *(chunk({"content": "x"}, usage=report) for report in reports), STOP, DONE])
    assert passage.reader.usage == Usage(input=usage[0], output=usage[1])
