"""The audit finds nothing in books that were left alone, and whatever else was done to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from servers.databases import KINDS, Kind, run_apart
from servers.prepared import Prepared
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    and_,
    create_engine,
    delete,
    insert,
    make_url,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

from oneapi_asgi.models import Reserve, Settle, TokenDraft
from oneapi_asgi.queries import Check, Difference
from oneapi_asgi.storage.audit import GRACE, Books, flow_fault, judge_account, state_fault
from oneapi_asgi.storage.ledger import Hold
from oneapi_asgi.storage.memory import MemoryStorage
from oneapi_asgi.storage.sql import SQLStorage, audit, schema
from oneapi_asgi.storage.sql.desk.schema import orders

from . import books
from .audited import Clock, bought, history

CHECKS = get_args(Check)


class _Undone(Exception):
    """Takes what was found out of a transaction that is rolled back."""

    def __init__(self, found: Sequence[Difference]) -> None:
        super().__init__()
        self.found = found


class Kept:
    """Books on a database, to be damaged and audited in transactions that never are committed."""

    def __init__(self, storage: SQLStorage, url: str, clock: Clock) -> None:
        self.storage = storage
        self.url = url
        self.clock = clock

    async def damaged(self, *statements: str) -> Sequence[Difference]:
        def work(connection: Connection) -> None:
            for statement in statements:
                assert connection.execute(text(statement)).rowcount, f"changed nothing: {statement}"
            raise _Undone(audit.audit(connection, self.clock))

        with pytest.raises(_Undone) as undone:
            await self.storage._open.writer.run(work, long=True)
        return undone.value.found


@pytest.fixture(params=KINDS)
async def kept(request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared) -> AsyncIterator[Kept]:
    clock = Clock()
    async with AsyncExitStack() as stack:
        url = stack.enter_context(prepared(request.param, tmp_path))
        storage = await stack.enter_async_context(SQLStorage(url, clock=clock))
        await history(storage, clock)
        await bought(storage)
        yield Kept(storage, url, clock)


# In a subquery of its own: MySQL would not read from the table that it changes.
WALLET = "(SELECT id FROM (SELECT max(id) AS id FROM accounts WHERE kind = 'user' AND owner_id = 2) x)"
BUDGET = "(SELECT id FROM (SELECT min(id) AS id FROM accounts WHERE kind = 'budget') x)"
CHARGE = "(SELECT id FROM (SELECT min(id) AS id FROM transfers WHERE reservation_id = '0-settled') x)"
REVENUE = "(SELECT id FROM accounts WHERE kind = 'system' AND owner_id = 2)"
_ENTRY = "debit_account, credit_account, amount, reservation_id, kind, created_at"
DOUBLED = f"INSERT INTO transfers ({_ENTRY}) SELECT {_ENTRY} FROM transfers WHERE id = {CHARGE}"

DAMAGES: dict[str, tuple[tuple[str, ...], set[Check]]] = {
    "more balance": ((f"UPDATE accounts SET balance = balance + 1 WHERE id = {WALLET}",), {"balance"}),
    "less overdraft": (
        ("UPDATE accounts SET overdraft = overdraft - 1 WHERE overdraft > 0 AND kind = 'token'",),
        {"balance"},
    ),
    "more used": ((f"UPDATE accounts SET used = used + 1 WHERE id = {WALLET}",), {"used"}),
    "both": (("UPDATE accounts SET balance = balance + 5, overdraft = 5 WHERE kind = 'budget'",), {"bounds"}),
    "unlimited": (("UPDATE accounts SET unlimited = (1 = 1) WHERE kind = 'token'",), {"bounds"}),
    "unlimited budget": ((f"UPDATE accounts SET unlimited = (1 = 1) WHERE id = {BUDGET}",), {"bounds"}),
    "another period": ((f"UPDATE accounts SET period = 'month' WHERE id = {BUDGET}",), {"bounds"}),
    "no period": ((f"UPDATE accounts SET period = NULL WHERE id = {BUDGET}",), {"bounds"}),
    "a wallet's period": ((f"UPDATE accounts SET period = 'day' WHERE id = {WALLET}",), {"bounds"}),
    "a system account": (("UPDATE accounts SET used = 1 WHERE kind = 'system'",), {"bounds"}),
    "a late window": (("UPDATE windows SET returns_at = returns_at + 5000000",), {"bounds"}),
    "more to return": (("UPDATE windows SET spent = spent + 1",), {"windows"}),
    "nothing to return": (("DELETE FROM windows",), {"windows"}),
    "a wallet's window": ((f"INSERT INTO windows VALUES ({WALLET}, 1, 5)",), {"windows"}),
    "a larger entry": (
        (f"UPDATE transfers SET amount = amount + 1 WHERE id = {CHARGE}",),
        {"balance", "used", "legs"},
    ),
    "a lost entry": ((f"DELETE FROM transfers WHERE id = {CHARGE}",), {"balance", "used", "legs"}),
    "a doubled entry": ((DOUBLED,), {"balance", "used", "legs"}),
    "a charge of nobody": ((f"UPDATE transfers SET reservation_id = NULL WHERE id = {CHARGE}",), {"flows", "legs"}),
    "a charge of another": ((f"UPDATE transfers SET reservation_id = '0-free' WHERE id = {CHARGE}",), {"legs"}),
    "a refill less": (
        ("DELETE FROM transfers WHERE kind = 'refill'",),
        {"balance", "windows"},
    ),
    "a way that is none": (("UPDATE transfers SET kind = 'gift' WHERE kind = 'grant'",), {"flows"}),
    "a grant of a call": (("UPDATE transfers SET reservation_id = 'open' WHERE kind = 'grant'",), {"flows"}),
    "two circuits": ((f"UPDATE transfers SET credit_account = {REVENUE} WHERE kind = 'charge'",), {"flows"}),
    "another cost": (("UPDATE reservations SET cost = cost + 1 WHERE id = '0-spared'",), {"legs", "records"}),
    "a cost of nothing": (("UPDATE reservations SET cost = 0 WHERE id = '0-settled'",), {"legs", "states", "records"}),
    "not charged": (("UPDATE reservations SET state = 'released' WHERE id = '0-settled'",), {"legs", "states"}),
    "held again": (("UPDATE reservations SET state = 'held' WHERE id = '0-free'",), {"balance", "states", "leases"}),
    "no such state": (("UPDATE reservations SET state = 'gone' WHERE id = '0-free'",), {"states"}),
    "an end too early": (("UPDATE reservations SET ended_at = 1 WHERE id = 'open'",), {"states"}),
    "another checkpoint": (("UPDATE reservations SET so_far = 31 WHERE id = '0-cut'",), {"states"}),
    "more held": (("UPDATE reservations SET amount = amount + 1 WHERE id = 'open'",), {"balance"}),
    "nobody spared": (("UPDATE reservations SET spare = NULL WHERE id = '0-spared'",), {"legs"}),
    "somebody spared": (
        ("UPDATE reservations SET spare = accounts WHERE id = '0-settled'",),
        {"legs"},
    ),
    "no list": (("UPDATE reservations SET accounts = 'what' WHERE id = '0-settled'",), {"legs"}),
    "an account of nobody": (("UPDATE reservations SET accounts = '[999]' WHERE id = 'open'",), {"balance", "owners"}),
    "a lost call": (("DELETE FROM reservations WHERE id = '0-cut'",), {"legs"}),
    "a lease that ran out": (("UPDATE reservations SET lease_until = 1 WHERE id = 'open'",), {"leases"}),
    "a lost limit's budget": (("DELETE FROM budgets",), {"owners"}),
    "a cap of nobody": (("UPDATE accounts SET owner_id = 999 WHERE kind = 'token' AND overdraft > 0",), {"owners"}),
    "a code worth more": (("UPDATE codes SET amount = amount + 1 WHERE user_id IS NOT NULL",), {"codes"}),
    "a code of another": (("UPDATE codes SET user_id = 1 WHERE user_id = 2",), {"codes"}),
    "a code redeemed by nobody": (("UPDATE codes SET redeemed_at = 1",), {"codes"}),
    "a lost redemption": (("DELETE FROM codes WHERE user_id IS NOT NULL",), {"codes"}),
    "an order worth more": (("UPDATE orders SET credit = credit + 1 WHERE id = 'order-0'",), {"orders"}),
    "an order of another": (("UPDATE orders SET user_id = 1 WHERE id = 'order-0'",), {"orders"}),
    "an order that was not paid": (("UPDATE orders SET credited_at = NULL WHERE id = 'order-0'",), {"orders"}),
    "an order that was": (("UPDATE orders SET credited_at = 1 WHERE id = 'order-2'",), {"orders"}),
    "a lost order": (("DELETE FROM orders WHERE id = 'order-1'",), {"orders"}),
    "a cheaper day": (("UPDATE daily_totals SET cost = cost - 1",), {"totals"}),
    "a day with fewer calls": (("UPDATE daily_totals SET calls = calls - 1",), {"totals"}),
    "a lost day": (("DELETE FROM daily_totals",), {"totals"}),
}


async def test_books_that_were_left_alone(kept: Kept) -> None:
    assert list(await kept.storage.audit()) == []
    books.audit(kept.url)


async def test_every_damage_is_found(kept: Kept) -> None:
    """And nothing else is, but what follows from it."""
    found = {name: await kept.damaged(*statements) for name, (statements, _) in DAMAGES.items()}
    seen = {name: {difference.check for difference in differences} for name, differences in found.items()}
    assert seen == {name: checks for name, (_, checks) in DAMAGES.items()}
    assert list(await kept.storage.audit()) == []


def test_every_check_is_tried() -> None:
    assert set[Check]().union(*[checks for _, checks in DAMAGES.values()]) == set(CHECKS)


# One row at random: a column gets another value, or the row is lost, or there twice.


class Spot:
    """A column of the rows that ``where`` leaves, and the values that are tried in it."""

    def __init__(self, column: str, values: Sequence[Any], where: ColumnElement[bool] | None = None) -> None:
        table, name = column.split(".")
        self.table: Table = schema.metadata.tables[table]
        self.column: Column[Any] = self.table.c[name]
        self.values = values
        self.where = () if where is None else (where,)


_accounts, _transfers, _reservations = schema.accounts.c, schema.transfers.c, schema.reservations.c
_OWNED = _accounts.kind != "system"
_COSTS = and_(_reservations.cost > 0, _reservations.state.in_(["settled", "expired"]))
_REDEEMED = schema.codes.c.redeemed_at.is_not(None)
_PAID = orders.c.credited_at.is_not(None)
_AMOUNTS = [*range(0, 200, 7), 2**31, 2**62, 2**63 - 1]
_IDS = range(1, 25)

CHANGES = (
    Spot("accounts.balance", _AMOUNTS, _OWNED),
    Spot("accounts.used", _AMOUNTS),
    Spot("accounts.overdraft", _AMOUNTS, _OWNED),
    Spot("accounts.unlimited", [True, False], _accounts.kind.in_(["token", "budget"])),
    Spot("accounts.period", [None, "day", "week", "rolling week", "fortnight"], _OWNED),
    Spot("windows.spent", _AMOUNTS),
    Spot("windows.account_id", _IDS),
    Spot("transfers.amount", _AMOUNTS),
    Spot("transfers.debit_account", _IDS),
    Spot("transfers.credit_account", _IDS),
    Spot("transfers.kind", ["grant", "withdrawal", "charge", "refill", "redemption", "topup", "gift"]),
    Spot("transfers.reservation_id", [None, "open", "over", "0-settled", "1-lost", "nobody's"]),
    Spot("reservations.cost", _AMOUNTS, or_(_COSTS, _reservations.state == "held")),
    Spot("reservations.amount", _AMOUNTS, _reservations.state == "held"),
    Spot("reservations.accounts", ["[]", "[7]", "[7,8]", "[8,9,999]", "[,", "no list"], _COSTS),
    Spot("reservations.spare", ["[8,9]", "[1,9,8,10]"], and_(_COSTS, _reservations.spare.is_(None))),
    Spot("reservations.spare", [None, "[]"], and_(_COSTS, _reservations.spare.is_not(None))),
    Spot("reservations.state", ["held", "released", "gone"], _COSTS),
    Spot("reservations.state", ["held", "settled", "gone"], _reservations.state == "released"),
    Spot("reservations.ended_at", [None], _reservations.state != "held"),
    Spot("reservations.ended_at", [1.0], _reservations.state == "held"),
    Spot("codes.amount", _AMOUNTS, _REDEEMED),
    Spot("codes.user_id", [None, 1, 2, 3]),
    Spot("codes.redeemed_at", [None], _REDEEMED),
    Spot("codes.redeemed_at", [1.0], ~_REDEEMED),
    Spot("orders.credit", _AMOUNTS, _PAID),
    Spot("orders.user_id", [1, 2, 3], _PAID),
    Spot("orders.credited_at", [None], _PAID),
    Spot("orders.credited_at", [1.0], ~_PAID),
    Spot("daily_totals.cost", _AMOUNTS),
    Spot("records.cost", _AMOUNTS),
)

LOSSES: Sequence[tuple[Table, ColumnElement[bool]]] = (
    (schema.transfers, _transfers.amount > 0),
    (schema.reservations, or_(_COSTS, _reservations.state == "held")),
    (schema.windows, schema.windows.c.spent > 0),
    (schema.codes, _REDEEMED),
    (orders, _PAID),
    (schema.budgets, schema.budgets.c.id > 0),
    (schema.daily_totals, schema.daily_totals.c.calls > 0),
)

changes = st.sampled_from(CHANGES).flatmap(lambda spot: st.tuples(st.just(spot), st.sampled_from(spot.values)))
damages = changes | st.sampled_from(LOSSES) | st.just("doubled")


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Connection, Clock]]:
    """To books on SQLite, for transactions that are rolled back."""
    url = f"sqlite:///{tmp_path_factory.mktemp('audit')}/books.db"
    clock = Clock()

    async def fill() -> None:
        async with SQLStorage(url, clock=clock) as storage:
            await history(storage, clock)
            await bought(storage)

    run_apart(fill)
    with create_engine(make_url(url)).connect() as opened:
        yield opened, clock
    opened.engine.dispose()


@pytest.mark.parametrize("examples", [50, pytest.param(1_000, marks=pytest.mark.slow)])
def test_any_row_that_is_damaged_is_found(connection: tuple[Connection, Clock], examples: int) -> None:
    @given(damages, st.integers(0, 1_000))
    @settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
    def check(damage: Any, which: int) -> None:
        _check_it_is_found(*connection, damage, which)

    check()


def _check_it_is_found(opened: Connection, clock: Clock, damage: Any, which: int) -> None:
    with opened.begin() as transaction:
        try:
            _damage(opened, damage, which)
        except IntegrityError:  # the second wall holds
            transaction.rollback()
            reject()
        found = audit.audit(opened, clock)
        transaction.rollback()
    assert found


def _damage(connection: Connection, damage: Any, which: int) -> None:
    if damage == "doubled":
        row = _row(connection, schema.transfers, (), which)
        connection.execute(insert(schema.transfers).values({k: v for k, v in row.items() if k != "id"}))
    elif isinstance(damage[0], Spot):
        spot, value = damage
        row = _row(connection, spot.table, spot.where, which)
        if row[spot.column.name] == value:
            reject()
        connection.execute(update(spot.table).where(_key(spot.table, row)).values({spot.column.name: value}))
    else:
        table, where = damage
        connection.execute(delete(table).where(_key(table, _row(connection, table, (where,), which))))


def _row(connection: Connection, table: Table, where: Sequence[ColumnElement[bool]], which: int) -> dict[str, Any]:
    rows = connection.execute(select(table).where(*where).order_by(*table.primary_key)).mappings().all()
    return dict(rows[which % len(rows)])


def _key(table: Table, row: dict[str, Any]) -> ColumnElement[bool]:
    return and_(*[column == row[column.name] for column in table.primary_key])


# While money moves


@pytest.mark.parametrize("kind", KINDS)
async def test_books_are_audited_while_they_change(kind: Kind, tmp_path: Path, prepared: Prepared) -> None:
    """Each audit sees one moment, between transactions, however many there are meanwhile."""
    with prepared(kind, tmp_path) as url:
        async with SQLStorage(url) as storage:
            token = await storage.add_token(TokenDraft(name="ci", digest="d", quota=10**9))
            enough = asyncio.Event()
            moving = [asyncio.create_task(_move(storage, token.accounts, name, enough)) for name in "abc"]
            for _ in range(5):
                assert list(await storage.audit()) == []
            enough.set()
            assert min(await asyncio.gather(*moving)) > 0
            assert list(await storage.audit()) == []


async def _move(storage: SQLStorage, accounts: tuple[int, ...], name: str, enough: asyncio.Event) -> int:
    """Money, again and again; how often."""
    turn = 0
    while not enough.is_set():
        ids = [f"{name}-{turn}-{number}" for number in range(5)]
        await storage.apply([Reserve(number, accounts, 100, 100, 60.0) for number in ids])
        await storage.credit(accounts[0], turn)
        await storage.apply([Settle(number, cost) for number, cost in zip(ids, (0, 1, 50, 100, 170), strict=True)])
        turn += 1
    return turn


# The rules, without a database


def test_a_balance_to_be_set_right_is_told() -> None:
    for unlimited, balance, overdraft in ((False, 0, 5), (True, -5, 0)):
        account = Books(id=7, kind="user", name="wallet of user ann", balance=1, unlimited=unlimited, net=-5)
        (found,) = judge_account(account)
        assert (found.check, found.where, found.kept, found.recomputed) == (
            "balance",
            "account 7 (wallet of user ann)",
            1,
            -5,
        )
        assert f"accounts.balance to {balance} and accounts.overdraft to {overdraft} where id = 7" in found.cure


@pytest.mark.parametrize(
    ("account", "checks"),
    [
        (Books(id=1, kind="user"), []),
        (Books(id=1, kind="user", balance=-1), ["bounds"]),
        (Books(id=1, kind="user", balance=-1, unlimited=True), []),
        (Books(id=1, kind="user", overdraft=-1), ["bounds"]),
        (Books(id=1, kind="user", balance=1, overdraft=1), ["bounds"]),
        (Books(id=1, kind="user", overdraft=1, unlimited=True), ["bounds"]),
        (Books(id=1, kind="user", period="day"), ["bounds"]),
        (Books(id=1, kind="user", period="fortnight"), ["bounds"]),
        (Books(id=1, kind="budget", period="fortnight"), ["bounds"]),
        (Books(id=1, kind="user", windows=5), ["windows"]),
        (Books(id=1, kind="budget"), ["bounds"]),
        (Books(id=1, kind="budget", period="day", windows=5), []),
        (Books(id=1, kind="budget", period="day", windows=5, used=9, charged=9, refilled=4), []),
        (Books(id=1, kind="budget", period="day", windows=5, used=9, charged=9, refilled=5), ["windows"]),
        (Books(id=1, kind="token", used=9, charged=8), ["used"]),
        (Books(id=1, kind="token", balance=9, net=8), ["balance"]),
        (Books(id=1, kind="system", net=8, charged=8), []),
        (Books(id=1, kind="system", balance=8), ["bounds"]),
        (Books(id=1, kind=None), ["owners"]),
    ],
)
def test_what_an_account_can_be(account: Books, checks: list[Check]) -> None:
    assert [difference.check for difference in judge_account(account)] == checks


@pytest.mark.parametrize(
    ("state", "costs", "as_noted", "ended", "fault"),
    [
        ("held", False, True, False, None),
        ("held", False, False, False, None),
        ("held", True, True, False, "cost"),
        ("held", False, True, True, "time"),
        ("settled", True, False, True, None),
        ("settled", False, True, True, "no cost"),
        ("settled", True, True, False, "time"),
        ("released", False, False, True, None),
        ("released", True, True, True, "cost"),
        ("expired", True, True, True, None),
        ("expired", False, True, True, None),
        ("expired", False, False, True, "checkpoint"),
        ("lost", False, True, True, "no state"),
    ],
)
def test_what_a_reservation_can_be(state: str, costs: bool, as_noted: bool, ended: bool, fault: str | None) -> None:
    told = state_fault(state, costs=costs, as_noted=as_noted, ended=ended)
    assert told is None if fault is None else fault in str(told)


@pytest.mark.parametrize(
    ("kind", "debit", "credit", "reserved", "allowed"),
    [
        ("grant", "grants", "user", False, True),
        ("grant", "grants", "token", False, False),
        ("grant", "user", "grants", False, False),
        ("grant", "grants", "user", True, False),
        ("withdrawal", "token", "cap_grants", False, True),
        ("charge", "token", "cap_spent", True, True),
        ("charge", "token", "cap_spent", False, False),
        ("charge", "token", "revenue", True, False),
        ("refill", "budget_spent", "budget", False, True),
        ("refill", "revenue", "user", False, False),
        ("redemption", "grants", "user", False, True),
        ("redemption", "cap_grants", "token", False, False),
        ("topup", "grants", "user", False, True),
        ("topup", "budget_grants", "budget", False, False),
        ("grant", "user", "user", False, False),
    ],
)
def test_which_ways_money_goes(kind: str, debit: str, credit: str, reserved: bool, allowed: bool) -> None:
    assert (flow_fault(kind, debit, credit, schema.CIRCUITS, reserved=reserved) is None) is allowed


# Memory


async def test_memory_audits_what_it_knows() -> None:
    clock = Clock()
    async with MemoryStorage(clock=clock) as storage:
        await history(storage, clock)
        assert list(await storage.audit()) == []


MEMORY: dict[str, tuple[Callable[[MemoryStorage, Hold], object], set[Check]]] = {
    "balance": (lambda storage, _: setattr(_limited(storage), "balance", 1), {"balance"}),
    "both": (lambda storage, _: setattr(_limited(storage), "overdraft", 1), {"balance", "bounds"}),
    "held": (lambda _, hold: setattr(hold, "amount", hold.amount + 1), {"balance"}),
    "nobody": (lambda _, hold: setattr(hold, "accounts", (*hold.accounts, 99)), {"owners"}),
    "cost": (lambda _, hold: setattr(hold, "cost", 1), {"states"}),
    "lease": (lambda storage, hold: setattr(hold, "lease_until", storage._clock() - GRACE - 1), {"leases"}),
}


def _limited(storage: MemoryStorage) -> Any:
    return next(account for account in storage._accounts.values() if account.balance > 1)


@pytest.mark.parametrize("damage", MEMORY)
async def test_memory_finds_what_was_damaged(damage: str) -> None:
    clock = Clock()
    async with MemoryStorage(clock=clock) as storage:
        await history(storage, clock)
        break_it, checks = MEMORY[damage]
        break_it(storage, storage._holds["open"])
        assert {difference.check for difference in await storage.audit()} == checks
