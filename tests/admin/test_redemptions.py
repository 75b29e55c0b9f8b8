"""Codes by the routes: shown once, redeemed once, and counted before they are looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from oneapi_asgi.admin.redemptions import Redemptions
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.redemptions import SQLRedemptions

from .rig import Counted, Written, as_, asked

ANN = as_(Role.COMMON, 2, "ann")


@pytest.fixture
def events() -> Written:
    return Written()


@pytest.fixture
async def client(tmp_path: Path, events: Written) -> AsyncIterator[httpx2.AsyncClient]:
    async with SQLStorage(f"sqlite:///{tmp_path / 'a.db'}") as storage:
        await storage.add_user("ann", wallet=0)
        routes = Redemptions(SQLRedemptions(storage), storage, Counted()).routes()
        async with asked(routes, events) as client:
            yield client
        assert list(await storage.audit()) == []


async def test_a_code_is_shown_and_redeemed_once(client: httpx2.AsyncClient, events: Written) -> None:
    keys = (await client.post("/redemption/", json={"name": "a", "quota": 500, "count": 3})).json()["data"]
    assert len({*keys}) == 3
    listed = await client.get("/redemption/?page_size=2")
    assert listed.json()["total"] == 3
    assert not [key for key in keys if key in listed.text]
    assert (await client.post("/user/topup", json={"key": keys[0].lower()}, headers=ANN)).json()["data"] == 500
    again = await client.post("/user/topup", json={"key": keys[0]}, headers=ANN)
    assert (again.status_code, again.json()["code"]) == (400, "code_not_good")
    row = (await client.get("/redemption/search?keyword=1")).json()["data"][0]
    assert (row["status"], row["redeemed_by"], row["user_id"]) == (3, "ann", 1)
    assert (await client.put("/redemption/", json=row | {"name": "b"})).json()["data"]["name"] == "b"
    assert (await client.put("/redemption/", json=row | {"quota": 9})).status_code == 409
    assert not [event for event in events.events if any(key in repr(event) for key in keys)]
    assert [event.amount for event in events.events if event.action == "code.redeem"] == [1_000_000]


async def test_tries_are_counted(client: httpx2.AsyncClient) -> None:
    codes = [(await client.post("/user/topup", json={"key": "A"}, headers=ANN)).json()["code"] for _ in range(4)]
    assert codes == ["code_unknown"] * 3 + ["too_many_tries"]


@pytest.mark.parametrize("how", ["off", "gone"])
async def test_a_code_that_is_off_or_gone(client: httpx2.AsyncClient, how: str) -> None:
    (key,) = (await client.post("/redemption/", json={"name": "a", "quota": 500})).json()["data"]
    if how == "off":
        off = await client.put("/redemption/?status_only=true", json={"id": 1, "status": 2})
        assert off.json()["data"]["status"] == 2
    else:
        assert (await client.delete("/redemption/1")).status_code == 200
    answer = await client.post("/user/topup", json={"key": key}, headers=ANN)
    assert (answer.status_code, answer.json()["success"]) == (400, False)


async def test_codes_for_a_table_calculator(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/redemption/?format=csv", json={"name": "=a", "quota": 5, "count": 2})
    lines = answer.text.splitlines()
    assert (lines[0], len(lines), lines[1].split(",")[1]) == ("key,name,quota,expired_time", 3, "'=a")


@pytest.mark.parametrize(
    "body", [{"name": "a", "quota": 0}, {"name": "a", "quota": 5, "count": 1001}, {"name": "", "quota": 5}]
)
async def test_what_is_no_code(client: httpx2.AsyncClient, body: dict[str, object]) -> None:
    assert (await client.post("/redemption/", json=body)).json()["code"] == "invalid_body"


async def test_who_may(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/redemption/", headers=ANN)).status_code == 403
    assert (await client.post("/redemption/", json={"name": "a", "quota": 5}, headers=ANN)).status_code == 403
    assert (await client.get("/redemption/9")).json()["code"] == "code_not_found"
