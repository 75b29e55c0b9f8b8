"""Which channels are fit: a failed key of a channel cools down for a while, and is tried last until then. Pure.

The relay reports, the planner asks. ``CoolDown`` judges by single failures; anything that implements ``Health`` can
take its place.

    health = CoolDown(seconds=10)
    app = ModelRouter(Relay(upstream, health=health), ChannelPool(store, health=health))
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from cachetools import TTLCache

from .ports import Notices

__all__ = ["CoolDown", "Health", "SharedCoolDown", "Unjudged"]

_DEFAULT = 5.0
_LONGEST = 300.0
_REMEMBERED = 10_000
_KIND = "cooling"


class Health(Protocol):
    """What is known of the keys of channels, by channel id and the key's index."""

    def fit(self, channel: int, key: int) -> bool: ...

    def succeeded(self, channel: int, key: int) -> None: ...

    def failed(self, channel: int, key: int, *, retry_after: float | None = None) -> None:
        """``retry_after`` is what the upstream asked for, in seconds."""
        ...


class CoolDown:
    """A failed key rests for as long as the upstream asked, at most 300 seconds, or for ``seconds``."""

    def __init__(self, seconds: float = _DEFAULT, *, clock: Callable[[], float] = time.monotonic) -> None:
        if seconds < 0:
            raise ValueError("seconds must not be negative")
        self._seconds = seconds
        self._clock = clock
        self._until: TTLCache[tuple[int, int], float] = TTLCache(_REMEMBERED, _LONGEST, clock)

    def fit(self, channel: int, key: int) -> bool:
        return not self._until or self._until.get((channel, key), 0.0) <= self._clock()

    def succeeded(self, channel: int, key: int) -> None:
        if self._until:
            self._until.pop((channel, key), None)

    def failed(self, channel: int, key: int, *, retry_after: float | None = None) -> None:
        self._until[channel, key] = self._clock() + self.rest(retry_after)

    def rest(self, retry_after: float | None) -> float:
        """The seconds that a key rests for which the upstream asked that."""
        return self._seconds if retry_after is None else min(max(retry_after, 0.0), _LONGEST)


class SharedCoolDown:
    """A ``CoolDown`` whose failures the other replicas hear of, so that they need not find out for themselves.

    A success ends the rest in this replica alone: the others wait until it is over.
    """

    def __init__(self, own: CoolDown, notices: Notices) -> None:
        self._own = own
        self._notices = notices
        notices.subscribe(_KIND, self._heard)

    def fit(self, channel: int, key: int) -> bool:
        return self._own.fit(channel, key)

    def succeeded(self, channel: int, key: int) -> None:
        self._own.succeeded(channel, key)

    def failed(self, channel: int, key: int, *, retry_after: float | None = None) -> None:
        known = not self._own.fit(channel, key)
        self._own.failed(channel, key, retry_after=retry_after)
        if not known:  # of a storm of failures the first is news
            self._notices.publish(_KIND, f"{channel} {key} {self._own.rest(retry_after):.3f}")

    def _heard(self, text: str) -> None:
        channel, key, rest = text.split()
        self._own.failed(int(channel), int(key), retry_after=float(rest))


class Unjudged:
    """Every channel is always fit."""

    def fit(self, channel: int, key: int) -> bool:  # noqa: ARG002
        return True

    def succeeded(self, channel: int, key: int) -> None:
        """Nothing is remembered."""

    def failed(self, channel: int, key: int, *, retry_after: float | None = None) -> None:
        """Nothing is remembered."""
