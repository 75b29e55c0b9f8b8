"""Auditing: what the transfers and the reservations say, against what the accounts say."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

__all__ = ["audit", "rows"]


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def audit(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        kept = {
            number: (balance - overdraft, used)
            for number, balance, overdraft, used in connection.execute(
                "SELECT id, balance, overdraft, used FROM accounts WHERE kind != 'system'"
            )
        }
        system = dict(connection.execute("SELECT id, owner_id FROM accounts WHERE kind = 'system'"))
        transfers = connection.execute("SELECT debit_account, credit_account, amount, kind FROM transfers").fetchall()
        held = connection.execute("SELECT accounts, amount FROM reservations WHERE state = 'held'").fetchall()
        kinds = dict(connection.execute("SELECT id, kind FROM accounts"))
    net, used = dict.fromkeys(kept, 0), dict.fromkeys(kept, 0)
    for debit, credit, amount, kind in transfers:
        wallets = {"user": {1, 2}, "token": {3, 4}}[kinds[credit if debit in system else debit]]
        assert system[debit if debit in system else credit] in wallets
        net.update({credit: net[credit] + amount} if credit in net else {debit: net[debit] - amount})
        if kind == "charge":
            used[debit] += amount
    for accounts, amount in held:
        for account in json.loads(accounts):
            net[account] -= amount
    assert {number: (net[number], used[number]) for number in kept} == kept
