"""A newer version starts while an older one goes on: its statements work before, during and after the migration.

What the older version says to the database is written down here as it said it, since it cannot be asked any more.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from alembic import command
from sqlalchemy import Connection, RowMapping, text

from oneapi_asgi.models import Reserve, Reserved, Settle, Settled
from oneapi_asgi.storage.sql import SQLStorage, opening
from oneapi_asgi.storage.sql.migrations import configuration
from oneapi_asgi.storage.sql.runner import Runner
from oneapi_asgi.storage.sql.schema import REVISIONS

from .auditor import complaints, read_books

OLDEST = "0001"
FUNDS = 10**12
HELD, COST = 10, 7
ENOUGH = 20  # charges of each version before the migration, and after it
PATIENCE = 30.0  # seconds for them: SQLite has no queue for its writers, one can take many turns in a row

SYSTEM = "(kind, owner_id, balance, used, overdraft, unlimited) VALUES ('system', :owner, 0, 0, 0, :yes)"
ACCOUNT = "(kind, owner_id, balance, used, overdraft, unlimited) VALUES (:kind, 1, :funds, 0, 0, :no)"
GRANT = "(debit_account, credit_account, amount, kind, created_at) VALUES (:debit, :credit, :funds, 'grant', 0)"
ROOT = "(name, {group}, admin, enabled, created_at) VALUES ('root', 'default', :yes, :yes, 0)"
HOLD = """
    (id, state, amount, cost, accounts, lease_until, created_at, ended_at)
    VALUES (:id, 'held', :held, 0, :accounts, 1e12, 0, NULL)
"""
CHARGE = """
    (debit_account, credit_account, amount, reservation_id, kind, created_at)
    VALUES (:debit, :credit, :cost, :id, 'charge', 0)
"""
RECORD = """
    (id, at, operation, token_name, model, upstream_model, cost, status, reason, stream, duration, client,
     upstream_request_id, attempts, token_id, user_id, channel_id)
    VALUES (:id, 0, 'chat', 'old', 'gpt-4o', 'gpt-4o', :cost, 200, 'done', :no, 0.1, '', '', '[]', 1, 1, 1)
"""
SAVE = """
    UPDATE accounts SET balance = :balance, used = :used, overdraft = :overdraft, unlimited = :unlimited
    WHERE id = :id AND balance = :seen_balance AND used = :seen_used AND overdraft = :seen_overdraft
"""
END = "UPDATE reservations SET state = 'settled', cost = :cost, ended_at = 1 WHERE id = :id AND state = 'held'"


class Older:
    """The ledger as the first version knew it. ``run`` carries out work as a transaction."""

    def __init__(self, runner: Runner) -> None:
        self._run = runner.run
        self._system: list[int] = []
        self.accounts: tuple[int, ...] = ()

    async def create(self) -> None:
        """Its tables, and an account that is charged: a cap, and the wallet behind it."""
        await self._run(_create, long=True)
        self._system, self.accounts = await self._run(_furnish)

    async def charge(self, name: str) -> None:
        await self._run(lambda connection: self._reserve(connection, name))
        await self._run(lambda connection: self._settle(connection, name))

    def _reserve(self, connection: Connection, name: str) -> None:
        for row in self._opened(connection):
            _save(connection, row, balance=row["balance"] - HELD)
        named = json.dumps(self.accounts)
        _insert(connection, "reservations", HOLD, id=name, held=HELD, accounts=named)

    def _settle(self, connection: Connection, name: str) -> None:
        for row in self._opened(connection):
            _save(connection, row, balance=row["balance"] + HELD - COST, used=row["used"] + COST)
        assert connection.execute(text(END), {"id": name, "cost": COST}).rowcount == 1
        for account, revenue in zip(self.accounts, (self._system[3], self._system[1]), strict=True):
            _insert(connection, "transfers", CHARGE, debit=account, credit=revenue, cost=COST, id=name)
        _insert(connection, "records", RECORD, id=name, cost=COST, no=False)

    def _opened(self, connection: Connection) -> list[RowMapping]:
        lock = "" if connection.dialect.name == "sqlite" else " FOR UPDATE"
        query = f"SELECT id, balance, used, overdraft, unlimited FROM accounts WHERE id IN (:a, :b) ORDER BY id{lock}"
        a, b = self.accounts
        return [*connection.execute(text(query), {"a": a, "b": b}).mappings()]


def _create(connection: Connection) -> None:
    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, OLDEST)


def _furnish(connection: Connection) -> tuple[list[int], tuple[int, ...]]:
    group = connection.dialect.identifier_preparer.quote("group")
    _insert(connection, "users", ROOT.format(group=group), yes=True)
    _insert(connection, "meta", "(name, value) VALUES ('revision', 1)")
    for owner in range(1, 5):
        _insert(connection, "accounts", SYSTEM, owner=owner, yes=True)
    for kind in ("token", "user"):
        _insert(connection, "accounts", ACCOUNT, kind=kind, funds=FUNDS, no=False)
    *system, cap, wallet = connection.scalars(text("SELECT id FROM accounts ORDER BY id"))
    for debit, credit in ((system[2], cap), (system[0], wallet)):
        _insert(connection, "transfers", GRANT, debit=debit, credit=credit, funds=FUNDS)
    return system, (cap, wallet)


def _insert(connection: Connection, table: str, row: str, **values: Any) -> None:
    connection.execute(text(f"INSERT INTO {table} {row}"), values)


def _save(connection: Connection, row: RowMapping, **changed: int) -> None:
    seen = {f"seen_{name}": row[name] for name in ("balance", "used", "overdraft")}
    assert connection.execute(text(SAVE), {**row, **changed, **seen}).rowcount == 1


@asynccontextmanager
async def older(url: str) -> AsyncIterator[Older]:
    writer, readers = opening.runners(opening.parse(url), {})
    await writer.start()
    try:
        version = Older(writer)
        await version.create()
        yield version
    finally:
        await writer.close()
        await readers.close()


@asynccontextmanager
async def traffic(charge: Callable[[str], Awaitable[None]], prefix: str, callers: int = 4) -> AsyncIterator[list[str]]:
    """Charges without a pause; those that were done are listed. The first that fails ends it."""
    done: list[str] = []
    names = (f"{prefix}-{number}" for number in count())
    over = False

    async def call() -> None:
        for name in names:
            if over:
                return
            await charge(name)
            done.append(name)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(callers):
            tasks.create_task(call())
        try:
            yield done
        finally:
            over = True


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not done():  # noqa: ASYNC110 - what is looked at tells nobody when it changes
            await asyncio.sleep(0.05)


async def test_an_upgrade_below_traffic(database: str) -> None:
    async with older(database) as before, traffic(before.charge, "old") as old:
        await _until(lambda: len(old) >= ENOUGH)
        async with SQLStorage(database) as storage:

            async def charge(name: str) -> None:
                assert await storage.apply([Reserve(name, before.accounts, HELD, HELD, 600.0)]) == [Reserved(HELD)]
                assert await storage.apply([Settle(name, COST)]) == [Settled(0)]

            during = len(old)
            async with traffic(charge, "new") as new:
                await _until(lambda: min(len(old) - during, len(new)) >= ENOUGH)
            assert (await storage.pulse()).revision == 1
    books = await read_books(database)
    assert complaints(books, all_recorded=False) == []
    assert books.states() == {"settled": len(old) + len(new)}
    assert books.recorded == len(old) * COST
    for account in before.accounts:
        assert books.accounts[account].balance == FUNDS - books.settled


def test_there_is_something_to_upgrade() -> None:
    assert REVISIONS[0] == OLDEST != REVISIONS[-1]
