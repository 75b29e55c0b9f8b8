"""Whether, when and for how long a call may be tried again. Pure.

Retries make an overload worse: each call that is tried three times is three calls. Only a share of the calls that are
in flight may therefore be retries, whatever their number (Envoy's retry budget), and they come at moments of their own.
"""

from __future__ import annotations

import random
import re

from .errors import BadRequest

__all__ = ["TIMEOUT_HEADER", "RetryBudget", "asked_seconds", "back_off"]

TIMEOUT_HEADER = "x-request-timeout"
"""The header of a request that says how many seconds its caller is going to wait."""

_SHARE = 0.2
_LEAST = 3
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 0.25
_LONGEST_ASKED = 86_400.0
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(s|ms)?", re.ASCII)


class RetryBudget:
    """Counts the calls in flight, and the retries among them: no more than ``share`` of the calls, but ``least``.

    A retry counts until its answer has begun: a long stream that a second channel serves is no burden to anyone else.
    """

    __slots__ = ("_least", "_share", "calls", "retries")

    def __init__(self, share: float = _SHARE, *, least: int = _LEAST) -> None:
        self._share = share
        self._least = least
        self.calls = 0
        self.retries = 0

    def take(self) -> bool:
        """Leave to try once more; ``give_back`` it."""
        if self.retries >= max(self._least, self._share * self.calls):
            return False
        self.retries += 1
        return True

    def give_back(self) -> None:
        self.retries -= 1


def back_off(retry: int, rng: random.Random) -> float:
    """Seconds to pause before the first, second, … retry: 50 to 100 ms, then twice that, 250 ms at most. By chance, so
    that calls that failed together do not come back together."""
    longest = min(_FIRST_PAUSE * 2**retry, _LONGEST_PAUSE)
    return rng.uniform(longest / 2, longest)


def asked_seconds(text: str) -> float | None:
    """What a caller's ``X-Request-Timeout`` says: ``3``, ``2.5``, ``3s`` or ``3000ms``; None for no such header.

    :raises BadRequest: it says nothing of the kind
    """
    if not text:
        return None
    found = _DURATION.fullmatch(text.strip())
    seconds = float(found[1]) / (1000 if found[2] == "ms" else 1) if found else 0.0
    if not 0 < seconds <= _LONGEST_ASKED:
        raise BadRequest(
            f"The header {TIMEOUT_HEADER!r} must be a number of seconds above 0, such as 30 or 2.5s, "
            f"not {text[:40]!r}.",
            code="invalid_timeout",
        )
    return seconds
