"""Group commit: what waits at the same moment is done together.

One commit runs at a time. Whatever is submitted while it runs makes up the next one, so a transaction costs one round
trip when there is no load and a fraction of one under load. What nobody waits for may itself wait a moment for company.

    async with GroupCommit(ledger.apply) as group:
        outcome = await group.submit(reserve)
        group.post(settle)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Generic, Self, TypeVar

from .errors import NotStarted

__all__ = ["GroupCommit"]

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

_log = logging.getLogger(__name__)


class GroupCommit(Generic[Item, Outcome]):
    """Commits items in groups of at most ``limit``.

    ``submit`` gives the future outcome, which raises what the commit raised. ``post`` returns at once: its items are
    nobody's to wait for, so they wait up to ``linger`` seconds for the next submission to take them along; they cannot
    be cancelled, and are tried again, ever more slowly, until the commit takes them. A group that more than one
    submission shared shows a crowd: the next one then begins ``pace`` seconds later and is the larger for it. A
    ``KeyError`` or ``ValueError`` of the commit blames the items: each is then committed alone, and a posted one that
    fails again is dropped. Leaving the context commits what is left; if the store stays dead for ``patience`` seconds
    then, the loss is logged under ``name``.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]],
        *,
        limit: int = 256,
        linger: float = 0.0,
        pace: float = 0.0,
        patience: float = 30.0,
        name: str = "group commit",
    ) -> None:
        self._commit = commit
        self._limit = limit
        self._linger = linger
        self._pace = pace
        self._patience = patience
        self._name = name
        self._waiting: list[tuple[Item, asyncio.Future[Outcome] | None]] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._crowded = False
        self._timer: asyncio.TimerHandle | None = None
        self._worker: asyncio.Task[None] | None = None
        self._closing = False

    async def __aenter__(self) -> Self:
        self._closing = False
        self._idle.set()
        self._worker = asyncio.create_task(self._work(), name=self._name)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        worker, self._worker = self._worker, None
        self._closing = True
        self._wake.set()
        if worker is None:
            return
        done, _ = await asyncio.wait([worker], timeout=self._patience)
        if not done:
            _log.error("%s: gave up on %d items, the store did not take them", self._name, len(self._waiting))
            worker.cancel()
            await asyncio.wait([worker])

    @property
    def started(self) -> bool:
        return self._worker is not None

    def submit(self, item: Item) -> asyncio.Future[Outcome]:
        """The future outcome of an item.

        :raises NotStarted: the context was not entered
        """
        if self._worker is None:
            raise NotStarted(f"The {self._name} is not running: enter its context (the gateway's lifespan) first.")
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._add(item, outcome)
        self._wake.set()
        return outcome

    def post(self, item: Item) -> None:
        """Have an item committed some time soon, whatever happens to the caller."""
        if self._worker is None:
            _log.error("%s: an item came after the end and is lost: %s", self._name, type(item).__name__)
            return
        self._add(item, None)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._linger, self._wake.set)

    async def settled(self) -> None:
        """Wait until nothing waits any more."""
        self._wake.set()
        await self._idle.wait()

    def _add(self, item: Item, outcome: asyncio.Future[Outcome] | None) -> None:
        self._waiting.append((item, outcome))
        self._idle.clear()

    async def _work(self) -> None:
        while True:
            if self._crowded:
                await asyncio.sleep(self._pace)
            await self._wake.wait()
            self._wake.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._crowded = sum(future is not None for _, future in self._waiting) > 1
            await self._empty()
            self._idle.set()
            if self._closing:
                return

    async def _empty(self) -> None:
        """Commit group after group until nothing waits."""
        failures = 0
        while self._waiting:
            group, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
            failures = 0 if await self._run(group) else failures + 1
            if failures:
                await asyncio.sleep(min(0.05 * 2 ** min(failures, 10), 5.0))

    async def _run(self, group: list[tuple[Item, asyncio.Future[Outcome] | None]]) -> bool:
        """Commit one group and tell its submitters; posted items of a failed one wait again, before all others."""
        live = [entry for entry in group if entry[1] is None or not entry[1].cancelled()]
        if not live:
            return True
        try:
            outcomes = await self._commit([item for item, _ in live])
            pairs = [*zip(live, outcomes, strict=True)]
        except (KeyError, ValueError) as error:
            return await self._isolate(live, error)
        except Exception as error:
            self._fail(live, error)
            return False
        for (_, future), outcome in pairs:
            if future is not None and not future.done():
                future.set_result(outcome)
        return True

    async def _isolate(self, group: list[tuple[Item, asyncio.Future[Outcome] | None]], error: Exception) -> bool:
        """An item that can never be committed must not take its company along: commit each alone, drop that one."""
        if len(group) > 1:
            return all([await self._run([entry]) for entry in group])
        item, future = group[0]
        if future is None:
            _log.error("%s: dropped an item that cannot be committed: %s: %s", self._name, type(item).__name__, error)
        elif not future.done():
            future.set_exception(error)
        return True

    def _fail(self, group: list[tuple[Item, asyncio.Future[Outcome] | None]], error: Exception) -> None:
        posted = [entry for entry in group if entry[1] is None]
        if posted:
            _log.error("%s: %d items wait for the store: %s", self._name, len(posted), type(error).__name__)
        self._waiting[:0] = posted
        for _, future in group:
            if future is not None and not future.done():
                future.set_exception(error)
