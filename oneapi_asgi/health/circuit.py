"""What bars a subject from being asked: ``Circuit`` after failures in a row, ``Cooling`` after it was too fast. Pure:
whoever asks says what time it is.

    closed ──failures in a row──▸ out ──its time is over──▸ probing ──success──▸ recovering ──30 s──▸ closed
                                   ▴────────failure────────────┘
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from .facts import FIT, Cause, Standing

__all__ = ["LONGEST", "THRESHOLDS", "Circuit", "Cooling"]

THRESHOLDS: Final[Mapping[Cause, int]] = MappingProxyType(
    {"auth": 3, "quota": 3, "server": 5, "transport": 5, "slow": 5}
)
"""Failures in a row of one cause after which a subject is out."""

LONGEST = 300.0
"""Seconds that anybody is barred, before jitter."""

_BASE = 30.0
_JITTER = 0.2
"""Subjects that failed together shall not come back together."""

_FORGIVEN = 300.0
"""Seconds of health after which one ejection is forgotten."""

_LAPSED = 3600.0
_RAMP = 30.0
_LEAST = 0.1
"""Seconds in which the share of a subject that works again grows from the least to all."""

_PROBE = 60.0
_BUSY = 1.0
"""Seconds after which a probe that tells nothing holds up no other; until others ask again meanwhile."""

_DOUBT = 30.0
"""Seconds. Who is asked last is hardly asked while others are fit, and would never get rid of a doubt."""

_LONGEST_DOUBT = 60.0
_NEVER = float("-inf")


class Circuit:
    """Counts failures in a row, by cause, those of answers that had begun apart: that answers begin again and again
    says nothing about whether they end well, and those that do take long. An attempt is known by an object of its own,
    and by when it began."""

    __slots__ = ("_doubted", "_ejected", "_ejections", "_mended", "_probe", "_probed", "cause", "failures", "until")

    def __init__(self) -> None:
        self.failures: dict[tuple[Cause, bool], int] = {}
        """By cause, and whether the answer had begun."""
        self._ejections = 0
        self.cause: Cause | None = None
        self.until: float | None = None
        """When it may be probed; None while it is not out."""
        self._ejected = self._mended = self._doubted = self._probed = _NEVER
        self._probe: object = None

    def times(self, now: float) -> int:
        """How often it was put out, less what is forgiven by now."""
        healthy = now - self._mended if self._mended > self._ejected else 0.0
        return max(self._ejections - int(healthy / _FORGIVEN), 0)

    @property
    def in_a_row(self) -> int:
        return max(self.failures.values(), default=0)

    @property
    def blank(self) -> bool:
        """A success would change nothing."""
        return not self.failures and self.until is None and self._probe is None

    def standing(self, now: float) -> Standing:
        if self.until is not None:
            if now < self.until:
                return Standing("out", self.until - now, 0.0, self.cause)
            if self._probe is not None and now < self._probed + _PROBE:
                return Standing("out", _BUSY, 0.0, self.cause)
            return Standing("probing", 0.0, _LEAST, self.cause)
        if now < self._mended + _RAMP:
            share = _LEAST + (1 - _LEAST) * (now - self._mended) / _RAMP
            return Standing("recovering", 0.0, min(max(share, _LEAST), 1.0), self.cause)
        if now < self._doubted:
            return Standing("doubtful", cause=self.cause)
        return FIT

    def probe(self, attempt: object, now: float) -> None:
        """The attempt is to find out whether it works again, should it be time for that."""
        if self.until is not None and self.standing(now).state == "probing":
            self._probe, self._probed = attempt, now

    def let_go(self, attempt: object) -> None:
        """The attempt has told nothing."""
        if self._probe is attempt:
            self._probe = None

    def fail(
        self,
        cause: Cause,
        attempt: object,
        began: float,
        now: float,
        rng: random.Random,
        *,
        late: bool = False,
        spare: bool = False,
    ) -> bool:
        """Whether it is out from now on. ``late``: the answer had begun; ``spare``: it is not put out, however often it
        has failed."""
        probe = self._probe is attempt
        if not probe and (self.until is not None or began < self._mended):
            return False  # it was begun before what is known since, or in spite of it
        count = self.failures[cause, late] = self.failures.get((cause, late), 0) + 1
        if cause in ("auth", "quota") and not spare:
            self._doubted, self.cause = now + _DOUBT, cause
        if not probe and (spare or count < THRESHOLDS[cause]):
            return False
        times = self.times(now) + 1
        self.bar(cause, min(_BASE * times, LONGEST) * (1 + _JITTER * rng.random()), times, now)
        return True

    def bar(self, cause: Cause, seconds: float, ejections: int, now: float) -> None:
        """Put it out for so long, for the so manyth time; nothing is shortened."""
        self._ejections = max(self.times(now), ejections)
        self.cause, self._ejected, self._probe = cause, now, None
        self.until = max(self.until or _NEVER, now + seconds)

    def doubt(self, cause: Cause, seconds: float, now: float) -> None:
        self.cause, self._doubted = cause, max(self._doubted, now + min(seconds, _LONGEST_DOUBT))

    def answer(self, attempt: object, began: float, now: float) -> None:
        """An answer has begun. If it was out it works again, unless this very attempt still fails."""
        if self.until is None:
            for place in [place for place in self.failures if not place[1]]:
                del self.failures[place]
            self._doubted = _NEVER
        elif began >= self._ejected:
            self.until, self._probe, self._mended, self._doubted = None, attempt, now, _NEVER
            self.failures.clear()

    def succeed(self, attempt: object, began: float, now: float) -> None:
        self.answer(attempt, began, now)
        if self.until is None:
            self._probe = None
            self.failures.clear()

    def lapse(self, now: float) -> None:
        """What nobody has tried for an hour is no news any more."""
        if self.until is not None and now > self.until + _LAPSED:
            self.until, self._probe, self._ejections = None, None, 0
            self.failures.clear()


class Cooling:
    """What an account was told that was too fast."""

    __slots__ = ("_doubted", "_told", "_until", "times")

    def __init__(self) -> None:
        self.times = 0
        self._until = self._doubted = self._told = _NEVER

    def standing(self, now: float) -> Standing:
        if now < self._until:
            return Standing("cooling", self._until - now, 0.0, "rate")
        if now < self._doubted:
            return Standing("doubtful", cause="rate")
        return FIT

    def tell(self, wait: float | None, began: float, now: float) -> bool:
        """Whether it is barred for longer than it was: for ``wait`` seconds, if there is something to wait for. If not,
        it is doubtful, each time for twice as long."""
        if began >= self._told:  # of several that were under way the first is news
            self.times, self._told = self.times + 1, now
        if wait is None or wait <= 0:
            self._doubted = now + min(2.0 ** min(self.times - 1, 10), _LONGEST_DOUBT)
            return False
        before, self._until = self._until, max(self._until, now + min(wait, LONGEST))
        return self._until > before

    def succeed(self, began: float) -> None:
        if began >= self._told:
            self.times, self._until, self._doubted = 0, _NEVER, _NEVER
