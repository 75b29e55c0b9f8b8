"""The storage on every database: the contract, and what the database itself may get wrong."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace
from servers.databases import KINDS
from servers.prepared import Prepared
from sqlalchemy import Connection, make_url, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError, OperationalError

from oneapi_asgi.models import (
    Attempt,
    CallRecord,
    Channel,
    Ended,
    Limit,
    Price,
    Reserve,
    Reserved,
    Secret,
    Settle,
    Settled,
    Short,
    TokenDraft,
    Usage,
)
from oneapi_asgi.ports import Storage
from oneapi_asgi.storage import StorageError
from oneapi_asgi.storage.ledger import Account, carry_out
from oneapi_asgi.storage.sql import SQLStorage, ledger, schema
from oneapi_asgi.storage.sql.opening import parse
from oneapi_asgi.storage.sql.sqlite import connect_writer
from oneapi_asgi.storage.sql.statements import Change, Insertion, Together, param, text_of
from oneapi_asgi.storage.sql.workers import Workers
from oneapi_asgi.testing.contracts import StorageContract

from .books import audit, rows
from .opened import Opened


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared) -> Iterator[str]:
    with prepared(request.param, tmp_path) as url:
        yield url


class TestSQLStorage(StorageContract):
    @pytest.fixture
    def ahead(self) -> list[float]:
        return []

    @pytest.fixture
    def later(self, ahead: list[float]) -> Callable[[float], None]:
        return ahead.append

    @pytest.fixture
    async def storage(self, database: str, ahead: list[float]) -> AsyncIterator[Storage]:
        async with SQLStorage(database, clock=lambda now: now + sum(ahead)) as storage:
            yield storage
        audit(database)

    async def read_records(self, storage: Storage) -> Sequence[CallRecord]:
        assert isinstance(storage, SQLStorage)
        return await storage.list_records()


@pytest.fixture
async def storage(database: str) -> AsyncIterator[Opened]:
    async with Opened(database) as storage:
        yield storage
    audit(database)


@pytest.fixture
async def accounts(storage: SQLStorage) -> tuple[int, ...]:
    await storage.add_user("bob", wallet=1_000)
    return (await storage.add_token(TokenDraft(name="ci", digest="d", user="bob"))).accounts


async def test_is_a_storage() -> None:
    assert isinstance(SQLStorage("sqlite:///somewhere.db"), Storage)


async def test_everything_is_there_after_a_restart(database: str) -> None:
    url = database
    channel = Channel(id=0, name="a", api_keys=(Secret("sk-1"),), model_map={"m": "n"})
    async with SQLStorage(url) as first:
        token = await first.add_token(TokenDraft(name="ci", digest="d", quota=100, models=("m",)))
        channel = await first.save_channel(channel)
        await first.set_price("m", Price(input=1))
        await first.apply([Reserve("a", token.accounts, 60, 60, 60.0)])
        revision = (await first.pulse()).revision
    async with SQLStorage(url) as second:
        assert await second.list_tokens() == [token]
        assert await second.list_channels() == [channel]
        assert await second.list_prices() == {"m": Price(input=1)}
        assert (await second.pulse()).revision == revision
        assert await second.apply([Settle("a", 50)]) == [Settled(0)]
    audit(database)


async def test_a_storage_that_is_not_open_says_so(database: str) -> None:
    storage = SQLStorage(database)
    for use in (storage.pulse(), storage.apply([]), storage.list_tokens(), storage.__aexit__(None, None, None)):
        with pytest.raises(RuntimeError, match="not open"):
            await use
    async with storage:
        with pytest.raises(RuntimeError, match="open already"):
            await storage.__aenter__()
    with pytest.raises(RuntimeError, match="not open"):
        await storage.pulse()
    async with storage:
        assert (await storage.pulse()).revision


async def test_leases_follow_the_clock(database: str) -> None:
    now = 1_000.0
    async with SQLStorage(database, clock=lambda _: now) as storage:
        token = await storage.add_token(TokenDraft(name="ci", digest="d", quota=100))
        await storage.apply([Reserve("a", token.accounts, 60, 60, 30.0)])
        now = 1_029.0
        assert await storage.expire() == 0
        now = 1_030.0
        assert await storage.expire() == 1
        assert await storage.apply([Settle("a", 1)]) == [Ended()]
    assert rows(database, "SELECT state, amount, cost, created_at, lease_until, ended_at FROM reservations") == [
        ("expired", 60, 0, 1_000.0, 1_030.0, 1_030.0)
    ]


async def test_rows_of_ended_reservations_and_double_entry(
    storage: SQLStorage, database: str, accounts: tuple[int, ...]
) -> None:
    await storage.apply([Reserve(number, accounts, 100, 100, 60.0) for number in "abc"])
    await storage.apply([Settle("a", 40), Settle("b", 0)])
    await storage.credit(accounts[1], 5)
    await storage.credit(accounts[1], -10)
    assert rows(database, "SELECT id, state, cost FROM reservations ORDER BY id") == [
        ("a", "settled", 40),
        ("b", "released", 0),
        ("c", "held", 0),
    ]
    system = [number for (number,) in rows(database, "SELECT id FROM accounts WHERE kind = 'system' ORDER BY owner_id")]
    cap, wallet = accounts
    assert rows(database, "SELECT debit_account, credit_account, amount, kind, reservation_id FROM transfers") == [
        (system[0], wallet, 1_000, "grant", None),
        (cap, system[3], 40, "charge", "a"),
        (wallet, system[1], 40, "charge", "a"),
        (system[0], wallet, 5, "grant", None),
        (wallet, system[0], 10, "withdrawal", None),
    ]


async def test_batches_larger_than_one_lookup(storage: SQLStorage, accounts: tuple[int, ...]) -> None:
    await storage.credit(accounts[1], 2_000)
    answers = await storage.apply([Reserve(str(n), accounts, 2, 2, 60.0) for n in range(1_600)])
    assert answers == [*[Reserved(2)] * 1_500, *[Short(accounts[1], 0)] * 100]
    assert await storage.apply([Settle(str(n), 1) for n in range(1_500)]) == [Settled(0)] * 1_500


async def test_a_limit_that_many_share_may_change(storage: SQLStorage) -> None:
    limit = await storage.save_limit(Limit(scope="token", budget=100))
    accounts: list[int] = []
    for first in range(0, 1_000, 100):
        opened = await storage.open_budgets([(limit.id, str(number)) for number in range(first, first + 100)])
        accounts += [account for account in opened if account is not None]
    began = time.process_time()
    await storage.save_limit(replace(limit, budget=250))
    assert time.process_time() - began < 1, "in proportion to how many they are, not to their square"
    assert {balance.available for balance in await storage.balances(accounts)} == {250}
    assert len(accounts) == 1_000


async def test_an_error_shows_no_values(storage: SQLStorage) -> None:
    await storage.save_channel(Channel(id=0, name="a", api_keys=(Secret("sk-VERY-SECRET"),)))

    def again(connection: Connection) -> None:
        connection.execute(schema.channels.insert(), dict(connection.execute(select(schema.channels)).mappings().one()))

    with pytest.raises(DBAPIError) as told:
        await storage.write(again)
    assert "VERY-SECRET" not in f"{told.value} {told.value.__cause__}"


async def test_what_no_column_takes_is_told_as_such(storage: SQLStorage) -> None:
    """Whoever tries again what failed has to know that this will always fail."""
    wrong = CallRecord(id="wrong", at=0.0, operation="chat", token_id=10**30)
    for records in ([wrong], [CallRecord(id="beside", at=0.0, operation="chat"), wrong]):
        with pytest.raises(ValueError, match="takes no such value"):
            await storage.write_records(records)
    await storage.write_records([replace(wrong, token_id=None)])
    assert [record.id for record in await storage.list_records()] == ["wrong"]


async def test_whatever_was_spent_can_be_written_down(database: str) -> None:
    """The books cannot agree any more, but the accounts go on."""
    async with SQLStorage(database) as storage:
        token = await storage.add_token(TokenDraft(name="ci", digest="d", quota=0))
        limit = await storage.save_limit(Limit(scope="token", budget=0, period="month"))
        (budget,) = await storage.open_budgets([(limit.id, str(token.id))])
        assert budget is not None
        accounts = (*token.accounts, budget)
        await storage.apply([Reserve(number, accounts, 0, 0, 60.0) for number in "abcd"])
        for number in "abc":
            (answer,) = await storage.apply([Settle(number, 2**62)])
            assert isinstance(answer, Settled)
        assert await storage.apply([Settle("d", 5)]) == [Settled(0)]
        assert {(each.used, each.available) for each in await storage.balances(accounts)} == {(2**63 - 1, 0)}


async def test_system_accounts_are_nobodys(storage: SQLStorage, database: str) -> None:
    for (number,) in rows(database, "SELECT id FROM accounts WHERE kind = 'system'"):
        assert isinstance(number, int)
        with pytest.raises(KeyError):
            await storage.apply([Reserve("a", (number,), 0, 0, 60.0)])
        with pytest.raises(KeyError):
            await storage.balances([number])
        with pytest.raises(KeyError):
            await storage.credit(number, 1)


@pytest.mark.parametrize(
    "change", ["UPDATE accounts SET used = used + 1", "UPDATE reservations SET state = 'released'"]
)
async def test_a_change_behind_the_ledgers_back_rolls_back(
    storage: Opened,
    database: str,
    accounts: tuple[int, ...],
    change: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await storage.apply([Reserve("a", accounts, 100, 100, 60.0)])
    before = rows(database, "SELECT * FROM accounts"), rows(database, "SELECT * FROM reservations")

    def apply_with_a_change(connection: Connection, *args: object) -> object:
        def interfere(*loaded: object) -> object:
            connection.execute(text(change))
            return carry_out(*loaded)  # type: ignore[arg-type]

        monkeypatch.setattr(ledger, "carry_out", interfere)
        return ledger.apply(connection, *args)  # type: ignore[arg-type]

    with pytest.raises(StorageError, match="nothing was done"):
        await storage.write(apply_with_a_change, [Settle("a", 5)], storage._open.circuits, lambda now: now)
    assert (rows(database, "SELECT * FROM accounts"), rows(database, "SELECT * FROM reservations")) == before


@pytest.mark.parametrize("wrong", ["balance", "overdraft"])
async def test_the_database_refuses_a_negative_balance(
    storage: SQLStorage, accounts: tuple[int, ...], wrong: str
) -> None:
    def spoil(connection: Connection) -> None:
        connection.execute(text(f"UPDATE accounts SET {wrong} = -1 WHERE NOT unlimited"))

    with pytest.raises(DBAPIError, match=f"ck_accounts_{wrong}"):
        await storage.write(spoil)


async def test_records_are_made_to_fit(storage: SQLStorage) -> None:
    record = CallRecord(
        id="a",
        at=1.0,
        operation="chat",
        model="m" * 1_000,
        client="nul\0 \ud800",
        usage=Usage(input=10**30, output=-(10**30)),
        attempts=(Attempt(1, "c", 0, "m", None, "no answer", 0.5),),
    )
    await storage.write_records([record])
    (kept,) = await storage.list_records()
    assert (kept.model, kept.client) == ("m" * 255, "nul ?")
    assert kept.usage == Usage(input=2**63 - 1, output=1 - 2**63)
    assert kept.attempts == record.attempts


async def test_reads_survive_cancellation(storage: SQLStorage) -> None:
    await storage.add_token(TokenDraft(name="x", digest="x"))
    for delay in range(60):
        reads = [asyncio.create_task(storage.find_token("x")) for _ in range(6)]
        await asyncio.sleep(delay / 20_000)
        for read in reads:
            read.cancel()
        await asyncio.gather(*reads, return_exceptions=True)
    assert await asyncio.wait_for(storage.find_token("x"), 5)


async def test_writes_survive_cancellation(storage: SQLStorage, accounts: tuple[int, ...]) -> None:
    await storage.credit(accounts[1], 10**6)
    writes = []
    for number in range(300):
        writes.append(asyncio.create_task(storage.apply([Reserve(str(number), accounts, 10, 10, 60.0)])))
        await asyncio.sleep(0)
        if number % 3:
            writes[-1].cancel()
    answers = await asyncio.gather(*writes, return_exceptions=True)
    assert sum(isinstance(answer, asyncio.CancelledError) for answer in answers) == 200
    assert all(answer == [Reserved(10)] for answer in answers[::3])
    # Whoever gave up waiting has the reservation, whole, or none.
    settled = await storage.apply([Settle(str(number), 5) for number in range(300)])
    assert settled[::3] == [Settled(0)] * 100
    assert set(settled) <= {Settled(0), Ended()}
    assert [balance.used for balance in await storage.balances(accounts)] == [5 * settled.count(Settled(0))] * 2


async def test_readers_of_a_file_cannot_write(tmp_path: Path) -> None:
    async with SQLStorage(f"sqlite:///{tmp_path}/test.db") as storage:
        with pytest.raises(OperationalError, match="readonly"):
            await storage.read(lambda connection: connection.execute(text("DELETE FROM users")))


async def test_closing_with_reads_under_way(database: str) -> None:
    async with SQLStorage(database) as storage:
        await storage.add_token(TokenDraft(name="ci", digest="d"))
        reads = [asyncio.create_task(storage.find_token("d")) for _ in range(10)]
        await asyncio.sleep(0.002)
    tokens = await asyncio.gather(*reads)
    assert all(token is not None for token in tokens)
    del reads
    gc.collect()


async def test_closing_waits_for_what_was_queued(database: str) -> None:
    async with SQLStorage(database) as storage:
        token = await storage.add_token(TokenDraft(name="ci", digest="d", quota=100))
        writes = [asyncio.create_task(storage.apply([Reserve(str(n), token.accounts, 1, 1, 60.0)])) for n in range(100)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*writes) == [[Reserved(1)]] * 100
    audit(database)


async def test_a_closed_writer_says_so(tmp_path: Path) -> None:
    writer = Workers(partial(connect_writer, parse(f"sqlite:///{tmp_path}/test.db"), {}))
    await writer.start()
    await writer.close()
    with pytest.raises(RuntimeError, match="closed"):
        await writer.run(lambda _: None)


async def test_a_writer_outlives_errors_and_rolls_back(storage: SQLStorage, accounts: tuple[int, ...]) -> None:
    def spend_and_fail(connection: Connection) -> None:
        connection.execute(text("UPDATE accounts SET used = 77"))
        raise LookupError("half way")

    for _ in range(3):
        with pytest.raises(LookupError, match="half way"):
            await storage.write(spend_and_fail)
    assert [balance.used for balance in await storage.balances(accounts)] == [0, 0]


def test_a_hot_statement_names_its_parameters_in_order() -> None:
    construct = select(schema.tokens).where(schema.tokens.c.id == param("id"), schema.tokens.c.name == param("name"))
    written = text_of(construct, sqlite.dialect(), ("id", "name"))
    assert written.endswith("WHERE tokens.id = ? AND tokens.name = ?")
    with pytest.raises(TypeError, match="takes"):
        text_of(construct, sqlite.dialect(), ("name", "id"))


class Spy:
    """A cursor that keeps what it is told, and has done all of it."""

    rowcount = 1

    def __init__(self) -> None:
        self.told: list[str] = []

    def execute(self, text: str, values: Sequence[object] = ()) -> None:
        self.told.append(text)

    executemany = execute

    def fetchall(self) -> list[tuple[int, ...]]:
        return [(1,) * self.told[-1].count("count(*)")]


@pytest.mark.parametrize(("driver", "told"), [("sqlite", 2), ("mysql+asyncmy", 2), ("postgresql+asyncpg", 1)])
def test_what_is_written_together_is_one_round_trip_where_it_can_be(driver: str, told: int) -> None:
    dialect = make_url(f"{driver}://").get_dialect()()
    names, notes = schema.tokens, schema.notes
    together = Together(
        Insertion(notes, "key", "keep_until"),
        Change(names, to=("status",), seen=("id",)),
        Insertion(notes, "key", "value"),
    )
    spy = Spy()
    assert together.run(cast("DBAPICursor", spy), dialect, ([("a", 1.0)], [("enabled", 1)], [])) == [1, 1, 0]
    assert len(spy.told) == told
    assert ("INSERT" in spy.told[0], "UPDATE" in spy.told[-1]) == (True, True)
    assert together.run(cast("DBAPICursor", spy), dialect, ([], [], [])) == [0, 0, 0]
    assert len(spy.told) == told


@pytest.mark.parametrize(("driver", "told"), [("sqlite", 1), ("mysql+asyncmy", 1), ("postgresql+asyncpg", 3)])
def test_no_text_of_rows_is_larger_than_postgresql_takes(driver: str, told: int) -> None:
    spy = Spy()
    insertion = Insertion(schema.notes, "key", "keep_until")
    rows = [(str(number), 1.0) for number in range(600)]
    assert insertion.run(cast("DBAPICursor", spy), make_url(f"{driver}://").get_dialect()(), rows) == 600
    assert len(spy.told) == told


def test_an_account_is_one_signed_number() -> None:
    account = Account(1, "user", 10)
    assert [account.move(amount) for amount in (-15, -5, 7, 3, 1)] == [5, 5, 0, 0, 0]
    assert (account.balance, account.overdraft) == (1, 0)
