"""The commands work alike on every database, and never show its password."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import KEY, go_elsewhere, rows, run
from servers.databases import KINDS
from servers.prepared import Prepared


@pytest.fixture(params=KINDS)
def database(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepared: Prepared
) -> Iterator[str]:
    go_elsewhere(tmp_path, monkeypatch)
    with prepared(request.param, tmp_path) as url:
        monkeypatch.setenv("ONEAPI_STORAGE__URL", url)
        yield url


def test_every_list_shows_what_was_added(database: str) -> None:
    run("channel", "add", "main", "--key", KEY, "--models", "gpt-4o")
    run("user", "add", "bob", "--wallet-usd", "2.50")
    run("user", "credit", "bob", "-1.000000001")
    run("token", "add", "ci", "--user", "bob", "--quota-usd", "10")
    run("limit", "set", "user", "bob", "--rpm", "60", "--budget-usd", "5", "--period", "day")
    run("price", "set", "gpt-4o", "--input", "1", "--output", "2")
    assert [row["name"] for row in rows("channel", "list")] == ["main"]
    assert [(row["name"], row["left_usd"]) for row in rows("user", "list")] == [("root", None), ("bob", "1.499999999")]
    assert [(row["name"], row["user"], row["left_usd"]) for row in rows("token", "list")] == [("ci", "bob", "10")]
    assert [(row["rpm"], row["budget_usd"]) for row in rows("limit", "list")] == [(60, "5")]
    assert [(row["model"], row["output"]) for row in rows("price", "list")] == [("gpt-4o", "2")]
    assert rows("record", "list") == []
    run("token", "revoke", "ci")
    run("user", "disable", "bob")
    run("limit", "remove", "user", "bob", "--period", "day")
    run("price", "remove", "gpt-4o")
    run("channel", "remove", "main")
    assert [rows(kind, "list") for kind in ("limit", "price", "channel")] == [[], [], []]
    assert [row["status"] for row in rows("token", "list")] == ["disabled"]
    assert [row["enabled"] for row in rows("user", "list")] == [True, False]


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_server_that_is_not_there_is_told_without_the_password(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_elsewhere(tmp_path, monkeypatch)
    url = f"{kind}://me:hunter2@127.0.0.1:1/oneapi"  # nobody listens there
    result = run("token", "list", code=1, environ={"ONEAPI_STORAGE__URL": url})
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert "hunter2" not in result.output


def test_a_command_is_not_held_up_by_a_redis_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_elsewhere(tmp_path, monkeypatch)
    monkeypatch.setenv("ONEAPI_STORAGE__REDIS", "redis://:hunter2@127.0.0.1:1/0")
    run("user", "add", "bob")
    assert [row["name"] for row in rows("user", "list")] == ["root", "bob"]
