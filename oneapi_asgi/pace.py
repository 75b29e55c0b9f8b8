"""How fast an open answer goes, and when that is too slow: the clocks that tick while it is open.

Four things end or keep up a stream, and none of them is worth a timer for each piece of it. ``Pace`` ticks once for all
open streams together, and each of them compares how far it has come with how far it was:

- no progress: bytes come, but nothing that is content, for ``Timeouts.progress`` seconds;
- a slow reader: the caller takes less than ``reader_rate`` bytes a second, for ``reader_seconds``, while more is ready;
- silence: nothing was sent for ``keep_alive`` seconds, and proxies between here and the caller might give it up.
"""

from __future__ import annotations

import asyncio
import time
from typing import Literal, Protocol

from msgspec import Struct

__all__ = ["Clocks", "Finding", "Pace", "Paced", "Pacing", "Reading", "Standstill"]

_TICK = 1.0


class Pacing(Struct, frozen=True, kw_only=True):
    """``keep_alive``: seconds of silence after which a comment is sent, 0 for never. ``reader_seconds`` and
    ``reader_rate``: a caller that reads fewer bytes a second for so long is let go. ``drain_seconds`` and
    ``drain_bytes``: how much of an answer that nobody reads any more is still heard, to learn what it costs, of
    providers that bill it to its end."""

    keep_alive: float = 15.0
    reader_seconds: float = 60.0
    reader_rate: int = 1024
    drain_seconds: float = 60.0
    drain_bytes: int = 32 << 20


class Paced(Protocol):
    """What is open."""

    def tick(self, now: float) -> None:
        """``now`` is on the monotonic clock."""
        ...


class Pace:
    """Ticks all that is open, every ``interval`` seconds, and only while something is."""

    def __init__(self, interval: float = _TICK) -> None:
        self._interval = interval
        self._open: set[Paced] = set()
        self._next: asyncio.TimerHandle | None = None

    def enter(self, paced: Paced) -> None:
        self._open.add(paced)
        if self._next is None:
            self._next = asyncio.get_running_loop().call_later(self._interval, self._tick)

    def leave(self, paced: Paced) -> None:
        self._open.discard(paced)
        if not self._open and self._next is not None:
            self._next.cancel()
            self._next = None

    def _tick(self) -> None:
        self._next = asyncio.get_running_loop().call_later(self._interval, self._tick)
        now = time.monotonic()
        for paced in tuple(self._open):
            paced.tick(now)


Finding = Literal["stalled", "unread", "silent"]
"""The upstream gets nowhere; the caller does not read; nothing was sent for a while."""


class Clocks:
    """Those of one stream. ``progress`` is in seconds, as in ``Timeouts``; ``now`` is on the monotonic clock."""

    __slots__ = ("_content", "_pacing", "_progress", "_reading", "_words")

    def __init__(self, progress: float, pacing: Pacing, now: float) -> None:
        self._progress = progress
        self._pacing = pacing
        self._content = Standstill(now)
        self._words = Standstill(now)
        self._reading = Reading()

    def look(self, *, sent: int, waiting: bool, mark: object, now: float) -> Finding | None:
        """``sent``: bytes that the caller's connection took; ``waiting``: it is full, and more is ready. ``mark`` is
        another one when there is more content; None where that cannot be told."""
        if self._reading.is_slow(sent, now, waiting=waiting, pacing=self._pacing):
            return "unread"
        if waiting:  # what the caller does not read is not to be held against the upstream
            self._content.restart(now)
            return None
        if self._content.seconds(mark, now) > self._progress and mark is not None:
            return "stalled"
        return "silent" if 0 < self._pacing.keep_alive <= self._words.seconds(sent, now) else None


class Standstill:
    """For how long a mark has been what it is."""

    __slots__ = ("_mark", "_since")

    def __init__(self, now: float) -> None:
        self._mark: object = None
        self._since = now

    def seconds(self, mark: object, now: float) -> float:
        if mark != self._mark:
            self._mark, self._since = mark, now
        return now - self._since

    def restart(self, now: float) -> None:
        self._since = now


class Reading:
    """Whether a caller takes what is ready for it, by samples of how much it has, and whether it is waited for."""

    __slots__ = ("_since", "_taken")

    def __init__(self) -> None:
        self._since: float | None = None
        self._taken = 0

    def is_slow(self, taken: int, now: float, *, waiting: bool, pacing: Pacing) -> bool:
        """``taken``: bytes so far; ``waiting``: a piece is ready, and the connection is full."""
        if not waiting or self._since is None:
            self._since, self._taken = (now if waiting else None), taken
            return False
        passed = now - self._since
        if passed < pacing.reader_seconds:
            return False
        slow = taken - self._taken < pacing.reader_rate * passed
        self._since, self._taken = now, taken
        return slow
