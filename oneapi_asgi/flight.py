"""One question at a time: who asks while it is under way shares its outcome, also its failure.

    channels = Flight(store.list_channels, what="channels")
    await channels()

Nobody queues: when the storage hangs, all who wait fail together with the one question that ran out of time, and those
that come right after it fail at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from .errors import Unavailable

__all__ = ["Flight", "unreadable"]

Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)

_PARTS = 4
"""In which the time of a question is counted, one after the other: while the loop stands still no answer can arrive,
and no more than one part passes."""


def unreadable(what: str) -> Unavailable:
    """What callers are told when ``what``, in the plural, cannot be read."""
    return Unavailable(f"{what[0].upper()}{what[1:]} cannot be read at the moment.", retry_after=1)


class _Failed:
    def __init__(self, cause: BaseException | None) -> None:
        self.cause = cause


@asynccontextmanager
async def _lived(seconds: float) -> AsyncIterator[None]:
    """
    :raises TimeoutError: it took longer than so many seconds that the loop lived through
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:
        timer: asyncio.TimerHandle

        def passed(parts: int) -> None:
            nonlocal timer
            if parts < _PARTS:
                timer = loop.call_later(seconds / _PARTS, passed, parts + 1)
            else:
                limit.reschedule(loop.time())

        passed(0)
        try:
            yield
        finally:
            timer.cancel()


class Flight(Generic[Answer]):
    """Calling it asks, or joins the question that is under way.

    The question runs in a task of its own, which callers that are cancelled leave alone. It fails after ``timeout``
    seconds; for ``rest`` seconds after a failure nothing is asked, and callers are told of that failure. ``what`` is
    what cannot be read then, in the plural.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[Answer]],
        *,
        what: str,
        timeout: float = 2.0,
        rest: float = 0.2,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._what = what
        self._timeout = timeout
        self._rest = rest
        self._clock = clock
        self._task: asyncio.Task[Answer | _Failed] | None = None
        self._failed: _Failed | None = None
        self._resting_until = float("-inf")

    async def __call__(self) -> Answer:
        """
        :raises Unavailable: the question failed; the cause says why
        """
        if self._failed is not None and self._clock() < self._resting_until:
            raise unreadable(self._what) from self._failed.cause
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"ask for {self._what}")
        task = self._task
        await asyncio.wait((task,))
        outcome = _Failed(None) if task.cancelled() else task.result()
        if isinstance(outcome, _Failed):
            raise unreadable(self._what) from outcome.cause
        return outcome

    async def _run(self) -> Answer | _Failed:
        try:
            async with _lived(self._timeout):
                answer = await self._ask()
        except Exception as error:  # whatever the storage is: those who wait are told
            _log.error("%s cannot be read: %s", self._what, type(error).__name__)
            self._failed = _Failed(error)
            self._resting_until = self._clock() + self._rest
            return self._failed
        self._failed = None
        return answer
