"""What tests of planners stand on: channels, who they stand with, and what there is to plan with."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from oneapi_asgi.call import Call
from oneapi_asgi.health import FIT, Ejection, Standing
from oneapi_asgi.models import Candidate, Channel, Pulse, Secret, Token
from oneapi_asgi.planning import Route, RoutePlanner
from oneapi_asgi.pool import ChannelPool
from oneapi_asgi.wire.dialects import operation_at
from oneapi_asgi.wire.request import parse_request

__all__ = ["Known", "Store", "asking", "caller", "channel", "planner_of", "pool_of", "steps"]


def channel(number: int, *, keys: int = 1, **fields: object) -> Channel:
    named = Channel(id=number, name=f"c{number}", api_keys=tuple(Secret(f"k{number}.{key}") for key in range(keys)))
    return replace(named, **fields)


class Store:
    def __init__(self, *channels: Channel) -> None:
        self.channels = list(channels)
        self.moved = 1

    async def pulse(self) -> Pulse:
        return Pulse(self.moved, 0.0)

    async def list_channels(self) -> list[Channel]:
        return self.channels


class Known(Ejection):
    """Says of each channel, or key of one, what the test says."""

    def __init__(self, **standings: Standing) -> None:
        super().__init__()
        self.standings = standings
        self.running: dict[int, int] = {}
        self.first: dict[int, float] = {}

    @property
    def calm(self) -> bool:
        return not self.standings

    def standing(self, channel: Channel, key: int, model: str) -> Standing:
        told = self.standings
        return told.get(f"{channel.name}_{key}", told.get(f"{channel.name}_{model}", told.get(channel.name, FIT)))

    def in_flight(self, channel: Channel, key: int, model: str) -> int:
        return self.running.get(channel.id, 0)

    def latency(self, channel: Channel, key: int, model: str) -> float | None:
        return self.first.get(channel.id)


async def pool_of(*channels: Channel, health: Ejection | None = None) -> ChannelPool:
    pool = ChannelPool(Store(*channels), health=health or Known())
    await pool.refresh()
    return pool


async def planner_of(
    *channels: Channel,
    health: Ejection | None = None,
    routes: Sequence[Route] = (),
    most: int = 3,
    seed: int = 0,
) -> RoutePlanner:
    pool = await pool_of(*channels, health=health)
    return RoutePlanner(pool, routes, max_attempts=most, spare=0, rng=random.Random(seed))


def caller(group: str = "default", **fields: object) -> Token:
    return replace(Token(id=1, name="t", digest="", group=group), **fields)


def asking(body: Mapping[str, object] | None = None, path: str = "/chat/completions", group: str = "default") -> Call:
    """A call that was parsed."""
    call = Call(token=caller(group))
    operation = operation_at(path)
    assert operation is not None
    messages = {} if path == "/responses" else {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
    call.operation, call.body = operation, json.dumps({"model": "m", **messages, **(body or {})}).encode()
    call.request = parse_request(operation, "application/json", call.body)
    return call


def steps(plan: Sequence[Candidate]) -> list[tuple[int, int]]:
    return [(step.channel.id, step.key) for step in plan]
