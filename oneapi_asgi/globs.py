"""Names of models as allow-lists, channels and prices write them: exact, or with ``*``, ``?`` and ``[…]`` in them."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase

__all__ = ["allows", "is_glob", "matches"]

_MARKS = ("*", "?", "[")


def is_glob(name: str) -> bool:
    return any(mark in name for mark in _MARKS)


def matches(name: str, pattern: str) -> bool:
    """Whether a pattern is this name, or a glob for it: ``large[1m]`` is a name that also stands for itself."""
    return name == pattern or (is_glob(pattern) and fnmatchcase(name, pattern))


def allows(patterns: Collection[str], name: str) -> bool:
    """Whether an allow-list has a name. An empty one has all."""
    return not patterns or any(matches(name, pattern) for pattern in patterns)
