"""Redemption codes: made, shown once, listed, redeemed once."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from commands import go_elsewhere, rows, run, stored

from oneapi_asgi.keys import code_digest


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_elsewhere(tmp_path, monkeypatch)


@pytest.fixture
def ann() -> None:
    stored(lambda storage: storage.add_user("ann", wallet=0))


def made(*words: str) -> list[str]:
    return run("code", "add", "--amount-usd", "2.50", *words).stdout.splitlines()


def wallet() -> str:
    return str(next(row["left_usd"] for row in rows("user", "list") if row["name"] == "ann"))


def test_codes_are_shown_once_and_kept_as_digests() -> None:
    result = run("code", "add", "--amount-usd", "0.05", "--count", "3", "--name", "spring", "--expires", "2030-01-31")
    codes = result.stdout.splitlines()
    assert result.stderr == "3 of $0.05 each, shown this once:\n"
    assert len(set(codes)) == 3
    assert all(re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{7}-){3}[0-9A-HJKMNP-TV-Z]{7}", code) for code in codes)
    row, *_ = rows("code", "list")
    expected = {"id": 1, "name": "spring", "amount_usd": "0.05", "expires": "2030-02-01T00:00:00Z"}
    assert {name: row[name] for name in expected} == expected
    assert (row["redeemed"], row["user"]) == (None, None)
    with closing(sqlite3.connect("oneapi.db")) as connection:
        dump = "\n".join(connection.iterdump())
    assert all(code_digest(code) in dump and code not in dump for code in codes)


@pytest.mark.usefixtures("ann")
def test_a_code_is_redeemed_once_however_it_is_typed() -> None:
    (code,) = made()
    typed = f" {code.replace('-', ' ').replace('1', 'l').replace('0', 'o').lower()} "
    assert run("code", "redeem", typed, "--user", "ann").stderr == "$2.5 credited to user ann\n"
    assert wallet() == "2.5"
    told = run("code", "redeem", code, "--user", "ann", code=1).stderr
    assert told == "Error: this code was redeemed already\n"
    assert wallet() == "2.5"
    (row,) = rows("code", "list")
    assert row["user"] == "ann"
    assert row["redeemed"] >= row["created"]
    assert "ann" in run("code", "list").stdout
    assert run("audit").stderr == "the books agree\n"


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize(
    ("options", "text", "user", "told"),
    [
        ((), "0000000-0000000-0000000-0000000", "ann", "there is no such code"),
        ((), None, "nobody", "there is no user named nobody"),
        (("--expires", "2020-01-31"), None, "ann", "this code has expired"),
    ],
)
def test_what_is_not_redeemed(options: tuple[str, ...], text: str | None, user: str, told: str) -> None:
    (code,) = made(*options)
    assert run("code", "redeem", text or code, "--user", user, code=1).stderr == f"Error: {told}\n"
    assert wallet() == "0"


@pytest.mark.parametrize(
    "words",
    [
        "",
        "--amount-usd 0",
        "--amount-usd -1",
        "--amount-usd x",
        "--amount-usd 0.0000000001",
        "--amount-usd 1 --count 0",
        "--amount-usd 1 --expires soon",
    ],
)
def test_mistakes(words: str) -> None:
    run("code", "add", *words.split(), code=2)
    assert run("code", "list").stderr == "no codes; make one: oneapi-asgi code add --amount-usd USD\n"
