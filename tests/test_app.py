"""The standalone app: what the settings say is what the gateway does, and browsers may call it."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from servers.databases import server_of

from oneapi_asgi.app import (
    _database,
    announcer,
    app_from_environ,
    create_app,
    create_gateway,
    open_shared,
    open_storage,
)
from oneapi_asgi.errors import NotStarted
from oneapi_asgi.gateway import Gateway
from oneapi_asgi.health import Standing
from oneapi_asgi.models import CallRecord, Candidate, Channel
from oneapi_asgi.queries import RecordQuery
from oneapi_asgi.settings import Settings, StorageSettings, load_settings
from oneapi_asgi.settings.urls import SecretUrl
from oneapi_asgi.storage.memory import MemoryStorage
from oneapi_asgi.testing import StreamingClient

CONFIG = """
[storage]
url = "memory:"

[[channels]]
name = "main"
provider = "openai"
api_key = "sk-upstream"
models = ["gpt-4o-mini"]

[[tokens]]
name = "ann"
key = "sk-of-ann"
"""

ANN = {"authorization": "Bearer sk-of-ann"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "oneapi.toml"
    path.write_text(CONFIG)
    return path


async def test_declared_channels_and_tokens_serve(config: Path) -> None:
    async with StreamingClient(create_app(load_settings(config, {}))) as client:
        answer = await client.request("GET", "/v1/models", headers=ANN)
        assert [model["id"] for model in answer.json()["data"]] == ["gpt-4o-mini"]
        assert "access-control-allow-origin" not in dict(answer.headers)


async def test_browsers_may_call_from_any_page(config: Path) -> None:
    page = {"origin": "https://chat.example"}
    async with StreamingClient(create_app(load_settings(config, {}))) as client:
        asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
        preflight = await client.request("OPTIONS", "/v1/chat/completions", headers=page | asked)
        assert (preflight.status, dict(preflight.headers)["access-control-allow-origin"]) == (200, "*")
        answer = await client.request("GET", "/v1/models", headers=page | ANN)
        headers = dict(answer.headers)
        assert headers["access-control-allow-origin"] == "*"
        assert "x-request-id" in headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in headers


@pytest.mark.parametrize(("value", "judged"), [("true", True), ("false", False)])
def test_cool_down_can_be_switched_off(config: Path, value: str, *, judged: bool) -> None:
    settings = load_settings(config, {"ONEAPI_ROUTING__COOL_DOWN": value})
    health = create_gateway(settings).pool.health
    for _ in range(5):
        trial = health.begin(Candidate(Channel(id=1, name="c"), 0, "m"))
        assert not isinstance(trial, Standing)
        trial.failed("server")
    assert health.calm is not judged


@pytest.fixture
def _collector() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("_collector")
async def test_a_worker_process_finds_its_settings(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEAPI_CONFIG", str(config))
    async with StreamingClient(app_from_environ()) as client:
        assert (await client.request("GET", "/v1/models", headers=ANN)).status == 200


async def test_what_replicas_share_is_opened_with_the_gateway(config: Path) -> None:
    settings = load_settings(config, {"ONEAPI_STORAGE__REDIS": "redis://:hunter2@127.0.0.1:1/0"})  # nobody is there
    shared = open_shared(settings)
    assert shared is not None
    with pytest.raises(NotStarted):
        _ = shared.up
    async with StreamingClient(create_app(settings)) as client:
        assert (await client.request("GET", "/v1/models", headers=ANN)).status == 200
    announce = announcer(settings)
    assert announce is not None
    await announce(7)
    assert announcer(load_settings(config, {})) is None
    assert open_shared(load_settings(config, {})) is None


@pytest.mark.parametrize(("workers", "replicas", "admitted"), [(1, 1, 8), (2, 1, 4), (2, 2, 2), (256, 1, 1)])
async def test_without_redis_each_process_counts_its_part(
    tmp_path: Path, workers: int, replicas: int, admitted: int
) -> None:
    path = tmp_path / "oneapi.toml"
    path.write_text(f"""
