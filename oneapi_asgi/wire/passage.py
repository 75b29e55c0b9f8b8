"""An SSE answer on its way through: whole events go on byte for byte, a reader looks on, the end is made honest.

Nothing is given out before the first content event, so that until then another channel may still answer. One event may
be hidden: the usage report that the gateway asked for and the caller did not.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from ..errors import GatewayError
from .answer import StreamReader
from .dialect import Dialect
from .openai import DONE
from .sse import MAX_EVENT, Framer, datas, split
from .usage import parse_usage

__all__ = ["Passage"]

_MAX_HELD = 64 * 1024


class _Report(Struct):
    choices: list[Raw]
    usage: Raw


_report = msgspec.json.Decoder(_Report)
_json = msgspec.json.Decoder(Raw)


class Passage:
    """Feed chunks, send what comes back, then call ``count``: the caller's bytes never wait for the meter.

    ``hide_usage`` drops the usage report of a stream; ``ends_with_done`` says that the operation's streams end in
    ``[DONE]``, which is then added where the upstream forgot it.
    """

    __slots__ = ("_ends_with_done", "_framer", "_held", "_hide_usage", "_plain", "_plain_size", "_uncounted", "reader")

    def __init__(self, *, hide_usage: bool = False, ends_with_done: bool = False, limit: int = MAX_EVENT) -> None:
        self.reader = StreamReader()
        self._framer = Framer(limit)
        self._hide_usage = hide_usage
        self._ends_with_done = ends_with_done
        self._held = b""
        self._plain = self._plain_size = 0
        self._uncounted = b""

    def feed(self, chunk: bytes) -> bytes:
        """What may be sent now, often all of the chunk.

        :raises EventTooLargeError: an event grew beyond the limit
        """
        return self._pass(self._framer.feed(chunk))

    def count(self) -> None:
        """Look at what ``feed`` returned last."""
        if self._plain:
            self.reader.weigh(self._plain_size, self._plain)
            self._plain = 0
        if self._uncounted:
            self.reader.read(self._uncounted)
            self._uncounted = b""

    @property
    def pending(self) -> bytes:
        """What was fed and has neither been given out nor dropped."""
        return self._held + self._framer.rest

    @property
    def whole(self) -> bool:
        """Whether the answer can end here without a lie."""
        return self.reader.finished or self.reader.done or self.reader.failed

    def finish(self) -> bytes:
        """What is still to be sent after an upstream that ended as it should. An event without its last empty line,
        which the SDKs would drop, gets it; half an event is left out."""
        tail = self._pass(_ended(self._framer.rest))
        self.count()
        tail, self._held = self._held + tail, b""
        forgotten = self.reader.finished and not self.reader.done
        return tail + DONE if forgotten and self._ends_with_done else tail

    def fail(self, dialect: Dialect, error: GatewayError) -> bytes:
        """What is to be sent when the upstream ended too early. What there is of a last event is left out: half an
        event would break the caller's parser before it sees the error."""
        held, self._held = self._held, b""
        return held + dialect.error_event(error)

    def _pass(self, events: bytes) -> bytes:
        if not events:
            return b""
        if self.reader.started:
            return self._follow(events)
        return self._begin(events)

    def _begin(self, events: bytes) -> bytes:
        """Hold what comes before the first content, event by event; what comes behind it only passes."""
        read = 0
        for event in split(events):
            self.reader.read(event)
            self._held += _without_report(event) if self._hide_usage else event
            read += len(event)
            if self.reader.started:
                break
        visible = self._release()
        return visible + self._follow(events[read:]) if read < len(events) else visible

    def _follow(self, events: bytes) -> bytes:
        end, self._plain = self.reader.plain(events)
        self._plain_size = end
        if end == len(events):
            return events
        self._uncounted = rest = events[end:]
        return events[:end] + _without_report(rest) if self._hide_usage else events

    def _release(self) -> bytes:
        if not self.reader.started and len(self._held) < _MAX_HELD:
            return b""
        held, self._held = self._held, b""
        return held


def _ended(rest: bytes) -> bytes:
    """The last event, ended, if it is whole. Line ends alone are what a CRLF leaves that came in two."""
    if not rest.strip(b"\r\n"):
        return rest
    event = rest + (b"\n" if rest.endswith((b"\n", b"\r")) else b"\n\n")
    return event if all(data == b"[DONE]" or _is_json(data) for data in datas(event)) else b""


def _is_json(data: bytes) -> bool:
    try:
        _json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _without_report(events: bytes) -> bytes:
    return b"".join(event for event in split(events) if not _is_report(event))


def _is_report(event: bytes) -> bool:
    for data in datas(event):
        try:
            report = _report.decode(data)
        except (msgspec.DecodeError, RecursionError):
            return False
        return not report.choices and parse_usage(report.usage) is not None
    return False
