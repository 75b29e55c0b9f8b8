"""Without Redis calls go on, at once, and no limit is lifted; when it is back it is used again, by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import pytest
from servers.own import OwnRedis
from servers.proxy import FaultProxy
from servers.redis_faults import (
    Fault,
    flushed,
    full,
    healed,
    killed,
    readonly,
    resumed,
    roomy,
    silent,
    slow,
    started,
    stopped,
    unreachable,
    writable,
)
from starlette.types import Message, Receive, Scope, Send
from test_rates import ask

from oneapi_asgi.background import Background
from oneapi_asgi.call import Call
from oneapi_asgi.models import Granted, Refused, Token
from oneapi_asgi.ratelimit import RateLimit, RateLimiter
from oneapi_asgi.rates import LocalRates
from oneapi_asgi.storage.redis import SharedRedis
from oneapi_asgi.storage.redis.breaker import Breaker

from .test_redis import eventually

LIMIT = 60
CALM = 0.05  # seconds
TICK, STALL = 0.01, 0.02  # seconds
STRETCHES = 6
MANY = 100  # calls of a stretch
REST = 0.5  # seconds until a server that failed is tried again, or half as many more
LIMITED = Token(id=1, name="limited", digest="1", requests_per_minute=LIMIT)
FREE = Token(id=2, name="free", digest="2", requests_per_minute=10_000_000)


class Answered(NamedTuple):
    began: float
    ended: float
    status: int
    token: Token


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


class Stalls:
    """When the loop has stood still: what the machine keeps from a call is not the call's.

    They are known after they have ended, and after what ended in the same turn of the loop.
    """

    def __init__(self) -> None:
        self._spans: list[tuple[float, float]] = []

    async def watch(self) -> None:
        while True:
            due = time.monotonic() + TICK
            await asyncio.sleep(TICK)
            now = time.monotonic()
            if now - due > STALL:
                self._spans.append((due, now))

    def within(self, began: float, ended: float) -> float:
        """Seconds of this time that it stood still."""
        return sum(max(min(ended, end) - max(began, start), 0.0) for start, end in self._spans)

    def apart(self, began: float, ended: float) -> float:
        """Seconds of this time but those."""
        return ended - began - self.within(began, ended)


class Replica:
    """A process of the gateway, as far as it limits."""

    def __init__(self, url: str) -> None:
        self.redis = SharedRedis(
            url, local=LocalRates(), prefix="t:", heartbeat=0.3, breaker=Breaker(failures=3, rest=REST)
        )
        self._app = RateLimit(answering, limiter=RateLimiter(counters=self.redis.rates))

    async def call(self, token: Token) -> Answered:
        scope: Scope = {"type": "http", "method": "POST", "path": "/x", "headers": []}
        Call.of(scope).token = token
        statuses: list[int] = []

        async def receive() -> Message:
            raise AssertionError

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        began = time.monotonic()
        await self._app(scope, receive, send)
        return Answered(began, time.monotonic(), statuses[0], token)


@asynccontextmanager
async def replicas(url: str) -> AsyncIterator[list[Replica]]:
    async with AsyncExitStack() as stack:
        both = [Replica(url), Replica(url)]
        for replica in both:
            await stack.enter_async_context(replica.redis)
        await eventually(lambda: all(replica.redis.replicas == 2 for replica in both))
        yield both


async def traffic(both: list[Replica], ended: asyncio.Event, calls: list[asyncio.Task[Answered]]) -> None:
    """Some hundred calls a second, of a token with a narrow limit and of one with none to speak of."""
    while not ended.is_set():
        for replica in both:
            calls += [asyncio.create_task(replica.call(token)) for token in (LIMITED, FREE)]
        await asyncio.sleep(0.01)


async def calm(calls: Sequence[asyncio.Task[Answered]], seconds: float) -> list[float]:
    """What the calls of so many seconds take, the longest last.

    Looked at again where that is long: a machine has other things to do now and then, while calls that wait for a
    server that is not there do so whenever it is tried, which happens in every such stretch.
    """
    took: list[float] = []
    for _ in range(STRETCHES):
        before = len(calls)
        await asyncio.sleep(seconds)
        took = sorted(answer.ended - answer.began for answer in await asyncio.gather(*calls[before:]))
        if len(took) > MANY and nearly_longest(took) <= CALM:
            break
    return took


def nearly_longest(took: Sequence[float]) -> float:
    """The 99th percentile."""
    return took[int(len(took) * 0.99)]


async def taken(replica: Replica, stalls: Stalls) -> Granted:
    """Once more if the loop stood still just then, and an answer came too late for that."""
    while True:
        began = time.monotonic()
        outcome = await replica.redis.rates.take("c", [ask("requests", 100)])
        ended = time.monotonic()
        await asyncio.sleep(2 * TICK)  # until then it is not known
        assert isinstance(outcome, Granted)
        if outcome.shared or not stalls.within(began, ended):
            return outcome


@pytest.mark.parametrize(
    ("harm", "mend", "noticed"),
    [
        (killed, started, True),
        (stopped, resumed, True),
        (flushed, healed, False),
        (full, roomy, True),
        (readonly, writable, True),
        (slow, healed, True),
        (unreachable, healed, True),
        (silent, healed, True),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("without", [1.6 * REST, pytest.param(8 * REST, marks=pytest.mark.slow)])
async def test_calls_go_on_and_limits_hold(harm: Fault, mend: Fault, noticed: bool, without: float) -> None:
    """``without`` are the seconds until it is mended, in each of which both replicas try whether it is."""
    with OwnRedis() as server, FaultProxy.before(server.url) as proxy:
        stalls = Stalls()
        async with Background(stalls.watch, name="stalls"), replicas(proxy.url) as both:
            ended = asyncio.Event()
            calls: list[asyncio.Task[Answered]] = []
            running = asyncio.create_task(traffic(both, ended, calls))
            begun = time.monotonic()
            await asyncio.sleep(0.2)
            assert all(replica.redis.up for replica in both)
            harmed = time.monotonic()
            await harm(server, proxy)
            if noticed:
                await eventually(lambda: not any(replica.redis.up for replica in both), 2.0)
            opened = time.monotonic()
            took = await calm(calls, without)
            await mend(server, proxy)
            await eventually(lambda: all(replica.redis.up for replica in both), 4.0)
            await asyncio.sleep(0.2)
            assert (await taken(both[0], stalls)).shared
            ended.set()
            await running
            answers = await asyncio.gather(*calls)
            await asyncio.sleep(2 * TICK)
    seconds = time.monotonic() - begun
    assert {answer.status for answer in answers if answer.token is FREE} == {200}
    assert {answer.status for answer in answers if answer.token is LIMITED} <= {200, 429}
    admitted = sum(answer.status == 200 for answer in answers if answer.token is LIMITED)
    assert LIMIT <= admitted <= 2 * LIMIT * (1 + seconds / 60) + 2
    assert stalls.apart(harmed, opened) <= 1.5
    assert max(stalls.apart(answer.began, answer.ended) for answer in answers) <= 3 * 0.25  # while it was found out
    assert len(took) > MANY
    assert nearly_longest(took) <= CALM


@pytest.mark.parametrize(("count", "share"), [(1, 10), (3, 3), (100, 1)])
async def test_without_a_server_each_replica_counts_its_share(count: int, share: int) -> None:
    url = "redis://127.0.0.1:1/0"  # nobody listens there
    async with SharedRedis(url, local=LocalRates(), replicas=count, breaker=Breaker(failures=1, rest=60)) as redis:
        assert not redis.up
        asks = [ask("requests", 10), ask("tokens", 1000, 1000 * share // 10), ask("calls", 10)]
        taken = [await redis.rates.take("c", [asks[0]]) for _ in range(12)]
        assert sum(isinstance(outcome, Granted) for outcome in taken) == share
        slots = [await redis.rates.take("c", [asks[2]]) for _ in range(12)]
        inside = [outcome for outcome in slots if isinstance(outcome, Granted)]
        assert len(inside) == share
        redis.rates.give(inside[0])
        assert isinstance(await redis.rates.take("c", [asks[2]]), Granted)
        assert isinstance(await redis.rates.take("c", [asks[1]]), Granted)
        refused = await redis.rates.take("c", [asks[1]])
        assert isinstance(refused, Refused)
        redis.notices.publish("k", "dropped")


async def test_what_is_larger_than_a_share_still_gets_in() -> None:
    """Or a call that the limit allows would be refused for as long as Redis is gone."""
    url = "redis://127.0.0.1:1/0"
    async with SharedRedis(url, local=LocalRates(), replicas=4, breaker=Breaker(failures=1, rest=60)) as redis:
        granted = await redis.rates.take("c", [ask("tokens", 1000, 900)])
        assert isinstance(granted, Granted)
        assert granted.levels[0].remaining == 0
        redis.rates.give(granted, 100)
        assert (await redis.rates.take("c", [ask("tokens", 1000, 1)])).levels[0].remaining == pytest.approx(149, abs=2)


async def test_a_grant_outlives_the_fault_that_came_after_it() -> None:
    with OwnRedis() as server:
        async with SharedRedis(
            server.url, local=LocalRates(), heartbeat=0.1, lease=1, breaker=Breaker(failures=1, rest=0.1)
        ) as redis:
            shared = await redis.rates.take("c", [ask("calls", 1)])
            assert isinstance(shared, Granted)
            await asyncio.to_thread(server.kill)
            await eventually(lambda: not redis.up)
            local = await redis.rates.take("c", [ask("calls", 1)])
            assert isinstance(local, Granted)
            assert (shared.shared, local.shared) == (True, False)
            await asyncio.to_thread(server.start)
            await eventually(lambda: redis.up)
            deadline = time.monotonic() + 3
            while isinstance(again := await redis.rates.take("c", [ask("calls", 1)]), Granted):
                assert time.monotonic() < deadline, "the slot of the live call is not renewed"
                redis.rates.give(again)
                await asyncio.sleep(0.02)
            redis.rates.give(local)
            redis.rates.give(shared)
            while not isinstance(await redis.rates.take("c", [ask("calls", 1)]), Granted):
                assert time.monotonic() < deadline, "the slot of the ended call is not free"
                await asyncio.sleep(0.02)
