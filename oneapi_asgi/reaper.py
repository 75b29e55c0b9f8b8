"""Gives back what calls held that never ended: those of a process that died. Any number of processes may reap.

    async with quota, Reaper(ledger): ...

That is for the host's lifespan. ``interval`` says how often it looks, in seconds. When the ledger was away, leases ran
out that nobody could renew, and calls ended that could not be settled: so nothing is taken back until it has answered
for ``grace`` seconds. Nor at the start, as nobody knows how long it was away before.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from .background import Background
from .ports import RevisionStore

__all__ = ["Expiring", "Reaper"]

_log = logging.getLogger(__name__)


class Expiring(RevisionStore, Protocol):
    """A ledger, and a question that changes nothing."""

    async def expire(self) -> int:
        """As in ``ports.Ledger``."""
        ...


class Reaper(Background):
    """Has the ledger release expired reservations every ``interval`` seconds, as long as its context lasts."""

    def __init__(
        self,
        ledger: Expiring,
        *,
        interval: float = 30.0,
        grace: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(self._reap, name="reaper")
        self._ledger = ledger
        self._interval = interval
        self._grace = grace
        self._clock = clock
        self._resume: float | None = None  # while the ledger is away

    async def _reap(self) -> None:
        while True:
            try:
                await self._look()
            except Exception as error:  # the next round may find the store again
                self._resume = None
                _log.error("the reaper failed: %s", type(error).__name__)
            await asyncio.sleep(self._interval)

    async def _look(self) -> None:
        if self._resume is None or self._clock() < self._resume:
            await self._ledger.pulse()
            self._resume = self._clock() + self._grace if self._resume is None else self._resume
            return
        expired = await self._ledger.expire()
        if expired:
            _log.warning("released %d reservations whose calls never ended", expired)
