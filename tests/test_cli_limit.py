"""Limits: set, declared, listed, removed."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import declared, go_elsewhere, rows, run, serve_once, stored
from msgspec.structs import replace

from oneapi_asgi.models import NANO, Limit


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_elsewhere(tmp_path, monkeypatch)


def limits() -> list[Limit]:
    return [replace(one, id=0) for one in stored(lambda storage: storage.list_limits())]


def test_a_limit_is_set_and_listed() -> None:
    assert "limit set SCOPE NAME" in run("limit", "list").stderr
    told = run("limit", "set", "token", "*", "--rpm", "60", "--tpm", "100000", "--calls", "4").stderr
    assert told == "limit of token *: 60 requests per minute, 100000 tokens per minute, 4 calls at once\n"
    told = run("limit", "set", "user", "bob", "--budget-usd", "2.50", "--period", "day", "--rolling").stderr
    assert told == "limit of user bob per rolling day: $2.5 per rolling day\n"
    assert limits() == [
        Limit(scope="token", requests_per_minute=60, tokens_per_minute=100_000, concurrent_calls=4),
        Limit(scope="user", name="bob", budget=5 * NANO // 2, period="day", rolling=True),
    ]
    first, second = rows("limit", "list")
    assert (first["scope"], first["name"], first["rpm"], first["period"]) == ("token", "*", 60, None)
    assert (second["budget_usd"], second["period"], second["rolling"]) == ("2.5", "day", True)
    assert "100000" in run("limit", "list").stdout


def test_a_limit_that_is_set_again_loses_its_former_numbers() -> None:
    run("limit", "set", "model", "gpt-*", "--rpm", "60", "--budget-usd", "5")
    run("limit", "set", "model", "gpt-*", "--calls", "0")
    run("limit", "set", "model", "gpt-*", "--budget-usd", "1", "--period", "day")
    assert limits() == [
        Limit(scope="model", name="gpt-*", concurrent_calls=0),
        Limit(scope="model", name="gpt-*", budget=NANO, period="day"),
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("team", "x", "--rpm", "1"), "'team' is not one of 'token', 'user', 'group', 'model', 'channel'"),
        (("user", "x"), "--budget-usd: missing; a limit has at least one of"),
        (("user", "x", "--rpm", "1", "--period", "day"), "--budget-usd: missing; only a budget has a period"),
        (("user", "x", "--rpm", "-1"), "Error: --rpm = -1: must be between 0 and"),
        (("user", "x", "--budget-usd", "x"), 'Error: --budget-usd = "x": must be an amount of dollars'),
        (("user", " ", "--rpm", "1"), 'Error: NAME = " ": must be a text'),
    ],
)
def test_a_mistake_in_a_limit_names_the_option(words: tuple[str, ...], told: str) -> None:
    assert told in run("limit", "set", *words, code=2).stderr
    assert limits() == []


def test_a_limit_is_removed() -> None:
    run("limit", "set", "user", "*", "--rpm", "60")
    run("limit", "set", "user", "*", "--budget-usd", "1", "--period", "week")
    told = run("limit", "remove", "user", "bob", code=1).stderr
    assert told == "Error: there is no limit of user bob; there is limit of user *, limit of user * per week\n"
    assert run("limit", "remove", "user", "*").stderr == "limit of user * removed\n"
    assert [row["period"] for row in rows("limit", "list")] == ["week"]
    assert run("limit", "remove", "user", "*", "--period", "week").stderr == "limit of user * per week removed\n"
    told = run("limit", "remove", "user", "*", code=1).stderr
    assert told == "Error: there is no limit of user *; there is none of that scope\n"


def test_a_declared_limit_is_named_until_it_was_served() -> None:
    declared('[[limits]]\nscope = "user"\nrequests_per_minute = 5\n')
    assert run("limit", "list").stderr == "from the settings, at the next start of the gateway: limit of user *\n"
    serve_once()
    assert run("limit", "list").stderr == ""
    assert [row["rpm"] for row in rows("limit", "list")] == [5]
    told = "the settings declare the limit of user *: it is as they say at the gateway's next start\n"
    assert run("limit", "set", "user", "*", "--rpm", "6").stderr.endswith(told)
    assert "limit of user *" in run("limit", "list").stderr
    assert run("limit", "remove", "user", "*").stderr.endswith(told)
