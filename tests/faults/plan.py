"""What a gateway process is told."""

from __future__ import annotations

from msgspec import Struct

from oneapi_asgi.models import Price

__all__ = ["PER_CALL", "PER_TOKEN", "Plan"]

PER_CALL = Price(per_call=100)
PER_TOKEN = Price(output=1_000_000 * 7)
"""Seven nano-dollars for each token of output, and nothing for the prompt, whose tokens may have to be estimated."""


class Plan(Struct, frozen=True, kw_only=True):
    """``upstream`` is the URL of the only channel. ``reap`` is how often the reaper looks, in seconds."""

    url: str
    port: int
    upstream: str
    price: Price = PER_CALL
    lease: float = 120.0
    checkpoint: float = 5.0
    reap: float = 30.0
