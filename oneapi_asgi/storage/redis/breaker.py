"""Whether a server is worth asking. Pure."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

__all__ = ["Breaker"]


class Breaker:
    """Opens after so many ``failures`` in a row, closes with the next success.

    While it is open nobody asks but one probe, at most every ``rest`` seconds (half of that to one and a half times,
    so that replicas do not probe in step).
    """

    def __init__(
        self,
        *,
        failures: int = 3,
        rest: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self._most = failures
        self._rest = rest
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311  # spreading needs no secrecy
        self._failures = 0
        self._until = 0.0

    @property
    def closed(self) -> bool:
        return self._failures < self._most

    def succeeded(self) -> bool:
        """Whether this closed it."""
        opened = not self.closed
        self._failures = 0
        return opened

    def failed(self) -> bool:
        """Whether this opened it."""
        closed = self.closed
        self._failures += 1
        if not self.closed:
            self._until = self._clock() + self._rest * self._rng.uniform(0.5, 1.5)
        return closed and not self.closed

    def wait(self) -> float:
        """Seconds until a probe may be made, 0 when it may now."""
        return 0.0 if self.closed else max(self._until - self._clock(), 0.0)
