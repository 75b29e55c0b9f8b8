"""HTTP/1.1 requests out of a buffer, heads for answers: no I/O."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from .script import Answer

__all__ = ["Malformed", "Request", "frame", "framed", "head", "multipart", "query", "take_request"]

MAX_REQUEST = 64 << 20  # bytes; a peer that sends more is broken
BODILESS = {204, 304}


class Malformed(Exception):
    pass


class Request(NamedTuple):
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes


def query(request: Request) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(request.path).query).items()}


def take_request(buffer: bytearray) -> Request | None:
    """Cut the first complete request off ``buffer``, None while it is incomplete.

    :raises Malformed: this will never be a request
    """
    end = buffer.find(b"\r\n\r\n")
    if end < 0 or len(buffer) > MAX_REQUEST:
        _check_size(buffer)
        return None
    method, path, headers = _parse_head(buffer[:end].decode("latin-1"))
    fields = dict(headers)
    if "chunked" in fields.get("transfer-encoding", "").lower():
        found = _chunked_body(buffer, end + 4)
    else:
        found = _counted_body(buffer, end + 4, _number(fields.get("content-length", "0"), 10))
    if found is None:
        _check_size(buffer)
        return None
    body, stop = found
    del buffer[:stop]
    return Request(method, path, headers, body)


def _check_size(buffer: bytearray) -> None:
    if len(buffer) > MAX_REQUEST:
        raise Malformed(f"more than {MAX_REQUEST} bytes")


def _parse_head(text: str) -> tuple[str, str, list[tuple[str, str]]]:
    first, *lines = text.split("\r\n")
    match first.split(" "):
        case [method, path, "HTTP/1.1" | "HTTP/1.0"]:
            pairs = [line.partition(":") for line in lines]
            return method, path, [(name.strip().lower(), value.strip()) for name, _, value in pairs]
        case _:
            raise Malformed(f"not a request line: {first!r}")


def _counted_body(buffer: bytearray, start: int, length: int) -> tuple[bytes, int] | None:
    stop = start + length
    return (bytes(buffer[start:stop]), stop) if len(buffer) >= stop else None


def _chunked_body(buffer: bytearray, start: int) -> tuple[bytes, int] | None:
    pieces: list[bytes] = []
    while (end := buffer.find(b"\r\n", start)) >= 0:
        size = _number(buffer[start:end].partition(b";")[0].decode("latin-1"), 16)
        stop = end + 2 + size
        if len(buffer) < stop + 2:
            return None
        if not size:  # no trailers: no client of ours sends them
            return b"".join(pieces), stop + 2
        pieces.append(bytes(buffer[end + 2 : stop]))
        start = stop + 2
    return None


def _number(text: str, base: int) -> int:
    try:
        return int(text, base)
    except ValueError:
        raise Malformed(f"not a length: {text!r}") from None


def head(answer: Answer) -> bytes:
    if not answer.head:
        return b""
    lines = [f"HTTP/1.1 {answer.status} {_reason(answer.status)}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    if answer.content_length is not None:
        lines.append(f"content-length: {answer.content_length}")
    elif _chunks(answer):
        lines.append("transfer-encoding: chunked")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def frame(answer: Answer, data: bytes) -> bytes:
    """``data`` as it goes onto the wire; empty data ends a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if _chunks(answer) else data


def framed(answer: Answer) -> bool:
    """Whether the peer can tell where the body ends; else only closing tells."""
    return answer.chunked or answer.content_length is not None or answer.status in BODILESS


def _chunks(answer: Answer) -> bool:
    return answer.chunked and answer.content_length is None and answer.status not in BODILESS


def multipart(content_type: str, body: bytes) -> dict[str, bytes]:
    """The fields of a form by name, files among them; enough for what SDKs send."""
    if not (found := re.search(r'boundary="?([^";]+)', content_type)):
        return {}
    parts = (part.partition(b"\r\n\r\n") for part in body.split(b"--" + found[1].encode()))
    named = ((re.search(rb'[; ]name="([^"]*)"', header), value) for header, _, value in parts)
    return {match[1].decode(): value.removesuffix(b"\r\n") for match, value in named if match}
