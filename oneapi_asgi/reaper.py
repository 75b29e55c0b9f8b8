"""Gives back what calls held that never ended: those of a process that died. Any number of processes may reap.

    async with quota, Reaper(ledger): ...

That is for the host's lifespan. ``interval`` says how often it looks, in seconds.
"""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Self

from .ports import Ledger

__all__ = ["Reaper"]

_log = logging.getLogger(__name__)


class Reaper:
    """Has the ledger release expired reservations every ``interval`` seconds, as long as its context lasts."""

    def __init__(self, ledger: Ledger, *, interval: float = 30.0) -> None:
        self._ledger = ledger
        self._interval = interval
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._reap(), name="reaper")
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _reap(self) -> None:
        while True:
            try:
                expired = await self._ledger.expire()
                if expired:
                    _log.warning("released %d reservations whose calls never ended", expired)
            except Exception as error:  # the next round may find the store again
                _log.error("the reaper failed: %s", type(error).__name__)
            await asyncio.sleep(self._interval)
