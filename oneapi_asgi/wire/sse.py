"""Server-sent events as bytes, after the WHATWG specification (HTML, section 9.2.5 and 9.2.6).

Lines end with CR, LF or CRLF and nothing else: U+2028 and U+0085 are content, so ``splitlines`` and text-mode line
iterators must not be used here. An event ends with an empty line.

``Framer`` cuts a stream where events end and changes no byte; ``datas`` reads the payloads of what it returned.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from io import BytesIO

from msgspec import Struct, field

__all__ = ["COMMENT", "MAX_EVENT", "EventTooLargeError", "Framer", "datas", "event_data", "split"]

MAX_EVENT = 16 * 1024 * 1024
"""Bytes one event may have: images and audio travel inside of events."""

COMMENT = b": keep-alive\n\n"
"""What parsers have to leave out (section 9.2.6: a line that begins with a colon)."""

_LINE_END = re.compile(rb"\r\n|\r|\n")
# A lone CR at the end of the data may become a CRLF with the next chunk. Either way it has ended its line, and an LF
# left over at the start of the next event is an empty line before that event, which means nothing.
_EVENT_END = re.compile(rb"(?:\r\n|\r(?!\n)|\n)(?:\r\n|\r|\n)")
_EVENT_END_MAX = 4
_BOM = b"\xef\xbb\xbf"
_DATA = re.compile(rb"\ndata: ?")
_MANY = 1_000
"""Lines of one event, above which they are not looked at one by one if that can be helped: there may be millions."""


class EventTooLargeError(ValueError):
    """An event grew beyond the limit."""


class Framer(Struct, eq=False):
    """Collects chunks and gives back whole events, byte for byte.

    ``feed`` returns the longest run of whole events that the chunks so far hold, empty when there is none yet; ``rest``
    is what has not become an event, and ``size`` how much that is. ``limit``: bytes that one event may have.
    """

    limit: int = MAX_EVENT
    size: int = 0
    _held: BytesIO = field(default_factory=BytesIO)
    _tail: bytes = b""
    _carriage_returns: bool = False

    @property
    def rest(self) -> bytes:
        return self._held.getvalue()

    def feed(self, chunk: bytes) -> bytes:
        """
        :raises EventTooLargeError: an event has more than ``limit`` bytes
        """
        if not self.size and not self._carriage_returns and chunk.endswith(b"\n\n") and b"\r" not in chunk:
            return chunk
        # What is held has no end of an event; only one that spans the seam is new. Large events come in many chunks.
        seam = self._tail
        end = self._last_end(seam + chunk if seam else chunk, chunk) - len(seam)
        size = len(chunk) - end if end > 0 else self.size + len(chunk)
        if size > self.limit:
            raise EventTooLargeError(f"an event has more than {self.limit} bytes")
        if end <= 0:
            self._hold(chunk)
            return b""
        if not self.size:
            whole = chunk[:end]
        else:
            self._held.write(chunk[:end])
            whole = self._held.getvalue()  # which does not copy: a large event is there once
            self._held = BytesIO()
            self.size, self._tail = 0, b""
        if end < len(chunk):
            self._hold(chunk[end:])
        return whole

    def _hold(self, data: bytes) -> None:
        self._held.write(data)
        self.size += len(data)
        self._tail = (self._tail + data[1 - _EVENT_END_MAX :])[1 - _EVENT_END_MAX :]

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
    if b"data" not in events:
        return []
    if b"\r" not in events:
        first = events.find(b"\n")
        if first == len(events) - 2 and events.startswith(b"data: "):  # a single one, maybe a large one: copied once
            return [events[6:first]]
        named = events.startswith(b"event:") and events.startswith(b"data: ", first + 1)
        if named and events.count(b"\n") == 3 and events.endswith(b"\n\n"):  # the same with a name
            return [events[first + 7 : -2]]
        # One line an event, as nearly every provider writes nearly always: no need to look into each of them.
        if events.count(b"\n") == 2 * events.count(b"\n\n"):
            pieces = events.split(b"\n\n")
            found = [piece[6:] for piece in pieces if piece.startswith(b"data: ")]
            if len(found) == len(pieces) - 1:
                return found
    return [data for event in split(events) if (data := event_data(event)) is not None]


def event_data(event: bytes) -> bytes | None:
    """The ``data`` of one event, its lines joined by LF; None when it has no data field."""
    if b"\r" not in event:
        return _joined(_lines(event))
    lines = _LINE_END.split(event.removeprefix(_BOM))
    return _joined(
        line[6:] if line.startswith(b"data: ") else line[5:]
        for line in lines
        if line.startswith(b"data:") or line == b"data"
    )


def _lines(event: bytes) -> Iterable[bytes]:
    """The value of each data line of an event whose lines end with LF; of very many, all of them as one."""
    if event.count(b"\n") > _MANY and b"\ndata\n" not in event:
        lines = b"\n" + event.removeprefix(_BOM).strip(b"\n")
        if lines.count(b"\n") == lines.count(b"\ndata:"):
            return [_DATA.sub(b"\n", lines)[1:] if b"\ndata: " in lines else lines.replace(b"\ndata:", b"\n")[1:]]
    return _few_lines(event)


def _few_lines(event: bytes) -> Iterator[bytes]:
    """Each copied once: it may be a large one."""
    start = len(_BOM) if event.startswith(_BOM) else 0
    while start < len(event):
        end = event.find(b"\n", start)
        end = len(event) if end < 0 else end
        if event.startswith(b"data", start, end) and (end == start + 4 or event.startswith(b":", start + 4)):
            yield event[start + (6 if event.startswith(b": ", start + 4, end) else 5) : end]
        start = end + 1


def _joined(lines: Iterable[bytes]) -> bytes | None:
    found = list(lines)
    return b"\n".join(found) if found else None
