"""What is wrong with the books, read from the tables by statements of its own.

A second opinion: nothing here is shared with the gateway but the schema. ``complaints`` are those of the ledger,
``unmatched`` holds it against the journal of the upstream.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from servers.databases import rows

from oneapi_asgi.testing import Journaled

__all__ = ["Account", "Books", "Record", "Reservation", "Transfer", "complaints", "name_of", "read_books", "unmatched"]

CIRCUITS = {"user": (1, 2), "token": (3, 4), "budget": (5, 6)}
"""For each kind of account the system accounts, by ``owner_id``, that give to it and that it is charged for."""


class Account(NamedTuple):
    id: int
    kind: str
    owner: int
    balance: int
    used: int
    overdraft: int
    unlimited: bool


class Transfer(NamedTuple):
    debit: int
    credit: int
    amount: int
    reservation: str | None
    kind: str


class Reservation(NamedTuple):
    id: str
    state: str
    amount: int
    cost: int
    accounts: tuple[int, ...]
    spare: tuple[int, ...]
    ended_at: float | None


class Record(NamedTuple):
    id: str
    cost: int
    status: int
    reason: str
    duration: float


class Books(NamedTuple):
    accounts: Mapping[int, Account]
    transfers: Sequence[Transfer]
    reservations: Mapping[str, Reservation]
    records: Mapping[str, Record]

    @property
    def settled(self) -> int:
        return sum(reservation.cost for reservation in self.reservations.values())

    @property
    def recorded(self) -> int:
        return sum(record.cost for record in self.records.values())

    def states(self) -> Counter[str]:
        return Counter(reservation.state for reservation in self.reservations.values())


async def read_books(url: str) -> Books:
    """While nobody writes: each table is read by itself."""
    return await asyncio.to_thread(_read, url)


def _read(url: str) -> Books:
    accounts = [
        Account(*row)
        for row in rows(url, "SELECT id, kind, owner_id, balance, used, overdraft, unlimited FROM accounts")
    ]
    transfers = rows(url, "SELECT debit_account, credit_account, amount, reservation_id, kind FROM transfers")
    held = [
        Reservation(name, state, amount, cost, _numbers(named), _numbers(spare), ended)
        for name, state, amount, cost, named, spare, ended in rows(
            url, "SELECT id, state, amount, cost, accounts, spare, ended_at FROM reservations"
        )
    ]
    records = [Record(*row) for row in rows(url, "SELECT id, cost, status, reason, duration FROM records")]
    return Books(
        {account.id: account for account in accounts},
        [Transfer(*row) for row in transfers],
        {reservation.id: reservation for reservation in held},
        {record.id: record for record in records},
    )


def _numbers(text: str | None) -> tuple[int, ...]:
    return tuple(json.loads(text)) if text else ()


def complaints(books: Books, *, all_ended: bool = True, all_recorded: bool = True) -> list[str]:
    """Empty if all is well. ``all_ended``: nothing may be held any more; ``all_recorded``: no record was lost, as those
    of a process that is killed are."""
    return [
        *_of_accounts(books),
        *_of_reservations(books, all_ended=all_ended),
        *_of_records(books, all_recorded=all_recorded),
    ]


def _of_accounts(books: Books) -> Iterator[str]:
    net: Counter[int] = Counter()
    used: Counter[int] = Counter()
    for transfer in books.transfers:
        net[transfer.debit] -= transfer.amount
        net[transfer.credit] += transfer.amount
        if transfer.kind == "charge":
            used[transfer.debit] += transfer.amount
        if not _in_one_circuit(books, transfer):
            yield f"{transfer} crosses circuits"
    for reservation in books.reservations.values():
        if reservation.state == "held":
            net.subtract(dict.fromkeys(reservation.accounts, reservation.amount))
    for account in books.accounts.values():
        if account.kind == "system":
            continue
        if account.balance - account.overdraft != net[account.id]:
            yield f"{account} should have a net of {net[account.id]}"
        if account.used != used[account.id]:
            yield f"{account} was charged {used[account.id]}"
        if account.overdraft < 0 or (account.balance < 0 and not account.unlimited):
            yield f"{account} is negative"


def _in_one_circuit(books: Books, transfer: Transfer) -> bool:
    debit, credit = books.accounts[transfer.debit], books.accounts[transfer.credit]
    own, system = (credit, debit) if debit.kind == "system" else (debit, credit)
    return system.kind == "system" and system.owner in CIRCUITS.get(own.kind, ())


def _of_reservations(books: Books, *, all_ended: bool) -> Iterator[str]:
    charged: defaultdict[str | None, Counter[int]] = defaultdict(Counter)
    legs: Counter[tuple[str | None, int]] = Counter()
    for transfer in books.transfers:
        if transfer.kind == "charge":
            charged[transfer.reservation][transfer.debit] += transfer.amount
            legs[transfer.reservation, transfer.debit] += 1
    for (reservation_id, account), count in legs.items():
        if count > 1:
            yield f"{reservation_id} was charged {count} times to account {account}"
    for reservation_id in charged.keys() - books.reservations.keys():
        yield f"{reservation_id} was charged and never reserved"
    for reservation in books.reservations.values():
        due = {}
        if reservation.cost and reservation.state in ("settled", "expired"):
            due = {number: reservation.cost for number in reservation.accounts if number not in reservation.spare}
        if charged[reservation.id] != due:
            yield f"{reservation} was charged {dict(charged[reservation.id])}"
        if (reservation.state == "held") != (reservation.ended_at is None):
            yield f"{reservation} ended and did not"
        if all_ended and reservation.state == "held":
            yield f"{reservation} is held"


def _of_records(books: Books, *, all_recorded: bool) -> Iterator[str]:
    for record in books.records.values():
        reservation = books.reservations.get(record.id)
        if reservation is None:
            if record.cost:
                yield f"{record} has no reservation"
        elif reservation.state in ("settled", "released") and reservation.cost != record.cost:
            yield f"{record} has a reservation that cost {reservation.cost}"
        if record.duration < 0:
            yield f"{record} took less than no time"
    if all_recorded and books.recorded != books.settled:
        yield f"the records say {books.recorded}, the ledger {books.settled}"
    if all_recorded:
        for missing in books.reservations.keys() - books.records.keys():
            yield f"{missing} has no record"


def name_of(entry: Journaled) -> str:
    """The caller's name for the call that this request was for."""
    return str(json.loads(entry.body)["metadata"]["name"])


def unmatched(books: Books, journal: Sequence[Journaled]) -> list[str]:
    """Requests that the upstream accepted, and that have no ledger outcome or share one."""
    accepted = Counter(name_of(entry) for entry in journal if entry.usage is not None)
    return [
        *[f"{name} went upstream {count} times" for name, count in accepted.items() if count > 1],
        *[f"{name} went upstream unreserved" for name in accepted if name not in books.reservations],
        *[f"{name} went upstream and is held" for name in accepted if _is_held(books, name)],
    ]


def _is_held(books: Books, name: str) -> bool:
    return name in books.reservations and books.reservations[name].state == "held"
