"""Users: added, listed, credited, switched off and on."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import go_elsewhere, rows, run, stored

from oneapi_asgi.models import NANO, Reserve, Settle


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_elsewhere(tmp_path, monkeypatch)


def test_a_user_is_added_and_listed() -> None:
    [root] = rows("user", "list")
    assert (root["name"], root["admin"], root["left_usd"]) == ("root", True, None)
    told = run("user", "add", "bob", "--wallet-usd", "2.50", "--group", "vip").stderr
    assert told == 'user 2 "bob" added; the wallet holds $2.5\n'
    assert "is unlimited" in run("user", "add", "ann").stderr
    _, bob, ann = rows("user", "list")
    assert bob == {
        "id": 2,
        "name": "bob",
        "group": "vip",
        "admin": False,
        "enabled": True,
        "used_usd": "0",
        "left_usd": "2.5",
        "owed_usd": None,
    }
    assert ann["left_usd"] is None
    run("token", "add", "ci", "--user", "bob")
    assert rows("token", "list")[0]["user"] == "bob"


def test_a_wallet_is_credited_and_debited() -> None:
    run("user", "add", "bob", "--wallet-usd", "1")
    assert run("user", "credit", "bob", "0.000000001").stderr == 'user 2 "bob": $1.000000001 left\n'
    assert run("user", "credit", "2", "-1").stderr == 'user 2 "bob": $0.000000001 left\n'
    assert "Error" in run("user", "credit", "bob", "-1", code=1).stderr
    assert rows("user", "list")[1]["left_usd"] == "0.000000001"
    assert run("user", "credit", "root", "5").stderr == 'user 1 "root": it is unlimited, with or without\n'
    assert 'no user is named "nobody"' in run("user", "credit", "nobody", "1", code=1).stderr


def test_what_is_owed_is_told() -> None:
    run("user", "add", "bob", "--wallet-usd", "1")
    wallet = stored(lambda storage: storage.list_users())[1].wallet
    stored(lambda storage: storage.apply([Reserve("a", (wallet,), NANO, NANO, 60.0)]))
    stored(lambda storage: storage.apply([Settle("a", 3 * NANO)]))
    assert rows("user", "list")[1]["owed_usd"] == "2"
    assert run("user", "credit", "bob", "0.5").stderr == 'user 2 "bob": $0 left, $1.5 owed\n'


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        ("ten", '"ten" is no amount of dollars'),
        ("nan", '"nan" is no amount of dollars'),
        ("0.0000000001", '"0.0000000001" has more than 9 decimals'),
        ("1000000001", '"1000000001" is not between -1000000000 and 1000000000 dollars'),
    ],
)
def test_a_mistaken_amount_is_told(amount: str, told: str) -> None:
    assert told in run("user", "credit", "root", amount, code=2).stderr
    assert "is not between 0 and" in run("user", "add", "bob", "--wallet-usd=-1", code=2).stderr


def test_a_user_is_switched_off_and_on() -> None:
    run("user", "add", "bob")
    assert run("user", "disable", "bob").stderr == 'user 2 "bob" is disabled\n'
    assert [row["enabled"] for row in rows("user", "list")] == [True, False]
    assert run("user", "enable", "2").stderr == 'user 2 "bob" is enabled\n'
    assert [row["enabled"] for row in rows("user", "list")] == [True, True]
    assert "already" in run("user", "add", "bob", code=1).stderr


def test_a_role_is_given_and_taken() -> None:
    run("user", "add", "bob", "--role", "admin")
    run("user", "add", "ann")
    assert [row["admin"] for row in rows("user", "list")] == [True, True, False]
    assert run("user", "role", "bob", "common").stderr == 'user 2 "bob" is common\n'
    assert run("user", "role", "3", "root").stderr == 'user 3 "ann" is root\n'
    assert [row["admin"] for row in rows("user", "list")] == [True, False, True]
    assert "stays what it is" in run("user", "role", "root", "common", code=1).stderr
    run("user", "role", "bob", "king", code=2)


def test_a_deleted_user_is_gone() -> None:
    run("user", "add", "bob")
    run("token", "add", "ci", "--user", "bob")
    assert run("user", "delete", "bob").stderr == 'user 2 "bob" is deleted\n'
    assert rows("token", "list") == [] or rows("token", "list")[0]["status"] == "disabled"
    assert 'no user is named "bob"' in run("user", "delete", "bob", code=1).stderr
    assert "stays" in run("user", "delete", "root", code=1).stderr
    run("user", "add", "bob")


def test_a_name_that_nobody_can_have_is_told() -> None:
    assert "a user name has no @" in run("user", "add", "bob@example.com", code=1).stderr
