"""Rounds: the same to be done for many, beside the requests. One round of a kind at a time, some of it at once.

    async with Rounds() as rounds:
        rounds.begin("test", [job, …])

How a round stands is known to the process that goes it; what it finds out is for everybody in the database.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from ..background import Background
from ..errors import InProgress, NotStarted

__all__ = ["Job", "RoundRow", "Rounds"]

_log = logging.getLogger(__name__)

Job: TypeAlias = Callable[[], Awaitable[bool]]
"""Whether it went well."""


class RoundRow(Struct, frozen=True, kw_only=True):
    """Times are Unix seconds, 0 for not yet."""

    running: bool = False
    total: int = 0
    done: int = 0
    failed: int = 0
    started_at: float = 0.0
    ended_at: float = 0.0


class Rounds(Background):
    """``together`` is how many jobs of a round run at one moment."""

    def __init__(self, *, together: int = 4, clock: Callable[[], float] = time.time) -> None:
        super().__init__(self._go, name="rounds")
        self._together = together
        self._clock = clock
        self._waiting: asyncio.Queue[tuple[str, Sequence[Job]]] = asyncio.Queue()
        self._rows: dict[str, RoundRow] = {}

    def state(self, kind: str) -> RoundRow:
        return self._rows.get(kind, RoundRow())

    def begin(self, kind: str, jobs: Sequence[Job]) -> RoundRow:
        """
        :raises InProgress: the last one has not ended
        :raises NotStarted: nobody has entered this
        """
        if self._task is None:
            raise NotStarted("Rounds were not started: enter them (async with rounds: …) beside the application.")
        if self.state(kind).running:
            raise InProgress("That is being done already; look how it stands with GET.", code="in_progress",
                             retry_after=5)  # fmt: skip
        self._rows[kind] = RoundRow(running=True, total=len(jobs), started_at=self._clock())
        self._waiting.put_nowait((kind, jobs))
        return self._rows[kind]

    async def _go(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                kind, jobs = await self._waiting.get()
                group.create_task(self._round(kind, jobs), name=f"round {kind}")

    async def _round(self, kind: str, jobs: Sequence[Job]) -> None:
        left = iter(jobs)  # each of those who go it takes the next
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._together, len(jobs))):
                group.create_task(self._walk(kind, left))
        self._rows[kind] = replace(self._rows[kind], running=False, ended_at=self._clock())

    async def _walk(self, kind: str, left: Iterator[Job]) -> None:
        for job in left:
            try:
                well = await job()
            except Exception:
                _log.exception("a job of the round %s failed", kind)
                well = False
            row = self._rows[kind]
            self._rows[kind] = replace(row, done=row.done + 1, failed=row.failed + (not well))