[server]
workers = {workers}
[storage]
url = "sqlite:///{tmp_path}/oneapi.db"
replicas = {replicas}
[[limits]]
scope = "token"
requests_per_minute = 8
[[tokens]]
name = "ann"
key = "sk-of-ann"
""")
    async with StreamingClient(create_app(load_settings(path, {}))) as client:
        call = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        answers = [
            await client.request("POST", "/v1/chat/completions", headers=ANN, json=call) for _ in range(admitted + 1)
        ]
    assert [answer.status for answer in answers] == [404] * admitted + [429]
    assert [dict(answer.headers)["x-ratelimit-remaining-requests"] for answer in answers[-2:]] == ["0", "0"]


async def test_old_records_are_deleted_after_the_days_that_the_settings_say(tmp_path: Path) -> None:
    day = 86_400.0
    path = tmp_path / "oneapi.toml"
    path.write_text(f'[storage]\nurl = "sqlite:///{tmp_path}/oneapi.db"\nretention_days = 30\n')
    settings = load_settings(path, {})
    records = [CallRecord(id=f"r{days}", at=time.time() - days * day, operation="chat") for days in (1, 29, 31, 400)]
    async with open_storage(settings) as storage:
        await storage.write_records(records)
        async with create_gateway(settings), asyncio.timeout(5):
            while len((await storage.find_records(RecordQuery())).records) > 2:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        assert [record.id for record in (await storage.find_records(RecordQuery())).records] == ["r1", "r29"]


def test_a_storage_that_cannot_delete_records_is_told_at_once() -> None:
    class Forever(MemoryStorage):
        prune_records = None  # type: ignore[assignment]

    Gateway(Forever())
    with pytest.raises(TypeError, match="Forever cannot delete records"):
        Gateway(Forever(), keep_records=1.0)


@pytest.mark.parametrize(
    ("one", "another", "same"),
    [
        ("postgresql://a:old@one/db", "postgres://b:new@two:5433/db?sslmode=require", True),
        ("mysql://a:old@one/db", "mariadb://a:new@two/db", True),
        ("postgresql://a@one/db", "postgresql://a@one/other", False),
        ("postgresql://a@one/db", "mysql://a@one/db", False),
        ("sqlite:///oneapi.db", "sqlite:///./oneapi.db", True),
        ("sqlite:///oneapi.db", "sqlite:////elsewhere/oneapi.db", False),
    ],
)
def test_what_lies_beside_a_database_is_found_again_when_it_moves(one: str, another: str, same: bool) -> None:
    """Its spool and its keys in Redis, also after a change of host or password; those of others are not."""
    found = [_database(Settings(storage=StorageSettings(url=SecretUrl(url)))) for url in (one, another)]
    assert (found[0] == found[1]) is same
    assert found[0].isalnum()


async def test_gateways_on_two_databases_may_share_a_redis(tmp_path: Path) -> None:
    url = server_of("redis")
    settings = [
        load_settings(None, {"ONEAPI_STORAGE__URL": f"sqlite:///{tmp_path}/{name}.db", "ONEAPI_STORAGE__REDIS": url})
        for name in ("one", "one", "another")
    ]
    gateways = [open_shared(each) for each in settings]
    heard: list[list[str]] = [[], [], []]
    async with AsyncExitStack() as stack:
        for gateway, notes in zip(gateways, heard, strict=True):
            assert gateway is not None
            await stack.enter_async_context(gateway)
            gateway.notices.subscribe("revision", notes.append)
            await gateway.notices.listening()
        announce = announcer(settings[0])
        assert announce is not None
        async with asyncio.timeout(5):
            while not (heard[0] and heard[1]):
                await announce(7)
                await asyncio.sleep(0.02)
    assert heard[2] == []
