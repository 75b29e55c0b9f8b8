"""Lists of names in bodies: a JSON list, or one text with commas between them, as One API has it."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["names_of"]


def names_of(given: Sequence[str] | str | None) -> tuple[str, ...]:
    """Each once, without the space around it. No name has a comma, nor in a JSON list: answers put it between them."""
    listed = (given,) if isinstance(given, str) else given or ()
    names = (name.strip() for entry in listed for name in entry.split(","))
    return tuple(dict.fromkeys(name for name in names if name))
