"""Guesses that were counted, in the database: what holds for one replica holds for all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection, delete, select, update

from ....desk.tries import TRIES, TryLimit, network_of
from ....errors import RateLimited
from ..ledger import Clock, moment
from ..statements import Addition, cursor
from ..store import SQLStorage
from .schema import tries

__all__ = ["SQLTries"]

_ROW = Addition(tries, ["digest"], ["turns"])
_PRUNED = 100


class SQLTries:
    """``admin.tries.Tries``."""

    def __init__(self, storage: SQLStorage, limits: Mapping[str, TryLimit] = TRIES) -> None:
        self._storage = storage
        self._limits = limits

    async def count(self, kind: str, key: str) -> None:
        limit = self._limits[kind]
        wait = await self._storage.write(_count, _digest(kind, key), limit, self._storage.clock)
        if wait is not None:
            minutes = max(1, round(wait / 60))
            raise RateLimited(
                f"That was tried too often; try again in {minutes} minute{'s' if minutes > 1 else ''}.",
                code="too_many_tries",
                retry_after=wait,
            )

    async def forgive(self, kind: str, key: str) -> None:
        await self._storage.write(_forgive, _digest(kind, key))


def _digest(kind: str, key: str) -> str:
    subject = network_of(key) if kind.endswith("_from") else key
    return hashlib.sha256(f"{kind}\n{subject}".encode()).hexdigest()


def _count(connection: Connection, digest: str, limit: TryLimit, clock: Clock) -> float | None:
    """Add one; the seconds until one may be added, if it may not."""
    now = moment(connection, clock)
    times = [at for at in _turn(connection, digest) if at > now - limit.seconds]
    if len(times) >= limit.count:
        return times[-limit.count] + limit.seconds - now
    _keep(connection, digest, [*times, now], now + limit.seconds)
    _prune(connection, now)
    return None


def _forgive(connection: Connection, digest: str) -> None:
    times = _turn(connection, digest)
    _keep(connection, digest, times[:-1], max(times, default=0.0) + max(one.seconds for one in TRIES.values()))


def _turn(connection: Connection, digest: str) -> list[float]:
    """Make or lock the row, so that whoever else comes waits, and read what is in it."""
    with cursor(connection) as opened:
        opened.insert(_ROW, [(digest, 1)])
    times = connection.scalar(select(tries.c.times).where(tries.c.digest == digest))
    return msgspec.json.decode(times, type=list[float]) if times else []


def _keep(connection: Connection, digest: str, times: list[float], until: float) -> None:
    values = {"times": msgspec.json.encode(times).decode(), "keep_until": until}
    connection.execute(update(tries).where(tries.c.digest == digest).values(values))


def _prune(connection: Connection, now: float) -> None:
    """A few of those that are over: there is a row for every name that anybody made up."""
    over = connection.scalars(select(tries.c.digest).where(tries.c.keep_until < now).limit(_PRUNED)).all()
    if over:
        connection.execute(delete(tries).where(tries.c.digest.in_(over)))
