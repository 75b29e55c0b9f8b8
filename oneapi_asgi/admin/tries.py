"""Guesses are counted, of passwords and of codes, by each of whom they could come from."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Subjects", "Tries", "check_all", "count_all"]

Subjects = tuple[tuple[str, str], ...]
"""What is counted, and for whom: ``("code_from", "192.0.2.7")``."""


class Tries(Protocol):
    """Counts what goes wrong, or is done, too often."""

    async def check(self, kind: str, key: str) -> None:
        """
        :raises RateLimited: there were too many
        """
        ...

    async def failed(self, kind: str, key: str) -> None: ...


async def check_all(tries: Tries, subjects: Subjects) -> None:
    """
    :raises RateLimited: of one of them there were too many
    """
    for kind, key in subjects:
        await tries.check(kind, key)


async def count_all(tries: Tries, subjects: Subjects) -> None:
    for kind, key in subjects:
        await tries.failed(kind, key)
