"""The least that a database can do for a payment: bare drivers, and one guarded ``UPDATE`` that commits itself.

No ledger, no entries, no answer beside yes or no. What an operation costs beyond this is what exactness costs.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from queue import SimpleQueue
from typing import Any, TypeAlias

import asyncmy
import asyncpg
from sqlalchemy import URL, make_url

from .databases import Database

__all__ = ["Take", "bare"]

Take: TypeAlias = Callable[[int, int], Awaitable[None]]
"""Take nano-dollars from an account, or give it some where they are negative."""

CONNECTIONS = 4
FUNDS = 10**15
TABLE = "CREATE TABLE bare (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL)"
INSERT = "INSERT INTO bare VALUES ({}, {})"
UPDATE = "UPDATE bare SET balance = balance - {0} WHERE id = {1} AND balance >= {0}"


def bare(database: Database, accounts: int) -> AbstractAsyncContextManager[Take]:
    """For accounts that are numbered from 0."""
    openers = {"sqlite": _sqlite, "postgres": _postgres, "mysql": _mysql}
    rows = (INSERT.format(number, FUNDS) for number in range(accounts))
    return openers[database.kind](make_url(database.url), [TABLE, *rows])


def _expect(changed: int) -> None:
    if changed != 1:
        raise RuntimeError(f"the update changed {changed} rows, not one")


@asynccontextmanager
async def _sqlite(url: URL, script: Iterable[str]) -> AsyncIterator[Take]:
    """One thread writes, as the operations come."""
    loop = asyncio.get_running_loop()
    queue: SimpleQueue[tuple[int, int, asyncio.Future[int]] | None] = SimpleQueue()

    def serve() -> None:
        with closing(sqlite3.connect(url.database or "", isolation_level=None)) as connection:
            for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", *script):
                connection.execute(statement)
            while (job := queue.get()) is not None:
                account, amount, future = job
                changed = connection.execute(UPDATE.format("?1", "?2"), (amount, account)).rowcount
                loop.call_soon_threadsafe(future.set_result, changed)

    async def take(account: int, amount: int) -> None:
        future: asyncio.Future[int] = loop.create_future()
        queue.put((account, amount, future))
        _expect(await future)

    thread = threading.Thread(target=serve)
    thread.start()
    yield take
    queue.put(None)
    thread.join()


@asynccontextmanager
async def _postgres(url: URL, script: Iterable[str]) -> AsyncIterator[Take]:
    update = UPDATE.format("$1", "$2")
    dsn = url.render_as_string(hide_password=False)
    async with asyncpg.create_pool(dsn, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:

        async def take(account: int, amount: int) -> None:
            _expect(int((await pool.execute(update, amount, account)).removeprefix("UPDATE ")))

        for statement in script:
            await pool.execute(statement)
        yield take


@asynccontextmanager
async def _mysql(url: URL, script: Iterable[str]) -> AsyncIterator[Take]:
    where: dict[str, Any] = {"host": url.host, "port": url.port or 3306, "user": url.username, "db": url.database}
    pool: Any = await asyncmy.create_pool(
        **where, password=str(url.password or ""), minsize=CONNECTIONS, maxsize=CONNECTIONS, autocommit=True
    )

    async def run(statement: str) -> int:
        async with pool.acquire() as connection, connection.cursor() as cursor:
            return int(await cursor.execute(statement))

    async def take(account: int, amount: int) -> None:
        _expect(await run(UPDATE.format(amount, account)))

    try:
        for statement in script:
            await run(statement)
        yield take
    finally:
        pool.close()
        await pool.wait_closed()
