"""The ledger in SQL: load what a batch touches, let the rules change it, write down the differences.

All of it happens in one transaction that holds the write lock (row locks on servers), so what was read cannot have
changed. Should it have all the same, then the guards of the updates notice and the transaction is rolled back: an
account is written only if it still is what the rules saw, a reservation ends only if it is still held.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, and_, delete, insert, literal_column, select

from ...models import Balance, Reserve
from .. import StorageError
from ..ledger import Account, Answer, Hold, Operation, carry_out, check, check_credit, lapse, set_quota
from .clock import Epoch, database_time
from .schema import CIRCUITS, HELD, SYSTEM, accounts, reservations, transfers, windows
from .statements import Among, Change, Cursor, Insertion, Lookup, Together, cursor

__all__ = [
    "Circuits",
    "Clock",
    "apply",
    "balances",
    "change_quotas",
    "credit",
    "expire",
    "leave",
    "moment",
    "open_accounts",
    "set_funds",
    "system_circuits",
]

Circuits = Mapping[str, tuple[int, int]]
"""For each kind of account the ids of two system accounts: where its money comes from, where its charges go."""

Clock = Callable[[float], float]
"""What time it is when the database says that it is so late: just that, but in tests."""

_Row = tuple[object, ...]
_Leg = tuple[int, int, int, str | None, str]
"""Of a transfer: from whom, to whom, how much, of which reservation, what kind."""

_EXPIRED_AT_ONCE = 500
_REMEMBERED = 4096

_ACCOUNT = ("id", "kind", "balance", "used", "overdraft", "unlimited", "period")
_HOLD = ("id", "state", "amount", "cost", "accounts", "lease_until", "created_at", "ended_at", "so_far", "spare")


def _accounts(among: Among) -> Select[Any]:
    return (
        select(Epoch(), *[accounts.c[name] for name in _ACCOUNT])
        .where(among(accounts.c.id), accounts.c.kind != literal_column("'system'"))
        .order_by(accounts.c.id)
    )


_read_accounts = Lookup(_accounts)
_load_accounts = Lookup(lambda among: _accounts(among).with_for_update())
_load_holds = Lookup(
    lambda among: (
        select(*[reservations.c[name] for name in _HOLD])
        .where(among(reservations.c.id))
        .order_by(reservations.c.id)
        .with_for_update()
    )
)
_load_windows = Lookup(
    lambda among: (
        select(windows.c.account_id, windows.c.returns_at, windows.c.spent)
        .where(among(windows.c.account_id))
        .order_by(windows.c.account_id, windows.c.returns_at)
    )
)


def _owned(among: Among, kind: str) -> Select[Any]:
    of_kind = accounts.c.kind == literal_column(f"'{kind}'")
    return select(accounts.c.owner_id, accounts.c.id).where(of_kind, among(accounts.c.owner_id))


_ACCOUNTS_OF = {kind: Lookup(partial(_owned, kind=kind)) for kind in CIRCUITS}

_SAVE_ACCOUNTS = Change(
    accounts, to=("balance", "used", "overdraft", "unlimited"), seen=("id", "balance", "used", "overdraft")
)
# The state is compared as a value, not with ``HELD``: PostgreSQL would take the reaper's index for the best way, where
# all that ended since the last vacuum still stands.
_END_HOLDS = Change(reservations, to=("state", "cost", "ended_at", "spare"), seen=("id", "state"))
_RENEW_HOLDS = Change(reservations, to=("lease_until", "so_far", "spare"), seen=("id", "state"))
_INSERT_HOLDS = Insertion(reservations, *_HOLD)
_INSERT_ACCOUNTS = Insertion(accounts, "kind", "owner_id", "balance", "used", "overdraft", "unlimited", "period")
_INSERT_TRANSFERS = Insertion(
    transfers, "debit_account", "credit_account", "amount", "reservation_id", "kind", "created_at"
)
_INSERT_WINDOWS = Insertion(windows, "account_id", "returns_at", "spent")
_SAVE_WINDOWS = Change(windows, to=("spent",), seen=("account_id", "returns_at", "spent"))
_SAVE = Together(
    _SAVE_ACCOUNTS, _SAVE_WINDOWS, _INSERT_WINDOWS, _END_HOLDS, _RENEW_HOLDS, _INSERT_HOLDS, _INSERT_TRANSFERS
)

_encode = msgspec.json.Encoder().encode
_decode_numbers = msgspec.json.Decoder(tuple[int, ...]).decode


class Books:
    """What one transaction has open of the ledger: accounts and holds, as read and as the rules leave them.

    ``now`` is the database's time, once accounts are open.
    """

    def __init__(self, connection: Connection, cursor: Cursor, circuits: Circuits, clock: Clock) -> None:
        self._connection = connection
        self._cursor = cursor
        self._circuits = circuits
        self._clock = clock
        self._seen: dict[int, tuple[int, int, int, int, bool]] = {}
        self._windows: dict[tuple[int, int], int] = {}
        self._known: dict[str, tuple[str, float, int, tuple[int, ...]]] = {}
        self.now = 0.0
        self.accounts: dict[int, Account] = {}
        self.holds: dict[str, Hold] = {}

    def open_holds(self, ids: Sequence[str]) -> None:
        for row in self._cursor.rows(_load_holds, ids):
            number, state, amount, cost, named, lease_until, created_at, ended_at, so_far, spare = row
            held, spared = _numbers_of(named), _numbers_of(spare) if spare else ()
            self.holds[number] = Hold(
                number, held, amount, lease_until, created_at, state, cost, ended_at, so_far, spared
            )
            self._known[number] = (state, lease_until, so_far, spared)

    def open_accounts(self, ids: Collection[int], *, lock: bool = True) -> None:
        budgets = []
        lookup = _load_accounts if lock else _read_accounts
        for now, *row, unlimited, period in self._cursor.rows(lookup, sorted(ids)):
            number, kind, balance, used, overdraft = row
            self.now = self._clock(now)
            self.accounts[number] = Account(number, kind, balance, used, overdraft, bool(unlimited), period)
            self._seen[number] = (number, balance, used, overdraft, bool(unlimited))
            if period is not None:
                budgets.append(number)
        for number, returns_at, spent in self._cursor.rows(_load_windows, budgets):
            self.accounts[number].windows[returns_at] = spent
            self._windows[number, returns_at] = spent

    def save(self) -> None:
        """Write down what the rules changed."""
        changed, begun, refills = self._window_rows()
        fresh, ended, renewed = [], [], []
        for hold in self.holds.values():
            known = self._known.get(hold.id)
            if known is None:
                fresh.append(_hold_row(hold))
            elif known[0] != hold.state:
                ended.append(hold)
            elif known[1:] != (hold.lease_until, hold.so_far, hold.spare):
                renewed.append((hold.lease_until, hold.so_far, _text_of(hold.spare), hold.id, "held"))
        ends = [(hold.state, hold.cost, hold.ended_at, _text_of(hold.spare), hold.id, "held") for hold in ended]
        legs = self._leg_rows([*refills, *self._charges(ended)])
        self._write(self._account_rows(), changed, begun, ends, renewed, fresh, legs)

    def _charges(self, ended: Sequence[Hold]) -> list[_Leg]:
        spent = {number: self._circuits[account.kind][1] for number, account in self.accounts.items()}
        return [
            (number, spent[number], hold.cost, hold.id, "charge")
            for hold in ended
            if hold.cost
            for number in hold.accounts
            if number not in hold.spare
        ]

    def save_funds(self, kind: str = "grant") -> None:
        """Write down that money came in or was taken away, as much as the net of each account moved."""
        legs: list[_Leg] = []
        for number, account in self.accounts.items():
            _, balance, _, overdraft, _ = self._seen[number]
            moved, grants = account.net - (balance - overdraft), self._circuits[account.kind][0]
            if moved > 0:
                legs.append((grants, number, moved, None, kind))
            elif moved < 0:
                legs.append((number, grants, -moved, None, "withdrawal"))
        self._write(self._account_rows(), (), (), (), (), (), self._leg_rows(legs))

    def _account_rows(self) -> list[_Row]:
        rows: list[_Row] = []
        for number, account in self.accounts.items():
            to = (account.balance, account.used, account.overdraft, account.unlimited)
            seen = self._seen[number]
            if to != seen[1:]:
                rows.append((*to, *seen[:4]))
                self._seen[number] = (number, *to)
        return rows

    def _window_rows(self) -> tuple[list[_Row], list[_Row], list[_Leg]]:
        """Those that changed and those that are new; what came back from those that are over, which go at once."""
        fresh: list[_Row] = []
        changed: list[_Row] = []
        refills: list[_Leg] = []
        for number, account in self.accounts.items():
            for at, spent in account.windows.items():
                before = self._windows.pop((number, at), None)
                if before is None:
                    fresh.append((number, at, spent))
                elif before != spent:
                    changed.append((spent, number, at, before))
        for (number, at), before in self._windows.items():
            over = and_(windows.c.account_id == number, windows.c.returns_at == at, windows.c.spent == before)
            self._expect(self._connection.execute(delete(windows).where(over)).rowcount, 1)
            refills.append((self._circuits[self.accounts[number].kind][1], number, before, None, "refill"))
        return changed, fresh, refills

    def _leg_rows(self, legs: Sequence[_Leg]) -> list[_Row]:
        return [(*leg, self.now) for leg in legs]

    def _write(self, *rows: Sequence[_Row]) -> None:
        """The rows of each part of ``_SAVE``."""
        for done, wanted in zip(self._cursor.write(_SAVE, rows), rows, strict=True):
            self._expect(done, len(wanted))

    @staticmethod
    def _expect(changed: int, wanted: int) -> None:
        if changed != wanted:
            raise StorageError("the ledger changed during a transaction; nothing was done, try again")


# The accounts of a hold are those of its token, most often.
@lru_cache(_REMEMBERED)
def _text_of(numbers: tuple[int, ...]) -> str | None:
    return _encode(numbers).decode() if numbers else None


@lru_cache(_REMEMBERED)
def _numbers_of(text: str) -> tuple[int, ...]:
    return _decode_numbers(text)


def _hold_row(hold: Hold) -> tuple[object, ...]:
    return (
        hold.id,
        hold.state,
        hold.amount,
        hold.cost,
        _text_of(hold.accounts) or "[]",
        hold.lease_until,
        hold.created_at,
        hold.ended_at,
        hold.so_far,
        _text_of(hold.spare),
    )


@contextmanager
def _books(connection: Connection, circuits: Circuits, clock: Clock) -> Iterator[Books]:
    with cursor(connection) as opened:
        yield Books(connection, opened, circuits, clock)


def moment(connection: Connection, clock: Clock) -> float:
    return clock(database_time(connection))


def apply(connection: Connection, operations: Sequence[Operation], circuits: Circuits, clock: Clock) -> list[Answer]:
    """See ``ports.Ledger.apply``."""
    check(operations)
    with _books(connection, circuits, clock) as books:
        books.open_holds(sorted({operation.id for operation in operations}))
        touched = {number for hold in books.holds.values() if hold.state == "held" for number in hold.accounts}
        touched.update(*[operation.accounts for operation in operations if type(operation) is Reserve])
        books.open_accounts(touched)
        answers = carry_out(operations, books.accounts, books.holds, books.now)
        books.save()
    return answers


def expire(connection: Connection, circuits: Circuits, clock: Clock) -> int:
    """End some of the holds whose lease ran out, and return how many; 0 when there are no more."""
    now = moment(connection, clock)
    due = (
        select(reservations.c.id)
        .where(reservations.c.state == HELD, reservations.c.lease_until <= now)
        .order_by(reservations.c.lease_until)
        .limit(_EXPIRED_AT_ONCE)
    )
    with _books(connection, circuits, clock) as books:
        books.open_holds(sorted(connection.scalars(due).all()))
        # Looked at again, now that they are locked: another one may have settled or renewed them meanwhile.
        held = [hold for hold in books.holds.values() if hold.state == "held" and hold.lease_until <= now]
        books.open_accounts({number for hold in held for number in hold.accounts})
        for hold in held:
            lapse(hold, books.accounts, now)
        books.save()
    return len(held)


def credit(
    connection: Connection, number: int, amount: int, circuits: Circuits, clock: Clock, *, kind: str = "grant"
) -> None:
    """See ``ports.TokenAdmin.credit``. What comes in is an entry of this ``kind``."""
    with _books(connection, circuits, clock) as books:
        books.open_accounts([number])
        account = books.accounts[number]
        check_credit(account, amount)
        account.move(amount)
        books.save_funds(kind)


def change_quotas(
    connection: Connection,
    quotas: Mapping[int, tuple[int | None, int | None]],
    circuits: Circuits,
    clock: Clock,
) -> None:
    """Give the caps of tokens, by id, other quotas: from what, to what."""
    caps = _accounts_of(connection, "token", quotas)
    alike: dict[tuple[int | None, int | None], list[int]] = {}
    for token_id, change in quotas.items():
        alike.setdefault(change, []).append(caps[token_id])
    for (before, after), numbers in alike.items():
        set_funds(connection, numbers, before, after, circuits, clock)


def set_funds(
    connection: Connection,
    numbers: Collection[int],
    before: int | None,
    after: int | None,
    circuits: Circuits,
    clock: Clock,
) -> None:
    """Give accounts that were made with the funds ``before`` those of ``after``."""
    with _books(connection, circuits, clock) as books:
        books.open_accounts(numbers)
        for account in books.accounts.values():
            set_quota(account, before, after)
        books.save_funds()


def leave(
    connection: Connection, number: int, amount: int | None, circuits: Circuits, clock: Clock, *, grain: int = 1
) -> int:
    """Have so much left in an account, None for no bound, and give what was moved to that end: nothing where there is
    less than ``grain`` more in it."""
    with _books(connection, circuits, clock) as books:
        books.open_accounts([number])
        account = books.accounts[number]
        was_unlimited, account.unlimited = account.unlimited, amount is None
        moved = 0 if amount is None else amount - account.net
        if not was_unlimited and -grain < moved <= 0:
            moved = 0
        account.move(moved)
        books.save_funds()
    return moved


def open_accounts(
    connection: Connection,
    kind: str,
    funds: Mapping[int, int | None],
    circuits: Circuits,
    clock: Clock,
    *,
    period: str | None = None,
) -> dict[int, int]:
    """Make an account for each owner with so many nano-dollars in it, None for unlimited; gives their ids, by owner."""
    rows = [(kind, owner, amount or 0, 0, 0, amount is None, period) for owner, amount in funds.items()]
    with cursor(connection) as opened:
        opened.insert(_INSERT_ACCOUNTS, rows)
        ids = _accounts_of(connection, kind, funds)
        grants, now = circuits[kind][0], moment(connection, clock)
        given = [(grants, ids[owner], amount, None, "grant", now) for owner, amount in funds.items() if amount]
        opened.insert(_INSERT_TRANSFERS, given)
    return ids


def _accounts_of(connection: Connection, kind: str, owners: Collection[int]) -> dict[int, int]:
    with cursor(connection) as opened:
        return dict(opened.rows(_ACCOUNTS_OF[kind], [*owners]))


def system_circuits(connection: Connection) -> Circuits:
    """The system accounts; those that are missing are made."""
    query = select(accounts.c.owner_id, accounts.c.id).where(accounts.c.kind == "system")
    ids = dict(connection.execute(query).all())
    if missing := sorted(set(SYSTEM.values()) - ids.keys()):
        row = {"kind": "system", "balance": 0, "used": 0, "overdraft": 0, "unlimited": True}
        connection.execute(insert(accounts), [row | {"owner_id": owner} for owner in missing])
        ids = dict(connection.execute(query).all())
    return {kind: (ids[SYSTEM[grants]], ids[SYSTEM[spent]]) for kind, (grants, spent) in CIRCUITS.items()}


def balances(connection: Connection, numbers: Sequence[int], clock: Clock) -> list[Balance]:
    """See ``ports.Ledger.balances``."""
    with _books(connection, {}, clock) as books:
        books.open_accounts(set(numbers), lock=False)
        return [books.accounts[number].read(books.now) for number in numbers]
