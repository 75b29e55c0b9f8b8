"""The ledger in SQL: load what a batch touches, let the rules change it, write down the differences.

All of it happens in one transaction that holds the write lock (row locks on servers), so what was read cannot have
changed. Should it have all the same, then the guards of the updates notice and the transaction is rolled back: an
account is written only if it still is what the rules saw, a reservation ends only if it is still held.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

import msgspec
from sqlalchemy import Connection, insert, literal_column, select, update
from sqlalchemy.engine.interfaces import DBAPICursor

from ...models import Balance, Reserve
from .. import StorageError
from ..ledger import Account, Answer, Hold, Operation, carry_out, check, check_credit, release, set_quota
from .schema import CIRCUITS, HELD, SYSTEM, accounts, reservations, transfers
from .statements import Lookup, insertion, param, sql

__all__ = ["Circuits", "apply", "balances", "change_quota", "credit", "expire", "open_account", "system_circuits"]

Circuits = Mapping[str, tuple[int, int]]
"""For each kind of account the ids of two system accounts: where its money comes from, where its charges go."""

_EXPIRED_AT_ONCE = 500

_load_accounts = Lookup(
    lambda ids: (
        select(*[accounts.c[name] for name in Account.__struct_fields__])
        .where(accounts.c.id.in_(ids), accounts.c.kind != literal_column("'system'"))
        .order_by(accounts.c.id)
        .with_for_update()
    )
)

_load_holds = Lookup(
    lambda ids: (
        select(*[reservations.c[name] for name in Hold.__struct_fields__])
        .where(reservations.c.id.in_(ids))
        .order_by(reservations.c.id)
        .with_for_update()
    )
)

_SAVE_ACCOUNT = sql(
    update(accounts)
    .values({name: param(name) for name in ("balance", "used", "overdraft", "unlimited")})
    .where(*[accounts.c[name] == param(f"seen_{name}") for name in ("id", "balance", "used", "overdraft")]),
    *("balance", "used", "overdraft", "unlimited"),
    *("seen_id", "seen_balance", "seen_used", "seen_overdraft"),
)
_END_HOLD = sql(
    update(reservations)
    .values({name: param(name) for name in ("state", "cost", "ended_at")})
    .where(reservations.c.id == param("id"), reservations.c.state == HELD),
    *("state", "cost", "ended_at", "id"),
)
_INSERT_HOLD = insertion(
    reservations, "id", "state", "amount", "cost", "accounts", "lease_until", "created_at", "ended_at"
)
_INSERT_TRANSFER = insertion(
    transfers, "debit_account", "credit_account", "amount", "reservation_id", "kind", "created_at"
)

_encode = msgspec.json.Encoder().encode
_decode_accounts = msgspec.json.Decoder(tuple[int, ...]).decode


class Books:
    """What one transaction has open of the ledger: accounts and holds, as read and as the rules leave them."""

    def __init__(self, cursor: DBAPICursor) -> None:
        self._cursor = cursor
        self._seen: dict[int, tuple[int, int, int, int]] = {}
        self._known: dict[str, bool] = {}
        self.accounts: dict[int, Account] = {}
        self.holds: dict[str, Hold] = {}

    def open_holds(self, ids: Sequence[str]) -> None:
        for number, named, *rest in _load_holds.rows(self._cursor, ids):
            hold = Hold(number, _decode_accounts(named), *rest)
            self.holds[number] = hold
            self._known[number] = hold.state == "held"

    def open_accounts(self, ids: Collection[int]) -> None:
        for number, kind, balance, used, overdraft, unlimited in _load_accounts.rows(self._cursor, sorted(ids)):
            self.accounts[number] = Account(number, kind, balance, used, overdraft, bool(unlimited))
            self._seen[number] = (number, balance, used, overdraft)

    def save(self, circuits: Circuits, now: float) -> None:
        """Write down what the rules changed."""
        self._save_accounts()
        fresh = [hold for hold in self.holds.values() if hold.id not in self._known]
        ended = [hold for hold in self.holds.values() if hold.state != "held" and self._known.get(hold.id)]
        self._many(_INSERT_HOLD, [_hold_row(hold) for hold in fresh])
        self._many(_END_HOLD, [(hold.state, hold.cost, hold.ended_at, hold.id) for hold in ended])
        self._many(
            _INSERT_TRANSFER,
            [
                (number, circuits[self.accounts[number].kind][1], hold.cost, hold.id, "charge", now)
                for hold in ended
                if hold.cost
                for number in hold.accounts
            ],
        )

    def save_account(self, account: Account, circuits: Circuits, now: float) -> None:
        """Write down that money came in or was taken away, as much as the account's net moved."""
        _, balance, _, overdraft = self._seen[account.id]
        moved = account.net - (balance - overdraft)
        self._save_accounts()
        grants = circuits[account.kind][0]
        if moved > 0:
            self._many(_INSERT_TRANSFER, [(grants, account.id, moved, None, "grant", now)])
        elif moved < 0:
            self._many(_INSERT_TRANSFER, [(account.id, grants, -moved, None, "withdrawal", now)])

    def _save_accounts(self) -> None:
        rows = []
        for number, account in self.accounts.items():
            seen = self._seen[number]
            rows.append((account.balance, account.used, account.overdraft, account.unlimited, *seen))
        self._many(_SAVE_ACCOUNT, rows)

    def _many(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        if not rows:
            return
        self._cursor.executemany(statement, rows)
        if self._cursor.rowcount != len(rows):
            raise StorageError("the ledger changed during a transaction; nothing was done, try again")


def _hold_row(hold: Hold) -> tuple[object, ...]:
    named = _encode(hold.accounts).decode()
    return (hold.id, hold.state, hold.amount, hold.cost, named, hold.lease_until, hold.created_at, hold.ended_at)


@contextmanager
def _books(connection: Connection) -> Iterator[Books]:
    with closing(connection.connection.cursor()) as cursor:
        yield Books(cursor)


def apply(connection: Connection, operations: Sequence[Operation], circuits: Circuits, now: float) -> list[Answer]:
    """See ``ports.Ledger.apply``."""
    check(operations)
    with _books(connection) as books:
        books.open_holds(list({operation.id: None for operation in operations}))
        touched = {number for hold in books.holds.values() if hold.state == "held" for number in hold.accounts}
        touched.update(*[operation.accounts for operation in operations if type(operation) is Reserve])
        books.open_accounts(touched)
        answers = carry_out(operations, books.accounts, books.holds, now)
        books.save(circuits, now)
    return answers


def expire(connection: Connection, circuits: Circuits, now: float) -> int:
    """Release some of the holds whose lease ran out, and return how many; 0 when there are no more."""
    due = (
        select(reservations.c.id)
        .where(reservations.c.state == HELD, reservations.c.lease_until <= now)
        .order_by(reservations.c.lease_until)
        .limit(_EXPIRED_AT_ONCE)
    )
    with _books(connection) as books:
        books.open_holds(connection.scalars(due).all())
        held = [hold for hold in books.holds.values() if hold.state == "held"]
        books.open_accounts({number for hold in held for number in hold.accounts})
        for hold in held:
            release(hold, books.accounts, now)
        books.save(circuits, now)
    return len(held)


def credit(connection: Connection, number: int, amount: int, circuits: Circuits, now: float) -> None:
    """See ``ports.TokenAdmin.credit``."""
    with _books(connection) as books:
        books.open_accounts([number])
        account = books.accounts[number]
        check_credit(account, amount)
        account.move(amount)
        books.save_account(account, circuits, now)


def change_quota(
    connection: Connection, token_id: int, before: int | None, after: int | None, circuits: Circuits, now: float
) -> None:
    """Give the cap of a token another quota."""
    number = connection.scalars(
        select(accounts.c.id).where(accounts.c.kind == "token", accounts.c.owner_id == token_id)
    ).one()
    with _books(connection) as books:
        books.open_accounts([number])
        set_quota(books.accounts[number], before, after)
        books.save_account(books.accounts[number], circuits, now)


def open_account(
    connection: Connection, kind: str, owner_id: int, funds: int | None, circuits: Circuits, now: float
) -> None:
    """Make an account with so many nano-dollars in it, None for unlimited."""
    row = {"kind": kind, "owner_id": owner_id, "used": 0, "overdraft": 0}
    inserted = connection.execute(insert(accounts).values(**row, balance=funds or 0, unlimited=funds is None))
    if funds:
        assert inserted.inserted_primary_key is not None  # noqa: S101 - one row was inserted; narrows
        transfer = {"credit_account": inserted.inserted_primary_key[0], "amount": funds, "kind": "grant"}
        connection.execute(insert(transfers).values(**transfer, debit_account=circuits[kind][0], created_at=now))


def system_circuits(connection: Connection) -> Circuits:
    """The system accounts; they are made on the first call."""
    query = select(accounts.c.owner_id, accounts.c.id).where(accounts.c.kind == "system")
    if not connection.execute(query).all():
        row = {"kind": "system", "balance": 0, "used": 0, "overdraft": 0, "unlimited": True}
        connection.execute(insert(accounts), [row | {"owner_id": owner} for owner in SYSTEM.values()])
    ids = {row.owner_id: row.id for row in connection.execute(query)}
    return {kind: (ids[SYSTEM[grants]], ids[SYSTEM[spent]]) for kind, (grants, spent) in CIRCUITS.items()}


def balances(connection: Connection, numbers: Sequence[int]) -> list[Balance]:
    """See ``ports.Ledger.balances``."""
    with _books(connection) as books:
        books.open_accounts(set(numbers))
        return [books.accounts[number].read() for number in numbers]
