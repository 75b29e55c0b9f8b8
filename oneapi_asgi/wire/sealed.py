"""What a provider signs and wants to see again, in a wrapping that survives a trip through a client of another format.

Thoughts come with a signature that is worth something only to the model that made it. Told to a client of another
dialect it is *sealed*: one string of base64 (Gemini's clients accept nothing else) that says whose it is. When it comes
back, ``unseal`` tells it from a signature that the client's own provider made.
"""

from __future__ import annotations

import base64

import msgspec
from msgspec import Struct

from ..unreadable import UNREADABLE

__all__ = ["SEALED", "Signature", "seal", "unseal"]

_MARK = b"oneapi1:"
SEALED = base64.b64encode(_MARK)[:10]
"""How each of them begins: a request in which it occurs holds what another format's provider signed."""


class Signature(Struct, frozen=True, array_like=True):
    """Of the dialect ``dialect`` and the upstream model ``model``; empty where that is not known, since a client of the
    same dialect brought it back bare."""

    dialect: str
    model: str
    value: str


_decoder = msgspec.json.Decoder(Signature)


def seal(signature: Signature) -> str:
    """Base64, standard alphabet."""
    return base64.b64encode(_MARK + msgspec.json.encode(signature)).decode()


def unseal(text: str, dialect: str) -> Signature:
    """What ``seal`` wrapped, or, when it is none of that, a bare signature of ``dialect``."""
    padding = "=" * (-len(text) % 4)  # some clients take it off, as base64url has none
    try:
        raw = base64.b64decode(text.replace("-", "+").replace("_", "/") + padding, validate=True)
        if raw.startswith(_MARK):
            return _decoder.decode(raw[len(_MARK) :])
    except (*UNREADABLE, ValueError):
        pass
    return Signature(dialect, "", text)
