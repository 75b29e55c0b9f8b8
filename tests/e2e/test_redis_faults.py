"""Two gateway processes whose Redis fails under load: calls go on as fast as before, and no limit is lifted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
from servers.own import OwnRedis
from servers.proxy import FaultProxy
from servers.redis_faults import Fault, flushed, full, healed, killed, resumed, roomy, slow, started, stopped

from .processes import configured, gateway, upstream
from .serving import CHAT

pytestmark = pytest.mark.slow

LIMIT = 60
FREE, LIMITED = "sk-free" + "f" * 40, "sk-limited" + "l" * 37
RATE = 100
"""Calls a second and process, half of them with each token."""

BEFORE, NOTICED, DURING, AFTER = 3.0, 1.0, 4.0, 3.0
"""Seconds: under load without a fault, until it has to be found out, without Redis, and mended."""

TOKENS = f"""
[[tokens]]
name = "free"
key = "{FREE}"
[[tokens]]
name = "limited"
key = "{LIMITED}"
[[limits]]
scope = "token"
name = "free"
requests_per_minute = 1000000
[[limits]]
scope = "token"
name = "limited"
requests_per_minute = {LIMIT}
"""


class Answered(NamedTuple):
    at: float
    took: float
    status: int
    key: str


@contextmanager
def replicas(folder: Path, redis: str) -> Iterator[list[str]]:
    with ExitStack() as stack:
        storage = f'url = "sqlite:///{folder}/gateway.db"\nredis = "{redis}"\nreplicas = 2'
        config = configured(folder, stack.enter_context(upstream()), storage=storage, more=TOKENS)
        yield [stack.enter_context(gateway(config))[1] for _ in range(2)]


async def ask(session: aiohttp.ClientSession, api: str, key: str) -> Answered:
    begun = time.monotonic()
    headers = {"authorization": f"Bearer {key}"}
    try:
        async with session.post(f"{api}/chat/completions", json=CHAT, headers=headers) as answer:
            await answer.read()
            return Answered(begun, time.monotonic() - begun, answer.status, key)
    except (aiohttp.ClientError, TimeoutError):
        return Answered(begun, time.monotonic() - begun, 0, key)


@asynccontextmanager
async def load(apis: Sequence[str]) -> AsyncIterator[list[asyncio.Task[Answered]]]:
    """Steady calls at all of them, until the block ends; then all of them are answered."""
    calls: list[asyncio.Task[Answered]] = []

    async def drive(session: aiohttp.ClientSession) -> None:
        due = time.monotonic()
        while True:
            for api in apis:
                calls.extend(asyncio.create_task(ask(session, api, key)) for key in (FREE, LIMITED))
            due += 2 / RATE
            await asyncio.sleep(due - time.monotonic())

    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        driver = asyncio.create_task(drive(session))
        try:
            yield calls
        finally:
            driver.cancel()
            await asyncio.wait([driver, *calls])


def share(answers: Sequence[Answered], since: float, until: float, of: float) -> float:
    """How long so large a part of the calls of that time took at most."""
    took = sorted(answer.took for answer in answers if since <= answer.at < until)
    assert len(took) > 100
    return took[int(len(took) * of)]


@pytest.mark.parametrize(
    ("harm", "mend"),
    [(killed, started), (stopped, resumed), (flushed, healed), (full, roomy), (slow, healed)],
    ids=lambda fault: fault.__name__,
)
async def test_redis_fails_under_load(harm: Fault, mend: Fault, tmp_path: Path) -> None:
    with OwnRedis() as server, FaultProxy.before(server.url) as proxy, replicas(tmp_path, proxy.url) as apis:
        begun = time.monotonic()
        async with load(apis) as calls:
            await asyncio.sleep(BEFORE)
            harmed = time.monotonic()
            await harm(server, proxy)
            await asyncio.sleep(NOTICED + DURING)
            mended = time.monotonic()
            await mend(server, proxy)
            await asyncio.sleep(AFTER)
        seconds = time.monotonic() - begun
    answers = [call.result() for call in calls]
    free = [answer for answer in answers if answer.key == FREE]
    served = sum(answer.status == 200 for answer in free)
    assert served >= 0.999 * len(free)
    limited = [answer for answer in answers if answer.key == LIMITED]
    assert {answer.status for answer in limited} == {200, 429}
    admitted = sum(answer.status == 200 for answer in limited)
    assert LIMIT * 0.9 <= admitted <= 2 * LIMIT * (1 + seconds / 60)
    for part in (0.5, 0.95):
        before = share(free, begun + 1, harmed, part)
        assert share(free, harmed + NOTICED, mended, part) <= before + 0.05
