"""Binary frames: as botocore writes and reads them, wherever they are cut, and never believed when they are damaged."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable

import pytest
from botocore.eventstream import EventStreamBuffer  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.wire.bedrock.eventstream import EventStreamFrames, Message, message
from oneapi_asgi.wire.dialect import MalformedAnswerError
from oneapi_asgi.wire.sse import EventTooLargeError

HEADERS = {":message-type": "event", ":event-type": "contentBlockDelta", ":content-type": "application/json"}
ONE = message(HEADERS, b'{"delta":{"text":"Hello"}}')
THREE = ONE + message({}, b"") + message({":event-type": "é" * 100}, bytes(range(256)))
MESSAGES = [
    Message(HEADERS, b'{"delta":{"text":"Hello"}}'),
    Message({}, b""),
    Message({":event-type": "é" * 100}, bytes(range(256))),
]


def read(chunks: Iterable[bytes]) -> list[Message]:
    frames = EventStreamFrames()
    found = [item for chunk in chunks for item in frames.feed(chunk)]
    return found + frames.finish()


def crc(raw: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(raw))


def framed(headers: bytes, payload: bytes = b"", *, total: int | None = None) -> bytes:
    """A message of which everything but the meaning is right."""
    lengths = struct.pack(">II", 16 + len(headers) + len(payload) if total is None else total, len(headers))
    front = lengths + crc(lengths) + headers + payload
    return front + crc(front)


def test_botocore_reads_what_is_written() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(THREE)
    assert [(event.headers, event.payload) for event in buffer] == [(m.headers, m.payload) for m in MESSAGES]


def test_messages_are_found_wherever_they_are_cut() -> None:
    for place in range(len(THREE) + 1):
        assert read([THREE[:place], THREE[place:]]) == MESSAGES


def test_messages_are_found_byte_by_byte() -> None:
    assert read(THREE[at : at + 1] for at in range(len(THREE))) == MESSAGES


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.dictionaries(st.text(max_size=20), st.text(max_size=50)), st.binary(max_size=200))),
    st.data(),
)
def test_any_messages_round_the_circle(written: list[tuple[dict[str, str], bytes]], data: st.DataObject) -> None:
    raw = b"".join(message(headers, payload) for headers, payload in written)
    places = data.draw(st.lists(st.integers(0, len(raw)), max_size=8))
    chunks = [raw[a:b] for a, b in zip([0, *sorted(places)], [*sorted(places), len(raw)], strict=True)]
    assert read(chunks) == [Message(headers, payload) for headers, payload in written]


def test_headers_of_other_types_are_skipped() -> None:
    values = [
        b"\x00",
        b"\x01",
        b"\x02\x7f",
        b"\x03" + bytes(2),
        b"\x04" + bytes(4),
        b"\x05" + bytes(8),
        b"\x06\x00\x03abc",
        b"\x08" + bytes(8),
        b"\x09" + bytes(16),
        b"\x07\x00\x03abc",
    ]
    headers = b"".join(b"\x01" + bytes([65 + at]) + value for at, value in enumerate(values))
    raw = framed(headers, b"{}")
    assert read([raw]) == [Message({"J": "abc"}, b"{}")]
    buffer = EventStreamBuffer()
    buffer.add_data(raw)
    assert next(buffer).headers["J"] == "abc"


@pytest.mark.parametrize("at", range(len(ONE)))
def test_a_flipped_bit_is_seen(at: int) -> None:
    damaged = ONE[:at] + bytes([ONE[at] ^ 1]) + ONE[at + 1 :]
    with pytest.raises(MalformedAnswerError):
        read([damaged])


@pytest.mark.parametrize(
    "raw",
    [
        b'{"message": "not binary at all"}',
        framed(b"", total=15),
        framed(b"\x05abc"),
        framed(b"\x01a"),
        framed(b"\x01a\x0a"),
        framed(b"\x01a\x07\x00"),
        framed(b"\x01a\x07\x00\x09abc"),
        framed(b"\x01a\x07\x00\x01\xff"),
        framed(b"\x01\xff\x00"),
    ],
)
def test_what_is_none_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        read([raw])


def test_a_message_that_is_cut_is_none() -> None:
    assert read([ONE, ONE[:-1]]) == MESSAGES[:1]


def test_the_limit_is_told_by_the_prelude() -> None:
    frames = EventStreamFrames(limit=len(ONE))
    assert frames.feed(ONE) == MESSAGES[:1]
    with pytest.raises(EventTooLargeError):
        frames.feed(framed(b"", b"x" * 200)[:12])
