"""Two gateway processes, and a token or its owner that is switched off from outside: nobody serves it much longer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import aiohttp
import pytest
from servers.databases import KINDS, Kind, fresh
from servers.own import OwnRedis

from oneapi_asgi.storage.sql import SQLStorage

from .processes import cli, configured, gateway, upstream
from .serving import CHAT, chat

pytestmark = pytest.mark.slow

RATE = 200.0
STREAMS = 20
AFTERWARDS = 5.0
"""Seconds that the calls go on after the last that was served: none may be served again."""

Told = Literal["told", "no redis", "redis gone", "notice lost"]


@dataclass
class Traffic:
    """Calls with one key at all replicas; ``served`` is when the last call began that was answered."""

    served: float = 0.0
    statuses: set[int] = field(default_factory=set)
    count: int = 0


@asynccontextmanager
async def traffic(session: aiohttp.ClientSession, apis: Sequence[str], key: str) -> AsyncIterator[Traffic]:
    seen, running = Traffic(), set[asyncio.Task[None]]()
    headers = {"authorization": f"Bearer {key}"}

    async def ask(api: str) -> None:
        begun = time.monotonic()
        async with session.post(f"{api}/chat/completions", json=CHAT, headers=headers) as answer:
            await answer.read()
            seen.count += 1
            seen.statuses.add(answer.status)
            if answer.status == 200:
                seen.served = max(seen.served, begun)

    async def drive() -> None:
        due = time.monotonic()
        while True:
            for api in apis:
                task = asyncio.create_task(ask(api))
                running.add(task)
                task.add_done_callback(running.discard)
            due += len(apis) / RATE
            await asyncio.sleep(due - time.monotonic())

    driver = asyncio.create_task(drive())
    try:
        yield seen
    finally:
        driver.cancel()
        await asyncio.wait([driver, *running])


async def stream(session: aiohttp.ClientSession, api: str, key: str, begun: asyncio.Event) -> tuple[float, bytes]:
    """When it ended, and its last bytes."""
    body, headers = chat(stream=True, tokens=3000, delay=0.02), {"authorization": f"Bearer {key}"}
    end = b""
    async with session.post(f"{api}/chat/completions", json=body, headers=headers) as answer:
        async for chunk in answer.content.iter_any():
            begun.set()
            end = (end + chunk)[-2000:]
    return time.monotonic(), end


@pytest.mark.parametrize("what", ["token", "user"])
@pytest.mark.parametrize(
    ("told", "poll", "kind"),
    [
        *[("told", 30.0, kind) for kind in KINDS],
        ("no redis", 0.5, "sqlite"),
        ("redis gone", 0.5, "postgres"),
        ("notice lost", 0.5, "mysql"),
    ],
)
async def test_the_last_call_and_the_last_stream(
    told: Told, poll: float, kind: Kind, what: str, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        redis = stack.enter_context(OwnRedis())
        url = stack.enter_context(fresh(kind, tmp_path))
        storage = f'url = "{url}"' + ("" if told == "no redis" else f'\nredis = "{redis.url}"\nreplicas = 2')
        config = configured(
            tmp_path, stack.enter_context(upstream()), storage=storage, more=f"[cache]\npoll_interval = {poll}"
        )
        apis = [stack.enter_context(gateway(config))[1] for _ in range(2)]
        await cli("user", "add", "bob", config=config)
        key = await cli("token", "add", "bobs", "--user", "bob", config=config)
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
            events = [asyncio.Event() for _ in range(STREAMS)]
            streams = [asyncio.create_task(stream(session, apis[n % 2], key, event)) for n, event in enumerate(events)]
            await asyncio.gather(*[event.wait() for event in events])
            async with traffic(session, apis, key) as seen:
                await asyncio.sleep(2)
                assert seen.statuses == {200}
                if told == "redis gone":
                    await asyncio.to_thread(redis.kill)
                async with SQLStorage(url) as beside:
                    # The command tells the replicas of it; who changes the storage by itself does not.
                    if told == "notice lost":
                        await revoke(beside, what)
                    else:
                        await cli(
                            *(("token", "revoke", "bobs") if what == "token" else ("user", "disable", "bob")),
                            config=config,
                        )
                revoked = time.monotonic()
                await asyncio.sleep(2 + AFTERWARDS)
                rejected = seen.count
            ends = await asyncio.wait_for(asyncio.gather(*streams), 10)
    assert rejected > 0.8 * RATE * AFTERWARDS
    assert seen.statuses == {200, 401 if what == "token" else 403}
    assert seen.served - revoked <= (1.0 if told == "told" else poll + 1.0)
    assert max(at for at, _ in ends) - revoked <= 5.0
    code = b"api_key_disabled" if what == "token" else b"user_disabled"
    assert all(code in end for _, end in ends)


async def revoke(storage: SQLStorage, what: str) -> None:
    if what == "user":
        await storage.set_user("bob", enabled=False)
        return
    (token,) = [token for token in await storage.list_tokens() if token.name == "bobs"]
    await storage.set_token_status(token.id, "disabled")
