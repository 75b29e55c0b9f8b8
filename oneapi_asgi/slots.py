"""How many calls a channel, and each of its keys, take at one moment in this process; those beyond wait for a little.

    slots = Slots(processes=4)
    slot = slots.enter(candidate)             # None: it is full
    taken = await slots.wait(full_candidates)  # None: the queue is full as well, or it took too long
    ...
    slot.leave()

A queue is no longer than what its channel takes at once, and nobody waits in it for more than some seconds: whoever
would come later is better served elsewhere, or told at once. Several processes share a channel by taking a part each.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from .models import Candidate, Channel

__all__ = ["Slot", "Slots"]

_PATIENCE = 5.0


class Slot(Protocol):
    """To make one attempt."""

    def leave(self) -> None:
        """The attempt is over, however it ended. Once more changes nothing."""
        ...


class Slots:
    """``processes`` share what channels take, ``patience`` is how many seconds a call waits at most."""

    def __init__(self, *, processes: int = 1, patience: float = _PATIENCE) -> None:
        if processes < 1:
            raise ValueError("processes must be at least 1")
        self._processes = processes
        self._patience = patience
        self._used: dict[tuple[int, int | None], int] = {}
        self._waiting: dict[int, deque[_Waiter]] = {}

    def enter(self, candidate: Candidate) -> Slot | None:
        """A place at once, if nobody waits for it."""
        channel = candidate.channel
        if channel.concurrent_calls is None and channel.concurrent_calls_per_key is None:
            return _UNBOUNDED
        if self._waiting.get(channel.id) or not self._has_room(candidate):
            return None
        return self._take(candidate)

    async def wait(self, candidates: Sequence[Candidate]) -> tuple[Candidate, Slot] | None:
        """The first place that becomes free at any of them."""
        queues = [candidate for candidate in candidates if self._may_queue(candidate.channel)]
        if not queues:
            return None
        waiter = _Waiter(queues)
        for channel_id in {candidate.channel.id for candidate in queues}:
            self._waiting.setdefault(channel_id, deque()).append(waiter)
        try:
            async with asyncio.timeout(self._patience):
                return await waiter.granted
        except TimeoutError:
            return waiter.outcome()  # it may have been granted in the moment in which patience ended
        except asyncio.CancelledError:
            if (late := waiter.outcome()) is not None:
                late[1].leave()
            raise
        finally:
            waiter.granted.cancel()
            self._forget(waiter)

    def _may_queue(self, channel: Channel) -> bool:
        queue = self._waiting.get(channel.id, ())
        return len(queue) < self._most(channel.concurrent_calls or channel.concurrent_calls_per_key or 0)

    def _has_room(self, candidate: Candidate) -> bool:
        channel, key = candidate.channel, candidate.key
        limits = (((channel.id, None), channel.concurrent_calls), ((channel.id, key), channel.concurrent_calls_per_key))
        return all(most is None or self._used.get(lane, 0) < self._most(most) for lane, most in limits)

    def _most(self, limit: int) -> int:
        """This process's part, rounded down so that all together never take more, but for the one that each needs."""
        return max(limit // self._processes, 1)

    def _take(self, candidate: Candidate) -> _Taken:
        for lane in _lanes(candidate):
            self._used[lane] = self._used.get(lane, 0) + 1
        return _Taken(self, candidate)

    def release(self, candidate: Candidate) -> None:
        """For the slot alone: it was left. The first who waits for just that gets it."""
        for lane in _lanes(candidate):
            self._used[lane] -= 1
            if not self._used[lane]:
                del self._used[lane]
        for waiter in tuple(self._waiting.get(candidate.channel.id, ())):
            if waiter.granted.done():
                continue
            for wanted in waiter.candidates:
                if wanted.channel.id == candidate.channel.id and self._has_room(wanted):
                    waiter.granted.set_result((wanted, self._take(wanted)))
                    return

    def _forget(self, waiter: _Waiter) -> None:
        for channel_id in {candidate.channel.id for candidate in waiter.candidates}:
            queue = self._waiting[channel_id]
            queue.remove(waiter)
            if not queue:
                del self._waiting[channel_id]


def _lanes(candidate: Candidate) -> tuple[tuple[int, int | None], tuple[int, int | None]]:
    return (candidate.channel.id, None), (candidate.channel.id, candidate.key)


class _Waiter:
    __slots__ = ("candidates", "granted")

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self.candidates = candidates
        self.granted: asyncio.Future[tuple[Candidate, Slot]] = asyncio.get_running_loop().create_future()

    def outcome(self) -> tuple[Candidate, Slot] | None:
        """What was granted so far."""
        return self.granted.result() if self.granted.done() and not self.granted.cancelled() else None


class _Taken:
    __slots__ = ("_candidate", "_slots")

    def __init__(self, slots: Slots, candidate: Candidate) -> None:
        self._slots: Slots | None = slots
        self._candidate = candidate

    def leave(self) -> None:
        slots, self._slots = self._slots, None
        if slots is not None:
            slots.release(self._candidate)


class _Unbounded:
    """Of a channel that takes any number."""

    __slots__ = ()

    def leave(self) -> None:
        """Nothing was taken."""


_UNBOUNDED = _Unbounded()
