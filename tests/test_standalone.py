"""The gateway and its administration as one app: which of them answers, and that both live as long as it does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from oneapi_asgi.app import create_app
from oneapi_asgi.models import Channel
from oneapi_asgi.settings import load_settings
from oneapi_asgi.standalone import Standalone, is_administrative


@pytest.mark.parametrize(
    ("path", "administrative"),
    [
        ("/api", True),
        ("/api/", True),
        ("/api/user/", True),
        ("/api/channel/test/1", True),
        ("/api/nothing", True),
        ("/api/chat", False),
        ("/api/chat/", False),
        ("/api/generate", False),
        ("/api/embed", False),
        ("/api/tags", False),
        ("/apis", False),
        ("/v1/models", False),
        ("/v1/api/user", False),
        ("/healthz", False),
        ("/", False),
    ],
)
def test_whose_a_path_is(path: str, administrative: bool) -> None:
    assert is_administrative(path) is administrative


def app_of(folder: Path, **environ: str) -> Any:
    return create_app(load_settings(None, {"ONEAPI_STORAGE__URL": f"sqlite:///{folder / 'a.db'}", **environ}))


async def got(app: Any, path: str, root_path: str = "") -> httpx2.Response:
    transport = httpx2.ASGITransport(app=app, root_path=root_path)
    async with httpx2.AsyncClient(transport=transport, base_url="http://a") as client:
        return await client.get(path)


@pytest.mark.parametrize("root", ["", "/llm"])
async def test_both_answer_while_it_lives_and_neither_else(tmp_path: Path, root: str) -> None:
    app = app_of(tmp_path)
    assert isinstance(app, Standalone)
    for path in ("/api/status", "/v1/models"):
        assert (await got(app, root + path, root)).status_code == 503
    async with app.opened():
        status = await got(app, f"{root}/api/status", root)
        assert (status.status_code, status.json()["success"]) == (200, True)
        refused = await got(app, f"{root}/v1/models", root)
        assert (refused.status_code, "error" in refused.json()) == (401, True)
        ollama = await got(app, f"{root}/api/tags", root)
        assert (ollama.status_code, isinstance(ollama.json()["error"], str)) == (401, True)
    assert (await got(app, f"{root}/api/status", root)).status_code == 503


@pytest.mark.parametrize(
    "environ", [{"ONEAPI_STORAGE__URL": "memory:"}, {"ONEAPI_ADMIN__ENABLED": "false"}], ids=["memory", "off"]
)
async def test_without_an_administration_there_is_nothing_there(tmp_path: Path, environ: Mapping[str, str]) -> None:
    app = app_of(tmp_path, **environ)
    assert not isinstance(app, Standalone)


@pytest.mark.parametrize("disable_on", ["[]", '["401"]'])
async def test_a_channel_that_is_out_or_off_is_told(
    tmp_path: Path, disable_on: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of the two the gateway does: it tells the alerts of the administration."""
    app = app_of(tmp_path, ONEAPI_ROUTING__DISABLE_ON=disable_on)
    told: list[str] = []
    monkeypatch.setattr(app.administration._alerts, "tell", lambda alert: told.append(alert.kind))
    channel = Channel(id=0, name="a", models=("m",))
    async with app.opened():
        saved = await app.gateway.storage.save_channel(channel)
        health = app.gateway.pool.health
        monkeypatch.setattr(health, "exhausted", lambda _: [frozenset({"401"})])
        for watcher in health._watchers:
            watcher(saved)
        await until(lambda: bool(told))
    assert told == (["channel_disabled"] if disable_on != "[]" else ["channel_out"])


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - of any kind
            await asyncio.sleep(0.01)
