"""Ratios as options: what is set by them, what they leave alone, what they refuse."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers.databases import KINDS
from servers.prepared import Prepared

from oneapi_asgi.admin.options import OptionRoutes, Options
from oneapi_asgi.admin.ratios import PriceRatios
from oneapi_asgi.desk.ratios import (
    parse_ratios,
    ratios_from_prices,
    ratios_of_groups,
    revise_completions,
    revise_groups,
    revise_models,
    said_by_ratios,
    write_ratios,
)
from oneapi_asgi.models import NANO, Price, Tier
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.options import SQLOptions
from oneapi_asgi.storage.sql.desk.prices import SQLPrices
from oneapi_asgi.tariffs import Group

from .rig import asked

MINI = Price(input=150_000_000, output=600_000_000, max_output=4096)
CACHED = Price(input=NANO, output=NANO, cache_read=5)
PRICES = {"mini": MINI, "even": Price(input=NANO, output=NANO), "cached": CACHED, "free": Price()}


@pytest.fixture(params=KINDS)
async def storage(request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared) -> AsyncIterator[SQLStorage]:
    with prepared(request.param, tmp_path) as url:
        async with SQLStorage(url) as storage:
            yield storage


@pytest.fixture
async def client(storage: SQLStorage) -> AsyncIterator[httpx2.AsyncClient]:
    async with asked(OptionRoutes(Options(SQLOptions(storage)), PriceRatios(SQLPrices(storage))).routes()) as client:
        yield client


async def shown(client: httpx2.AsyncClient, name: str) -> dict[str, float]:
    rows = (await client.get("/option/")).json()["data"]
    (text,) = [row["value"] for row in rows if row["key"] == name]
    return dict(json.loads(text))


async def put(client: httpx2.AsyncClient, name: str, ratios: object) -> str:
    """The message of a refusal, "" where there is none."""
    answer = await client.put("/option/", json={"key": name, "value": json.dumps(ratios)})
    assert answer.status_code == (400 if answer.json()["message"] else 200)
    return str(answer.json()["message"])


async def test_ratios_are_prices_and_groups(storage: SQLStorage, client: httpx2.AsyncClient) -> None:
    for model, price in PRICES.items():
        await storage.set_price(model, price)
    await storage.set_group(Group(name="vip", ratio=8 * NANO // 10, note="friends"))
    before = (await storage.pulse()).revision
    assert await shown(client, "ModelRatio") == {"mini": 0.075, "even": 0.5, "free": 0}
    assert await shown(client, "CompletionRatio") == {"mini": 4}
    assert await shown(client, "GroupRatio") == {"vip": 0.8}
    assert await put(client, "ModelRatio", {"mini": 0.15, "even": 0.5, "new-*": 1.25}) == ""
    assert await put(client, "CompletionRatio", {"mini": 3, "new-*": 4}) == ""
    assert await put(client, "GroupRatio", {"vip": 0.75, "default": 1}) == ""
    assert await storage.list_prices() == {
        "mini": Price(input=300_000_000, output=900_000_000, max_output=4096),
        "even": PRICES["even"],
        "cached": CACHED,
        "new-*": Price(input=2_500_000_000, output=10 * NANO),
    }
    vip = Group(name="vip", ratio=3 * NANO // 4, note="friends")
    assert list(await storage.list_groups()) == [Group(name="default"), vip]
    assert (await storage.pulse()).revision == before + 3
    assert "cannot" not in await put(client, "ModelRatio", {})
    assert await storage.list_prices() == {"cached": CACHED}


@pytest.mark.parametrize(
    ("name", "ratios", "told"),
    [
        ("ModelRatio", {"cached": 1}, "whose price has what no ratio says (cache_read)"),
        ("ModelRatio", {"a": 1, "b": 0.12345678905}, "has 0.12345678905 for 'b', which is no price with nine decimals"),
        ("ModelRatio", {"a": 1, "b": 1e-12}, "; 0 is"),
        ("ModelRatio", {"a": -1}, "ratios are numbers from 0"),
        ("ModelRatio", {"a": "1"}, "ratios are numbers from 0"),
        ("ModelRatio", {"a\n": 1}, "names a model"),
        ("CompletionRatio", {"cached": 2}, "whose price has what no ratio says (cache_read)"),
        ("CompletionRatio", {"free": 2}, "set its ModelRatio first"),
        ("CompletionRatio", {"unknown": 2}, "set its ModelRatio first"),
        ("CompletionRatio", {"mini": 1e-30}, "makes the output of 'mini' free"),
        ("CompletionRatio", {"even": 1_000_000, "mini": 1_000_000}, ""),
        ("GroupRatio", {"vip": 1, "b": 0.0000000001}, "at most nine decimals"),
        ("GroupRatio", {"vip": 1, "b": 1001}, "it is 0 to 1000"),
        ("GroupRatio", {"": 1}, "ratios are numbers"),
    ],
)
async def test_what_ratios_cannot_say_is_refused_and_changes_nothing(
    tmp_path: Path, name: str, ratios: dict[str, object], told: str
) -> None:
    async with SQLStorage(f"sqlite:///{tmp_path / 'a.db'}") as storage:
        for model, price in PRICES.items():
            await storage.set_price(model, price)
        before = (await storage.list_prices(), await storage.list_groups())
        routes = OptionRoutes(Options(SQLOptions(storage)), PriceRatios(SQLPrices(storage))).routes()
        async with asked(routes) as client:
            message = await put(client, name, ratios)
        assert told in message
        assert bool(told) == ((await storage.list_prices(), await storage.list_groups()) == before)


RATE = st.integers(0, 2 * 10**15)
prices = st.dictionaries(
    st.sampled_from("abcd"),
    st.builds(Price, input=RATE, output=RATE, max_output=st.none() | st.just(9))
    | st.builds(Price, input=RATE, tiers=st.just((Tier(1, Price(input=1)),)), per_call=st.integers(0, 2)),
)


@given(prices)
def test_what_is_shown_may_be_written_and_changes_nothing(given_: dict[str, Price]) -> None:
    models, completions = (write_ratios(some) for some in ratios_from_prices(said_by_ratios(given_)))
    assert revise_models(given_, parse_ratios(models)) == {}
    few = {name: text for name, text in completions.items() if len(text.partition(".")[0]) < 7}
    if few == completions:
        assert revise_completions(given_, parse_ratios(completions)) == {}


@given(st.dictionaries(st.sampled_from("abc"), st.integers(0, 1000 * NANO)))
def test_groups_that_are_shown_may_be_written(ratios: dict[str, int]) -> None:
    groups = {name: Group(name=name, ratio=ratio, note="n") for name, ratio in ratios.items()}
    written = parse_ratios(write_ratios(ratios_of_groups(groups)))
    assert revise_groups(groups, written) == {}
    made = revise_groups({}, written)
    assert {name: group.ratio for name, group in made.items() if group} == ratios
