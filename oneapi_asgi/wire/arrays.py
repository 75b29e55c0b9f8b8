"""Frames of a JSON array that comes in pieces: its elements, one by one, as each becomes complete.

Only brackets, quotes and commas are looked at; whether an element is JSON is found out by whoever decodes it. What is
no array but a single object (an error, an answer that came whole) is one frame. Bytes after the end mean nothing.
"""

from __future__ import annotations

import re

from .sse import MAX_EVENT, EventTooLargeError

__all__ = ["ArrayFrames"]

_SPACE = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_STRUCTURE = re.compile(rb'["\[\]{},]')
_QUOTE = re.compile(rb'["\\]')
_OPENING = (b"[", b"{")


class ArrayFrames:
    """As ``frames.Frames``. Every byte is looked at once: a chunk costs its length, whatever was held before it."""

    __slots__ = ("_depth", "_done", "_escaped", "_held", "_limit", "_listed", "_quoted", "_started")

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self._held = bytearray()
        self._limit = limit
        self._depth = 0
        self._started = False
        self._listed = False
        self._quoted = False
        self._escaped = False
        self._done = False

    @property
    def done(self) -> bool:
        """Whether the array's end was seen."""
        return self._done

    @property
    def rest(self) -> int:
        """How many of the bytes that were fed last belong to an element that is not complete."""
        return len(self._held)

    def feed(self, chunk: bytes) -> list[bytes]:
        """
        :raises EventTooLargeError: an element has more bytes than are allowed
        """
        rest = chunk if self._started else self._start(chunk)
        found: list[bytes] = []
        begin = place = 0
        while not self._done and place < len(rest):
            if self._quoted:
                place = self._string(rest, place)
                continue
            match = _STRUCTURE.search(rest, place)
            if match is None:
                break
            place = match.end()
            end = self._end(match[0], place)
            if end is not None:
                self._take(found, rest[begin:end])
                begin = place
        if not self._done:
            self._held += rest[begin:]
            if len(self._held) > self._limit:
                raise EventTooLargeError(f"an element has more than {self._limit} bytes")
        return found

    def finish(self) -> list[bytes]:
        rest = bytes(self._held).strip(_SPACE)
        self._held.clear()
        return [rest] if rest else []

    def _start(self, chunk: bytes) -> bytes:
        """What comes after the opening bracket; nothing until it is there."""
        self._held += chunk
        first = bytes(self._held).removeprefix(_BOM).lstrip(_SPACE)
        if not first or _BOM.startswith(first):
            return b""
        self._started = True
        self._held.clear()
        self._listed = first.startswith(b"[")
        self._depth = int(self._listed)
        return first[1:] if self._listed else first

    def _string(self, rest: bytes, place: int) -> int:
        """The place after what ends or interrupts a string."""
        if self._escaped:
            self._escaped = False
            return place + 1
        match = _QUOTE.search(rest, place)
        if match is None:
            return len(rest)
        self._escaped = match[0] == b"\\"
        self._quoted = self._escaped
        return match.end()

    def _end(self, mark: bytes, place: int) -> int | None:
        """Where an element ends, if it does so at this mark, the last before ``place``. An element that is an object or
        an array ends with its bracket; others end before what follows them."""
        if mark == b'"':
            self._quoted = True
        elif mark in _OPENING:
            self._depth += 1
        elif mark == b",":
            return place - 1 if self._listed and self._depth == 1 else None
        else:
            self._depth -= 1
            self._done = self._depth == 0
            if self._done:
                return place - 1 if self._listed else place
            return place if self._listed and self._depth == 1 else None
        return None

    def _take(self, found: list[bytes], piece: bytes) -> None:
        element = bytes(self._held + piece).strip(_SPACE)
        self._held.clear()
        if element:
            found.append(element)
