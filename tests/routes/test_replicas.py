"""Two replicas that share a Redis: what one has found out about a channel, the other does not find out again."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from e2e.serving import LOOPBACK, eventually, served
from lab.audit import Audit
from lab.rig import Lab
from lab.upstream import Script
from servers.databases import redis_server

from oneapi_asgi import Channel, Gateway, Secret
from oneapi_asgi.rates import LocalRates
from oneapi_asgi.storage.redis import SharedRedis
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.upstream.httptools import HttptoolsUpstream

from .rig import PRICES, Routes, channel, fails, open_routes, statuses

HEARD = 1.0
"""Seconds in which the other knows."""


def channels(root: str) -> list[Channel]:
    """Two that share an account, and one of its own."""
    shared = (Secret("s" * 20),)
    place = f"{root}/shared/v1"
    return [
        channel("first", root, base_url=place, api_keys=shared, priority=2),
        channel("second", root, base_url=place, api_keys=shared, priority=1),
        channel("other", root),
    ]


@asynccontextmanager
async def replicas(folder: Path, audit: Audit) -> AsyncIterator[Sequence[Routes]]:
    url, prefix = redis_server(), f"oneapi-test-{secrets.token_hex(6)}:"
    redis = [SharedRedis(url, local=LocalRates(), prefix=prefix, replicas=2, timeout=2.0) for _ in range(2)]
    async with AsyncExitStack() as stack:
        opened = open_routes(folder, audit, channels, shared=redis[0], health=None)
        one = await stack.enter_async_context(opened)
        database = one.lab.database
        gateway = Gateway(
            SQLStorage(database), upstream=HttptoolsUpstream(guard=LOOPBACK), prices=PRICES, shared=redis[1]
        )
        url = await stack.enter_async_context(served(gateway))
        for shared in redis:
            await shared.notices.listening()
        two = replace(one, url=url, gateway=gateway, lab=Lab(url, database, one.upstream, gateway))
        yield one, two
        await two.lab.quiet()


@pytest.mark.parametrize(
    ("script", "calls", "cause"),
    [
        pytest.param(fails(429, retry_after="30"), 1, "rate", id="too fast"),
        pytest.param(fails(500), 5, "server", id="failing"),
    ],
)
async def test_what_one_has_seen_the_other_obeys(
    tmp_path: Path, audited: Audit, script: Script, calls: int, cause: str
) -> None:
    async with replicas(tmp_path, audited) as (one, two):
        assert statuses([await one.ask(), await two.ask()]) == {200}
        one.always(script, "shared")
        assert statuses(await one.asks(calls)) == {200}
        one.upstream.forget()

        async def knows() -> bool:
            found = {each.name: each for each in await two.gateway.storage.list_channels()}
            health = two.gateway.pool.health
            return health.standing(found["first"], 0, "gpt-4o").cause == cause

        await eventually(knows, within=HEARD)
        asked = await two.asks(4)
        assert statuses(asked) == {200}
        attempts = {tried.channel for each in (await two.tried())[-4:] for tried in each if tried.status}
        assert "first" not in attempts
        if cause == "rate":
            assert attempts == {"other"}
            assert one.seen("shared") == []
