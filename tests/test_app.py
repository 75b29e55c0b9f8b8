"""The standalone app: what the settings say is what the gateway does, and browsers may call it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from oneapi_asgi.app import app_from_environ, create_app, create_gateway
from oneapi_asgi.health import CoolDown, Unjudged
from oneapi_asgi.settings import load_settings
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


@pytest.mark.parametrize(("value", "kind"), [("true", CoolDown), ("false", Unjudged)])
def test_cool_down_can_be_switched_off(config: Path, value: str, kind: type[object]) -> None:
    settings = load_settings(config, {"ONEAPI_ROUTING__COOL_DOWN": value})
    assert isinstance(create_gateway(settings).pool.health, kind)


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
