"""Group commit: what waits at the same moment is done together.

One commit runs at a time. Whatever is submitted while it runs makes up the next one, so a transaction costs one round
trip when there is no load and a fraction of one under load. What nobody waits for may itself wait a moment for company.

    async with GroupCommit(ledger.apply, deadline=2) as group:
        outcome = await group.submit(reserve)
        group.post(settle)

What is posted after a submission has failed, timed out or been cancelled is committed after it, if that is committed at
all: a release never overtakes what it releases.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from .errors import NotStarted

__all__ = ["BLAMING", "GroupCommit", "UntriedError", "pause_after"]

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

_Entry = tuple[Item, asyncio.Future[Outcome] | None, float]
"""With who waits for it, if anyone, and until when."""

BLAMING: Final = (KeyError, ValueError, OverflowError)
"""What a commit raises of items that it can never take; then nothing was done."""

_log = logging.getLogger(__name__)

_NEVER = float("inf")
_SOONEST = 0.2  # seconds from a failed commit to the next one
_LATEST = 5.0
_GRAIN = 0.02  # seconds between two looks at who has waited for too long
_TICK = 0.001  # what timers may be early


class UntriedError(TimeoutError):
    """The item was never handed to the store and never will be: its time was up, or the store was failing."""


def pause_after(failures: int) -> float:
    """Seconds from so many failures in a row to the next attempt, if nobody waits for one."""
    return min(_SOONEST * 2.0 ** min(failures - 1, 10), _LATEST)


class GroupCommit(Generic[Item, Outcome]):
    """Commits items in groups of at most ``limit``.

    ``submit`` gives the future outcome, which raises what the commit raised, or ``TimeoutError`` when there is none
    after ``deadline`` seconds. ``post`` returns at once: its items are nobody's to wait for, so they wait up to
    ``linger`` seconds for the next submission to take them along; they cannot be cancelled, and are tried again, ever
    more slowly, until the commit takes them. A group that more than one submission shared shows a crowd: the next one
    then begins ``pace`` seconds later and is the larger for it, unless ``limit`` items wait already.

    A submission hastens the next attempt at what was posted. While there is such, the store has to take that before it
    is trusted with anything new: who submits meanwhile hears of the failure, knowing that nothing was done.

    An error of ``BLAMING`` blames the items: each is then committed alone, and a posted one that fails again is
    dropped. Leaving the context commits what is left; if the store stays dead for ``patience`` seconds then, the loss
    is logged under ``name``.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]],
        *,
        limit: int = 256,
        linger: float = 0.0,
        pace: float = 0.0,
        deadline: float | None = None,
        patience: float = 30.0,
        name: str = "group commit",
    ) -> None:
        self._commit = commit
        self._limit = limit
        self._linger = linger
        self._pace = pace
        self._deadline = _NEVER if deadline is None else deadline
        self._patience = patience
        self._name = name
        self._waiting: list[_Entry[Item, Outcome]] = []
        self._taken: list[_Entry[Item, Outcome]] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()  # cleared by who waits for it
        self._idle.set()
        self._failures = 0
        self._timer: asyncio.TimerHandle | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._worker: asyncio.Task[None] | None = None
        self._closing = False

    async def __aenter__(self) -> Self:
        self._closing = False
        self._loop = asyncio.get_running_loop()
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
            lost = len(self._taken) + len(self._waiting)
            _log.error("%s: gave up on %d items, the store did not take them", self._name, lost)
            worker.cancel()
            await asyncio.wait([worker])
            self._expire(_NEVER)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    @property
    def started(self) -> bool:
        return self._worker is not None

    @property
    def failing(self) -> bool:
        """Whether the last commit failed."""
        return self._failures > 0

    @property
    def posted(self) -> list[Item]:
        """What was posted, and is not committed yet; after the context was left, what never was."""
        return [item for item, future, _ in (*self._taken, *self._waiting) if future is None]

    def submit(self, item: Item) -> asyncio.Future[Outcome]:
        """The future outcome of an item.

        :raises NotStarted: the context was not entered
        """
        if self._worker is None:
            raise NotStarted(f"The {self._name} is not running: enter its context (the gateway's lifespan) first.")
        outcome: asyncio.Future[Outcome] = self._loop.create_future()
        due = self._loop.time() + self._deadline
        if self._alarm is None and due < _NEVER:
            self._alarm = self._loop.call_at(due, self._ring)
        self._waiting.append((item, outcome, due))
        self._wake.set()
        return outcome

    def post(self, item: Item) -> None:
        """Have an item committed some time soon, whatever happens to the caller."""
        if self._worker is None:
            _log.error("%s: an item came after the end and is lost: %s", self._name, type(item).__name__)
            return
        self._waiting.append((item, None, 0.0))
        if self._timer is None and not self._failures:
            self._timer = self._loop.call_later(self._linger, self._wake.set)

    async def settled(self) -> None:
        """Wait until nothing waits any more."""
        if self._waiting or self._taken:
            self._idle.clear()
            self._wake.set()
            await self._idle.wait()

    # --- the worker ---------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        """A group each time."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            crowd = self._is_crowd()
            self._taken = self._take()
            well = await self._run(self._taken)
            self._taken = []
            self._failures = 0 if well else self._failures + 1
            if not well:
                await self._rest()
            elif crowd and len(self._waiting) < self._limit:
                await asyncio.sleep(self._pace)
            if not self._waiting:
                self._failures = 0
                self._idle.set()
                if self._closing:
                    return
            elif not self._may_linger():
                self._wake.set()
            elif self._timer is None:
                self._timer = self._loop.call_later(self._linger, self._wake.set)

    def _is_crowd(self) -> bool:
        """Whether more than one submission waits."""
        one = False
        for _, future, _ in self._waiting:
            if future is not None:
                if one:
                    return True
                one = True
        return False

    def _may_linger(self) -> bool:
        """Whether nobody waits for anything that waits."""
        if self._failures or self._closing or len(self._waiting) >= self._limit or not self._idle.is_set():
            return False
        return all(future is None for _, future, _ in self._waiting)

    def _take(self) -> list[_Entry[Item, Outcome]]:
        """The next group. While the store fails, of that which was posted alone, as long as there is any."""
        if self._failures:
            posted: list[_Entry[Item, Outcome]] = []
            left: list[_Entry[Item, Outcome]] = []
            for entry in self._waiting:
                (posted if entry[1] is None and len(posted) < self._limit else left).append(entry)
            if posted:
                self._waiting = left
                return posted
        taken, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
        return taken

    async def _rest(self) -> None:
        """After a failure: not long if somebody waits, or comes to."""
        await asyncio.sleep(_SOONEST)
        longer = pause_after(self._failures) - _SOONEST
        if longer <= 0 or self._closing or not self._waiting or any(entry[1] is not None for entry in self._waiting):
            return
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(longer):
                await self._wake.wait()

    async def _run(self, group: list[_Entry[Item, Outcome]]) -> bool:
        """Commit one group and tell its submitters; posted items of a failed one wait again, before all others."""
        live = [entry for entry in group if entry[1] is None or not entry[1].done()]
        if not live:
            return True
        try:
            outcomes = await self._commit([item for item, _, _ in live])
            pairs = [*zip(live, outcomes, strict=True)]
        except BLAMING as error:
            return await self._isolate(live, error)
        except Exception as error:
            self._fail(live, error)
            return False
        except asyncio.CancelledError as error:
            if _is_cancelled():
                raise
            self._fail(live, ConnectionError(f"the store cancelled itself: {error}"))  # and not this worker
            return False
        for (_, future, _), outcome in pairs:
            if future is not None and not future.done():
                future.set_result(outcome)
        return True

    async def _isolate(self, group: list[_Entry[Item, Outcome]], error: Exception) -> bool:
        """An item that can never be committed must not take its company along: commit each alone, drop that one."""
        if len(group) > 1:
            return all([await self._run([entry]) for entry in group])
        item, future, _ = group[0]
        if future is None:
            _log.error("%s: dropped an item that cannot be committed: %s: %s", self._name, type(item).__name__, error)
        elif not future.done():
            future.set_exception(error)
        return True

    def _fail(self, group: list[_Entry[Item, Outcome]], error: Exception) -> None:
        posted = [entry for entry in group if entry[1] is None]
        if posted and self._failures & (self._failures - 1) == 0:  # ever more rarely
            _log.error("%s: %d items wait for the store: %s", self._name, len(posted), type(error).__name__)
        for _, future, _ in group:
            if future is not None and not future.done():
                future.set_exception(error)
        if self._failures:  # again: who came meanwhile need not wait for a third time
            self._turn_away(_NEVER)
        self._waiting[:0] = posted

    # --- deadlines ----------------------------------------------------------------------------------------------------

    def _ring(self) -> None:
        """One timer for all that wait: most are answered long before, so it rarely has anything to do."""
        self._alarm = None
        now = self._loop.time()
        self._expire(now + _TICK)
        pending = [due for _, future, due in (*self._taken, *self._waiting) if future is not None and not future.done()]
        if pending:
            self._alarm = self._loop.call_at(max(min(pending), now + _GRAIN), self._ring)

    def _expire(self, until: float) -> None:
        for _, future, due in self._taken:
            if future is not None and due <= until and not future.done():
                future.set_exception(TimeoutError("the store has not answered yet"))
        self._turn_away(until)

    def _turn_away(self, until: float) -> None:
        left = []
        for entry in self._waiting:
            _, future, due = entry
            if future is None or due > until:
                left.append(entry)
            elif not future.done():
                future.set_exception(UntriedError("the store does not answer"))
        self._waiting = left


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
