"""The real gateway with everything on: a token with a quota, limits, a price, a channel, a ledger and records."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .baselines import Absent, Place, Proxy
from .databases import empty, missing
from .processes import free_port, running
from .traffic import EXACT, MODEL, MODES, TOKEN

__all__ = ["gateway", "gateway_command", "gateway_on_postgres", "write_config"]

CONFIG = """
[storage]
url = "{storage}"

[outbound]
allow = ["127.0.0.0/8"]

[[channels]]
name = "bench"
provider = "openai"
base_url = "{upstream}/v1"
api_key = "sk-upstream-of-the-benchmark"
models = ["{model}"]

[[tokens]]
name = "bench"
key = "{token}"
quota_usd = 1000000

[[limits]]
scope = "token"
requests_per_minute = 1000000000
tokens_per_minute = 1000000000
concurrent_calls = 1000000

[[prices]]
model = "{model}"
input = "0.15"
output = "0.60"
"""


def write_config(folder: Path, upstream: str, storage: str) -> Path:
    """``storage`` is the URL of a database."""
    config = folder / "gateway.toml"
    config.write_text(CONFIG.format(storage=storage, upstream=upstream, model=MODEL, token=TOKEN), encoding="utf-8")
    return config


def gateway_command(folder: Path, upstream: str, port: int, storage: str = "") -> list[str]:
    """Write the configuration into ``folder``, with the database beside it unless there is another, and tell how to
    start on it."""
    config = write_config(folder, upstream, storage or f"sqlite:///{folder}/gateway.db")
    return [sys.executable, "-m", "oneapi_asgi", "serve", "--config", str(config), "--port", str(port)]


@contextmanager
def gateway(place: Place, name: str = "gateway", storage: str = "") -> Iterator[Proxy]:
    """On SQLite, unless there is another database."""
    port, folder = free_port(), place.folder / name
    folder.mkdir()
    with running(gateway_command(folder, place.upstream, port, storage), port, folder / "gateway.log") as server:
        yield Proxy(server, EXACT, frozenset(MODES))


@contextmanager
def gateway_on_postgres(place: Place) -> Iterator[Proxy]:
    """On a database of its own, which is dropped at the end."""
    with asyncio.Runner() as runner:
        if reason := runner.run(missing("postgres", place.postgres)):
            raise Absent(f"there is no PostgreSQL: {reason}")
        database = empty("postgres", place.folder, place.postgres)
        storage = runner.run(database.__aenter__())
        try:
            with gateway(place, "gateway-postgres", storage.url) as proxy:
                yield proxy
        finally:
            runner.run(database.__aexit__(None, None, None))
