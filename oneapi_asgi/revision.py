"""When to forget: caches follow the revision of their store.

Nobody has to be told of a change, and no background task runs: whoever needs a cache asks first whether the store has
moved on, and the store itself is asked at most once an interval, whatever the traffic. A change is therefore seen
everywhere within one interval, in this process and in every other.

    revision = Revision(store, interval=2)
    authenticator, pool = KeyAuthenticator(store, revision=revision), ChannelPool(store, revision=revision)
"""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio

from .ports import RevisionStore

__all__ = ["Revision"]


class Revision:
    """The store's revision, at most ``interval`` seconds old.

    Only one caller asks the store; those that come meanwhile wait for it, since an old answer might admit a revoked
    token.
    """

    def __init__(
        self, store: RevisionStore, *, interval: float = 0.5, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if interval < 0:
            raise ValueError("interval must not be negative")
        self._store = store
        self._interval = interval
        self._clock = clock
        self._asking = anyio.Lock()
        self._fresh_until = float("-inf")
        self._known = -1

    @property
    def fresh(self) -> bool:
        return self._clock() < self._fresh_until

    def is_still(self, seen: int) -> bool:
        """Whether a cache as of ``seen`` may go on. Several share one revision, so another may have asked meanwhile:
        that the answer is fresh does not say that this cache has followed it."""
        return seen == self._known and self.fresh

    async def current(self) -> int:
        if not self.fresh:
            async with self._asking:
                if not self.fresh:
                    asked = self._clock()
                    self._known = await self._store.revision()
                    self._fresh_until = asked + self._interval
        return self._known
