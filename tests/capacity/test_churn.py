"""Callers who leave at any moment, by the thousand: the pool of connections must be as it was, and serve the next."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import httpx2
import pytest
from lab.figures import Figure

from oneapi_asgi.testing import FakeUpstream
from oneapi_asgi.upstream import AddressGuard, HttpxUpstream, Outgoing, Timeouts, Upstream
from oneapi_asgi.upstream.httptools import HttptoolsUpstream

LOCAL = AddressGuard(["127.0.0.0/8"])
TASKS = 40
PATIENCE = 0.06
POOL = 10
AFTERWARDS = 100


@asynccontextmanager
async def _small_pool() -> AsyncIterator[Upstream]:
    """With fewer connections than there are callers, so that some wait for one when they leave."""
    limits = httpx2.Limits(max_connections=POOL, max_keepalive_connections=POOL)
    async with httpx2.AsyncClient(trust_env=False, limits=limits) as client:
        yield HttpxUpstream(client, guard=LOCAL)


class Kind(NamedTuple):
    """``busy``: how many connections of its pool serve somebody. ``most``: how many it may keep for the next."""

    make: Callable[[], Any]
    busy: Callable[[Any], int]
    most: int


def _busy_httpx(upstream: Any) -> int:
    pool = upstream._client._transport._pool
    return len(pool._requests) + sum(not connection.is_idle() for connection in pool.connections)


def _busy_httptools(upstream: Any) -> int:
    pool = upstream._connections
    return len(pool._open) - sum(not connection.closed for idle in pool._idle.values() for connection in idle)


KINDS = {
    "httptools": Kind(lambda: HttptoolsUpstream(guard=LOCAL), _busy_httptools, TASKS),
    "httpx2": Kind(_small_pool, _busy_httpx, POOL),
}


def request_to(url: str) -> Outgoing:
    body = b'{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"%b"}]}' % (
        b'fake:{\\"tokens\\":4,\\"delay\\":0.008}'
    )
    timeouts = Timeouts(connect=5, first_byte=5, idle=5)
    return Outgoing("POST", f"{url}/chat/completions", (("content-type", "application/json"),), body, timeouts)


async def call(upstream: Upstream, url: str) -> bool:
    incoming = await upstream.send(request_to(url))
    try:
        body = b"".join([chunk async for chunk in incoming.chunks()])
    finally:
        await asyncio.shield(incoming.close())
    return incoming.status == 200 and body.endswith(b"[DONE]\n\n")


async def churn(upstream: Upstream, url: str, seconds: float, rng: random.Random) -> tuple[int, int]:
    """How many calls were begun, and how many of them left."""
    until, counts = time.monotonic() + seconds, [0, 0]

    async def caller() -> None:
        while time.monotonic() < until:
            task = asyncio.create_task(call(upstream, url))
            counts[0] += 1
            await asyncio.wait([task], timeout=rng.uniform(0, PATIENCE))
            counts[1] += task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async with asyncio.TaskGroup() as group:
        for _ in range(TASKS):
            group.create_task(caller())
    return counts[0], counts[1]


def files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def eventually(true: Callable[[], bool], within: float) -> float:
    """How many seconds it took."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started <= within
        await asyncio.sleep(0.01)
    return time.monotonic() - started


async def churned(name: str, seconds: float, figure: Figure) -> None:
    kind = KINDS[name]
    async with FakeUpstream() as fake:
        first = files()
        async with kind.make() as upstream:
            assert await call(upstream, fake.url)
            tasks = len(asyncio.all_tasks())
            begun, left = await churn(upstream, fake.url, seconds, random.Random(7))
            assert left >= begun // 4
            back = await eventually(lambda: not kind.busy(upstream) and files() <= first + 2 * kind.most, within=2)
            # The fake has a task for each connection that is kept.
            assert len(asyncio.all_tasks()) <= tasks + kind.most
            async with asyncio.TaskGroup() as group:
                again = [group.create_task(call(upstream, fake.url)) for _ in range(AFTERWARDS)]
            served = sum(task.result() for task in again)
        await eventually(lambda: files() <= first, within=2)
    figure(f"{left} of {begun} calls left ({name}): served afterwards", f"{served}/{AFTERWARDS}", "100/100")
    figure(f"{left} of {begun} calls left ({name}): pool and files back after", f"{back:.2f} s", "≤ 2 s")
    assert served == AFTERWARDS


@pytest.mark.parametrize("name", KINDS)
async def test_the_pool_survives_callers_who_leave(name: str, figure: Figure) -> None:
    await churned(name, 1.5, figure)


@pytest.mark.slow
@pytest.mark.figures
@pytest.mark.parametrize("name", KINDS)
async def test_the_pool_survives_a_minute_of_callers_who_leave(name: str, figure: Figure) -> None:
    await churned(name, 60, figure)
