"""An SSE answer on its way through: whole events go on byte for byte, a reader looks on, the end is made honest.

Nothing is given out before the first content event, so that until then another channel may still answer. One event may
be hidden: the usage report that the gateway asked for and the caller did not. Events after the terminator are left out:
callers take them for the beginning of another answer, or break on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
from msgspec import Raw, Struct

from ..errors import GatewayError
from ..models import Usage
from ..unreadable import UNREADABLE
from .answer import StreamReader, read_answer
from .dialect import ClientDialect
from .sse import MAX_EVENT, Framer, datas, event_data, split
from .usage import parse_usage

__all__ = ["EVENTS", "JSON", "MAX_HELD", "Passage", "Reader", "Seen", "Told", "is_json"]

MAX_HELD = 64 * 1024
"""Bytes that are held back at most until the first content."""

DONE = b"data: [DONE]\n\n"

_CHAT_ENDS = (b"[DONE]",)
_RESPONSE_ENDS = (b"response.completed", b"response.incomplete")

JSON = "application/json"
EVENTS = "text/event-stream"


class Told(Struct, frozen=True):
    """A whole answer for the caller. ``failed``: it was an error under a status of success. ``content_type`` None: the
    upstream's own. ``error``: which one it was, where that was understood."""

    body: bytes
    usage: Usage | None = None
    failed: bool = False
    content_type: str | None = None
    error: GatewayError | None = None


class Seen(Protocol):
    """What is known of an answer so far: see ``StreamReader`` and ``Watch``."""

    started: bool
    finished: bool
    done: bool
    failed: bool
    usage: Usage | None
    output: int

    @property
    def error(self) -> GatewayError | None:
        """What the upstream told of, where that was understood."""
        ...

    @property
    def counts(self) -> Usage | None: ...


class Reader(Seen, Protocol):
    """Who looks on as an answer passes. ``tail`` is how events of plain content end, empty while that is unknown."""

    tail: bytes

    def skim(self, events: bytes) -> int:
        """How many bytes at the start of a run are plain content; they are counted."""
        ...

    def read(self, events: bytes) -> None: ...


def _read(body: bytes) -> Told:
    answer = read_answer(body)
    return Told(body, answer.usage, answer.failed)


class _Report(Struct):
    choices: list[Raw]
    usage: Raw


_report = msgspec.json.Decoder(_Report)
_json = msgspec.json.Decoder(Raw)


class Passage:
    """Feed chunks, send what comes back, then call ``count``: the caller's bytes never wait for the meter.

    ``hide_usage`` drops the usage report of a stream; ``ends_with_done`` says that the operation's streams end in
    ``[DONE]``, which is then added where the upstream forgot it. ``reader`` looks on at a stream, ``told`` at a whole
    body: OpenAI's, unless others are given. ``ends``: no event is the terminator that has none of these in it.
    """

    __slots__ = (
        "_ends",
        "_ends_with_done",
        "_framer",
        "_held",
        "_hide_usage",
        "_over",
        "_uncounted",
        "reader",
        "told",
    )

    content_type: str | None = None
    """The upstream's own."""

    def __init__(
        self,
        *,
        hide_usage: bool = False,
        ends_with_done: bool = False,
        limit: int = MAX_EVENT,
        reader: Reader | None = None,
        told: Callable[[bytes], Told] = _read,
        ends: Sequence[bytes] | None = None,
    ) -> None:
        self.reader: Reader = reader or StreamReader()
        self.told = told
        self._framer = Framer(limit)
        self._hide_usage = hide_usage
        self._ends_with_done = ends_with_done
        self._ends = (_CHAT_ENDS if ends_with_done else _RESPONSE_ENDS) if ends is None else ends
        self._over = False
        self._held = b""
        self._uncounted = b""

    def streams(self, content_type: str) -> bool:
        """Whether a body of that type is to be followed as a stream."""
        return content_type == EVENTS

    def feed(self, chunk: bytes) -> bytes:
        """What may be sent now, often all of the chunk.

        :raises EventTooLargeError: an event grew beyond the limit
        """
        tail = self.reader.tail
        if tail and chunk.endswith(tail) and not self._framer.size and not self._over:
            return self._follow(
                chunk
            )  # nearly always: an event ends where the chunk does, so that nothing is to be cut
        return self._pass(self._framer.feed(chunk))

    def count(self) -> None:
        """Look at what ``feed`` returned last."""
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

    def fail(self, dialect: ClientDialect, error: GatewayError) -> bytes:
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
                self._over = self._is_last(event)
                break
        visible = self._release()
        return visible + self._follow(events[read:]) if read < len(events) else visible

    def _follow(self, events: bytes) -> bytes:
        if self._over:
            return self._after(events)
        end = self.reader.skim(events)
        return events if end == len(events) else self._beyond(events, end)

    def _beyond(self, events: bytes, end: int) -> bytes:
        """The same of events that are plain content up to an end."""
        rest = events[end:]
        if any(mark in rest for mark in self._ends):
            return events[:end] + self._to_the_end(rest)
        self._uncounted = rest
        return events[:end] + _without_report(rest) if self._hide_usage else events

    def _to_the_end(self, events: bytes) -> bytes:
        """Event by event, since one of them may be the terminator."""
        self.count()
        read, after = 0, b""
        for event in split(events):
            self.reader.read(event)
            read += len(event)
            if self._is_last(event):
                self._over, after = True, self._after(events[read:])
                break
        given = events[:read]
        return (_without_report(given) if self._hide_usage else given) + after

    def _is_last(self, event: bytes) -> bool:
        return self.reader.done and any(mark in event for mark in self._ends)

    def _after(self, events: bytes) -> bytes:
        """What comes after the terminator: of it only a report of usage counts, and only what means nothing passes: a
        comment, or the line end that still is the terminator's own."""
        if not events.strip(b"\r\n"):
            return events
        reader = self.reader
        known = reader.finished, reader.failed, reader.output
        reader.read(events)
        reader.finished, reader.failed, reader.output = known
        return b"".join(event for event in split(events) if event_data(event) is None)

    def _release(self) -> bytes:
        if not self.reader.started and len(self._held) < MAX_HELD:
            return b""
        held, self._held = self._held, b""
        return held


def _ended(rest: bytes) -> bytes:
    """The last event, ended, if it is whole. Line ends alone are what a CRLF leaves that came in two."""
    if not rest.strip(b"\r\n"):
        return rest
    event = rest + (b"\n" if rest.endswith((b"\n", b"\r")) else b"\n\n")
    return event if all(data == b"[DONE]" or is_json(data) for data in datas(event)) else b""


def is_json(data: bytes) -> bool:
    """Whether that is a whole JSON text."""
    try:
        _json.decode(data)
    except UNREADABLE:
        return False
    return True


def _without_report(events: bytes) -> bytes:
    return b"".join(event for event in split(events) if not _is_report(event))


def _is_report(event: bytes) -> bool:
    if len(event) > MAX_HELD:
        return False
    for data in datas(event):
        try:
            report = _report.decode(data)
        except UNREADABLE:
            return False
        return not report.choices and parse_usage(report.usage) is not None
    return False
