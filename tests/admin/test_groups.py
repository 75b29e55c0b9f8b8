"""Groups by the routes: who may, what is refused, what holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from oneapi_asgi.admin.groups import Groups
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.models import NANO
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.prices import SQLPrices
from oneapi_asgi.tariffs import Group

from .rig import Written, as_, asked


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SQLStorage]:
    async with SQLStorage(f"sqlite:///{tmp_path / 'a.db'}") as storage:
        yield storage


@pytest.fixture
def events() -> Written:
    return Written()


@pytest.fixture
async def client(storage: SQLStorage, events: Written) -> AsyncIterator[httpx2.AsyncClient]:
    declared = [Group(name="staff", ratio=0)]
    async with asked(Groups(SQLPrices(storage), declared=declared).routes(), events) as client:
        yield client


async def test_a_group_through_its_life(storage: SQLStorage, client: httpx2.AsyncClient, events: Written) -> None:
    assert (await client.get("/group/")).json()["data"] == ["default", "staff"]
    before = (await storage.pulse()).revision
    row = {"name": "a/vip", "ratio": "0.8", "note": "", "declared": False}
    assert (await client.put("/group/a/vip", json={"ratio": 0.8})).json()["data"] == row
    assert (await storage.pulse()).revision == before + 1
    assert (await client.put("/group/a/vip", json=row | {"note": "n"})).json()["data"] == row | {"note": "n"}
    assert (await client.put("/group/a/vip", json={"ratio": "0.000000001"})).json()["data"]["note"] == "n"
    assert list(await storage.list_groups()) == [Group(name="a/vip", ratio=1, note="n")]
    listed = (await client.get("/groups")).json()["data"]
    assert [(each["name"], each["ratio"], each["declared"]) for each in listed] == [
        ("a/vip", "0.000000001", False), ("staff", "0", True)]  # fmt: skip
    assert (await client.get("/group/a/vip")).json()["data"] == listed[0]
    assert (await client.delete("/group/a/vip")).status_code == 200
    assert (await client.delete("/group/a/vip")).json()["code"] == "group_not_found"
    assert (await client.get("/group/a/vip")).json()["code"] == "group_not_found"
    assert [(event.action, event.target) for event in events.events] == [
        *[("group.edit", "group a/vip")] * 3, ("group.delete", "group a/vip")]  # fmt: skip
    assert events.events[0].detail == {"ratio": "0.8"}


@pytest.mark.parametrize("ratio", [-1, 1000.5, "x", "NaN", "-Infinity", "0.0000000001", True, None, [1]])
async def test_what_is_no_ratio(storage: SQLStorage, client: httpx2.AsyncClient, ratio: object) -> None:
    answer = await client.put("/group/vip", json={"ratio": ratio})
    assert (answer.status_code, answer.json()["param"]) == (400, "ratio")
    assert list(await storage.list_groups()) == []


@pytest.mark.parametrize(("method", "path"), [("PUT", "/group/staff"), ("DELETE", "/group/staff")])
async def test_what_is_declared_is_changed_in_the_settings(client: httpx2.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, path, json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "group_declared")


async def test_a_name_that_cannot_be(client: httpx2.AsyncClient) -> None:
    assert (await client.put("/group/a%07b", json={})).json()["code"] == "invalid_group"


@pytest.mark.parametrize("role", [Role.COMMON, Role.ADMIN])
async def test_root_alone_sets_them(storage: SQLStorage, client: httpx2.AsyncClient, role: Role) -> None:
    await storage.set_group(Group(name="vip", ratio=NANO // 2))
    seen = await client.get("/groups", headers=as_(role, 2, "ann"))
    assert seen.status_code == (200 if role is Role.ADMIN else 403)
    for method in ("PUT", "DELETE"):
        answer = await client.request(method, "/group/vip", json={"ratio": 0}, headers=as_(role, 2, "ann"))
        assert answer.json()["code"] == "role_too_low"
    assert list(await storage.list_groups()) == [Group(name="vip", ratio=NANO // 2)]
