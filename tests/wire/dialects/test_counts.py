"""Counts that cannot be, in each place of each format: nothing is charged for them, and the answer is told in full."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from oneapi_asgi.models import Price, Usage
from oneapi_asgi.pricing import cost
from oneapi_asgi.wire.bedrock.eventstream import EventStreamFrames, message
from oneapi_asgi.wire.events import Event

from .recordings import RECORDINGS, Recording, target_of

_STRANGE: Final = (
    b"3000000000000000",
    b"3e15",
    b"1" + b"0" * 30,
    b"9" * 5000,
    b"1e400",
    b"-1",
    b"-1e400",
    b"12.5",
    b"true",
    b'"20"',
    b"null",
    b"[20]",
    b"{}",
)
_COUNT: Final = re.compile(rb'"\w*(?:[tT]okens|TokenCount|_count|_characters)": (\d+(?:\.0)?)')
_DEAR: Final = Price(input=10**12, output=10**12, cache_read=10**12, cache_write=10**12, reasoning=10**12)
"""A thousand dollars for a million tokens."""


def _with(strange: bytes, told: bytes) -> Iterator[bytes]:
    """The text with each of its counts replaced, and with all of them."""
    for found in _COUNT.finditer(told):
        yield told[: found.start(1)] + strange + told[found.end(1) :]
    yield _COUNT.sub(lambda found: found[0][: found.start(1) - found.start()] + strange, told)


def _streams(recording: Recording, strange: bytes) -> Iterator[bytes]:
    if recording.upstream != "bedrock":
        yield from _with(strange, recording.raw)
        return
    frames = EventStreamFrames().feed(recording.raw)  # which have checksums
    for changed in _with(strange, frames[-1].payload):
        payloads = [*(frame.payload for frame in frames[:-1]), changed]
        yield b"".join(message(frame.headers, payload) for frame, payload in zip(frames, payloads, strict=True))


def _read(recording: Recording, raw: bytes) -> list[Event]:
    decoder = recording.dialect.decoder(target_of(recording.upstream))
    events = [*decoder.feed(raw), *decoder.finish()]
    assert decoder.whole
    return events


def _at_once(recording: Recording, body: bytes) -> list[Event]:
    return recording.dialect.decode(body, target_of(recording.upstream))


def _told(events: list[Event]) -> list[Any]:
    """But for ids that are made up where none is told."""
    return [re.sub(r"call_\w{24}", "", repr(event)) for event in events if not isinstance(event, Usage)]


def _check(recording: Recording, read: Callable[[Recording, bytes], list[Event]], plain: bytes, strange: bytes) -> None:
    events = read(recording, strange)
    assert _told(events) == _told(read(recording, plain))
    for event in events:
        if isinstance(event, Usage):
            counts = [getattr(event, name) for name in event.__struct_fields__]
            assert min(counts) >= 0
            assert max(counts) < 1 << 42
            assert 0 <= cost(event, _DEAR) < 1 << 63


_CASES: Final = [one for one in RECORDINGS if one.name != "crlf"]


@pytest.mark.parametrize("strange", _STRANGE, ids=lambda one: one[:16].decode())
@pytest.mark.parametrize("recording", _CASES, ids=lambda one: f"{one.upstream}-{one.name}")
def test_an_answer_is_told_whatever_its_counts(recording: Recording, strange: bytes) -> None:
    if recording.whole:
        assert _COUNT.search(recording.whole)
        for body in _with(strange, recording.whole):
            _check(recording, _at_once, recording.whole, body)
    for raw in _streams(recording, strange):
        _check(recording, _read, recording.raw, raw)
