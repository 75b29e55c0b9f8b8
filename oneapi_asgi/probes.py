"""What an orchestrator asks: does the process serve (``/healthz``), and can it serve calls (``/readyz``)?

    readiness = Readiness(store, pool, started=lambda: True)
    app = Endpoints(calls, models=models, billing=billing, pages={"/healthz": liveness, "/readyz": readiness})

Neither needs a key. *Reads* and *writes* nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

import msgspec
from starlette.types import Receive, Scope, Send

from .errors import Unavailable
from .flight import Flight
from .pool import ChannelPool
from .ports import RevisionStore

__all__ = ["Readiness", "liveness"]

Lack = Literal["lifespan", "draining", "storage", "channels"]
"""The check that failed: the lifespan was not run, the process is about to stop, the storage does not answer, no
channel is enabled."""


def _never() -> bool:
    return False


async def liveness(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
    """200 whenever the process serves, whatever the storage does: a restart would mend nothing."""
    await _answer(scope, send, 200, {"status": "ok"})


class Readiness:
    """200 when calls can be served: the storage answers within ``timeout`` seconds, and a channel is enabled. 503
    otherwise, with the check that failed. What was found holds for ``interval`` seconds, however many ask.
    """

    def __init__(
        self,
        store: RevisionStore,
        pool: ChannelPool,
        *,
        started: Callable[[], bool],
        draining: Callable[[], bool] = _never,
        timeout: float = 1.0,
        interval: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._pool = pool
        self._started = started
        self._draining = draining
        self._interval = interval
        self._clock = clock
        self._check = Flight(self._look, what="storage and channels", timeout=timeout, rest=0, clock=clock)
        self._found: Lack | None = None
        self._until = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        lack = await self.lack()
        if lack is None:
            return await _answer(scope, send, 200, {"status": "ok"})
        return await _answer(scope, send, 503, {"status": "unavailable", "failed": lack})

    async def lack(self) -> Lack | None:
        """What is missing; None when calls can be served."""
        if not self._started():
            return "lifespan"
        if self._draining():
            return "draining"
        if self._clock() >= self._until:
            try:
                self._found = await self._check()
            except Unavailable:
                self._found = "storage"
            self._until = self._clock() + self._interval
        return self._found

    async def _look(self) -> Lack | None:
        await self._store.pulse()  # not what the pool knows of it, which may be as old as its revision's interval
        await self._pool.refresh()
        return None if any(channel.enabled for channel in self._pool.channels) else "channels"


async def _answer(scope: Scope, send: Send, status: int, content: object) -> None:
    body = msgspec.json.encode(content)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
