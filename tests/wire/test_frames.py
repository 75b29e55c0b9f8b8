"""Single JSON texts out of streams, however they are cut."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.wire.frames import Frames, LineFrames, SSEFrames
from oneapi_asgi.wire.sse import EventTooLargeError

CASES: list[tuple[Callable[[], Frames], bytes, list[bytes]]] = [
    (SSEFrames, b"", []),
    (SSEFrames, b"data: {}\n\n", [b"{}"]),
    (SSEFrames, b": ping\n\nevent: a\ndata: 1\n\ndata:\n\ndata: 2\r\n\r\n", [b"1", b"2"]),
    (SSEFrames, b"data: 1\n\ndata: 2", [b"1", b"2"]),
    (SSEFrames, b"data: 1\n\ndata: 2\n", [b"1", b"2"]),
    (SSEFrames, b"data: 1\ndata: 2\n\n", [b"1\n2"]),
    (LineFrames, b"", []),
    (LineFrames, b"{}\n", [b"{}"]),
    (LineFrames, b"1\r\n\n\r\n2\n3", [b"1", b"2", b"3"]),
    (LineFrames, b"1\n2\r", [b"1", b"2"]),
    (LineFrames, b"\n\n", []),
    (LineFrames, '{"a":"\u2028\x85"}\n'.encode(), ['{"a":"\u2028\x85"}'.encode()]),
]


@pytest.mark.parametrize(("make", "stream", "found"), CASES)
def test_whole_and_byte_by_byte(make: Callable[[], Frames], stream: bytes, found: list[bytes]) -> None:
    frames = make()
    assert [*frames.feed(stream), *frames.finish()] == found
    frames = make()
    pieces = [frame for at in range(len(stream)) for frame in frames.feed(stream[at : at + 1])]
    assert [*pieces, *frames.finish()] == found


@settings(max_examples=60)
@given(st.sampled_from(CASES), st.lists(st.integers(0, 60), max_size=6))
def test_in_any_pieces(case: tuple[Callable[[], Frames], bytes, list[bytes]], places: list[int]) -> None:
    make, stream, found = case
    ends = [0, *sorted(places), len(stream)]
    frames = make()
    pieces = [stream[start:end] for start, end in pairwise(ends)]
    assert [*(frame for piece in pieces for frame in frames.feed(piece)), *frames.finish()] == found


@pytest.mark.parametrize("make", [SSEFrames, LineFrames])
def test_bounds(make: Callable[[int], Frames]) -> None:
    for chunks in ([b"x" * 11], [b"x" * 5] * 3, [b"a\n\n" + b"x" * 11]):
        frames = make(10)
        for chunk in chunks[:-1]:
            assert frames.feed(chunk) == []
        with pytest.raises(EventTooLargeError):
            frames.feed(chunks[-1])
