"""Time as an event loop lives through it: while it stands still nothing can arrive, so that nobody is late by that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

__all__ = ["Alarm"]

_PARTS: Final = 4


class _Timer(Protocol):
    def cancel(self) -> None: ...


class Alarm:
    """Calls ``ring`` after so many ``seconds``, once, unless it is cancelled.

    They are counted in parts, one after the other, by the loop's ``call_later``: however long the loop stands still, no
    more than one part passes.
    """

    __slots__ = ("_call_later", "_left", "_part", "_ring", "_timer")

    def __init__(
        self,
        call_later: Callable[[float, Callable[[], object]], _Timer],
        seconds: float,
        ring: Callable[[], object],
    ) -> None:
        self._call_later = call_later
        self._part = seconds / _PARTS
        self._left = _PARTS
        self._ring = ring
        self._timer = call_later(self._part, self._passed)

    def _passed(self) -> None:
        self._left -= 1
        if self._left:
            self._timer = self._call_later(self._part, self._passed)
        else:
            self._ring()

    def cancel(self) -> None:
        self._timer.cancel()
