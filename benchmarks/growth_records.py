"""A database of SQLite as millions of calls leave it: their records, and what the ledger keeps of them."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from oneapi_asgi.storage.sql import SQLStorage

from .recorded import A_DAY, calls, copy_first_day

__all__ = ["fill"]

HELD, COST, FIRST = 100_000, 40_000, 1.6e9  # nano-dollars, and Unix seconds

RESERVATIONS = """
WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < :count)
INSERT INTO reservations (id, state, amount, cost, accounts, lease_until, created_at, ended_at, so_far)
SELECT printf('%032x', n), 'settled', :held, :cost, '[8,7]', :first + n, :first + n, :first + n, 0 FROM number
"""
TRANSFERS = """
WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < 2 * :count)
INSERT INTO transfers (debit_account, credit_account, amount, reservation_id, kind, created_at)
SELECT 7 + (n & 1), 2 + 2 * (n & 1), :cost, printf('%032x', n / 2), 'charge', :first + n FROM number
"""


def fill(database: Path, count: int) -> None:
    """``count`` more records, a reservation and two entries for each. Of fewer than a day's nothing is made: the first
    calls have left theirs. Balances do not know of these entries.

    :raises RuntimeError: there are not as many as there should be
    """
    days = count // A_DAY
    if not days:
        return
    url = f"sqlite:///{database}"
    asyncio.run(_write_first_day(url))
    if days > 1:
        asyncio.run(copy_first_day(url, range(1, days)))
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        values = {"count": count, "held": HELD, "cost": COST, "first": FIRST}
        for statement in (RESERVATIONS, TRANSFERS):
            connection.execute(statement, values)
        for table, least in (("records", count), ("reservations", count), ("transfers", 2 * count)):
            (found,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            if found < least:
                raise RuntimeError(f"there are {found} {table} instead of {least}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def _write_first_day(url: str) -> None:
    async with SQLStorage(url) as storage:
        await storage.write_records(list(calls(A_DAY)))
