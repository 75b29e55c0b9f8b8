"""How the channels stand, and who may see it."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from oneapi_asgi import Channel, Ejection, Gateway, MemoryStorage, Secret, Standing, Trial
from oneapi_asgi.health import FIT
from oneapi_asgi.keys import key_digest
from oneapi_asgi.models import Candidate, TokenDraft
from oneapi_asgi.standing import ChannelStanding, KeyStanding, ModelStanding, snapshot
from oneapi_asgi.testing import StreamingClient

ROOT, ANN = "sk-root" + "r" * 40, "sk-ann" + "a" * 40
FIRST = Channel(id=1, name="first", api_keys=(Secret("sk-upstream-one"), Secret("sk-upstream-two")))
SECOND = Channel(id=2, name="second", provider="ollama", enabled=False, disabled_because="401")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Steady(random.Random):
    def random(self) -> float:
        return 0.0


def begin(health: Ejection, key: int = 0, model: str = "m") -> Trial:
    trial = health.begin(Candidate(FIRST, key, model), forced=True)
    assert not isinstance(trial, Standing)
    return trial


def test_at_first_nothing_is_known() -> None:
    assert snapshot([SECOND, FIRST], Ejection()) == (
        ChannelStanding(
            id=1,
            name="first",
            enabled=True,
            disabled_because="",
            in_flight=0,
            keys=(KeyStanding(key=0), KeyStanding(key=1)),
        ),
        ChannelStanding(
            id=2, name="second", enabled=False, disabled_because="401", in_flight=0, keys=(KeyStanding(key=0),)
        ),
    )


def test_what_is_known_of_a_channel() -> None:
    clock = Clock()
    health = Ejection(clock=clock, rng=Steady())
    begin(health).content(0.12345)
    begin(health, model="o3")
    for _ in range(3):
        begin(health, 1).failed("auth")
    begin(health).failed("rate", retry_after=7)
    clock.now += 2
    (found,) = snapshot([FIRST], health)
    assert found.in_flight == 2
    assert found.keys == (
        KeyStanding(
            key=0,
            models=(
                ModelStanding(model="m", state="cooling", cause="rate", wait=5.0, in_flight=1, latency=0.119),
                ModelStanding(model="o3", state="fit", in_flight=1, latency=2.0),
            ),
        ),
        KeyStanding(
            key=1,
            state="out",
            cause="auth",
            wait=28.0,
            failures=3,
            ejections=1,
            models=(ModelStanding(model="m", state="out", cause="auth", wait=28.0, failures=3, ejections=1),),
        ),
    )


class Silent:
    """A health that tells nothing of itself."""

    calm = True

    def standing(self, channel: Channel, key: int, model: str) -> Standing:
        return FIT

    def begin(self, candidate: Candidate, *, forced: bool = False) -> Trial | Standing:
        return FIT

    def in_flight(self, channel: Channel, key: int, model: str) -> int:
        return 0

    def latency(self, channel: Channel, key: int, model: str) -> float | None:
        return None


def test_of_a_health_that_tells_nothing_nothing_is_known() -> None:
    (found,) = snapshot([FIRST], Silent())
    assert found.keys == (KeyStanding(key=0), KeyStanding(key=1))


# --- the page ---------------------------------------------------------------------------------------------------------


class Broken(MemoryStorage):
    broken = False

    async def pulse(self) -> Any:
        if self.broken:
            raise ConnectionError
        return await super().pulse()


@pytest.fixture
async def gateway() -> Gateway:
    storage = Broken(channels=[FIRST, SECOND])
    await storage.add_user("ann")
    await storage.add_token(TokenDraft(name="root", digest=key_digest(ROOT)))
    await storage.add_token(TokenDraft(name="ann", digest=key_digest(ANN), user="ann"))
    return Gateway(storage, poll_interval=0.0)


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[StreamingClient]:
    async with StreamingClient(gateway) as client:
        yield client


PATH = "/healthz/channels"


@pytest.mark.parametrize("root", ["", "/llm"])
async def test_those_who_run_the_gateway_see_it(gateway: Gateway, client: StreamingClient, root: str) -> None:
    assert isinstance(gateway.pool.health, Ejection)
    begin(gateway.pool.health).content(0.5)
    answer = await client.request("GET", PATH, headers={"authorization": f"Bearer {ROOT}"}, root_path=root)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    first, second = answer.json()["channels"]
    assert (first["name"], first["enabled"], first["in_flight"]) == ("first", True, 1)
    assert [(key["key"], key["state"], len(key["models"])) for key in first["keys"]] == [(0, "fit", 1), (1, "fit", 0)]
    assert (second["name"], second["enabled"], second["disabled_because"]) == ("second", False, "401")
    assert "sk-" not in json.dumps(answer.json())


@pytest.mark.parametrize(
    ("method", "key", "status", "code"),
    [
        ("GET", "", 401, "missing_api_key"),
        ("GET", "sk-wrong", 401, "invalid_api_key"),
        ("GET", ANN, 403, "permission_denied"),
        ("POST", ROOT, 405, "method_not_allowed"),
    ],
)
async def test_others_do_not(client: StreamingClient, method: str, key: str, status: int, code: str) -> None:
    answer = await client.request(method, PATH, headers={"authorization": f"Bearer {key}"} if key else {})
    assert (answer.status, answer.json()["error"]["code"]) == (status, code)
    assert b"first" not in answer.body


async def test_head(client: StreamingClient) -> None:
    answer = await client.request("HEAD", PATH, headers={"authorization": f"Bearer {ROOT}"})
    assert (answer.status, answer.body) == (200, b"")


async def test_while_the_storage_does_not_answer(gateway: Gateway, client: StreamingClient) -> None:
    assert isinstance(gateway.storage, Broken)
    headers = {"authorization": f"Bearer {ROOT}"}
    assert (await client.request("GET", PATH, headers=headers)).status == 200
    gateway.storage.broken = True
    answer = await client.request("GET", PATH, headers=headers)
    assert answer.status == 503
