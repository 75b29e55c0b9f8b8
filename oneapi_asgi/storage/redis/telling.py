"""A notice to all replicas, by somebody who is none: a command that changed something."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from .notices import notice

__all__ = ["tell"]

_PATIENCE = 1.0


async def tell(url: str, kind: str, text: str, *, prefix: str = "oneapi:") -> bool:
    """Whether Redis took the notice, within a second. Replicas that hear none ask from time to time."""
    try:
        async with (
            asyncio.timeout(_PATIENCE),
            Redis.from_url(url, socket_timeout=_PATIENCE, retry=Retry(NoBackoff(), 0)) as client,
        ):
            channel, told = notice(prefix, "", kind, text)
            await client.publish(channel, told)
    except (RedisError, OSError):
        return False
    return True
