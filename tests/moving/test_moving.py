"""A whole move: from databases as One API leaves them, into ours."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from servers.databases import KINDS, Kind, fresh, rows
from servers.prepared import Prepared

from oneapi_asgi import key_digest
from oneapi_asgi.desk.moving import Cargo, Moved, Remark, SumsDiffer
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.keys import code_digest
from oneapi_asgi.models import Secret
from oneapi_asgi.moving import Reader
from oneapi_asgi.moving.calls import call_of, event_of
from oneapi_asgi.moving.values import NANO_OF_QUOTA
from oneapi_asgi.queries import RecordQuery
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.members import SQLMembers
from oneapi_asgi.storage.sql.desk.moving import SQLMoving
from oneapi_asgi.storage.sql.desk.source import Source
from oneapi_asgi.storage.sql.ledger import open_accounts

from .source import HASH, KEY, PASSWORD, fill, hashed, make, place_of

COUPON = "0123456789abcdef0123456789abcdef"


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
def old(kind: Kind, tmp_path: Path) -> Iterator[str]:
    (tmp_path / "old").mkdir()
    with fresh(kind, tmp_path / "old") as url:
        yield url


@pytest.fixture
def new(kind: Kind, tmp_path: Path, prepared: Prepared) -> Iterator[str]:
    (tmp_path / "new").mkdir()
    with prepared(kind, tmp_path / "new") as url:
        yield url


@pytest.fixture
def old_file(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/one-api.db"
    make(url)
    return url


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SQLStorage]:
    async with SQLStorage(f"sqlite:///{tmp_path}/new.db") as opened:
        yield opened


def user(number: int, name: str, **more: Any) -> dict[str, Any]:
    standard = {"id": number, "username": name, "password": HASH, "display_name": name.title(), "role": 1, "status": 1,
                "email": "", "github_id": "", "access_token": f"{number:032}", "quota": 0, "used_quota": 0,
                "request_count": 0, "group": "default", "aff_code": f"a{number}", "inviter_id": 0}  # fmt: skip
    assert standard.keys() >= more.keys()
    return standard | more


def token(number: int, owner: int, key: str, **more: Any) -> dict[str, Any]:
    standard = {"id": number, "user_id": owner, "key": key, "status": 1, "name": f"t{number}", "created_time": 1.7e9,
                "expired_time": -1, "remain_quota": 0, "unlimited_quota": False, "used_quota": 0, "models": None,
                "subnet": ""}  # fmt: skip
    assert standard.keys() >= more.keys()
    return standard | more | {"created_time": 1_700_000_000}


def channel(number: int, **more: Any) -> dict[str, Any]:
    standard = {"id": number, "type": 1, "key": "sk-up", "status": 1, "name": f"c{number}", "weight": 0, "base_url": "",
                "other": "", "models": "gpt-4o", "group": "default", "model_mapping": "", "priority": 0, "config": "",
                "system_prompt": ""}  # fmt: skip
    assert standard.keys() >= more.keys()
    return standard | more


def fill_all(url: str) -> None:
    make(url)
    fill(
        url,
        "users",
        user(1, "root", role=100, quota=500_000_000, password=hashed("123456")),
        user(2, "alice", email="Alice@Example.org", quota=1_000_000, used_quota=250_000, inviter_id=1),
        user(3, "bob", role=10, quota=-700, used_quota=500, status=2, github_id="bob", group="vip"),
        user(4, "deleted_1", status=3, quota=77),
        user(5, "a*b", email="alice@example.org", quota=3),
    )
    fill(
        url,
        "tokens",
        token(1, 2, KEY, name="mine", remain_quota=1000, used_quota=500, models="gpt-4o, o1 ,", subnet="10.0.0.0/8"),
        token(2, 2, "b" * 48, name="mine", unlimited_quota=True, used_quota=9),
        token(3, 3, "c" * 48, status=4, remain_quota=-5, used_quota=2, expired_time=1_800_000_000),
        token(4, 4, "d" * 48),
        token(5, 2, "e" * 48, subnet="anywhere"),
    )
    fill(
        url,
        "channels",
        channel(7, key="sk-one", base_url="https://api.openai.com", model_mapping='{"gpt-4": "gpt-4o"}', weight=0),
        channel(9, type=20, status=3, name="c7", base_url="https://relay.example/api/", group="default, vip"),
        channel(10, type=11),
        channel(11, type=33, config='{"ak": "A", "sk": "S", "region": "us-east-1"}', model_mapping="{oops"),
    )
    fill(
        url,
        "redemptions",
        {"id": 1, "user_id": 1, "key": COUPON, "status": 1, "name": "gift", "quota": 500_000, "created_time": 1},
        {"id": 2, "user_id": 1, "key": "f" * 32, "status": 3, "name": "gift", "quota": 500_000, "created_time": 1},
    )
    fill(
        url,
        "options",
        {"key": "ModelRatio", "value": '{"gpt-4o": 1.25, "free": 0, "bad": -500000, "llama(33)": 1}'},
        {"key": "CompletionRatio", "value": '{"free": 2}'},
        {"key": "SystemName", "value": "Ours"},
        {"key": "SMTPToken", "value": "hidden"},
        {"key": "GroupRatio", "value": '{"default": 1, "vip": 0.8}'},
    )
    log = {"user_id": 2, "created_at": 1_700_000_100, "username": "alice", "token_name": "t5", "model_name": "gpt-4o",
           "quota": 25, "prompt_tokens": 10, "completion_tokens": 5, "channel_id": 7, "elapsed_time": 1500,
           "is_stream": True}  # fmt: skip
    fill(url, "logs", {"id": 1, "type": 2} | log, {"id": 2, "type": 1} | log)


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[tuple[Source, Reader, Cargo]]:
    async with Source(place_of(url)) as source:
        reader = Reader(source, label="one-api")
        yield source, reader, await reader.read()


async def move(url: str, storage: SQLStorage, *, apply: bool = True) -> tuple[Moved, tuple[Remark, ...]]:
    async with reading(url) as (_, reader, cargo):
        moved = await SQLMoving(storage).move(cargo, apply=apply)
        return moved, (*reader.remarks.all(), *moved.remarks)


async def test_all_of_it_is_there_afterwards(old: str, new: str) -> None:
    fill_all(old)
    async with SQLStorage(new) as storage:
        moved, remarks = await move(old, storage)
        members = SQLMembers(storage)
        root, alice, bob = [await members.member_named(name) for name in ("root", "alice", "bob")]
        assert root is not None
        assert alice is not None
        assert bob is not None
        assert (root.quota, root.unlimited, root.must_change_password) == (500_000_000 * NANO_OF_QUOTA, False, True)
        assert (alice.quota, alice.used) == (1_000_000 * NANO_OF_QUOTA, 250_000 * NANO_OF_QUOTA)
        assert (alice.email, alice.inviter_id, alice.invite_code) == ("alice@example.org", root.id, "a2")
        assert (bob.quota, bob.role, bob.enabled, bob.group) == (-700 * NANO_OF_QUOTA, Role.ADMIN, False, "vip")
        held = await members.credentials(alice.id)
        assert held is not None
        assert held.password is not None
        assert bcrypt.checkpw(PASSWORD.encode(), held.password.reveal().encode())

        tokens = {one.name: one for one in await storage.list_tokens()}
        assert set(tokens) == {"mine", "mine (2)", "t3", "t5"}
        mine = await storage.find_token(key_digest(f"sk-{KEY}"))
        assert mine is not None
        assert (mine.models, mine.subnets, mine.user_name) == (("gpt-4o", "o1"), ("10.0.0.0/8",), "alice")
        balance = (await storage.balances([mine.accounts[0]]))[0]
        assert (balance.available, balance.used) == (1000 * NANO_OF_QUOTA, 500 * NANO_OF_QUOTA)
        assert (tokens["t3"].status, tokens["t5"].status) == ("exhausted", "disabled")

        assert await storage.redeem(code_digest(COUPON), "alice") == 500_000 * NANO_OF_QUOTA
        with pytest.raises(KeyError):
            await storage.redeem(code_digest("f" * 32), "alice")

        channels = {one.name: one for one in await storage.list_channels()}
        assert set(channels) == {"c7", "c7 (2)", "c11"}
        assert channels["c7"].model_map == {"gpt-4": "gpt-4o"}
        assert (channels["c7"].base_url, channels["c7"].weight) == (None, 1)
        relay = channels["c7 (2)"]
        assert (relay.provider, relay.base_url, relay.enabled) == ("openrouter", "https://relay.example/api/v1", False)
        assert channels["c11"].api_keys[0].reveal() == "A|S"
        assert channels["c11"].options == {"region": "us-east-1"}

        prices = await storage.list_prices()
        assert set(prices) == {"gpt-4o", "free"}
        assert (prices["gpt-4o"].input, prices["gpt-4o"].output) == (2_500_000_000, 10_000_000_000)
        assert sorted(rows(new, "SELECT name, ratio FROM " + ("`groups`" if "mysql" in new else "groups"))) == [
            ("default", 10**9), ("vip", 8 * 10**8)]  # fmt: skip
        assert [one for one in await storage.audit() if not one.note] == []
    assert {one.table: one.carried for one in moved.tables} == {
        "users": 4, "tokens": 4, "redemptions": 1, "channels": 3, "prices": 2, "groups": 2, "options": 1
    }  # fmt: skip
    assert not any(one.present for one in moved.tables)
    told = {(one.outcome, one.table) for one in remarks}
    assert {("skipped", "users"), ("changed", "users"), ("lost", "users"), ("skipped", "tokens"), ("changed", "tokens"),
            ("skipped", "redemptions"), ("skipped", "channels"), ("skipped", "options")} <= told  # fmt: skip
    assert any("below 0" in one.what and "bob" in one.examples[0] for one in remarks)


async def test_a_second_move_adds_nothing(old: str, new: str) -> None:
    fill_all(old)
    async with SQLStorage(new) as storage:
        await move(old, storage)
        before = [await storage.list_tokens(), await storage.list_users(), await storage.list_channels()]
        funds = await storage.balances([one.wallet for one in await storage.list_users()])
        again, _ = await move(old, storage)
        assert [one.carried for one in again.tables] == [0] * 7
        assert [one.present for one in again.tables] == [4, 4, 1, 3, 2, 2, 1]
        assert [await storage.list_tokens(), await storage.list_users(), await storage.list_channels()] == before
        assert await storage.balances([one.wallet for one in await storage.list_users()]) == funds


async def test_a_rehearsal_tells_the_same_and_writes_nothing(old: str, new: str) -> None:
    fill_all(old)
    async with SQLStorage(new) as storage:
        revision = (await storage.pulse()).revision
        rehearsed, told = await move(old, storage, apply=False)
        assert [one.name for one in await storage.list_users()] == ["root"]
        assert await storage.list_tokens() == []
        assert await storage.list_channels() == []
        assert (await storage.pulse()).revision == revision
        moved, said = await move(old, storage)
        assert (rehearsed.tables, rehearsed.holdings) == (moved.tables, moved.holdings)
        assert {one.what for one in told} == {one.what for one in said}


async def test_nothing_can_be_written_to_the_source(old: str) -> None:
    fill_all(old)
    async with Source(place_of(old)) as source:
        with pytest.raises(Exception, match=r"(?i)read.?only"):
            await source._run(lambda connection: connection.exec_driver_sql("DELETE FROM options"))
    assert rows(old, "SELECT count(*) FROM options") == [(5,)]


async def test_the_log_comes_along_once(old: str, new: str) -> None:
    fill_all(old)
    async with SQLStorage(new) as storage, reading(old) as (source, _, cargo):
        store = SQLMoving(storage)
        moved = await store.move(cargo, apply=True)
        names = {(moved.users[key.owner], key.name): moved.tokens[key.id] for key in cargo.keys}
        log = await source.rows("logs", after=0, limit=10)
        found = [call for row in log if (call := call_of(row, "one-api", moved, names))]
        events = [event for row in log if (event := event_of(row, "one-api", moved))]
        for _ in range(2):
            await store.write_log(found, events)
        page = await storage.find_records(RecordQuery(limit=10))
        (record,) = page.records
        assert (record.user_id, record.channel_id) == (moved.users[2], moved.channels[7])
        assert record.token_id == moved.tokens[5]
        assert (record.cost, record.duration, record.stream) == (25 * NANO_OF_QUOTA, 1.5, True)
        assert record.usage is not None
        assert (record.usage.input, record.usage.output) == (10, 5)
        kept = rows(new, "SELECT kind, user_id, user_name, amount, at FROM events")
        assert kept == [("topup", moved.users[2], "alice", 25 * NANO_OF_QUOTA, 1_700_000_100)]


async def test_sums_of_ten_thousand_users_are_equal(old_file: str, storage: SQLStorage) -> None:
    chance = random.Random(18)
    people = [
        user(number, f"user{number}", quota=chance.randint(-(10**6), 10**9), used_quota=chance.randint(0, 10**8))
        for number in range(2, 10_002)
    ]
    keys = [
        token(number, number, f"{number:048}", remain_quota=chance.randint(-(10**4), 10**8),
              used_quota=chance.randint(0, 10**7), unlimited_quota=chance.random() < 0.3)
        for number in range(2, 10_002)
    ]  # fmt: skip
    fill(old_file, "users", *people)
    fill(old_file, "tokens", *keys)
    moved, remarks = await move(old_file, storage)
    wallets, caps, _ = moved.holdings
    assert wallets.after == wallets.before == sum(one["quota"] for one in people) * NANO_OF_QUOTA
    capped = [one["remain_quota"] for one in keys if not one["unlimited_quota"]]
    assert caps.after == caps.before == sum(capped) * NANO_OF_QUOTA
    owed = sum(one["quota"] < 0 for one in people)
    assert owed > 0
    assert sum(one.count for one in remarks if "below 0" in one.what) == owed
    kept = rows(_url(storage), "SELECT sum(balance - overdraft) FROM accounts WHERE kind = 'user' AND NOT unlimited")
    assert kept == [(wallets.after,)]
    assert [one for one in await storage.audit() if not one.note] == []


def _url(storage: SQLStorage) -> str:
    return storage._url.render_as_string()


async def test_where_sums_differ_nothing_is_written(
    old_file: str, storage: SQLStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(old_file, "users", user(2, "alice", quota=5))

    def short(connection: Any, kind: str, funds: dict[int, int | None], *rest: Any) -> dict[int, int]:
        return open_accounts(connection, kind, {owner: (amount or 0) - 1 for owner, amount in funds.items()}, *rest)

    monkeypatch.setattr("oneapi_asgi.storage.sql.desk.moving.open_accounts", short)
    with pytest.raises(SumsDiffer, match="wallets"):
        await move(old_file, storage)
    assert [one.name for one in await storage.list_users()] == ["root"]


async def test_another_database_of_the_same_label_is_refused(tmp_path: Path, storage: SQLStorage) -> None:
    for name, key in (("one", "a" * 48), ("two", "b" * 48)):
        url = f"sqlite:///{tmp_path}/{name}.db"
        make(url)
        fill(url, "users", user(2, "alice"))
        fill(url, "tokens", token(1, 2, key))
    await move(f"sqlite:///{tmp_path}/one.db", storage)
    with pytest.raises(ValueError, match="--label"):
        await move(f"sqlite:///{tmp_path}/two.db", storage)


async def test_new_api(old: str, new: str) -> None:
    make(old, newer=True)
    fill(
        old,
        "users",
        user(2, "alice", quota=9) | {"deleted_at": None},
        user(3, "gone", quota=9) | {"deleted_at": "2025-01-01 00:00:00"},
    )
    fill(
        old,
        "tokens",
        token(1, 2, KEY) | {"model_limits_enabled": True, "model_limits": "gpt-4o", "group": "vip",
                            "allow_ips": "10.1.2.3"},
        token(2, 2, "b" * 48) | {"model_limits_enabled": False, "model_limits": "o1", "group": "auto",
                                 "allow_ips": None},
    )  # fmt: skip
    about = '{"is_multi_key": true, "multi_key_status_list": {"1": 2}, "multi_key_disabled_reason": {"1": "401"}}'
    fill(
        old,
        "channels",
        channel(1, type=43, key="sk-a\nsk-b", weight=5)
        | {"tag": "eu", "channel_info": about, "test_model": "gpt-4o",
           "param_override": '{"temperature": 0, "top_p": null, "model": "x", "a.b": 1, "operations": [{}]}',
           "header_override": '{"X-A": "1", "Host": "x", "Authorization": "Bearer y", "X-Key": "{api_key}"}',
           "setting": '{"proxy": "http://p:1", "system_prompt": "Be brief."}'},
    )  # fmt: skip
    fill(old, "options", {"key": "ModelRatio", "value": '{"m": 1}'}, {"key": "CacheRatio", "value": '{"m": 0.1}'},
         {"key": "ModelPrice", "value": '{"draw": 0.04}'})  # fmt: skip
    async with SQLStorage(new) as storage:
        _, remarks = await move(old, storage)
        tokens = {one.name: one for one in await storage.list_tokens()}
        assert (tokens["t1"].models, tokens["t1"].group, tokens["t1"].subnets) == (("gpt-4o",), "vip", ("10.1.2.3/32",))
        assert (tokens["t2"].models, tokens["t2"].group) == ((), "default")
        assert {one.name for one in await storage.list_users()} == {"root", "alice"}
        (found,) = await storage.list_channels()
        assert found.provider == "deepseek"
        assert [key.reveal() for key in found.api_keys] == ["sk-a"]
        assert found.enabled
        assert found.headers == {"X-A": "1", "Authorization": "Bearer y"}
        assert (found.parameters, found.system_prompt) == ({"temperature": 0, "top_p": None}, "Be brief.")
        assert found.proxy == Secret("http://p:1")
        assert rows(new, "SELECT tag, test_model FROM channels") == [("eu", "gpt-4o")]
        assert "401" in str(rows(new, "SELECT disabled_keys FROM channels"))
        assert "X-A" not in str(rows(new, "SELECT headers FROM channels"))
        prices = await storage.list_prices()
        assert (prices["m"].input, prices["m"].cache_read) == (2_000_000_000, 200_000_000)
        assert prices["draw"].per_call == 40_000_000
    told = [one.what for one in remarks]
    lost = ("header Host", "header X-Key", "parameter model", "parameter a.b", "parameter operations")
    for said in (*lost, '"auto"', "its system prompt"):
        assert any(said in what for what in told), said
