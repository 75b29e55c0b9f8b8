"""Ejections and cool-downs that the other replicas hear of, so that they need not find out for themselves."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import msgspec
from msgspec import Struct

from ..ports import Notices
from .circuit import LONGEST, THRESHOLDS, Circuit
from .ejection import Ejection
from .facts import Cause
from .subjects import KeyState

__all__ = ["SharedEjection"]

_EJECTED = "ejected"
_COOLED = "cooled"


class _Ejected(Struct, frozen=True):
    channel: int
    key: int
    model: str | None
    seconds: float
    times: int
    cause: Cause
    signs: tuple[str, ...] = ()


class _Cooled(Struct, frozen=True):
    account: str
    model: str
    seconds: float


_read_ejected = msgspec.json.Decoder(_Ejected).decode
_read_cooled = msgspec.json.Decoder(_Cooled).decode


class SharedEjection(Ejection):
    """An ``Ejection`` that tells the other replicas, and hears from them.

    A success ends what bars a subject in this replica alone: the others try it themselves when its time is over. Of a
    channel they know the number, of an account a digest; no key is told.
    """

    def __init__(
        self,
        notices: Notices,
        *,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        super().__init__(clock=clock, rng=rng)
        self._notices = notices
        notices.subscribe(_EJECTED, self._hear_ejected_text)
        notices.subscribe(_COOLED, self._hear_cooled_text)

    def _ejected(self, key: KeyState, model: str | None, circuit: Circuit, now: float) -> None:
        assert key.channel is not None and circuit.until is not None and circuit.cause is not None  # noqa: S101, PT018
        seconds, signs = circuit.until - now, tuple(sorted(key.signs)) if model is None else ()
        told = _Ejected(key.channel.id, key.index, model, seconds, circuit.times(now), circuit.cause, signs)
        self._notices.publish(_EJECTED, msgspec.json.encode(told).decode())

    def _cooled(self, account: str, model: str, wait: float) -> None:
        self._notices.publish(_COOLED, msgspec.json.encode(_Cooled(account, model, wait)).decode())

    def _hear_ejected_text(self, text: str) -> None:
        told = _read_ejected(text)
        seconds = min(max(told.seconds, 0.0), 2 * LONGEST)
        place, length = (told.channel, told.key), (seconds, told.times)
        if told.cause in THRESHOLDS:
            self._hear(place, told.model, told.cause, length, frozenset(told.signs))

    def _hear_cooled_text(self, text: str) -> None:
        told = _read_cooled(text)
        self._hear_cooled(told.account, told.model, told.seconds)
