"""Guesses are counted, of passwords and of codes, by each of whom they could come from.

They are counted before they are looked at, so that a thousand at one moment are no more than ten one after another; a
guess that was right is taken back.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Subjects", "Tries", "count_all", "forgive_all"]

Subjects = tuple[tuple[str, str], ...]
"""What is counted, and for whom: ``("code_from", "192.0.2.7")``. The kinds are those of ``desk.tries.TRIES``."""


class Tries(Protocol):
    """Counts what may go wrong, or be done, only so often."""

    async def count(self, kind: str, key: str) -> None:
        """
        :raises RateLimited: there were too many, and this one is not counted
        """
        ...

    async def forgive(self, kind: str, key: str) -> None:
        """Take back the latest one."""
        ...


async def count_all(tries: Tries, subjects: Subjects) -> None:
    """
    :raises RateLimited: of one of them there were too many
    """
    for kind, key in subjects:
        await tries.count(kind, key)


async def forgive_all(tries: Tries, subjects: Subjects) -> None:
    for kind, key in subjects:
        await tries.forgive(kind, key)
