"""Clears away what need not be kept any longer, in small batches between which calls have their turn.

    chores = {"records": old_records(store, keep=90 * 86_400), "answers": store.purge_answers}
    async with quota, Housekeeping(chores): ...

That is for the host's lifespan; any number of processes may do it at once. What the calls of a day add up to stays
known.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from .background import Background
from .ports import RecordPruner

__all__ = ["Chore", "Housekeeping", "old_records"]

_log = logging.getLogger(__name__)

Chore = Callable[[], Awaitable[int]]
"""Clears one batch away, and returns how many there were: 0 when nothing is left to do."""


def old_records(
    store: RecordPruner, *, keep: float, batch: int = 1_000, clock: Callable[[], float] = time.time
) -> Chore:
    """Delete records ``keep`` seconds after their calls began, ``batch`` of them in one transaction. ``clock`` gives
    Unix seconds."""

    async def prune() -> int:
        return await store.prune_records(clock() - keep, batch)

    return prune


class Housekeeping(Background):
    """Does its ``chores`` every ``interval`` seconds, until nothing is left to do, as long as its context lasts.

    Between two batches lie ``pause`` seconds at least. What a chore is called is what it clears away, in the plural.
    """

    def __init__(self, chores: Mapping[str, Chore], *, interval: float = 3600.0, pause: float = 0.1) -> None:
        super().__init__(self._keep_house, name="housekeeping")
        self._chores = dict(chores)
        self._interval = interval
        self._pause = pause

    async def _keep_house(self) -> None:
        while True:
            for what, chore in self._chores.items():
                try:
                    count = await self.clear(chore)
                    if count:
                        _log.info("deleted %d %s that were kept long enough", count, what)
                except Exception as error:  # the next round may find the store again
                    _log.error("old %s could not be deleted: %s", what, type(error).__name__)
            await asyncio.sleep(self._interval)

    async def clear(self, chore: Chore) -> int:
        """Do a chore until nothing is left to do, and return how much that was."""
        clock = asyncio.get_running_loop().time
        total = 0
        while True:
            began = clock()
            count = await chore()
            if not count:
                return total
            total += count
            # A store that is slow, or busy, gets at least as long for its calls as for this.
            await asyncio.sleep(max(self._pause, clock() - began))
