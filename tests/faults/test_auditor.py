"""Does the auditor find what is wrong?"""

from __future__ import annotations

from typing import Any

import pytest

from oneapi_asgi.models import Usage
from oneapi_asgi.testing import Journaled

from .auditor import Account, Books, Record, Reservation, Transfer, complaints, unmatched

CAP, WALLET = 7, 8
ACCOUNTS = (
    *(Account(number, "system", number, 0, 0, 0, True) for number in range(1, 7)),
    Account(CAP, "token", 1, 90, 7, 0, False),
    Account(WALLET, "user", 1, 190, 7, 0, False),
)
TRANSFERS = (
    Transfer(3, CAP, 100, None, "grant"),
    Transfer(1, WALLET, 200, None, "grant"),
    Transfer(CAP, 4, 7, "a", "charge"),
    Transfer(WALLET, 2, 7, "a", "charge"),
)
ENDED = Reservation("a", "settled", 10, 7, (CAP, WALLET), (), 2.0)
FREE = Reservation("b", "released", 10, 0, (CAP, WALLET), (), 2.0)
HELD = Reservation("c", "held", 3, 0, (CAP, WALLET), (), None)
RECORDS = (
    Record("a", 7, 200, "done", 0.1),
    Record("b", 0, 502, "upstream_failed", 0.1),
    Record("c", 0, 0, "done", 0.0),
)


def books(
    *,
    accounts: tuple[Account, ...] = ACCOUNTS,
    transfers: tuple[Transfer, ...] = TRANSFERS,
    reservations: tuple[Reservation, ...] = (ENDED, FREE, HELD),
    records: tuple[Record, ...] = RECORDS,
) -> Books:
    return Books(
        {account.id: account for account in accounts},
        transfers,
        {reservation.id: reservation for reservation in reservations},
        {record.id: record for record in records},
    )


def cap(**changed: Any) -> tuple[Account, ...]:
    return (*ACCOUNTS[:6], ACCOUNTS[6]._replace(**changed), ACCOUNTS[7])


DAMAGED = {
    "money that came from nowhere": books(accounts=cap(balance=91)),
    "money that went nowhere": books(accounts=cap(balance=89)),
    "spent and not counted": books(accounts=cap(used=6)),
    "below nothing": books(accounts=cap(balance=-1, overdraft=-91)),
    "a leg is missing": books(transfers=TRANSFERS[:-1]),
    "charged twice": books(transfers=(*TRANSFERS, TRANSFERS[-1])),
    "charged for nothing": books(transfers=(*TRANSFERS, Transfer(WALLET, 2, 7, "x", "charge"))),
    "charged after its release": books(reservations=(ENDED._replace(state="released"), FREE, HELD)),
    "charged too much": books(reservations=(ENDED._replace(cost=6), FREE, HELD)),
    "the wrong pot": books(transfers=(*TRANSFERS[:-1], Transfer(WALLET, 4, 7, "a", "charge"))),
    "from one caller to another": books(transfers=(*TRANSFERS, Transfer(WALLET, CAP, 1, None, "grant"))),
    "held and ended": books(reservations=(ENDED, FREE, HELD._replace(ended_at=2.0))),
    "a hold that the balance does not show": books(reservations=(ENDED, FREE, HELD, HELD._replace(id="d"))),
    "another cost in the record": books(records=(RECORDS[0]._replace(cost=8), *RECORDS[1:])),
    "a cost without a reservation": books(records=(*RECORDS, Record("x", 1, 200, "done", 0.1))),
    "a record is missing": books(records=RECORDS[1:]),
    "it ended before it began": books(records=(RECORDS[0]._replace(duration=-0.1), *RECORDS[1:])),
}


def test_good_books() -> None:
    assert complaints(books(), all_ended=False) == []


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
def test_damaged_books(damaged: Books) -> None:
    assert complaints(damaged, all_ended=False)


def test_what_is_held_in_the_end() -> None:
    assert complaints(books()) == [f"{HELD} is held"]


def asked(name: str) -> Journaled:
    body = f'{{"metadata": {{"name": "{name}"}}}}'.encode()
    return Journaled(method="POST", path="/", headers=[], body=body, started=0.0, usage=Usage())


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("ab", []),
        ("abx", ["x went upstream unreserved"]),
        ("aa", ["a went upstream 2 times"]),
        ("ac", ["c went upstream and is held"]),
    ],
)
def test_the_journal(names: str, found: list[str]) -> None:
    assert unmatched(books(), [asked(name) for name in names]) == found
