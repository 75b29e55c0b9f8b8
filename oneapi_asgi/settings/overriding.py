"""Readers of what a channel changes of calls: its headers and parameters. Whether it may, ``overrides`` knows."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from ..unreadable import UNREADABLE
from .places import Mistakes, Place
from .readers import referenced

__all__ = ["headers", "parameters"]


def headers(value: object, at: Place) -> dict[str, str]:
    """A table of headers. What they say may be a credential: it is never shown, and may be written as ``env:NAME`` or
    ``file:PATH``."""
    if not isinstance(value, Mapping):
        raise at.mistake('must be a table of texts, such as { x-team = "a" }')
    mistakes, found = Mistakes(), dict[str, str]()
    for name, said in value.items():
        with mistakes:
            found[str(name)] = str(referenced(said, at.key(str(name)))[0])
    mistakes.done()
    return found


def parameters(value: object, at: Place) -> dict[str, Any]:
    """A table of JSON values; or the JSON of an object, where one of them has to be null."""
    if isinstance(value, str):
        try:
            return msgspec.json.decode(value, type=dict[str, Any])
        except UNREADABLE:
            raise at.wrong(value, "must be a JSON object") from None
    if not isinstance(value, Mapping):
        raise at.mistake(
            "must be a table, such as { temperature = 0.2 }, or a JSON object as text: '{\"top_p\": null}'"
        )
    return {str(name): _json(said) for name, said in value.items()}


def _json(value: object) -> object:
    """Numbers with a fraction are read exactly, and JSON has them as floats."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {str(name): _json(said) for name, said in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return str(value) if isinstance(value, str) else value
