from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from oneapi_asgi.models import (
    Attempt,
    CallRecord,
    Channel,
    Ended,
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
from oneapi_asgi.storage.sql import SQLStorage, ledger, opening, schema
from oneapi_asgi.storage.sql.statements import param, sql
from oneapi_asgi.storage.sql.workers import Workers
from oneapi_asgi.testing.contracts import StorageContract

from .books import audit, rows


class TestSQLStorage(StorageContract):
    @pytest.fixture
    async def storage(self, tmp_path: Path) -> AsyncIterator[Storage]:
        path = tmp_path / "test.db"
        async with SQLStorage(f"sqlite:///{path}") as storage:
            yield storage
        audit(path)

    async def read_records(self, storage: Storage) -> Sequence[CallRecord]:
        assert isinstance(storage, SQLStorage)
        return await storage.list_records()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture
async def storage(path: Path) -> AsyncIterator[SQLStorage]:
    async with SQLStorage(f"sqlite:///{path}") as storage:
        yield storage
    audit(path)


@pytest.fixture
async def accounts(storage: SQLStorage) -> tuple[int, ...]:
    await storage.add_user("bob", wallet=1_000)
    return (await storage.add_token(TokenDraft(name="ci", digest="d", user="bob"))).accounts


async def test_is_a_storage() -> None:
    assert isinstance(SQLStorage("sqlite:///somewhere.db"), Storage)


async def test_everything_is_there_after_a_restart(path: Path) -> None:
    url = f"sqlite:///{path}"
    channel = Channel(id=0, name="a", api_keys=(Secret("sk-1"),), model_map={"m": "n"})
    async with SQLStorage(url) as first:
        token = await first.add_token(TokenDraft(name="ci", digest="d", quota=100, models=("m",)))
        channel = await first.save_channel(channel)
        await first.set_price("m", Price(input=1))
        await first.apply([Reserve("a", token.accounts, 60, 60, 60.0)])
        revision = await first.revision()
    async with SQLStorage(url) as second:
        assert await second.list_tokens() == [token]
        assert await second.list_channels() == [channel]
        assert await second.list_prices() == {"m": Price(input=1)}
        assert await second.revision() == revision
        assert await second.apply([Settle("a", 50)]) == [Settled(0)]
    audit(path)


async def test_a_storage_that_is_not_open_says_so(path: Path) -> None:
    storage = SQLStorage(f"sqlite:///{path}")
    for use in (storage.revision(), storage.apply([]), storage.list_tokens(), storage.__aexit__(None, None, None)):
        with pytest.raises(RuntimeError, match="not open"):
            await use
    async with storage:
        with pytest.raises(RuntimeError, match="open already"):
            await storage.__aenter__()
    with pytest.raises(RuntimeError, match="not open"):
        await storage.revision()
    async with storage:
        assert await storage.revision()


async def test_leases_follow_the_clock(path: Path) -> None:
    now = 1_000.0
    async with SQLStorage(f"sqlite:///{path}", clock=lambda: now) as storage:
        token = await storage.add_token(TokenDraft(name="ci", digest="d", quota=100))
        await storage.apply([Reserve("a", token.accounts, 60, 60, 30.0)])
        now = 1_029.0
        assert await storage.expire() == 0
        now = 1_030.0
        assert await storage.expire() == 1
        assert await storage.apply([Settle("a", 1)]) == [Ended()]
    assert rows(path, "SELECT state, amount, cost, created_at, lease_until, ended_at FROM reservations") == [
        ("expired", 60, 0, 1_000.0, 1_030.0, 1_030.0)
    ]


async def test_rows_of_ended_reservations_and_double_entry(
    storage: SQLStorage, path: Path, accounts: tuple[int, ...]
) -> None:
    await storage.apply([Reserve(number, accounts, 100, 100, 60.0) for number in "abc"])
    await storage.apply([Settle("a", 40), Settle("b", 0)])
    await storage.credit(accounts[1], 5)
    await storage.credit(accounts[1], -10)
    assert rows(path, "SELECT id, state, cost FROM reservations ORDER BY id") == [
        ("a", "settled", 40),
        ("b", "released", 0),
        ("c", "held", 0),
    ]
    system = [number for (number,) in rows(path, "SELECT id FROM accounts WHERE kind = 'system' ORDER BY owner_id")]
    cap, wallet = accounts
    assert rows(path, "SELECT debit_account, credit_account, amount, kind, reservation_id FROM transfers") == [
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


async def test_system_accounts_are_nobodys(storage: SQLStorage, path: Path) -> None:
    for (number,) in rows(path, "SELECT id FROM accounts WHERE kind = 'system'"):
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
    storage: SQLStorage,
    path: Path,
    accounts: tuple[int, ...],
    change: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await storage.apply([Reserve("a", accounts, 100, 100, 60.0)])
    before = rows(path, "SELECT * FROM accounts"), rows(path, "SELECT * FROM reservations")

    def apply_with_a_change(connection: Connection, *args: object) -> object:
        def interfere(*loaded: object) -> object:
            connection.execute(text(change))
            return carry_out(*loaded)  # type: ignore[arg-type]

        monkeypatch.setattr(ledger, "carry_out", interfere)
        return ledger.apply(connection, *args)  # type: ignore[arg-type]

    with pytest.raises(StorageError, match="nothing was done"):
        await storage._write(apply_with_a_change, [Settle("a", 5)], storage._open.circuits, 1.0)
    assert (rows(path, "SELECT * FROM accounts"), rows(path, "SELECT * FROM reservations")) == before


@pytest.mark.parametrize("wrong", ["balance", "overdraft"])
async def test_the_database_refuses_a_negative_balance(
    storage: SQLStorage, accounts: tuple[int, ...], wrong: str
) -> None:
    def spoil(connection: Connection) -> None:
        connection.execute(text(f"UPDATE accounts SET {wrong} = -1 WHERE NOT unlimited"))

    with pytest.raises(IntegrityError, match="CHECK constraint failed"):
        await storage._write(spoil)


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
    # Whoever gave up waiting has the reservation all the same, whole, and may settle it.
    assert await storage.apply([Settle(str(number), 5) for number in range(300)]) == [Settled(0)] * 300


async def test_readers_cannot_write(storage: SQLStorage) -> None:
    with pytest.raises(OperationalError, match="readonly"):
        await storage._read(lambda connection: connection.execute(text("DELETE FROM users")))


async def test_closing_with_reads_under_way(path: Path) -> None:
    async with SQLStorage(f"sqlite:///{path}") as storage:
        await storage.add_token(TokenDraft(name="ci", digest="d"))
        reads = [asyncio.create_task(storage.find_token("d")) for _ in range(10)]
        await asyncio.sleep(0.002)
    tokens = await asyncio.gather(*reads)
    assert all(token is not None for token in tokens)
    del reads
    gc.collect()


async def test_closing_waits_for_what_was_queued(path: Path) -> None:
    async with SQLStorage(f"sqlite:///{path}") as storage:
        token = await storage.add_token(TokenDraft(name="ci", digest="d", quota=100))
        writes = [asyncio.create_task(storage.apply([Reserve(str(n), token.accounts, 1, 1, 60.0)])) for n in range(100)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*writes) == [[Reserved(1)]] * 100
    audit(path)


async def test_a_closed_writer_says_so(path: Path) -> None:
    writer = Workers(partial(opening.connect_writer, opening.parse(f"sqlite:///{path}")))
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
            await storage._write(spend_and_fail)
    assert [balance.used for balance in await storage.balances(accounts)] == [0, 0]


def test_a_hot_statement_names_its_parameters_in_order() -> None:
    construct = select(schema.tokens).where(schema.tokens.c.id == param("id"), schema.tokens.c.name == param("name"))
    assert sql(construct, "id", "name").endswith("WHERE tokens.id = ? AND tokens.name = ?")
    with pytest.raises(TypeError, match="takes"):
        sql(construct, "name", "id")


def test_an_account_is_one_signed_number() -> None:
    account = Account(1, "user", 10)
    assert [account.move(amount) for amount in (-15, -5, 7, 3, 1)] == [5, 5, 0, 0, 0]
    assert (account.balance, account.overdraft) == (1, 0)
