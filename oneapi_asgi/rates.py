"""How much of a limit is left: the decision, and the counters of one process. Pure.

Requests and tokens per minute follow the generic cell rate algorithm (GCRA, ITU-T I.371) on one number per counter: a
full minute's allowance may be spent at once, then it comes back evenly. Nothing is kept for counters that have rested.

    counters = LocalRates()
    outcome = await counters.take(call.id, (Ask("token:7", "requests", 60),))
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from .models import Ask, Granted, Level, Refused
from .ports import RateStore

__all__ = ["LocalRates", "Share", "admit", "level"]

_MINUTE = 60.0

_MOST_OWED = 24 * 60
"""Minutes that a debt takes at most to be paid: whatever an upstream counts, nobody is shut out for years."""

_SLACK = 0.01
"""Of the time that one unit takes to come back: what sums of floats may be off."""

_SWEPT = 2
"""Counters that are looked at for each that is touched: so they are let go of faster than they come."""

_UNKNOWN = 1.0
"""Seconds after which to try again where all slots are taken: nobody knows when a call will end."""


def admit(due: float, now: float, per_minute: int, amount: int = 1) -> tuple[float, float]:
    """``(wait, due)``: the seconds to wait, 0 when admitted, and when the allowance will be whole again.

    ``due`` is what an earlier admission returned, 0 for a counter that has none.
    """
    unit = _MINUTE / per_minute
    if due < now:
        due = now
    after = due + unit * amount
    wait = after - now - _MINUTE
    return (wait, due) if wait > unit * _SLACK else (0.0, after)


def level(due: float, now: float, per_minute: int) -> Level:
    """How a counter stands that will be whole again at ``due``. Debts are no less than nothing."""
    reset = due - now
    if reset <= 0:
        return Level(per_minute, 0.0)
    left = int((_MINUTE - reset) * per_minute / _MINUTE + _SLACK)
    return Level(max(left, 0), reset)


class LocalRates:
    """The ``RateStore`` of a single process, and a ``StandIn``. At most ``size`` counters are kept: beyond, some of
    those that were not touched for long begin anew."""

    def __init__(self, *, size: int = 100_000, clock: Callable[[], float] = time.monotonic) -> None:
        if size < 1:
            raise ValueError("size must be at least 1")
        self._size = size
        self._clock = clock
        self._due: OrderedDict[str, float] = OrderedDict()  # those touched last stand last
        self._calls: dict[str, int] = {}

    async def take(self, call_id: str, asks: Sequence[Ask]) -> Granted | Refused:
        now, which, wait = self._clock(), -1, 0.0
        after: list[float] = []
        for index, ask in enumerate(asks):
            own, due = self._asked(ask, now)
            after.append(due)
            if own > wait:
                which, wait = index, own
        if which >= 0:
            return Refused(which, wait, tuple([self._level(ask, now) for ask in asks]))
        levels: list[Level] = []
        for ask, due in zip(asks, after, strict=True):
            if ask.kind == "calls":
                used = self._calls[ask.key] = self._calls.get(ask.key, 0) + 1
                levels.append(Level(ask.limit - used, 0.0))
            else:
                self._touch(ask.key, due, now)
                levels.append(level(due, now, ask.limit))
        return Granted(call_id, tuple(asks), tuple(levels))

    def give(self, granted: Granted, tokens: int | None = None) -> None:
        for ask in granted.asks:
            if ask.kind == "calls":
                self._leave(ask.key)
            elif ask.kind == "tokens" and tokens is not None and tokens != ask.amount:
                self._correct(ask, tokens - ask.amount)

    def note(self, asks: Sequence[Ask]) -> None:
        now = self._clock()
        for ask in asks:
            if ask.kind != "calls" and ask.amount > 0:
                due = max(self._due.get(ask.key, 0.0), now) + _MINUTE / ask.limit * ask.amount
                self._touch(ask.key, min(due, now + _MINUTE), now)

    def _asked(self, ask: Ask, now: float) -> tuple[float, float]:
        if ask.kind == "calls":
            return (0.0 if self._calls.get(ask.key, 0) < ask.limit else _UNKNOWN), 0.0
        return admit(self._due.get(ask.key, 0.0), now, ask.limit, ask.amount)

    def _level(self, ask: Ask, now: float) -> Level:
        if ask.kind == "calls":
            return Level(max(ask.limit - self._calls.get(ask.key, 0), 0), 0.0)
        return level(self._due.get(ask.key, 0.0), now, ask.limit)

    def _leave(self, key: str) -> None:
        left = self._calls.get(key, 0) - 1
        if left > 0:
            self._calls[key] = left
        else:
            self._calls.pop(key, None)

    def _correct(self, ask: Ask, change: int) -> None:
        now = self._clock()
        change = min(change, ask.limit * _MOST_OWED)  # as an integer: no float is as large as some are
        due = max(self._due.get(ask.key, 0.0), now) + _MINUTE / ask.limit * change
        if due > now:
            self._touch(ask.key, min(due, now + _MINUTE * _MOST_OWED), now)
        else:
            self._due.pop(ask.key, None)

    def _touch(self, key: str, due: float, now: float) -> None:
        """Keep a counter, and let go of others that have rested or are too many, from the one touched longest ago."""
        dues = self._due
        dues[key] = due
        dues.move_to_end(key)
        for _ in range(_SWEPT):
            oldest = next(iter(dues))
            if oldest == key:
                return
            if dues[oldest] > now and len(dues) <= self._size:
                dues.move_to_end(oldest)  # what still owes must not hide those behind it that have rested
            else:
                del dues[oldest]


class Share:
    """A process's part of every limit, where ``processes`` count each for itself: none lets through more than its part
    (one at least, as nobody could call otherwise)."""

    def __init__(self, own: RateStore, processes: int) -> None:
        if processes < 1:
            raise ValueError("processes must be at least 1")
        self._own = own
        self._processes = processes

    async def take(self, call_id: str, asks: Sequence[Ask]) -> Granted | Refused:
        return await self._own.take(call_id, [self._part(ask) for ask in asks])

    def give(self, granted: Granted, tokens: int | None = None) -> None:
        self._own.give(granted, tokens)

    def _part(self, ask: Ask) -> Ask:
        limit = max(ask.limit // self._processes, 1)
        return Ask(ask.key, ask.kind, limit, min(ask.amount, limit))
