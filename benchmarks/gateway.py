"""The real gateway with everything on: a token with a quota, a price, a channel, a ledger and records in SQLite."""

from __future__ import annotations

import sys
from pathlib import Path

from .traffic import MODEL, TOKEN

__all__ = ["gateway_command"]

CONFIG = """
[storage]
url = "sqlite:///{database}"

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

[[prices]]
model = "{model}"
input = "0.15"
output = "0.60"
"""


def gateway_command(folder: Path, upstream: str, port: int) -> list[str]:
    """Write the configuration into ``folder``, with the database beside it, and tell how to start on it."""
    config = folder / "gateway.toml"
    database = folder / "gateway.db"
    config.write_text(CONFIG.format(database=database, upstream=upstream, model=MODEL, token=TOKEN))
    return [sys.executable, "-m", "oneapi_asgi", "serve", "--config", str(config), "--port", str(port)]
