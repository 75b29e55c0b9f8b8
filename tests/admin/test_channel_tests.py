"""Channels tried out by the routes, against a real upstream; what they offer, and what is left of their accounts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from proxying import proxy

from oneapi_asgi.admin.channel_balances import ChannelBalances
from oneapi_asgi.admin.channel_hosts import ChannelHosts
from oneapi_asgi.admin.channel_models import ChannelModels
from oneapi_asgi.admin.channel_tests import ChannelTests
from oneapi_asgi.admin.channels import Channels
from oneapi_asgi.admin.fetching import Fetcher
from oneapi_asgi.admin.openapi import document
from oneapi_asgi.admin.rounds import Rounds
from oneapi_asgi.admin.routes import Route
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.genai import GenaiPrices
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.channels import SQLChannels
from oneapi_asgi.testing import Answer, FakeUpstream
from oneapi_asgi.upstream import AddressGuard
from oneapi_asgi.upstream.httptools import HttptoolsUpstream

from .net import LOOPBACK, Asked, listening
from .net import Answer as Said
from .rig import Written, as_, asked

ADMIN = as_(Role.ADMIN, 2, "ann")
KEY, OTHER = "sk-0123456789abcdef", "sk-fedcba9876543210"


class House:
    def __init__(self, client: httpx2.AsyncClient, fake: FakeUpstream, events: Written, routes: list[Route]) -> None:
        self.client = client
        self.fake = fake
        self.events = events
        self.routes = routes

    async def made(self, name: str = "a", **body: object) -> int:
        said = {"name": name, "type": 1, "key": KEY, "base_url": self.fake.root, "models": "gpt-4o", **body}
        answer = await self.client.post("/channel/", json=said)
        assert answer.status_code == 200, answer.text
        number: int = answer.json()["data"][0]["id"]
        return number

    async def row(self, number: int) -> dict[str, Any]:
        row: dict[str, Any] = (await self.client.get(f"/channel/{number}")).json()["data"]
        return row

    async def ended(self, path: str) -> dict[str, Any]:
        """How the round stands once it has ended."""
        async with asyncio.timeout(20):
            while True:
                state: dict[str, Any] = (await self.client.get(path)).json()["data"]
                if not state["running"]:
                    return state
                await asyncio.sleep(0.01)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        storage = await stack.enter_async_context(SQLStorage(f"sqlite:///{tmp_path / 'a.db'}"))
        fake = await stack.enter_async_context(FakeUpstream())
        out = await stack.enter_async_context(HttptoolsUpstream(guard=AddressGuard(LOOPBACK)))
        rounds = await stack.enter_async_context(Rounds())
        store, hosts, events = SQLChannels(storage), ChannelHosts(allow=LOOPBACK), Written()
        routes = [
            *ChannelTests(store, out, rounds).routes(),
            *ChannelBalances(store, Fetcher(out, allow=LOOPBACK), rounds).routes(),
            *ChannelModels(store, out, hosts, catalog=GenaiPrices()).routes(),
            *Channels(store, hosts).routes(),
        ]
        client = await stack.enter_async_context(asked(routes, events))
        yield House(client, fake, events, routes)


async def test_a_test_is_timed_and_noted(house: House) -> None:
    number = await house.made(models="gpt-*,gpt-4o", model_mapping={"gpt-4o": "prod"})
    answer = (await house.client.post(f"/channel/test/{number}", headers=ADMIN)).json()
    assert (answer["success"], answer["message"], answer["modelName"]) == (True, "", "prod")
    assert (answer["data"]["told"], bool(answer["data"]["answer"])) == ("200 answered by prod", True)
    assert 0 <= answer["time"] < 60
    row = await house.row(number)
    assert (row["response_time"], row["test_error"]) == (round(answer["time"] * 1000), "")
    assert row["test_time"] > 1e9
    await house.client.post(f"/channel/test/{number}?model=o3&stream=true")
    assert [json.loads(entry.body)["model"] for entry in house.fake.journal] == ["prod", "o3"]
    assert [json.loads(entry.body).get("stream", False) for entry in house.fake.journal] == [False, True]
    event = house.events.events[-1]
    assert (event.kind, event.action, event.target) == ("test", "channel.test", f"channel {number}")
    assert "it served" in event.text
    await house.client.put("/channel/", json={"id": number, "test_model": "o1"})
    await house.client.post(f"/channel/test/{number}")
    assert json.loads(house.fake.journal[-1].body)["model"] == "o1"


async def test_a_test_that_fails_says_why(house: House) -> None:
    number = await house.made()
    house.fake.script(Answer(status=401, parts=((b'{"error":{"message":"bad key ' + KEY.encode() + b'"}}', 0.0),)))
    answer = await house.client.post(f"/channel/test/{number}")
    assert (answer.status_code, answer.json()["success"]) == (200, False)
    assert (answer.json()["message"], answer.json()["data"]["error"]) == ("401 bad key …", "http_401")
    row = await house.row(number)
    assert (row["test_error"], row["status"]) == ("http_401", 1)
    assert "bad key" not in house.events.events[-1].text


async def test_which_key_is_tested(house: House) -> None:
    number = await house.made(keys=[KEY, OTHER])
    await house.client.put(f"/channel/{number}/keys", json={"disable": [0]})
    await house.client.post(f"/channel/test/{number}")
    await house.client.post(f"/channel/test/{number}?key=0")
    assert [entry.header("authorization") for entry in house.fake.journal] == [f"Bearer {OTHER}", f"Bearer {KEY}"]
    assert (await house.client.post(f"/channel/test/{number}?key=2")).json()["code"] == "key_not_found"
    globs = await house.made("b", models="gpt-*")
    assert (await house.client.post(f"/channel/test/{globs}")).json()["code"] == "model_required"
    assert (await house.client.post("/channel/test/99")).json()["code"] == "channel_not_found"
    assert (await house.client.get(f"/channel/test/{number}")).status_code == 405, "a test is no reading"


async def test_all_are_tested_in_the_background(house: House) -> None:
    numbers = [await house.made(name) for name in "abcdefg"]
    globs = await house.made("globs", models="*")
    off = await house.made("off", status=2)
    house.fake.script(Answer(status=500, parts=((b"{}", 0.0),), wait=0.2))
    begun = (await house.client.post("/channel/test?scope=enabled")).json()["data"]
    assert (begun["running"], begun["total"]) == (True, 8)
    again = await house.client.post("/channel/test")
    assert (again.status_code, again.json()["code"]) == (409, "in_progress")
    state = await house.ended("/channel/test/state")
    assert (state["done"], state["failed"], state["ended_at"] >= state["started_at"] > 0) == (8, 2, True)
    rows = [await house.row(number) for number in numbers]
    assert sorted(row["test_error"] for row in rows) == [""] * 6 + ["http_500"]
    assert ((await house.row(globs))["test_error"], (await house.row(off))["test_time"]) == ("no_model", 0)
    await house.client.post("/channel/test?scope=disabled")
    assert (await house.ended("/channel/test/state"))["total"] == 1
    assert (await house.row(off))["test_time"] > 0


async def test_rounds_that_were_not_started_refuse() -> None:
    class Nobody:
        async def all_channels(self) -> Sequence[object]:
            return []

    tests = ChannelTests(Nobody(), None, Rounds())  # type: ignore[arg-type]
    async with asked(tests.routes()) as client:
        answer = await client.post("/channel/test")
    assert (answer.status_code, "async with rounds" in answer.json()["message"]) == (503, True)


async def went(rounds: Rounds) -> None:
    async with asyncio.timeout(10):
        while True:
            if not rounds.state("x").running:
                return
            await asyncio.sleep(0)


async def test_a_job_that_fails_ends_no_round() -> None:
    async def broken() -> bool:
        raise RuntimeError

    async def well() -> bool:
        return True

    async with Rounds(together=1) as rounds:
        rounds.begin("x", [broken, well])
        await went(rounds)
        assert (rounds.state("x").done, rounds.state("x").failed) == (2, 1)
        rounds.begin("x", [])
        await went(rounds)


async def test_models_of_an_upstream(house: House) -> None:
    number = await house.made()
    models = ["gpt-4o", "gpt-4o-mini", "text-embedding-3-small"]
    assert (await house.client.get(f"/channel/fetch_models/{number}")).json()["data"] == models
    draft = {"type": 1, "base_url": house.fake.root, "key": OTHER}
    answer = await house.client.post("/channel/fetch_models", json=draft, headers=ADMIN)
    assert answer.json()["data"] == models
    assert house.fake.journal[-1].header("authorization") == f"Bearer {OTHER}"
    house.fake.script(Answer(status=403, parts=((b"{}", 0.0),)))
    failed = await house.client.get(f"/channel/fetch_models/{number}")
    assert (failed.status_code, failed.json()["code"]) == (502, "upstream_failed")
    elsewhere = await house.client.post("/channel/fetch_models", json={**draft, "base_url": "https://x.test"},
                                        headers=ADMIN)  # fmt: skip
    assert elsewhere.json()["code"] == "new_host"
    inside = await house.client.post("/channel/fetch_models", json={**draft, "base_url": "http://169.254.169.254"})
    assert inside.json()["code"] == "host_refused"


async def test_models_and_types_that_are_known(house: House) -> None:
    await house.made(models="own,gpt-4o")
    by_type = (await house.client.get("/models", headers=as_(Role.COMMON, 3, "bob"))).json()["data"]
    assert "gpt-4o" in by_type["1"]
    assert [name for name in by_type["14"] if name.startswith("claude")]
    assert by_type["50"] == []
    listed = (await house.client.get("/channel/models")).json()
    owners = {row["id"]: row["owned_by"] for row in listed["data"]}
    assert (listed["object"], owners["own"]) == ("list", "openai")
    types = {row["provider"]: row for row in (await house.client.get("/channel/types")).json()["data"]}
    assert (types["azure"]["type"], types["azure"]["base_url"], types["voyage"]["type"]) == (3, "", 50)
    assert types["bedrock"]["options"]["region"].startswith("required:")


async def test_balances(house: House) -> None:
    def site(request: Asked) -> Said:
        answers: Mapping[str, object] = {
            "/user/balance": {"balance_infos": [{"currency": "CNY", "total_balance": "1.5"}]},
            "/v1/users/me/balance": {"data": {}},
        }
        known = request.headers.get("authorization") == f"Bearer {KEY}" and request.path in answers
        return (200, {}, json.dumps(answers[request.path]).encode()) if known else (401, {}, b"{}")

    async with listening(site) as url:
        deepseek = await house.made("deepseek", provider="deepseek", type=36, base_url=url)
        moonshot = await house.made("moonshot", provider="moonshot", type=25, base_url=url)
        refused = await house.made("refused", provider="deepseek", type=36, base_url=url, key=OTHER)
        silent = await house.made("silent")

        async def update(number: int) -> tuple[int, dict[str, Any]]:
            answer = await house.client.post(f"/channel/update_balance/{number}", headers=ADMIN)
            return answer.status_code, answer.json()

        status, told = await update(deepseek)
        assert (status, told["success"], told["balance"], told["data"]["currency"]) == (200, True, 1.5, "CNY")
        assert (await update(moonshot))[1]["message"].endswith("the answer says nothing of a balance.")
        assert (await update(refused))[1]["code"] == "upstream_failed"
        assert (await update(silent))[1]["code"] == "balance_unknown"
        row = await house.row(deepseek)
        assert (row["balance"], row["balance_currency"], row["balance_updated_time"] > 1e9) == (1.5, "CNY", True)
        assert (await house.row(moonshot))["balance_updated_time"] == 0
        assert house.events.events[-1].detail == {"balance": 1.5, "currency": "CNY"}
        assert (await house.client.post("/channel/update_balance")).json()["data"]["total"] == 3
        state = await house.ended("/channel/update_balance/state")
        assert (state["done"], state["failed"]) == (3, 2)


async def test_a_balance_is_asked_for_on_the_way_of_calls(house: House) -> None:
    """Through the channel's proxy, and not around it."""

    def site(request: Asked) -> Said:
        return 200, {}, b'{"balance_infos": [{"currency": "CNY", "total_balance": "2"}]}'

    async with listening(site) as url, proxy() as way:
        number = await house.made("d", provider="deepseek", type=36, base_url=url, proxy=way.url())
        answer = (await house.client.post(f"/channel/update_balance/{number}", headers=ADMIN)).json()
        assert (answer["success"], answer["balance"]) == (True, 2.0)
        (head,) = way.asked
        assert head.startswith(f"GET {url}/user/balance ".encode())


async def test_every_route_is_described(house: House) -> None:
    described = document(house.routes, version="1")
    found = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    assert found == {(route.method, route.path) for route in house.routes}


async def test_nobody_below_an_administrator_may(house: House) -> None:
    for route in house.routes:
        path = route.path.replace("{id}", "1")
        answer = await house.client.request(route.method, path, headers=as_(Role.COMMON, 3, "bob"), json={})
        assert (answer.status_code == 403) == (path != "/models"), (route.method, path)
    assert house.fake.journal == []
