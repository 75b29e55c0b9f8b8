"""What tests of group commits stand on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

__all__ = ["Ledger", "within"]


class Ledger:
    """Commits numbers, and fails as it is told."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.failing = 0
        self.poison: set[int] = set()
        self.blame: type[Exception] = KeyError
        self.open = asyncio.Event()
        self.open.set()
        self.running = 0

    @property
    def taken(self) -> list[int]:
        return [item for group in self.groups for item in group]

    async def commit(self, items: Sequence[int]) -> Sequence[int]:
        self.running += 1
        assert self.running == 1, "two commits at once"
        try:
            await self.open.wait()
            if self.failing:
                self.failing -= 1
                raise ConnectionError
            if bad := self.poison.intersection(items):
                raise self.blame(*bad)
            self.groups.append(list(items))
            return [item * 10 for item in items]
        finally:
            self.running -= 1


async def within(future: asyncio.Future[int]) -> int:
    return await asyncio.wait_for(future, 3)
