"""Prices by the routes: where each is from, what is refused, what users see of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from servers.databases import KINDS, Kind
from servers.prepared import Prepared

from oneapi_asgi.admin.groups import decimal_of
from oneapi_asgi.admin.prices import Prices
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.models import NANO, Channel, Price, Tier
from oneapi_asgi.pricebook import UnknownModel
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.prices import SQLPrices
from oneapi_asgi.tariffs import Group

from .rig import Written, as_, asked

CHANNELS = (
    Channel(id=0, name="a", models=("gpt-4o", "known", "nobody's", "oai-*"), model_map={"mine": "gpt-4o"}),
    Channel(id=0, name="b", models=("hidden",), groups=("vip",)),
    Channel(id=0, name="c", models=("off",), enabled=False),
)


class Catalog:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def price(self, model: str) -> Price | None:
        self.asked.append(model)
        return Price(input=3, cache_read=0) if model == "known" else None


def routes(storage: SQLStorage, catalog: Catalog | None = None, unknown: UnknownModel = "refuse") -> Prices:
    return Prices(
        SQLPrices(storage),
        storage,
        declared={"fixed": Price(per_call=NANO), "fix-*": Price(input=1)},
        groups=[Group(name="staff", ratio=0)],
        catalog=catalog or Catalog(),
        unknown=unknown,
        default=Price(input=7),
    )


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SQLStorage]:
    async with SQLStorage(f"sqlite:///{tmp_path / 'a.db'}") as storage:
        for channel in CHANNELS:
            await storage.save_channel(channel)
        await storage.set_price("gpt-4o*", Price(input=5 * NANO // 2, output=10 * NANO))
        yield storage


@pytest.fixture
def events() -> Written:
    return Written()


@pytest.fixture
async def client(storage: SQLStorage, events: Written) -> AsyncIterator[httpx2.AsyncClient]:
    async with asked(routes(storage).routes(), events) as client:
        yield client


def sources(answer: httpx2.Response) -> dict[str, tuple[str, str]]:
    return {row["model"]: (row["source"], row["matched"]) for row in answer.json()["data"]}


async def test_every_price_says_where_it_is_from(client: httpx2.AsyncClient) -> None:
    own = {
        "fix-*": ("settings", "fix-*"),
        "fixed": ("settings", "fixed"),
        "gpt-4o": ("set", "gpt-4o*"),
        "gpt-4o*": ("set", "gpt-4o*"),
        "mine": ("set", "gpt-4o*"),
    }
    other = {
        "hidden": ("policy", ""),
        "known": ("catalog", "known"),
        "nobody's": ("policy", ""),
        "off": ("policy", ""),
    }
    assert sources(await client.get("/price?page_size=100")) == dict(sorted((own | other).items()))
    assert sources(await client.get("/price?own=true")) == own
    assert sources(await client.get("/price?own=false")) == other
    answer = await client.get("/price?page_size=2&p=1&keyword=o")
    assert (answer.json()["total"], list(sources(answer))) == (5, ["known", "nobody's"])


async def test_the_catalog_is_asked_once_for_a_model(storage: SQLStorage) -> None:
    catalog = Catalog()
    async with asked(routes(storage, catalog).routes()) as client:
        for _ in range(3):
            await client.get("/price?page_size=100")
    assert sorted(catalog.asked) == ["hidden", "known", "mine", "nobody's", "off"]


@pytest.mark.parametrize(("unknown", "shown"), [("refuse", None), ("free", "0"), ("default", "0.000000007")])
async def test_what_the_policy_says(storage: SQLStorage, unknown: UnknownModel, shown: str | None) -> None:
    async with asked(routes(storage, unknown=unknown).routes()) as client:
        row = (await client.get("/price/anything/at-all")).json()["data"]
    assert (row["source"], row["input"], row["model"]) == ("policy", shown, "anything/at-all")


@pytest.mark.parametrize(
    ("group", "ratio", "shown"), [("", "1", "2.5"), ("vip", "0.8", "2"), ("staff", "0", "0"), ("other", "1", "2.5")]
)
async def test_what_a_group_pays(
    storage: SQLStorage, client: httpx2.AsyncClient, group: str, ratio: str, shown: str
) -> None:
    await storage.set_group(Group(name="vip", ratio=8 * NANO // 10))
    row = (await client.get(f"/price/mine?group={group}")).json()["data"]
    assert (row["ratio"], row["input"], row["cache_read"], row["source"]) == (ratio, shown, None, "set")


async def test_users_see_the_models_of_their_group_and_what_they_pay(
    storage: SQLStorage, client: httpx2.AsyncClient
) -> None:
    await storage.set_group(Group(name="default", ratio=NANO // 2))
    answer = await client.get("/pricing", headers=as_(Role.COMMON, 2, "ann"))
    assert [row["model"] for row in answer.json()["data"]] == ["gpt-4o", "known", "mine", "nobody's"]
    row = answer.json()["data"][0]
    assert (row["input"], row["output"], row["ratio"]) == ("1.25", "5", "0.5")
    known = answer.json()["data"][1]
    assert (known["input"], known["cache_read"], known["cache_write"]) == ("0.0000000015", "0", None)
    assert (await client.get("/price", headers=as_(Role.COMMON, 2, "ann"))).json()["code"] == "role_too_low"


TIERED: dict[str, Any] = {
    "input": "1.25", "output": 10, "cache_read": 0.125, "max_output": 8192,
    "tiers": [{"above": 200_000, "input": 2.5, "output": 15, "cache_read": 0}],
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_a_price_through_its_life(kind: Kind, tmp_path: Path, prepared: Prepared) -> None:
    events = Written()
    with prepared(kind, tmp_path) as url:
        async with SQLStorage(url) as storage, asked(routes(storage).routes(), events) as client:
            before = (await storage.pulse()).revision
            row = (await client.put("/price/a/b-*", json=TIERED)).json()["data"]
            assert (row["model"], row["source"], row["cache_read"]) == ("a/b-*", "set", "0.125")
            tier = Tier(200_000, Price(input=2_500_000_000, output=15 * NANO, cache_read=0))
            price = Price(input=1_250_000_000, output=10 * NANO, cache_read=125_000_000, max_output=8192, tiers=(tier,))
            assert await storage.list_prices() == {"a/b-*": price}
            assert (await client.put("/price/a/b-*", json=row)).json()["data"] == row
            assert await storage.list_prices() == {"a/b-*": price}
            batch = {"prices": {"a/b-*": None, "x": {"per_call": 1}, "y": {"input": 0}}}
            assert (await client.post("/price/batch", json=batch)).json()["data"] == 3
            assert await storage.list_prices() == {"x": Price(per_call=NANO), "y": Price()}
            assert (await client.delete("/price/x")).status_code == 200
            assert (await client.delete("/price/x")).json()["code"] == "price_not_found"
            assert await storage.list_prices() == {"y": Price()}
            assert (await storage.pulse()).revision == before + 4
    assert [(event.action, event.target) for event in events.events] == [
        *[("price.set", "price a/b-*")] * 2, ("price.batch", ""), ("price.delete", "price x")]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("PUT", "/price/m", {}, "invalid_price"),
        ("PUT", "/price/m", {"max_output": 5}, "invalid_price"),
        ("PUT", "/price/m", {"input": -1}, "invalid_price"),
        ("PUT", "/price/m", {"input": "0.0000000001"}, "invalid_price"),
        ("PUT", "/price/m", {"input": "NaN"}, "invalid_price"),
        ("PUT", "/price/m", {"input": 1, "max_output": 0}, "invalid_price"),
        ("PUT", "/price/m", {"input": 1, "output": 1, "tiers": [{"above": 5, "input": 1}]}, "invalid_price"),
        ("PUT", "/price/m", {"input": True}, "invalid_body"),
        ("PUT", "/price/m", {"inptu": 1}, "unknown_field"),
        ("PUT", f"/price/{'m' * 256}", {"input": 1}, "invalid_model"),
        ("PUT", "/price/fixed", {"input": 1}, "price_declared"),
        ("DELETE", "/price/fixed", None, "price_declared"),
        ("POST", "/price/batch", {"prices": {}}, "invalid_body"),
        ("POST", "/price/batch", {"prices": {"a": {"input": 1}, "b": None}}, "price_not_found"),
        ("POST", "/price/batch", {"prices": {"a": {"input": 1}, "b": {"input": -1}}}, "invalid_price"),
        ("POST", "/price/batch", {"prices": {"a": {"input": 1}, "fix-*": None}}, "price_declared"),
    ],
)
async def test_what_is_refused_changes_nothing(
    storage: SQLStorage, client: httpx2.AsyncClient, events: Written, method: str, path: str, body: object, code: str
) -> None:
    before = await storage.list_prices()
    answer = await client.request(method, path, json=body)
    assert answer.json()["code"] == code
    assert await storage.list_prices() == before
    assert events.events == []


@pytest.mark.parametrize("role", [Role.COMMON, Role.ADMIN])
async def test_root_alone_sets_prices(storage: SQLStorage, client: httpx2.AsyncClient, role: Role) -> None:
    before, who = await storage.list_prices(), as_(role, 2, "ann")
    answers = [
        await client.put("/price/m", json={"input": 1}, headers=who),
        await client.delete("/price/gpt-4o*", headers=who),
        await client.post("/price/batch", json={"prices": {"m": {"input": 1}}}, headers=who),
    ]
    assert [answer.json()["code"] for answer in answers] == ["role_too_low"] * 3
    assert await storage.list_prices() == before


@pytest.mark.parametrize(
    ("amount", "places", "text"),
    [(0, 9, "0"), (1, 9, "0.000000001"), (NANO, 9, "1"), (12 * NANO + NANO // 2, 9, "12.5"), (10**18 * 7, 18, "7"),
     (10**30 + 1, 18, "1000000000000.000000000000000001")],
)  # fmt: skip
def test_decimals_are_exact(amount: int, places: int, text: str) -> None:
    assert decimal_of(amount, places) == text
