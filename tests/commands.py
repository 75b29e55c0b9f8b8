"""The commands, run in this process, in a folder and an environment of their own."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner, Result

from oneapi_asgi.app import open_storage
from oneapi_asgi.cli.root import root
from oneapi_asgi.ports import Storage
from oneapi_asgi.settings import Settings, find_config, load_settings

T = TypeVar("T")

KEY = "sk-upstream-0123456789"


def go_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Away from the settings of whoever runs the tests."""
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.startswith("ONEAPI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")


def run(*words: str, code: int = 0, typed: str = "", environ: Mapping[str, str] | None = None) -> Result:
    result = CliRunner().invoke(root, words, input=typed, env=environ, prog_name="oneapi-asgi")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def rows(*words: str) -> list[dict[str, Any]]:
    found = json.loads(run(*words, "--json").stdout)
    assert isinstance(found, list)
    return found


def stored(work: Callable[[Storage], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_storage(Settings()) as storage:
            return await work(storage)

    return asyncio.run(run())


def declared(text: str) -> None:
    """What the settings in this folder say from now on."""
    Path("oneapi.toml").write_text(text, encoding="utf-8")


def serve_once() -> None:
    """What the start of a gateway does to the storage."""
    settings = load_settings(find_config({}), {})
    stored(
        lambda storage: storage.declare(
            [section.channel() for section in settings.channels],
            [section.draft() for section in settings.tokens],
            [section.limit() for section in settings.limits],
        )
    )
