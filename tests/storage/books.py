"""Auditing once more, in another way than ``oneapi-asgi audit``: every entry is read and added up here.

A database is the path of an SQLite file, or the URL of any.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from servers import databases

__all__ = ["audit", "rows"]

Database = Path | str

_CIRCUITS = {"user": (1, 2), "token": (3, 4), "budget": (5, 6)}
_TABLES = (
    "SELECT id, kind, owner_id, balance, overdraft, used FROM accounts",
    "SELECT debit_account, credit_account, amount, kind, reservation_id FROM transfers",
    "SELECT id, state, amount, cost, accounts, spare FROM reservations",
    "SELECT account_id, spent FROM windows",
)
_INTO, _BACK = {"grant", "redemption", "topup"}, {"withdrawal"}


def rows(database: Database, query: str) -> list[databases.Row]:
    return databases.rows(_url(database), query)


def _url(database: Database) -> str:
    return f"sqlite:///{database}" if isinstance(database, Path) else database


def audit(database: Database) -> None:
    known, transfers, reservations, windows = databases.rows_of_each(_url(database), *_TABLES)
    system = {number: owner for number, kind, owner, *_ in known if kind == "system"}
    kinds = {number: kind for number, kind, *_ in known if kind != "system"}
    kept = {number: (balance - overdraft, used) for number, _, _, balance, overdraft, used in known if number in kinds}
    net, used, waiting = Counter[int](), Counter[int](), Counter[int]()
    charges: dict[str, dict[int, int]] = {}
    for debit, credit, amount, kind, reservation in transfers:
        account, other = (credit, debit) if debit in system else (debit, credit)
        grants, spent = _CIRCUITS[kinds[account]]
        assert system[other] == (grants if kind in _INTO | _BACK else spent)
        assert (account == credit) is (kind in _INTO | {"refill"})
        net[account] += amount if account == credit else -amount
        if kind == "charge":
            used[account] += amount
            assert account not in charges.setdefault(reservation, {}), f"{reservation} was charged twice"
            charges[reservation][account] = amount
        if kinds[account] == "budget":
            waiting[account] += {"charge": amount, "refill": -amount}.get(kind, 0)
    for number, state, amount, cost, named, spare in reservations:
        accounts = json.loads(named)
        net.subtract(dict.fromkeys(accounts, amount if state == "held" else 0))
        charged = set(accounts) - set(json.loads(spare or "[]")) if cost else set()
        assert charges.pop(number, {}) == dict.fromkeys(charged, cost), number
    assert charges == {}, "charges without a reservation"
    assert {number: (net[number], used[number]) for number in kept} == kept
    returning = Counter[int]()
    for number, spent in windows:
        returning[number] += spent
    assert +returning == +waiting
