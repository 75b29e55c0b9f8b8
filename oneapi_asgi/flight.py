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
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from .errors import Unavailable
from .lived import Alarm

__all__ = ["Flight", "unreadable"]

Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)


def unreadable(what: str) -> Unavailable:
    """What callers are told when ``what``, in the plural, cannot be read."""
    return Unavailable(f"{what[0].upper()}{what[1:]} cannot be read at the moment.", retry_after=1)


class _Failed:
    def __init__(self, cause: BaseException | None) -> None:
        self.cause = cause


class Flight(Generic[Answer]):
    """Calling it asks, or joins the question that is under way.

    The question runs in a task of its own, which callers that are cancelled leave alone. It fails after ``timeout``
    seconds that the loop lives through; for ``rest`` seconds after a failure nothing is asked, and callers are told of
    that failure. ``what`` is what cannot be read then, in the plural.
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
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as limit:
                alarm = Alarm(loop.call_later, self._timeout, lambda: limit.reschedule(loop.time()))
                try:
                    answer = await self._ask()
                finally:
                    alarm.cancel()
        except Exception as error:  # whatever the storage is: those who wait are told
            _log.error("%s cannot be read: %s", self._what, type(error).__name__)
            self._failed = _Failed(error)
            self._resting_until = self._clock() + self._rest
            return self._failed
        self._failed = None
        return answer
