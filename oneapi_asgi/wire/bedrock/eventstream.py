"""The frames of ``application/vnd.amazon.eventstream``: binary messages with headers, a payload and two checksums.

    total length (4)  length of headers (4)  CRC-32 of these eight (4)  headers  payload  CRC-32 of all before it (4)

Integers are big-endian. A header is: length of its name (1), name, type (1), value; of the ten types only strings carry
meaning for a reader of events, the others are skipped by their size.
https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

from msgspec import Struct

from ..dialect import MalformedAnswerError
from ..sse import MAX_EVENT, EventTooLargeError

__all__ = ["EventStreamFrames", "Message", "message"]

_PRELUDE = struct.Struct(">III")
_CHECKSUM = struct.Struct(">I")
_SIZE = struct.Struct(">H")
_LEAST = _PRELUDE.size + _CHECKSUM.size

_BYTES = 6
_STRING = 7
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a value by its type: true, false, byte, short, integer, long, timestamp, UUID."""


class Message(Struct, frozen=True):
    """One message; ``headers`` are those whose values are strings."""

    headers: dict[str, str]
    payload: bytes


class EventStreamFrames:
    """Collects chunks and gives back the messages that have become complete, both checksums compared."""

    __slots__ = ("_held", "_limit")

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self._held = bytearray()
        self._limit = limit

    def feed(self, chunk: bytes) -> list[Message]:
        """
        :raises EventTooLargeError: a message has more than ``limit`` bytes
        :raises MalformedAnswerError: a checksum or a length is wrong
        """
        self._held += chunk
        found = []
        start = 0
        while length := self._length_at(start):
            found.append(_parsed(bytes(self._held[start : start + length])))
            start += length
        del self._held[:start]
        return found

    def finish(self) -> list[Message]:
        """None: a message without its end has no checksum, and what it says cannot be trusted."""
        self._held.clear()
        return []

    def _length_at(self, start: int) -> int:
        """The length of the message there, 0 while it is not complete."""
        if len(self._held) - start < _PRELUDE.size:
            return 0
        total, headers, checksum = _PRELUDE.unpack_from(self._held, start)
        if zlib.crc32(self._held[start : start + 8]) != checksum:
            raise MalformedAnswerError("the checksum of an event's prelude is wrong")
        if total < _LEAST + headers:
            raise MalformedAnswerError("the lengths of an event contradict each other")
        if total > self._limit:
            raise EventTooLargeError(f"an event has more than {self._limit} bytes")
        return total if len(self._held) - start >= total else 0


def _parsed(raw: bytes) -> Message:
    (checksum,) = _CHECKSUM.unpack_from(raw, len(raw) - _CHECKSUM.size)
    if zlib.crc32(raw[: -_CHECKSUM.size]) != checksum:
        raise MalformedAnswerError("the checksum of an event is wrong")
    _, length, _ = _PRELUDE.unpack_from(raw)
    payload = _PRELUDE.size + length
    try:
        headers = _headers(raw[_PRELUDE.size : payload])
    except (struct.error, IndexError, KeyError, UnicodeDecodeError):
        raise MalformedAnswerError("the headers of an event cannot be read") from None
    return Message(headers, raw[payload : -_CHECKSUM.size])


def _headers(raw: bytes) -> dict[str, str]:
    found = {}
    at = 0
    while at < len(raw):
        name = raw[at + 1 : at + 1 + raw[at]].decode()
        at += 1 + raw[at]
        kind = raw[at]
        at += 1
        if kind in (_BYTES, _STRING):
            (size,) = _SIZE.unpack_from(raw, at)
            at += _SIZE.size
        else:
            size = _FIXED[kind]
        if at + size > len(raw):
            raise IndexError
        if kind == _STRING:
            found[name] = raw[at : at + size].decode()
        at += size
    return found


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """The bytes of one message, all of whose headers are strings."""
    head = b"".join(
        bytes([len(name)]) + name + bytes([_STRING]) + _SIZE.pack(len(value)) + value
        for name, value in ((name.encode(), value.encode()) for name, value in headers.items())
    )
    lengths = struct.pack(">II", _LEAST + len(head) + len(payload), len(head))
    front = lengths + _CHECKSUM.pack(zlib.crc32(lengths)) + head + payload
    return front + _CHECKSUM.pack(zlib.crc32(front))
