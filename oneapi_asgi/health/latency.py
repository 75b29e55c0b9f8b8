"""How long a subject takes to the first content, as of late. Pure."""

from __future__ import annotations

from math import exp

__all__ = ["Latency"]

_FALL = 10.0
"""Seconds after which what was observed before counts a third, once something new is."""

_FADE = 60.0
"""Seconds after which it counts a third while nothing is: who was slow once is tried again."""


class Latency:
    """A moving average that follows a peak at once, and falls slowly."""

    __slots__ = ("_at", "_value")

    def __init__(self) -> None:
        self._value = -1.0
        self._at = 0.0

    def observe(self, seconds: float, now: float) -> None:
        if seconds >= self._value:
            self._value = seconds
        else:
            old = exp((self._at - now) / _FALL)
            self._value = self._value * old + seconds * (1 - old)
        self._at = now

    def read(self, now: float) -> float | None:
        return self._value * exp((self._at - now) / _FADE) if self._value >= 0 else None
