"""Not so fast: requests per minute of a token.

The decision is the generic cell rate algorithm (GCRA, ITU-T I.371) on one number per key: a full minute's allowance
may be spent at once, then it comes back evenly. Nothing is kept for keys that have rested.

    app = RateLimit(app, limiter=RateLimiter(requests_per_minute=60))

*Reads* ``call.token``. *Writes* nothing. A token's own ``requests_per_minute`` wins over the limiter's. Options:
``limiter`` (without one, tokens have only limits of their own), ``on_error``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from cachetools import TTLCache
from starlette.types import ASGIApp, Receive, Scope, Send

from .call import Call, need
from .errors import RateLimited
from .http import OnError, Refusal

__all__ = ["RateLimit", "RateLimiter", "admit"]

_MINUTE = 60.0


def admit(due: float, now: float, per_minute: int) -> tuple[float, float]:
    """``(wait, due)``: the seconds to wait, 0 when admitted, and when the allowance will be whole again.

    ``due`` is what an earlier admission returned, 0 for a key that has none.
    """
    cost = _MINUTE / per_minute
    due = max(due, now)
    wait = due + cost - now - _MINUTE
    return (wait, due) if wait > 1e-9 else (0.0, due + cost)


class RateLimiter:
    """Counts in this process. ``requests_per_minute`` None leaves limits to the tokens that have their own."""

    def __init__(
        self,
        *,
        requests_per_minute: int | None = None,
        size: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if requests_per_minute is not None and requests_per_minute < 1:
            raise ValueError("requests_per_minute must be at least 1, or None")
        self.requests_per_minute = requests_per_minute
        self._due: TTLCache[int, float] = TTLCache(size, _MINUTE, clock)
        self._clock = clock

    def wait(self, key: int, per_minute: int) -> float:
        """Seconds until the key may call again, 0 when it may now (and then the call is counted)."""
        wait, due = admit(self._due.get(key, 0.0), self._clock(), per_minute)
        if not wait:
            self._due[key] = due
        return wait


class RateLimit:
    """Refuses calls of a token that was too fast, and says when it may come back."""

    def __init__(self, app: ASGIApp, *, limiter: RateLimiter | None = None, on_error: OnError = Refusal) -> None:
        self.app = app
        self._limiter = limiter or RateLimiter()
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        call = Call.of(scope)
        token = need(call.token, "RateLimit", "token", "TokenAuth")
        limit = token.requests_per_minute or self._limiter.requests_per_minute
        if limit and (wait := self._limiter.wait(token.id, limit)):
            error = RateLimited(
                f"This API key may make {limit} requests per minute. Try again in {math.ceil(wait)} s.",
                retry_after=wait,
            )
            return await self._on_error(error, call)(scope, receive, send)
        return await self.app(scope, receive, send)
