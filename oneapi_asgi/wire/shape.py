"""How deep and how manifold a JSON text is, found out without reading it: what it takes to read one depends on its
values more than on its bytes, and what is nested deeper than any request breaks whoever walks over it by recursion.

Only brackets, commas and quotes are looked at, so that a text that is no JSON has some shape, too. Its reader will
complain.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from msgspec import Struct

from ..errors import BadRequest

__all__ = ["MOST", "Shape", "check_depth", "check_shape"]


class Shape(Struct, frozen=True):
    """``depth`` is of arrays and objects within each other, ``values`` are the elements of all arrays and objects, and
    ``members`` those of objects alone."""

    depth: int
    values: int
    members: int


MOST = Shape(depth=128, values=500_000, members=100_000)
"""Providers allow schemas of five to ten levels, and Google's parser 100; OpenAI takes 300,000 numbers of tokens in one
request; a conversation of 20,000 turns has so many members, each of which costs far more than its bytes."""

_PIECE = 64 * 1024  # so that other threads come in between
_BRACKETS, _STRUCTURE = b"[]{}", b"[]{},:"
_STEPS = bytes(2 if byte in b"[{" else 0 if byte in b"]}" else 1 for byte in range(256))


def _others(kept: bytes) -> bytes:
    return bytes(byte for byte in range(256) if byte not in kept)


_NO_BRACKETS, _NO_STRUCTURE = _others(_BRACKETS), _others(_STRUCTURE)


def check_shape(body: bytes, most: Shape = MOST) -> None:
    """
    :raises BadRequest: it is too deep, or has too many values
    """
    openings = body.count(b"[") + body.count(b"{")
    if openings <= most.depth and len(body) <= most.members <= most.values:  # each takes a byte at least
        return None
    if openings + body.count(b",") <= most.values and body.count(b":") <= most.members:
        return check_depth(body, most.depth)
    depth = values = members = 0
    for piece in _outside_strings(body):
        structure = piece.translate(None, _NO_STRUCTURE)
        depth = _depth(structure.translate(None, _NO_BRACKETS), depth, most.depth)
        values += sum(map(structure.count, (b"[", b"{", b",")))
        members += structure.count(b":")
        if values > most.values or members > most.members:
            raise BadRequest(
                f"The body has more than {most.values} values, or {most.members} in objects. Send several requests.",
                code="invalid_json",
            )
    return None


def check_depth(body: bytes, most: int = MOST.depth) -> None:
    """
    :raises BadRequest: it is too deep
    """
    depth = 0
    if body.count(b"[") + body.count(b"{") > most:
        for piece in _outside_strings(body):
            depth = _depth(piece.translate(None, _NO_BRACKETS), depth, most)


def _depth(brackets: bytes, depth: int, most: int) -> int:
    """The depth after these brackets.

    :raises BadRequest: it is too deep on the way there
    """
    depths = list(accumulate((step - 1 for step in brackets.translate(_STEPS)), initial=depth))
    if max(depths) > most:
        raise BadRequest("The body is nested too deeply. Flatten it.", code="invalid_json")
    return depths[-1]


def _outside_strings(body: bytes, size: int = _PIECE) -> Iterator[bytes]:
    """What does not stand in strings, piece by piece."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    within = 0
    for start in range(0, len(body), size):
        parts = body[start : start + size].split(b'"')
        yield b"".join(parts[within::2])
        within = (within + len(parts) - 1) % 2
