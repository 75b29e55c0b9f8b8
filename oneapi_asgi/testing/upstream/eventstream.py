"""Frames of ``application/vnd.amazon.eventstream``: a prelude, headers, a payload, and a checksum of each.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html
"""

from __future__ import annotations

import struct
import zlib

__all__ = ["event_frame", "exception_frame"]

STRING = 7  # the type of a header's value
AROUND = 16  # bytes of a frame beside its headers and payload


def event_frame(kind: str, payload: bytes) -> bytes:
    return _frame({":event-type": kind, ":content-type": "application/json", ":message-type": "event"}, payload)


def exception_frame(kind: str, payload: bytes) -> bytes:
    return _frame({":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}, payload)


def _frame(headers: dict[str, str], payload: bytes) -> bytes:
    encoded = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    prelude = struct.pack(">II", AROUND + len(encoded) + len(payload), len(encoded))
    checked = prelude + struct.pack(">I", zlib.crc32(prelude)) + encoded + payload
    return checked + struct.pack(">I", zlib.crc32(checked))


def _header(name: bytes, value: bytes) -> bytes:
    return struct.pack(">B", len(name)) + name + struct.pack(">BH", STRING, len(value)) + value
