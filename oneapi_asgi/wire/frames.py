"""Frames of streams: what cuts the bytes of an upstream into single JSON texts, however they arrive.

``SSEFrames`` for server-sent events (their data), ``LineFrames`` for JSON lines. Both: ``feed`` gives the frames that
have become complete, ``finish`` the last one, if it only lacks its end.
"""

from __future__ import annotations

from typing import Protocol

from .sse import MAX_EVENT, EventTooLargeError, Framer, datas

__all__ = ["Frames", "LineFrames", "SSEFrames"]


class Frames(Protocol):
    def feed(self, chunk: bytes) -> list[bytes]:
        """
        :raises EventTooLargeError: a frame has more bytes than are allowed
        """
        ...

    def finish(self) -> list[bytes]: ...


class SSEFrames:
    """The ``data`` of each event, without those that have none or are empty."""

    __slots__ = ("_framer",)

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self._framer = Framer(limit)

    def feed(self, chunk: bytes) -> list[bytes]:
        events = self._framer.feed(chunk)
        return [data for data in datas(events) if data] if events else []

    def finish(self) -> list[bytes]:
        rest = self._framer.rest
        return [data for data in datas(rest + b"\n\n") if data] if rest.strip(b"\r\n") else []


class LineFrames:
    """Lines that end with LF or CRLF, without empty ones (https://github.com/ndjson/ndjson-spec)."""

    __slots__ = ("_held", "_limit")

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self._held = bytearray()
        self._limit = limit

    def feed(self, chunk: bytes) -> list[bytes]:
        end = chunk.rfind(b"\n") + 1
        if not end:
            self._held += chunk
            self._check()
            return []
        lines = (bytes(self._held) + chunk[:end]).split(b"\n")
        self._held = bytearray(chunk[end:])
        self._check()
        return [stripped for line in lines if (stripped := line.strip(b"\r"))]

    def finish(self) -> list[bytes]:
        rest = bytes(self._held).strip(b"\r")
        self._held.clear()
        return [rest] if rest else []

    def _check(self) -> None:
        if len(self._held) > self._limit:
            raise EventTooLargeError(f"a line has more than {self._limit} bytes")
