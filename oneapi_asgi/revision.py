"""When to forget, and what time it is: caches follow the revision of their store, and its clock.

Nobody has to be told of a change, and no background task runs: whoever needs a cache asks first whether the store has
moved on, and the store itself is asked at most once an interval, whatever the traffic. A change is therefore seen
everywhere within one interval, in this process and in every other; at once where somebody calls ``expect_change``.

    revision = Revision(store, interval=2)
    channels = Following(revision, store.list_channels, what="channels")
    if not channels.fresh:
        await channels.refresh()
    use(channels.value)
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, TypeVar

from .errors import Unavailable
from .flight import Flight, unreadable
from .ports import RevisionStore

__all__ = ["Following", "Revision"]

Value = TypeVar("Value")


class Revision:
    """The store's revision, at most ``interval`` seconds old when it is asked for, and the time by the store's clock.

    Only one caller asks the store; those that come meanwhile wait for it, since an old answer might admit a revoked
    token. What is not answered within ``timeout`` seconds has failed, for all who wait, and for those who come within
    a fifth of a second after it.
    """

    def __init__(
        self,
        store: RevisionStore,
        *,
        interval: float = 0.5,
        timeout: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if interval < 0:
            raise ValueError("interval must not be negative")
        self.timeout = timeout
        self._store = store
        self._interval = interval
        self.clock = clock
        self._question = Flight(self._ask, what="changes of the storage", timeout=timeout, clock=clock)
        self._known = -1
        self._asked = self._fresh_until = float("-inf")
        self._ahead = float("inf")
        self._expected = self._heard = 0

    @property
    def fresh(self) -> bool:
        return self.clock() < self._fresh_until

    def is_still(self, seen: int) -> bool:
        """Whether a cache as of ``seen`` may go on. Several share one revision, so another may have asked meanwhile:
        that the answer is fresh does not say that this cache has followed it."""
        return seen == self._known and self.clock() < self._fresh_until

    async def current(self) -> int:
        """
        :raises Unavailable: the store does not answer
        """
        if not self.fresh:
            arrived, expected = self.clock(), self._expected
            await self._question()
            if self._asked + self._interval < arrived or self._heard < expected:
                await self._question()  # the one that was under way had been asked too early
        return self._known

    def expect_change(self) -> None:
        """Have the store asked by the next who wants to know, as when a notice of a change has come."""
        self._expected += 1
        self._fresh_until = float("-inf")

    def now(self) -> float:
        """Unix seconds by the store's clock, carried on by this process's: the same in every replica. Ahead by no more
        than the last answer took, so that nothing lives too long; endless before the first answer."""
        return self.clock() + self._ahead

    async def _ask(self) -> None:
        asked, expected = self.clock(), self._expected
        pulse = await self._store.pulse()
        self._known, self._ahead = pulse.revision, pulse.now - asked
        self._asked, self._heard = asked, expected
        self._fresh_until = asked + self._interval if expected == self._expected else float("-inf")


class Following(Generic[Value]):
    """What ``load`` gives, loaded anew when the revision has moved. There is no ``value`` before the first ``refresh``.

    ``what`` is loaded, in the plural: "Channels cannot be read at the moment."
    """

    value: Value

    def __init__(self, revision: Revision, load: Callable[[], Awaitable[Value]], *, what: str) -> None:
        self._revision = revision
        self._load = load
        self._what = what
        self._seen = -1
        self._wanted: int | None = None
        self._begun = self._done = 0
        self._loading = self._flight(-1)

    @property
    def fresh(self) -> bool:
        """Whether ``value`` may be used as it is, without ``refresh``."""
        return self._revision.is_still(self._seen)

    async def refresh(self) -> Value:
        """The value as of the store's revision.

        :raises Unavailable: the store does not answer
        """
        if self._revision.is_still(self._seen):
            return self.value
        try:
            revision = await self._revision.current()
        except Unavailable as error:
            raise unreadable(self._what) from error
        if revision != self._seen:
            if revision != self._wanted:  # what is being loaded, if anything, may be older
                self._wanted, self._loading = revision, self._flight(revision)
            await self._loading()
        return self.value

    def _flight(self, revision: int) -> Flight[None]:
        followed = self._revision
        return Flight(partial(self._follow, revision), what=self._what, timeout=followed.timeout, clock=followed.clock)

    async def _follow(self, revision: int) -> None:
        self._begun += 1
        turn = self._begun
        value = await self._load()
        if turn > self._done:  # one that began later may have been faster
            self._done, self._seen, self.value = turn, revision, value
