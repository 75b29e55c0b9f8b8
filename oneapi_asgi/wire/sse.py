"""Server-sent events as bytes, after the WHATWG specification (HTML, section 9.2.5 and 9.2.6).

Lines end with CR, LF or CRLF and nothing else: U+2028 and U+0085 are content, so ``splitlines`` and text-mode line
iterators must not be used here. An event ends with an empty line.

``Framer`` cuts a stream where events end and changes no byte; ``datas`` reads the payloads of what it returned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["MAX_EVENT", "EventTooLargeError", "Framer", "datas", "event_data", "split"]

MAX_EVENT = 16 * 1024 * 1024
"""Bytes one event may have: images and audio travel inside of events."""

_LINE_END = re.compile(rb"\r\n|\r|\n")
# A lone CR at the end of the data may become a CRLF with the next chunk. Either way it has ended its line, and an LF
# left over at the start of the next event is an empty line before that event, which means nothing.
_EVENT_END = re.compile(rb"(?:\r\n|\r(?!\n)|\n)(?:\r\n|\r|\n)")
_EVENT_END_MAX = 4
_BOM = b"\xef\xbb\xbf"


class EventTooLargeError(ValueError):
    """An event grew beyond the limit."""


class Framer:
    """Collects chunks and gives back whole events, byte for byte.

    ``feed`` returns the longest run of whole events that the chunks so far hold, empty when there is none yet; ``rest``
    is what has not become an event.
    """

    __slots__ = ("_carriage_returns", "_held", "_limit")

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self._held = bytearray()
        self._limit = limit
        self._carriage_returns = False

    @property
    def rest(self) -> bytes:
        return bytes(self._held)

    def feed(self, chunk: bytes) -> bytes:
        """
        :raises EventTooLargeError: an event has more than ``limit`` bytes
        """
        # What is held has no end of an event; only one that spans the seam is new. Large events come in many chunks.
        seam = bytes(self._held[1 - _EVENT_END_MAX :]) if self._held else b""
        end = self._last_end(seam + chunk if seam else chunk, chunk) - len(seam)
        size = len(chunk) - end if end > 0 else len(self._held) + len(chunk)
        if size > self._limit:
            raise EventTooLargeError(f"an event has more than {self._limit} bytes")
        if end <= 0:
            self._held += chunk
            return b""
        whole = bytes(self._held) + chunk[:end] if seam else chunk[:end]
        if seam or end < len(chunk):
            self._held = bytearray(chunk[end:])
        return whole

    def _last_end(self, data: bytes, chunk: bytes) -> int:
        if not self._carriage_returns and b"\r" in chunk:
            self._carriage_returns = True
        if self._carriage_returns:
            end = 0
            for match in _EVENT_END.finditer(data):
                end = match.end()
            return end
        found = data.rfind(b"\n\n")
        return found + 2 if found >= 0 else 0


def split(events: bytes) -> Iterator[bytes]:
    """The single events of a run of whole ones, each with its line ends, so that joining them gives the run back."""
    if b"\r" not in events:
        start = 0
        while (end := events.find(b"\n\n", start)) >= 0:
            yield events[start : end + 2]
            start = end + 2
    else:
        start = 0
        for match in _EVENT_END.finditer(events):
            yield events[start : match.end()]
            start = match.end()
    if start < len(events):
        yield events[start:]


def datas(events: bytes) -> list[bytes]:
    """The payloads of a run of whole events, without those that have none (comments, pings, empty lines)."""
    if b"\r" not in events and events.count(b"\n") == 2 * events.count(b"\n\n"):
        # One line an event, as nearly every provider writes nearly always: no need to look into each of them.
        pieces = events.split(b"\n\n")
        found = [piece[6:] for piece in pieces if piece.startswith(b"data: ")]
        if len(found) == len(pieces) - 1:
            return found
    return [data for event in split(events) if (data := event_data(event)) is not None]


def event_data(event: bytes) -> bytes | None:
    """The ``data`` of one event, its lines joined by LF; None when it has no data field."""
    lines = []
    for line in _LINE_END.split(event.removeprefix(_BOM)):
        name, _, value = line.partition(b":")
        if name == b"data":
            lines.append(value.removeprefix(b" "))
    return b"\n".join(lines) if lines else None
