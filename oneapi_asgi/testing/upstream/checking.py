"""What a provider finds wrong with a request: tables of checks for each format, and what they raise.

A check takes a value and its path, and raises `Wrong`, which each format puts into its own words.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

__all__ = [
    "Check",
    "Path",
    "Refused",
    "Wrong",
    "anything",
    "base64_bytes",
    "dotted",
    "either",
    "flag",
    "image_type",
    "indexed",
    "integer",
    "json_object",
    "listed",
    "mapping",
    "nullable",
    "number",
    "one_of",
    "single",
    "struct",
    "tagged",
    "text",
]

Path: TypeAlias = tuple[str | int, ...]
Check: TypeAlias = Callable[[Any, Path], None]

Kind = Literal["unknown", "missing", "type", "value"]
NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
MAGIC = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}


class Wrong(Exception):
    """``what``: the type that is wanted, or what is wrong with the value."""

    def __init__(self, kind: Kind, path: Path, what: str = "", got: object = None) -> None:
        super().__init__(f"{kind} {dotted(path)} {what}")
        self.kind: Kind = kind
        self.path = path
        self.what = what
        self.got = "null" if got is None else NAMES.get(type(got), "unknown")


class Refused(Exception):
    """The request is refused with this status, in the provider's envelope."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param


def dotted(path: Path) -> str:
    return ".".join(map(str, path))


def indexed(path: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def anything(value: Any, path: Path) -> None:
    """Whatever it is."""


def text(*, empty: bool = True, pattern: str = "", most: int | None = None) -> Check:
    def check(value: Any, path: Path) -> None:
        if not isinstance(value, str):
            raise Wrong("type", path, "string", value)
        if not empty and not value:
            raise Wrong("value", path, "String should have at least 1 character")
        if pattern and not re.fullmatch(pattern, value):
            raise Wrong("value", path, f"String should match pattern '^{pattern}$'")
        if most is not None and len(value) > most:
            raise Wrong("value", path, f"String should have at most {most} characters")

    return check


def flag(value: Any, path: Path) -> None:
    if not isinstance(value, bool):
        raise Wrong("type", path, "boolean", value)


def _ranged(value: float, path: Path, low: float | None, high: float | None) -> None:
    if low is not None and value < low:
        raise Wrong("value", path, f"Input should be greater than or equal to {low:g}")
    if high is not None and value > high:
        raise Wrong("value", path, f"Input should be less than or equal to {high:g}")


def number(low: float | None = None, high: float | None = None) -> Check:
    def check(value: Any, path: Path) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Wrong("type", path, "number", value)
        _ranged(value, path, low, high)

    return check


def integer(low: int | None = None, high: int | None = None) -> Check:
    def check(value: Any, path: Path) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Wrong("type", path, "integer", value)
        _ranged(value, path, low, high)

    return check


def one_of(*words: object) -> Check:
    def check(value: Any, path: Path) -> None:
        if not any(value is word or (value == word and type(value) is type(word)) for word in words):
            raise Wrong("value", path, "Input should be " + ", ".join(f"'{word}'" for word in words))

    return check


def listed(check: Check, least: int = 0, most: int | None = None) -> Check:
    def check_list(value: Any, path: Path) -> None:
        if not isinstance(value, list):
            raise Wrong("type", path, "array", value)
        if len(value) < least:
            raise Wrong("value", path, f"List should have at least {least} item")
        if most is not None and len(value) > most:
            raise Wrong("value", path, f"List should have at most {most} items")
        for i, item in enumerate(value):
            check(item, (*path, i))

    return check_list


def mapping(check: Check = anything) -> Check:
    def check_mapping(value: Any, path: Path) -> None:
        if not isinstance(value, dict):
            raise Wrong("type", path, "object", value)
        for name, item in value.items():
            check(item, (*path, name))

    return check_mapping


def struct(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """These fields and no others."""
    known = {**required, **(optional or {})}

    def check(value: Any, path: Path) -> None:
        if not isinstance(value, dict):
            raise Wrong("type", path, "object", value)
        for name in value:
            if name not in known:
                raise Wrong("unknown", (*path, name))
        for name in required:
            if name not in value:
                raise Wrong("missing", (*path, name))
        for name, item in value.items():
            known[name](item, (*path, name))

    return check


def single(fields: Mapping[str, Check]) -> Check:
    """Exactly one of the fields."""
    checked = struct({}, fields)

    def check(value: Any, path: Path) -> None:
        checked(value, path)
        if len(value) != 1:
            raise Wrong("value", path, f"exactly one of {', '.join(fields)} has to be set")

    return check


def tagged(checks: Mapping[str, Check], tag: str = "type") -> Check:
    """An object whose ``tag`` says which check is its."""

    def check(value: Any, path: Path) -> None:
        if not isinstance(value, dict):
            raise Wrong("type", path, "object", value)
        if tag not in value:
            raise Wrong("missing", (*path, tag))
        found = checks.get(value[tag]) if isinstance(value[tag], str) else None
        if not found:
            words = ", ".join(f"'{word}'" for word in checks)
            raise Wrong("value", (*path, tag), f"Input tag '{value[tag]}' does not match any of: {words}")
        found(value, path)

    return check


def either(string: Check, other: Check) -> Check:
    """A string of the one kind, or anything of the other."""

    def check(value: Any, path: Path) -> None:
        (string if isinstance(value, str) else other)(value, path)

    return check


def nullable(check: Check) -> Check:
    def check_unless_null(value: Any, path: Path) -> None:
        if value is not None:
            check(value, path)

    return check_unless_null


def base64_bytes(value: Any, path: Path) -> None:
    """Standard alphabet, padded, not empty."""
    if not isinstance(value, str):
        raise Wrong("type", path, "string", value)
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Wrong("value", path, "invalid base64 data") from None
    if not raw:
        raise Wrong("value", path, "base64 data must not be empty")


def image_type(data: str) -> str | None:
    """What the bytes look like, None when they look like nothing known."""
    raw = base64.b64decode(data[:32].replace("-", "+").replace("_", "/") + "==")
    webp = raw[:4] == b"RIFF" and raw[8:12] == b"WEBP"
    return "image/webp" if webp else next((name for magic, name in MAGIC.items() if raw.startswith(magic)), None)


def json_object(value: Any, path: Path) -> None:
    """The text of a JSON object."""
    text()(value, path)
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        raise Wrong("value", path, "is not valid JSON") from None
    if not isinstance(read, dict):
        raise Wrong("value", path, "is not a JSON object")
