"""Notices between replicas, by publish and subscribe: at most once, and not at all while Redis is gone."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from functools import partial

from redis.asyncio.client import PubSub

from .link import Link, ended

__all__ = ["RedisNotices", "notice"]

_log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_SILENCES = 3
"""So many unanswered questions whether it is still there, and the connection is made anew."""


def notice(prefix: str, replica: str, kind: str, text: str) -> tuple[str, str]:
    """The channel, and what is published there. ``replica`` shall not hear it, empty for somebody who is none."""
    return _channel(prefix), f"{replica}\n{kind}\n{text}"


def _channel(prefix: str) -> str:
    return f"{prefix}notices"


class RedisNotices:
    """All kinds go through one channel. What this replica publishes it does not hear."""

    def __init__(self, link: Link, *, replica: str, prefix: str, every: float, rng: random.Random) -> None:
        self._link = link
        self._replica = replica
        self._prefix = prefix
        self._every = every
        self._rng = rng
        self._subscribers: dict[str, list[Callable[[str], None]]] = {}
        self._listener: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    def publish(self, kind: str, text: str) -> None:
        self._link.post(("PUBLISH", *notice(self._prefix, self._replica, kind, text)))

    def subscribe(self, kind: str, heard: Callable[[str], None]) -> Callable[[], None]:
        self._subscribers.setdefault(kind, []).append(heard)
        return partial(self._unsubscribe, kind, heard)

    def _unsubscribe(self, kind: str, heard: Callable[[str], None]) -> None:
        left = self._subscribers.get(kind, [])
        if heard in left:
            left.remove(heard)
        if not left:
            self._subscribers.pop(kind, None)

    def open(self) -> None:
        self._listener = asyncio.create_task(self._listen(), name="redis notices")

    async def close(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            await ended(listener)

    async def listening(self) -> None:
        """Wait until notices are heard."""
        await self._listening.wait()

    async def _listen(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                async with self._link.client.pubsub() as pubsub:
                    await pubsub.subscribe(_channel(self._prefix))
                    await self._hear(pubsub)
            except Exception as error:  # whatever it is, the app goes on without notices
                _log.info("redis notices are not heard for now: %s", type(error).__name__)
            if self._listening.is_set():
                pause = _FIRST_PAUSE
            self._listening.clear()
            await asyncio.sleep(pause * self._rng.uniform(0.5, 1.5))
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _hear(self, pubsub: PubSub) -> None:
        """Until the server has been silent for too long."""
        silences = 0
        while silences < _SILENCES:
            message = await pubsub.get_message(timeout=self._every)
            if message is None:
                silences += 1
                await pubsub.ping()
                continue
            silences = 0
            if message["type"] == "subscribe":
                self._listening.set()
            elif message["type"] == "message":
                self._tell(message["data"])

    def _tell(self, data: bytes) -> None:
        replica, _, rest = data.decode(errors="replace").partition("\n")
        kind, _, text = rest.partition("\n")
        if replica == self._replica:
            return
        for heard in [*self._subscribers.get(kind, ())]:
            try:
                heard(text)
            except Exception as error:
                _log.error("a notice of %r could not be taken in: %s", kind, type(error).__name__)
