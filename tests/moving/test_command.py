"""``oneapi-asgi import``, and what works after it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner, Result
from e2e.serving import chat, eventually, make_upstream, served
from servers.databases import rows_of_each

from oneapi_asgi import Gateway, key_digest
from oneapi_asgi.cli.root import root
from oneapi_asgi.moving.values import NANO_OF_QUOTA
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.testing import FakeUpstream

from .source import KEY, fill, make
from .test_moving import channel, token, user


@pytest.fixture
def old(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/one-api.db"
    make(url)
    fill(url, "users", user(1, "root", role=100, quota=500), user(2, "alice", quota=5_000_000, used_quota=100))
    fill(url, "tokens", token(1, 2, KEY, remain_quota=1_000_000))
    fill(url, "channels", channel(3))
    fill(url, "options", {"key": "ModelRatio", "value": '{"gpt-4o": 1.25}'})
    fill(
        url,
        "logs",
        *[
            {"id": number, "user_id": 2, "created_at": 1_700_000_000 + number, "type": 2, "username": "alice",
             "token_name": "t1", "model_name": "gpt-4o", "quota": 1, "channel_id": 3}
            for number in range(1, 4501)
        ],
    )  # fmt: skip
    return url


def run(old: str, new: Path, *more: str) -> Result:
    environ = {"ONEAPI_STORAGE__URL": f"sqlite:///{new}"}
    place = old.removeprefix("sqlite:///") if old.startswith("sqlite:///") else old
    return CliRunner().invoke(root, ["import", place, *more], env=environ)


def report(result: Result) -> Any:
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return json.loads(result.stdout)


def carried(told: Any) -> dict[str, int]:
    return {row["table"]: row["carried"] for row in told["tables"]}


def count(new: Path, table: str) -> int:
    with sqlite3.connect(new) as connection:
        found: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return found


def test_a_report_then_a_move_then_nothing_more(old: str, tmp_path: Path) -> None:
    new = tmp_path / "new.db"
    before = Path(old.removeprefix("sqlite:///")).read_bytes()
    told = report(run(old, new, "--json"))
    assert not told["applied"]
    assert (count(new, "tokens"), count(new, "records"), count(new, "imports")) == (0, 0, 0)
    done = run(old, new, "--apply", "--json")
    assert done.exit_code == 0
    assert report(done)["sums"] == told["sums"]
    assert carried(report(done)) == carried(told)
    assert (count(new, "tokens"), count(new, "records")) == (1, 4500)
    again = report(run(old, new, "--apply", "--json"))
    assert {table: number for table, number in carried(again).items() if number} == {"logs": 4500}
    assert (count(new, "tokens"), count(new, "records")) == (1, 4500)
    assert Path(old.removeprefix("sqlite:///")).read_bytes() == before


def test_calls_may_stay(old: str, tmp_path: Path) -> None:
    run(old, tmp_path / "new.db", "--apply", "--no-logs")
    assert count(tmp_path / "new.db", "records") == 0
    run(old, tmp_path / "new.db", "--apply", "--logs-since", "2023-11-14T23:13:20Z")
    assert count(tmp_path / "new.db", "records") == 4500 - 3599


def test_a_table_for_people(old: str, tmp_path: Path) -> None:
    fill(old, "users", user(9, "carol", quota=-5, github_id="carol"))
    result = run(old, tmp_path / "new.db")
    assert result.exit_code == 1
    assert "carol" in result.output
    assert "overdraft" in result.output
    assert "nothing was written" in result.output


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("/no/such/file", "there is no file"),
        ("mysql://root@127.0.0.1:1/none", "cannot read mysql"),
        ("oracle://x/y", "does not speak oracle"),
        ("/", "is a folder"),
        ("root:hunter2@tcp(127.0.0.1:3306)/oneapi", "write it as mysql://"),
    ],
)
def test_a_source_that_cannot_be_read(tmp_path: Path, place: str, message: str) -> None:
    result = run(place, tmp_path / "new.db")
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
    assert "hunter2" not in result.output


def test_a_file_that_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database" * 100)
    assert "cannot read" in run(str(tmp_path / "text"), tmp_path / "new.db").output
    sqlite3.connect(tmp_path / "empty").close()
    (tmp_path / "empty").touch()
    assert "no tables users" in run(str(tmp_path / "empty"), tmp_path / "new.db").output


def test_a_label_that_is_none(old: str, tmp_path: Path) -> None:
    assert run(old, tmp_path / "new.db", "--label", "a b").exit_code == 2


async def test_keys_go_on_working(old: str, tmp_path: Path) -> None:
    """A client of One API calls with its key, through the channel that came along, and pays from its wallet."""
    new = tmp_path / "new.db"
    async with FakeUpstream() as upstream:
        await asyncio.to_thread(rows_of_each, old, f"UPDATE channels SET type = 50, base_url = '{upstream.url}'")
        result = await asyncio.to_thread(run, old, new, "--apply")
        assert result.exit_code == 0, result.output
        storage = SQLStorage(f"sqlite:///{new}")
        gateway = Gateway(storage, upstream=make_upstream("httptools"))
        async with served(gateway) as url, httpx2.AsyncClient(base_url=url) as client:
            key = {"authorization": f"Bearer sk-{KEY}"}
            answer = await client.post("/v1/chat/completions", json=chat(), headers=key)
            assert answer.status_code == 200, answer.text
            refused = await client.post("/v1/chat/completions", json=chat(), headers={"authorization": "Bearer x"})
            assert refused.status_code == 401
            found = await storage.find_token(key_digest(f"sk-{KEY}"))
            assert found is not None

            async def settled() -> bool:
                return (await storage.balances(found.accounts))[0].used > 0

            await eventually(settled, within=10)
            cap, wallet = await storage.balances(found.accounts)
            assert 0 < cap.used == wallet.used - 100 * NANO_OF_QUOTA
            assert wallet.available == 5_000_000 * NANO_OF_QUOTA - cap.used
