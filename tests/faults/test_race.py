"""Two processes, eighty connections, and money for half of the calls: not one more is served, and not one less."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import asyncmy
import asyncpg
import pytest
from servers.databases import KINDS, rows

from .auditor import complaints, read_books, unmatched
from .fleet import open_fleet
from .load import KEY, Callers, add_callers, open_session, share

COST = 100
CONNECTIONS = 40  # to each process


class Race(NamedTuple):
    """So many calls, money for half of them. ``wait`` is what the upstream takes."""

    calls: int
    wait: float

    @property
    def funds(self) -> int:
        return self.calls * COST // 2


LATE = [pytest.mark.slow, pytest.mark.timeout(600)]
SHORT = [
    pytest.param(kind, binding, Race(300, 0.02), id=f"{kind}-{binding}-300")
    for kind, binding in (("sqlite", "cap"), ("postgres", "wallet"), ("mysql", "cap"))
]
LONG = [
    pytest.param(kind, binding, race, id=f"{kind}-{binding}-{race.calls}", marks=LATE)
    for kind in KINDS
    for binding in ("cap", "wallet")
    for race in (Race(1_000, 0.02), Race(10_000, 0.2))
]
PLENTY = 10**15


@pytest.mark.parametrize(("kind", "binding", "race"), [*SHORT, *LONG])
async def test_no_call_too_many(database: str, race: Race, binding: str) -> None:
    """``binding`` is the account that runs dry: the cap of one token, or the wallet that fifty tokens share."""
    quotas: Sequence[int | None] = [race.funds] if binding == "cap" else [None] * 50
    keys = await add_callers(database, wallet=PLENTY if binding == "cap" else race.funds, quotas=quotas)
    async with open_fleet(database) as fleet, open_session() as session:
        callers = Callers(session)
        asks = [
            partial(callers.ask, fleet.urls[number % 2], [*keys][number // 2 % len(keys)], wait=race.wait)
            for number in range(race.calls)
        ]
        await share(asks, CONNECTIONS * 2)
        await fleet.stop()
        books = await read_books(database)
        assert complaints(books) == []
        assert unmatched(books, fleet.upstream.journal) == []
        answers = Counter((answered.status, answered.code) for answered in callers.answered)
        assert answers == {(200, None): race.calls // 2, (403, "insufficient_quota"): race.calls // 2}
        assert len(fleet.upstream.journal) == race.calls // 2
        assert books.settled == books.recorded == race.funds
        dry = books.accounts[keys[KEY][0 if binding == "cap" else 1]]
        assert (dry.balance, dry.used, dry.overdraft) == (0, race.funds, 0)


@pytest.mark.parametrize("column", ["balance", "overdraft"])
async def test_the_database_itself_keeps_nothing_negative(database: str, column: str) -> None:
    """So no balance was below zero at any commit, whatever the gateway did between two looks at it."""
    await add_callers(database, wallet=100, quotas=[100])
    with pytest.raises((sqlite3.IntegrityError, asyncpg.CheckViolationError, asyncmy.errors.MySQLError)) as refused:
        await asyncio.to_thread(rows, database, f"UPDATE accounts SET {column} = -1 WHERE NOT unlimited")
    assert f"ck_accounts_{column}" in str(refused.value)
