"""Who ends a call while its task is at work: the caller who leaves, the clock, or whoever calls ``end``.

A task can only be stopped by cancelling it, and a cancellation does not say what it is for. ``Vigil`` remembers: what
it ends itself it takes back (``is_own``), what others cancel goes on its way.
"""

from __future__ import annotations

import asyncio
import time
from contextvars import Context, copy_context
from typing import Protocol

from msgspec import Struct
from starlette.types import Receive

from .errors import GatewayError
from .models import EndReason
from .pace import Pace, Paced

__all__ = ["Guarded", "Lookout", "Vigil"]

_UNWATCHED = 0.02
"""Seconds after which a call is watched at the latest: what is over sooner is over before anyone could be told that
the caller has gone, and needs no watcher."""

_GLANCE = _UNWATCHED / 2


class Guarded(Paced, Protocol):
    """A call under way."""

    def late(self) -> None:
        """Its time is over."""
        ...

    def left(self) -> None:
        """The caller has gone."""
        ...


class Lookout:
    """Calls that have just begun, until it is worth while to watch them: one timer for all of them."""

    __slots__ = ("_fresh", "_older", "_timer")

    def __init__(self) -> None:
        self._fresh: dict[Vigil, Guarded] = {}
        self._older: dict[Vigil, Guarded] = {}
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, vigil: Vigil, guarded: Guarded) -> None:
        """Have it watched after one glance, or before the second."""
        self._fresh[vigil] = guarded
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_GLANCE, self._tick, context=Context())

    def leave(self, vigil: Vigil) -> None:
        if self._fresh.pop(vigil, None) is None:
            self._older.pop(vigil, None)
        if not self._fresh and not self._older and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        due, self._older, self._fresh = self._older, self._fresh, {}
        self._timer = (
            asyncio.get_running_loop().call_later(_GLANCE, self._tick, context=Context()) if self._older else None
        )
        for vigil, guarded in due.items():
            vigil.watch(guarded)


class Vigil(Struct, eq=False):
    """Of one call."""

    _receive: Receive
    _pace: Pace
    _lookout: Lookout
    _task: asyncio.Task[object]
    _foreign: int
    _context: Context
    ended: tuple[GatewayError | None, EndReason] | None = None
    cut: bool = False
    _due: float = 0.0
    _clock: asyncio.TimerHandle | None = None
    _watcher: asyncio.Task[None] | None = None

    __repr__ = object.__repr__  # what it holds is not for logs

    @classmethod
    def of(cls, receive: Receive, pace: Pace, lookout: Lookout) -> Vigil:
        """The vigil of the task that asks."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        return cls(receive, pace, lookout, task, task.cancelling(), copy_context())

    def begin(self, guarded: Guarded, due: float) -> None:
        """``due`` is when the call is late, on the monotonic clock."""
        self._due = due
        if due - time.monotonic() < _UNWATCHED:
            self._wind(guarded)
        self._lookout.enter(self, guarded)

    def watch(self, guarded: Guarded) -> None:
        """For the lookout alone: the call takes long enough to be watched."""
        if self._clock is None:
            self._wind(guarded)
        self._watcher = asyncio.create_task(self._look_out(guarded), context=self._context)
        self._pace.enter(guarded)

    def close(self, guarded: Guarded) -> None:
        self._lookout.leave(self)
        if self._clock is not None:
            self._clock.cancel()
        watcher, self._watcher = self._watcher, None  # or what it raises would keep it, and it what it raises
        if watcher is not None:
            watcher.cancel()
            self._pace.leave(guarded)

    def end(self, error: GatewayError | None, reason: EndReason) -> None:
        """Cut the call short. The first who does so is the one who did."""
        if self.ended is None:
            self.ended = (error, reason)
            self._task.cancel()

    def cut_attempt(self) -> None:
        """Cut short what the call is at, but not the call."""
        if self.ended is None and not self.cut:
            self.cut = True
            self._task.cancel()

    def is_own(self) -> bool:
        """Whether the cancellation that was just caught ends this call. Then it is taken back."""
        return self.ended is not None and self._take_back()

    def is_cut(self) -> bool:
        """Whether it cuts short an attempt. Then it is taken back."""
        if not self.cut or self.ended is not None:
            return False
        self.cut = False
        return self._take_back()

    def _take_back(self) -> bool:
        return self._task.uncancel() <= self._foreign

    def _wind(self, guarded: Guarded) -> None:
        # A cancel scope would say the same, at four times the cost of the task's own cancellation.
        seconds = max(self._due - time.monotonic(), 0.0)
        self._clock = asyncio.get_running_loop().call_later(seconds, guarded.late, context=self._context)

    async def _look_out(self, guarded: Guarded) -> None:
        """Servers do not fail a send to a caller that has gone; only ``receive`` tells."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        guarded.left()
