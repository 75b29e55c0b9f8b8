"""Tokens by the routes: whose they are, when a key is shown, what a body may say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from oneapi_asgi.admin.tokens import Tokens
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.keys import key_digest
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.tokens import SQLTokens

from .rig import Written, as_, asked

ANN, BOB = as_(Role.COMMON, 2, "ann"), as_(Role.COMMON, 3, "bob")


@pytest.fixture
def events() -> Written:
    return Written()


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SQLStorage]:
    async with SQLStorage(f"sqlite:///{tmp_path / 'a.db'}") as storage:
        assert [await storage.add_user(name, wallet=10**9) for name in ("ann", "bob")] == [2, 3]
        yield storage
        assert list(await storage.audit()) == []


@pytest.fixture
async def client(storage: SQLStorage, events: Written) -> AsyncIterator[httpx2.AsyncClient]:
    async with asked(Tokens(SQLTokens(storage)).routes(), events) as client:
        client.headers.update(ANN)
        yield client


async def made(client: httpx2.AsyncClient, **body: object) -> dict[str, object]:
    answer = await client.post("/token/", json={"name": "a", **body})
    assert answer.status_code == 200, answer.text
    data: dict[str, object] = answer.json()["data"]
    return data


async def test_a_key_is_shown_once(client: httpx2.AsyncClient, storage: SQLStorage, events: Written) -> None:
    token = await made(client, remain_quota=500, expired_time=-1, models="gpt-4o, o3", subnet="10.0.0.1/8")
    key = str(token["key"])
    found = await storage.find_token(key_digest(key))
    assert found is not None
    assert (found.models, found.subnets, found.user_id) == (("gpt-4o", "o3"), ("10.0.0.0/8",), 2)
    shown = await client.get("/token/")
    assert shown.json()["total"] == 1
    assert key not in shown.text
    assert shown.json()["data"][0] == {**token, "key": f"{key[:8]}********"}
    rotated = (await client.post(f"/token/{token['id']}/rotate")).json()["data"]["key"]
    assert await storage.find_token(key_digest(key)) is None
    assert await storage.find_token(key_digest(rotated)) is not None
    assert [event.action for event in events.events] == ["token.add", "token.rotate"]
    assert not [event for event in events.events if key in repr(event) or rotated in repr(event)]


async def test_what_is_read_can_be_written_back(client: httpx2.AsyncClient) -> None:
    token = await made(client, remain_quota=500)
    assert (await client.put("/token/", json=token)).json()["data"]["remain_quota"] == 500
    row = (await client.put("/token/", json={"id": token["id"], "unlimited_quota": True})).json()["data"]
    assert row["unlimited_quota"]
    row = (await client.put("/token/", json=row | {"unlimited_quota": False, "remain_quota": 0})).json()["data"]
    assert (row["status"], row["remain_quota"], row["name"]) == (4, 0, "a")
    row = (await client.put("/token/", json={"id": token["id"], "remain_quota": 7})).json()["data"]
    assert (row["status"], row["remain_quota"]) == (1, 7)
    row = (await client.put("/token/?status_only=1", json={"id": token["id"], "status": 2, "name": "b"})).json()["data"]
    assert (row["status"], row["name"]) == (2, "a")


async def test_a_token_of_another_is_not_there(client: httpx2.AsyncClient) -> None:
    number = (await made(client))["id"]
    client.headers.update(BOB)
    assert (await client.get("/token/")).json()["data"] == []
    for method, path, body in (
        ("GET", f"/token/{number}", None),
        ("PUT", "/token/", {"id": number, "name": "x"}),
        ("POST", f"/token/{number}/rotate", None),
        ("DELETE", f"/token/{number}", None),
    ):
        answer = await client.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "token_not_found"), path
    assert (await client.get("/token/all")).status_code == 403
    everybody = await client.get("/token/all?user_id=2", headers=as_(Role.ADMIN))
    assert [(row["id"], row["username"]) for row in everybody.json()["data"]] == [(number, "ann")]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "name_required"),
        ({"name": "a", "group": "vip"}, 403, "group_forbidden"),
        ({"name": "a", "subnet": "10.0.0"}, 400, "invalid_subnet"),
        ({"name": "a", "remain_quota": -5}, 409, "token_conflict"),
        ({"name": "a", "remain_quota": 2**62}, 400, "invalid_body"),
        ({"name": "a", "color": 1}, 400, "unknown_field"),
        ({"name": "a", "user_id": 3}, 200, None),
        ({"name": "a", "group": "default"}, 200, None),
    ],
)
async def test_bodies(client: httpx2.AsyncClient, body: dict[str, object], status: int, code: str | None) -> None:
    answer = await client.post("/token/", json=body)
    assert (answer.status_code, answer.json().get("code")) == (status, code)
    if code is None:
        assert answer.json()["data"]["user_id"] == 2


async def test_a_deleted_name_can_be_taken_again(client: httpx2.AsyncClient) -> None:
    token = await made(client)
    assert (await client.post("/token/", json={"name": "a"})).json()["code"] == "token_conflict"
    assert (await client.delete(f"/token/{token['id']}")).status_code == 200
    assert (await client.delete(f"/token/{token['id']}")).status_code == 404
    assert (await made(client))["id"] != token["id"]
