"""Configurations of a gateway of any size: so many channels, so many tokens."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from .traffic import MODEL, TOKEN

__all__ = ["Size", "configure", "key_of", "model_of", "serving"]

_HEAD = """
[storage]
url = "sqlite:///{database}"

[outbound]
allow = ["127.0.0.0/8"]

[cache]
token_ttl = {token_ttl}

[server]
max_lag = 0

[[limits]]
scope = "token"
requests_per_minute = 1000000000
tokens_per_minute = 1000000000
concurrent_calls = 1000000

[[prices]]
model = "*"
input = "0.15"
output = "0.60"
"""

_CHANNEL = """
[[channels]]
name = "channel-{number}"
provider = "openai"
base_url = "{upstream}/v1"
api_key = "sk-upstream-of-the-benchmark-{number}"
models = ["{model}"]
"""

_TOKEN = """
[[tokens]]
name = "token-{number}"
key = "{key}"
quota_usd = 1000000
"""


class Size(Struct, frozen=True):
    """``models`` is over how many models the channels are spread. ``token_ttl`` is in seconds."""

    tokens: int = 1
    channels: int = 1
    models: int = 1
    token_ttl: float = 30.0


def key_of(number: int) -> str:
    """The key of a token; that of the first is the one which the other benchmarks use."""
    return f"sk-{number:048}" if number else TOKEN


def model_of(number: int) -> str:
    """The model of a channel; that of the first is the one which the other benchmarks ask for."""
    return f"model-{number:07}" if number else MODEL


def configure(file: Path, database: Path, upstream: str, size: Size) -> None:
    """Write a configuration file that declares channels and tokens."""
    file.write_text("".join(_lines(database, upstream, size)), encoding="utf-8")


def _lines(database: Path, upstream: str, size: Size) -> Iterator[str]:
    yield _HEAD.format(database=database, token_ttl=size.token_ttl)
    for number in range(size.channels):
        yield _CHANNEL.format(number=number, upstream=upstream, model=model_of(number % size.models))
    for number in range(size.tokens):
        yield _TOKEN.format(number=number, key=key_of(number))


def serving(file: Path, port: int, workers: int = 1) -> list[str]:
    """The command that serves what a configuration file says."""
    command = [sys.executable, "-m", "oneapi_asgi", "serve", "--config", str(file)]
    return [*command, "--port", str(port), "--workers", str(workers)]
