"""Values of columns, however a database or an old version wrote them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from ..unreadable import UNREADABLE

__all__ = [
    "LARGEST",
    "NANO_OF_QUOTA",
    "Row",
    "flag",
    "fraction",
    "json_object",
    "listed",
    "moment",
    "money",
    "text",
    "whole",
]

Row = Mapping[str, Any]

NANO_OF_QUOTA = 2000
"""500,000 quota is a dollar."""

LARGEST = 2**61
"""Nano-dollars that are taken for a balance: more cannot be added up."""

_LARGEST_NUMBER = Decimal(2**63 - 1)
_TRUE = frozenset({"1", "t", "true", "yes", "y"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def text(row: Row, name: str, most: int = 255) -> str:
    """One line without spaces at its ends; of CHAR columns the filling is gone as well."""
    value = row.get(name)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return "" if value is None else _CONTROL.sub(" ", str(value)).strip()[:most]


def whole(row: Row, name: str, default: int = 0) -> int:
    """An integer, were it written as text or with a fraction."""
    value = row.get(name)
    if value is None or value == "":
        return default
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    try:
        number = Decimal(str(int(value) if isinstance(value, bool) else value).strip())
        # before it is an integer: one of a million digits takes half a minute
        return int(max(-_LARGEST_NUMBER, min(number, _LARGEST_NUMBER))) if number.is_finite() else default
    except (InvalidOperation, ValueError):
        return default


def money(row: Row, name: str) -> int:
    """Nano-dollars of a column in quota. It may be more than ``LARGEST``."""
    return whole(row, name) * NANO_OF_QUOTA


def flag(row: Row, name: str, *, default: bool = False) -> bool:
    value = row.get(name)
    if value is None or value == "":
        return default
    if isinstance(value, bytes):
        value = "1" if value == b"\x01" else value.decode("ascii", "replace")
    return str(value).strip().lower() in _TRUE


def moment(row: Row, name: str) -> float | None:
    """Unix seconds, None for 0, less and nothing."""
    seconds = whole(row, name)
    return float(seconds) if seconds > 0 else None


def listed(row: Row, name: str, separators: str = ",") -> tuple[str, ...]:
    """A list in one text, each entry once."""
    value = row.get(name)
    parts = re.split(f"[{re.escape(separators)}]", "" if value is None else str(value))
    return tuple(dict.fromkeys(part for part in map(str.strip, parts) if part))


def json_object(value: object) -> dict[str, Any] | None:
    """A JSON object; {} for nothing, None for what is none."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if value is None or not str(value).strip() or str(value).strip() == "null":
        return {}
    with contextlib.suppress(*UNREADABLE):
        found = msgspec.json.decode(str(value))
        return found if isinstance(found, dict) else None
    return None


def fraction(value: object) -> Decimal | None:
    """A finite number that is not negative, exactly as it is written."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None
