"""What is held for calls in flight, by whichever process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

__all__ = ["MOST_HELD", "HeldCall", "HeldReader"]

MOST_HELD = 10_000
"""Calls that are looked at, the newest."""


class HeldCall(Struct, frozen=True, kw_only=True):
    """``amount`` is in nano-dollars, ``since`` in Unix seconds; ids are 0 and names empty for what is not there."""

    id: str
    since: float
    amount: int
    user_id: int
    user: str
    token_id: int
    token: str


class HeldReader(Protocol):
    async def held_calls(self, *, user_id: int | None = None) -> Sequence[HeldCall]:
        """The calls that something is held for and whose lease has not run out, of anybody or that user, the newest
        first."""
        ...
