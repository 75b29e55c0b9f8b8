"""One Redis, and the life of what uses it: connections, the heartbeat of this replica, the notices."""

from __future__ import annotations

import asyncio
import random
import secrets
from contextlib import suppress
from types import TracebackType
from typing import Self

from ...ports import StandIn
from .breaker import Breaker
from .link import Link, Script, ended
from .notices import RedisNotices
from .rates import SCRIPTS, RedisRates
from .scripts import BEAT

__all__ = ["SharedRedis"]

_BEAT = Script(BEAT)
_BEATS_OF_A_LEASE = 3


class SharedRedis:
    """What replicas share: ``rates`` (a ``RateStore``) and ``notices`` (``Notices``). An async context manager.

    It starts, and stays, with or without a server: ``local`` then counts limits by the number of replicas, of which
    ``replicas`` are taken for granted and the others known by their heartbeat, every ``heartbeat`` seconds. The slots
    that a dead replica held are free after ``lease`` seconds. A round trip may take ``timeout`` seconds; after three
    that failed none is made until a heartbeat gets through. All keys begin with ``prefix``. Not for Redis Cluster: a
    script may touch several keys.

        async with SharedRedis("redis://127.0.0.1", local=LocalRates()) as redis:
            limiter = RateLimiter(limits=book, counters=redis.rates)
    """

    def __init__(
        self,
        url: str,
        *,
        local: StandIn,
        prefix: str = "oneapi:",
        replicas: int = 1,
        timeout: float = 0.25,
        max_connections: int = 32,
        heartbeat: float = 5.0,
        lease: int = 30,
        breaker: Breaker | None = None,
        rng: random.Random | None = None,
    ) -> None:
        if replicas < 1:
            raise ValueError("replicas must be at least 1")
        self.id = secrets.token_hex(8)
        self.replicas = replicas
        self._floor = replicas
        self._every = heartbeat
        self._key = f"{prefix}replicas"
        self._link = Link(
            url,
            (*SCRIPTS, _BEAT),
            timeout=timeout,
            max_connections=max_connections,
            breaker=breaker or Breaker(),
        )
        self.rates = RedisRates(self._link, local=local, replicas=lambda: self.replicas, prefix=prefix, lease=lease)
        self.notices = RedisNotices(
            self._link,
            replica=self.id,
            prefix=prefix,
            every=heartbeat,
            rng=rng or random.Random(),  # noqa: S311  # spreading needs no secrecy
        )
        self._heart: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        """Whether Redis is in use at the moment."""
        return self._link.up

    async def __aenter__(self) -> Self:
        await self._beat()
        self._link.open()
        self.notices.open()
        self._heart = asyncio.create_task(self._live(), name="redis heartbeat")
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        heart, self._heart = self._heart, None
        if heart is not None:
            await ended(heart)
        await self.notices.close()
        self._link.post(("ZREM", self._key, self.id))
        await self._link.close()

    async def _live(self) -> None:
        opened = self._link.opened
        while True:
            if self._link.breaker.closed:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._every):
                        await opened.wait()
            opened.clear()
            await asyncio.sleep(self._link.breaker.wait())
            await self._beat()

    async def _beat(self) -> None:
        lease = max(round(self._every * _BEATS_OF_A_LEASE), 1)
        answer = await self._link.probe(_BEAT.command([self._key], self.id, lease))
        if isinstance(answer, int):
            self.replicas = max(answer, self._floor)
            self.rates.renew()
