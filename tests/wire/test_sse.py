"""Events are cut where the specification ends them, however the bytes arrive, and no byte is changed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from openai._streaming import SSEDecoder

from oneapi_asgi.wire.sse import EventTooLargeError, Framer, datas, event_data, split

from .streams import DONE, STREAMS, Recorded, cut_at, pieces, reference_datas

LINES = st.sampled_from(
    [
        b"",
        b"data: x",
        b"data:x",
        b"data:  two",
        b"data",
        b"data:",
        b"data: a:b",
        b"data: \xe2\x80\xa8\xc2\x85\x0b\x0c\x1c",  # U+2028, U+0085 and others that split lines elsewhere
        b"data: [DONE]",
        b": comment",
        b":",
        b"event: ping",
        b"id: 7",
        b"retry: 10",
        b"dataset: no",
        b" data: no",
        b"foo",
    ]
)
ENDS = st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"])


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    bom = draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf"]))
    one_end = draw(st.booleans())
    end = draw(ENDS)
    lines = draw(st.lists(st.tuples(LINES, ENDS), max_size=20))
    return bom + b"".join(line + (end if one_end else own) for line, own in lines)


def framed(chunks: Iterable[bytes]) -> tuple[list[bytes], bytes]:
    """The runs of whole events, and the rest."""
    framer = Framer()
    return [framer.feed(chunk) for chunk in chunks], framer.rest


def found(chunks: Iterable[bytes]) -> list[bytes]:
    return [data for run in framed(chunks)[0] for data in datas(run)]


@pytest.mark.parametrize(
    ("stream", "payloads"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data:a\n\ndata:  b\n\n", [b"a", b" b"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data: a\r\rdata: b\r\n\r\ndata: c\n\n", [b"a", b"b", b"c"]),
        (b"data: a\n\r\ndata: b\r\r\n", [b"a", b"b"]),
        (b"data\n\ndata:\n\n", [b"", b""]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b": ping\n\nevent: x\nid: 1\n\ndata: a\n\n", [b"a"]),
        (b"event: x\ndata: a\nid: 1\n\n", [b"a"]),
        (b"data: a\n\n\n\n\ndata: b\n\n", [b"a", b"b"]),
        (b'data: {"a": "\xe2\x80\xa8\xc2\x85"}\n\n', [b'{"a": "\xe2\x80\xa8\xc2\x85"}']),
        (b"data: a\n\ndata: half", [b"a"]),
        (b"data: a\n", []),
        (b"dataset: a\n\n data: b\n\n", []),
        (b"", []),
    ],
)
def test_payloads(stream: bytes, payloads: list[bytes]) -> None:
    assert found([stream]) == payloads == reference_datas(stream)
    for place in range(len(stream) + 1):
        assert found(cut_at(stream, place)) == payloads
    assert found(stream[at : at + 1] for at in range(len(stream))) == payloads


@pytest.mark.parametrize("recorded", STREAMS, ids=lambda recorded: recorded.name)
def test_recorded_streams_cut_at_every_byte(recorded: Recorded) -> None:
    wanted = reference_datas(recorded.raw)
    for place in range(len(recorded.raw) + 1):
        runs, rest = framed(cut_at(recorded.raw, place))
        assert b"".join(runs) + rest == recorded.raw
        assert not rest.strip(b"\n")  # an LF whose CR was the end of the last chunk
        assert [data for run in runs for data in datas(run)] == wanted


@given(pieces(bodies()))
@example([b"data: a\r\n\r", b"\ndata: b\n\n"])
@example([b"data: a\r", b"\n\r", b"\n"])
@example([b"data: a\n\ndata: b\n", b"\r\ndata: c\r\r"])
@example([b"data: x\r", b"\ndata: y\r", b"\n\r\n"])
def test_no_byte_changes_and_events_are_those_of_the_specification(chunks: Sequence[bytes]) -> None:
    stream = b"".join(chunks)
    runs, rest = framed(chunks)
    assert b"".join(runs) + rest == stream
    assert [data for run in runs for data in datas(run)] == reference_datas(stream)
    for run in runs:
        assert b"".join(split(run)) == run
        assert [data for one in split(run) if (data := event_data(one)) is not None] == datas(run)


@given(pieces(bodies()))
def test_openais_sdk_reads_the_same(chunks: Sequence[bytes]) -> None:
    """But for empty data, which it makes of any event with an id."""
    stream = b"".join(chunks).removeprefix(b"\xef\xbb\xbf")
    read = [sse.data.encode() for sse in SSEDecoder().iter_bytes(iter([stream])) if sse.data]
    # It also takes an event that nothing ended.
    wanted = [data for data in found([stream]) if data]
    assert [data for data in found(chunks) if data] == read[: len(wanted)] == wanted


@given(pieces(bodies()))
def test_httpx2_reads_the_same(chunks: Sequence[bytes]) -> None:
    stream = b"".join(chunks).removeprefix(b"\xef\xbb\xbf")
    response = httpx2.Response(
        200,
        headers={"content-type": "text/event-stream"},
        content=stream,
        request=httpx2.Request("GET", "http://127.0.0.1/"),
    )
    read = [sse.data.encode() for sse in httpx2.EventSource(response) if sse.data]
    wanted = [data for data in found([stream]) if data]
    assert [data for data in found(chunks) if data] == read[: len(wanted)] == wanted


def test_an_event_is_given_out_as_soon_as_it_is_whole() -> None:
    framer = Framer()
    assert framer.feed(b"data: a\n") == b""
    assert framer.feed(b"\ndata: b") == b"data: a\n\n"
    assert framer.rest == b"data: b"
    assert framer.feed(b"\r\n\r") == b"data: b\r\n\r"  # without waiting for the LF that may follow
    assert framer.feed(b"\n" + DONE) == b"\n" + DONE


def test_a_whole_chunk_is_not_copied() -> None:
    chunk = b"data: a\n\ndata: b\n\n"
    assert Framer().feed(chunk) is chunk


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_endless_event_is_refused(size: int) -> None:
    framer = Framer(limit=1000)
    for _ in range(1000 // size):
        assert framer.feed(b"x" * size) == b""
    with pytest.raises(EventTooLargeError, match="1000"):
        framer.feed(b"x" * size)
    assert len(framer.rest) <= 1000


def test_the_limit_is_for_one_event_not_for_the_stream() -> None:
    framer = Framer(limit=10)
    for _ in range(100):
        assert framer.feed(b"data: ab\n\n") == b"data: ab\n\n"
    assert framer.feed(b"data: ab\n\ndata: abcd") == b"data: ab\n\n"


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_many_small_events_take_linear_time(ends: bytes) -> None:
    one = b"data: x" + 2 * ends
    started = time.perf_counter()
    assert len(datas(Framer().feed(one * 100_000))) == 100_000
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("ends", [b"\n\n", b"\r\n\r\n"])
def test_a_large_event_in_small_pieces_takes_linear_time(ends: bytes) -> None:
    framer, started = Framer(), time.perf_counter()
    for _ in range(8 * 1024):
        assert framer.feed(b"x" * 1024) == b""
    assert len(framer.feed(ends)) == 8 * 1024 * 1024 + len(ends)
    assert framer.rest == b""
    assert time.perf_counter() - started < 1


@given(st.lists(LINES, max_size=12))
@example([b"data", b"data: x"])
def test_an_event_of_many_lines_is_read_as_any_other(lines: list[bytes]) -> None:
    lines = [line for line in lines if line] * 200 + [b"data: end"]
    event = b"\n".join(lines) + b"\n\n"
    assert event_data(event) == reference_datas(event)[0]
    assert event_data(event.replace(b"\n", b"\r")) == event_data(event)
