"""The audit, as an operator runs it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from commands import go_elsewhere, run, stored

from oneapi_asgi.models import CallRecord, Reserve, Settle, TokenDraft
from oneapi_asgi.ports import Storage


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_elsewhere(tmp_path, monkeypatch)


@pytest.fixture
def filled() -> None:
    async def fill(storage: Storage) -> None:
        await storage.add_user("ann", wallet=5_000_000_000)
        token = await storage.add_token(TokenDraft(name="ci", digest="1", user="ann"))
        await storage.apply([Reserve("call", token.accounts, 100, 100, 60.0)])
        await storage.apply([Settle("call", 80)])
        await storage.write_records([CallRecord(id="call", at=1_790_000_000.0, operation="chat", cost=80)])

    stored(fill)


def change(statement: str) -> None:
    with closing(sqlite3.connect("oneapi.db")) as connection, connection:
        assert connection.execute(statement).rowcount == 1


@pytest.mark.usefixtures("filled")
def test_books_that_agree() -> None:
    result = run("audit")
    assert (result.stdout, result.stderr) == ("", "the books agree\n")
    assert json.loads(run("audit", "--json").stdout) == []


@pytest.mark.usefixtures("filled")
def test_a_difference_names_the_account_both_amounts_and_the_cure() -> None:
    change("UPDATE accounts SET balance = balance + 1000000000 WHERE kind = 'user' AND owner_id = 2")
    (line,) = run("audit", code=1).stdout.splitlines()
    assert line == (
        "balance: account 8 (wallet of user ann): balance less overdraft, kept $5.99999992, recomputed $4.99999992. "
        "Stop the gateways, back up, and set accounts.balance to 4999999920 and accounts.overdraft to 0 where id = 8."
    )
    (row,) = json.loads(run("audit", "--json", code=1).stdout)
    assert (row["check"], row["where"], row["note"]) == ("balance", "account 8 (wallet of user ann)", False)
    assert (row["kept_usd"], row["recomputed_usd"]) == ("5.99999992", "4.99999992")
    change("UPDATE accounts SET balance = 4999999920, overdraft = 0 WHERE id = 8")
    assert run("audit").stderr == "the books agree\n"


@pytest.mark.usefixtures("filled")
def test_what_has_no_amounts() -> None:
    change("UPDATE reservations SET ended_at = NULL")
    (line,) = run("audit", code=1).stdout.splitlines()
    assert line.startswith("states: 1 of the reservations, one of them call: settled, and does not have a time")
    assert "$" not in line


@pytest.mark.usefixtures("filled")
def test_a_note_is_no_failure() -> None:
    change("UPDATE records SET cost = 79")
    change("UPDATE daily_totals SET cost = 79")
    (line,) = run("audit").stdout.splitlines()
    assert line.startswith("note, records: 1 of the records, one of them call: the ledger has another cost, kept $")


def test_there_is_nothing_to_audit_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEAPI_STORAGE__URL", "memory:")
    assert "nothing would be kept" in run("audit", code=2).stderr
