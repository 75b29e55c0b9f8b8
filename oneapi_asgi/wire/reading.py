"""Bodies into typed values, with complaints that a caller can act upon; ids that every format takes."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Container, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from ..errors import BadRequest
from ..unreadable import UNREADABLE
from .shape import check_depth

__all__ = ["complaint", "decoded", "legal_id", "new_call_id", "object_of", "unread"]

Value = TypeVar("Value")

_PLACE = re.compile(r" - at `(?:key in )?\$\.?(?P<path>.*)`$")


def decoded(decoder: msgspec.json.Decoder[Value], body: bytes) -> Value:
    """A body as what ``decoder`` is for.

    :raises BadRequest: it is not; the message is msgspec's, the parameter where it happened ("messages[0].content")
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise complaint(error) from None
    except RecursionError:
        raise BadRequest("The body is nested too deeply. Flatten it.", code="invalid_json") from None
    except UNREADABLE as error:
        raise BadRequest(f"The body is not valid JSON: {error}.", code="invalid_json") from None


_fields = msgspec.json.Decoder(dict[str, Raw])
_anything = msgspec.json.Decoder()


def unread(body: bytes, known: Container[str], usual: Mapping[str, object]) -> dict[str, Any]:
    """The fields of a JSON object that nobody else reads: not ``known``, not null, and other than is ``usual``.

    :raises BadRequest: it is no JSON object
    """
    rest = {name: raw for name, raw in decoded(_fields, body).items() if name not in known}
    values = {name: decoded(_anything, bytes(raw)) for name, raw in rest.items()}
    return {name: value for name, value in values.items() if value is not None and value != usual.get(name, ...)}


def complaint(error: msgspec.ValidationError) -> BadRequest:
    """What a mistake of type is told as."""
    text = str(error)
    place = _PLACE.search(text)
    path = place["path"].replace("[...]", "[]") if place else ""
    what = text[: place.start()] if place else text
    where = f"'{path}': " if path else ""
    code = "missing_required_parameter" if "missing required field" in what else "invalid_type"
    return BadRequest(f"{where}{what}.", code=code, param=path or None)


def object_of(text: str, name: str, param: str) -> dict[str, Any]:
    """The arguments of a call of the tool ``name``: a JSON object, empty for no text.

    :raises BadRequest: they are no JSON object
    """
    if not text.strip():
        return {}
    try:
        check_depth(text.encode())
        value = msgspec.json.decode(text)
    except (*UNREADABLE, BadRequest):
        value = None
    if not isinstance(value, dict):
        raise BadRequest(
            f"The arguments of the call of tool {name[:80]!r} are no JSON object. Send them as the model wrote them.",
            param=param,
            code="invalid_value",
        )
    return value


def new_call_id(prefix: str = "call_") -> str:
    """An id for a tool call that the upstream gave none: letters, digits and ``_``, 29 characters, unique."""
    return f"{prefix}{random.getrandbits(96):024x}"


def legal_id(given: str, *, most: int = 64, illegal: str = r"[^a-zA-Z0-9_-]") -> str:
    """The id itself, or, where a format would refuse it, one made of it: always the same one, other than all others."""
    if given and len(given) <= most and not re.search(illegal, given):
        return given
    digest = hashlib.sha256(given.encode(errors="surrogatepass")).hexdigest()
    if most < 32:
        return digest[:most]
    kept = re.sub(illegal, "_", given)[: most - 17]
    return f"{kept}_{digest[:16]}"
