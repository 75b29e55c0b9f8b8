"""How it is told that a text is not the JSON that it should be."""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["UNREADABLE"]

UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What msgspec raises where it reads: of a string that is not UTF-8, or that cannot be, the codec's own error, and of
too many levels the interpreter's."""
