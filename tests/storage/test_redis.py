"""Counters and notices in Redis: exact between replicas, unharmed by callers that hang up, and gone when unused."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError
from servers.own import OwnRedis
from test_rates import RateContract, Rates, ask

from oneapi_asgi.announced import AnnouncedRevision
from oneapi_asgi.errors import NotStarted
from oneapi_asgi.health import Cause, SharedEjection, Standing
from oneapi_asgi.models import Candidate, Channel, Granted, Pulse, Refused, Secret
from oneapi_asgi.rates import LocalRates
from oneapi_asgi.revision import Revision
from oneapi_asgi.storage.redis import SharedRedis, tell

URL = os.environ.get("ONEAPI_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")


@pytest.fixture
async def client() -> AsyncIterator[Redis]:
    async with Redis.from_url(URL) as client:
        try:
            await client.ping()
        except RedisError:
            pytest.skip(f"no Redis at {URL}")
        yield client


@pytest.fixture
def prefix() -> str:
    return f"oneapi-test-{secrets.token_hex(6)}:"


def shared(prefix: str, *, url: str = URL, heartbeat: float = 5.0, lease: int = 30, replicas: int = 1) -> SharedRedis:
    return SharedRedis(
        url,
        local=LocalRates(),
        prefix=prefix,
        heartbeat=heartbeat,
        lease=lease,
        replicas=replicas,
        timeout=2.0,  # a busy machine is no fault
    )


@pytest.fixture
async def pair(client: Redis, prefix: str) -> AsyncIterator[tuple[SharedRedis, SharedRedis]]:
    async with shared(prefix) as one, shared(prefix) as two:
        yield one, two


async def eventually(holds: Callable[[], object], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.01)


class InRedis:
    def __init__(self, redis: SharedRedis) -> None:
        self._redis = redis
        self.store = redis.rates

    async def after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)  # Redis has a clock of its own

    async def settled(self) -> None:
        await eventually(lambda: not self._redis._link._waiting)
        await self.store.take("afterwards", [ask(key="none")])  # one group after the other


class TestRedisRates(RateContract):
    @pytest.fixture
    async def rates(self, pair: tuple[SharedRedis, SharedRedis]) -> AsyncIterator[Rates]:
        yield InRedis(pair[0])
        assert pair[0].up


async def test_replicas_share_one_limit(pair: tuple[SharedRedis, SharedRedis]) -> None:
    asks = [ask("requests", 100), ask("calls", 1000)]
    outcomes = await asyncio.gather(*(pair[i % 2].rates.take(str(i), asks) for i in range(300)))
    assert sum(isinstance(outcome, Granted) for outcome in outcomes) == 100
    assert {outcome.which for outcome in outcomes if isinstance(outcome, Refused)} == {0}
    assert all(outcome.shared for outcome in outcomes if isinstance(outcome, Granted))


async def test_replicas_share_one_number_of_slots(pair: tuple[SharedRedis, SharedRedis]) -> None:
    inside, most = 0, 0

    async def call(redis: SharedRedis) -> bool:
        nonlocal inside, most
        outcome = await redis.rates.take("c", [ask("calls", 7)])
        if isinstance(outcome, Refused):
            return False
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(random.uniform(0, 0.01))
        inside -= 1
        redis.rates.give(outcome)
        return True

    async def caller(redis: SharedRedis) -> int:
        return sum([await call(redis) for _ in range(20)])

    served = sum(await asyncio.gather(*(caller(pair[i % 2]) for i in range(30))))
    assert most == 7
    assert served > 30


async def test_every_key_has_the_prefix_and_an_end(client: Redis, prefix: str) -> None:
    before = {key async for key in client.scan_iter(match=f"{prefix}*")}
    assert before == set()
    async with shared(prefix) as redis:
        asks = [ask("requests", 10), ask("tokens", 1000, 50), ask("calls", 5)]
        for used in (None, 0, 5000):
            granted = await redis.rates.take("c", asks)
            assert isinstance(granted, Granted)
            redis.rates.give(granted, used)
        await redis.rates.take("c", asks[::2])
        keys = [key async for key in client.scan_iter(match=f"{prefix}*")]
        assert len(keys) == 4, keys  # the replicas, and the three counters
        ends = [await client.pttl(key) for key in keys]
    assert all(0 < end <= 310_000 for end in ends), ends


async def test_slots_of_a_dead_replica_come_back_and_those_of_a_live_one_do_not(client: Redis, prefix: str) -> None:
    slots = [ask("calls", 2)]
    async with shared(prefix, heartbeat=0.2, lease=1) as alive, shared(prefix, heartbeat=0.2, lease=1) as dead:
        held = await alive.rates.take("a", slots)
        assert isinstance(held, Granted)
        assert isinstance(await dead.rates.take("b", slots), Granted)
        assert dead._heart is not None
        dead._heart.cancel()
        outcomes: list[Granted] = []

        async def another() -> bool:
            outcome = await alive.rates.take("c", slots)
            if isinstance(outcome, Granted):
                outcomes.append(outcome)
            return bool(outcomes)

        assert not await another()
        deadline = time.monotonic() + 5
        while not await another():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        for _ in range(75):  # well over a lease: what is renewed stays
            assert isinstance(await alive.rates.take("d", slots), Refused)
            await asyncio.sleep(0.02)


async def test_replicas_are_counted_while_they_live(client: Redis, prefix: str) -> None:
    async with shared(prefix, heartbeat=0.05) as one:
        assert one.replicas == 1
        async with shared(prefix, heartbeat=0.05, replicas=3) as two, shared(prefix, heartbeat=0.05):
            await eventually(lambda: one.replicas == 3)
            assert two.replicas == 3
        await eventually(lambda: one.replicas == 1)
    assert not await client.exists(f"{prefix}replicas")


# --- callers that hang up ---------------------------------------------------------------------------------------------


async def test_callers_that_hang_up_mix_nothing_up_and_leave_nothing(client: Redis, prefix: str) -> None:
    """Each counter is new and has a limit of its own: an answer that is somebody else's shows."""
    rng = random.Random(7)
    numbers = iter(range(10**9))
    cancelled = served = 0
    async with shared(prefix) as redis:
        slots = ask("calls", 1_000_000)

        async def call() -> None:
            nonlocal served
            number = next(numbers)
            limit = 2 + number % 9973
            outcome = await redis.rates.take(str(number), [ask("requests", limit, key=str(number)), slots])
            assert isinstance(outcome, Granted)
            assert outcome.levels[0].remaining == limit - 1
            try:
                await asyncio.sleep(rng.uniform(0, 0.001))
            finally:
                redis.rates.give(outcome)
            served += 1

        async def caller() -> None:
            nonlocal cancelled
            while time.monotonic() < end:
                task = asyncio.create_task(call())
                await asyncio.sleep(rng.choice((0, 0, 0.0002, 0.001, 0.01)))
                task.cancel()
                cancelled += (await asyncio.wait((task,)))[0].pop().cancelled()
                if not task.cancelled():
                    task.result()

        end = time.monotonic() + 2
        await asyncio.gather(*(caller() for _ in range(20)))
        assert cancelled > 100
        assert served > 100
        await eventually(lambda: not redis._link._waiting and not redis.rates._held)
        outcome = await redis.rates.take("last", [slots])
        assert outcome.levels[0].remaining == 999_999  # nobody is inside but the last
        assert redis.up
        pool = redis._link._pool
        assert (len(pool._in_use_connections), len(pool._available_connections)) == (1, 1)  # notices, commands
    assert not any(connection.is_connected for connection in pool._available_connections)


async def test_who_hangs_up_while_it_is_asked_for_holds_no_slot(pair: tuple[SharedRedis, SharedRedis]) -> None:
    redis = pair[0]
    for turns in range(6):
        task = asyncio.create_task(redis.rates.take("c", [ask("calls", 1), ask("tokens", 100, 100)]))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
    await InRedis(redis).settled()
    await eventually(lambda: not redis.rates._held)
    granted = await redis.rates.take("c", [ask("calls", 1), ask("tokens", 100, 90)])
    assert isinstance(granted, Granted)


async def test_without_its_context_it_refuses(prefix: str) -> None:
    redis = shared(prefix)
    with pytest.raises(NotStarted, match="enter its context"):
        await redis.rates.take("c", [ask()])
    redis.notices.publish("k", "nobody hears")


@pytest.mark.parametrize("replicas", [0, -1])
def test_replicas_below_one_are_refused(replicas: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        SharedRedis(URL, local=LocalRates(), replicas=replicas)


# --- notices ----------------------------------------------------------------------------------------------------------


async def test_others_hear_and_one_does_not_hear_itself(pair: tuple[SharedRedis, SharedRedis]) -> None:
    heard: dict[str, list[str]] = {"one": [], "two": [], "other": []}

    def broken(text: str) -> None:
        raise ValueError(text)

    one, two = (redis.notices for redis in pair)
    one.subscribe("key", heard["one"].append)
    two.subscribe("key", broken)
    end = two.subscribe("key", heard["two"].append)
    two.subscribe("else", heard["other"].append)
    await asyncio.gather(one.listening(), two.listening())
    one.publish("key", "a\nb ü")
    one.publish("else", "")
    await eventually(lambda: heard["other"])
    assert heard == {"one": [], "two": ["a\nb ü"], "other": [""]}
    end()
    end()
    one.publish("key", "c")
    one.publish("else", "d")
    await eventually(lambda: len(heard["other"]) == 2)
    assert heard["two"] == ["a\nb ü"]


async def test_notices_are_heard_again_after_the_connection_broke() -> None:
    with OwnRedis() as server:
        async with AsyncExitStack() as stack:
            one = await stack.enter_async_context(shared("n:", url=server.url, heartbeat=0.2))
            two = await stack.enter_async_context(shared("n:", url=server.url, heartbeat=0.2))
            heard: list[str] = []
            two.notices.subscribe("k", heard.append)
            await two.notices.listening()
            await one.rates.take("c", [ask("requests", 1_000)])
            await asyncio.to_thread(server.kill)
            await eventually(lambda: not two.notices._listening.is_set())
            await asyncio.to_thread(server.start)
            await eventually(lambda: one.up)
            await two.notices.listening()
            async with asyncio.timeout(5):
                while "again" not in heard:  # the first may go into a connection that nobody knows is dead
                    one.notices.publish("k", "again")
                    await asyncio.sleep(0.05)
                shared_again = False
                while not shared_again:  # on a server that knows no script; the first may find a dead connection, too
                    outcome = await one.rates.take("c", [ask("requests", 1_000)])
                    assert isinstance(outcome, Granted)
                    shared_again = outcome.shared


class Store:
    def __init__(self) -> None:
        self.revision = 1
        self.asked = 0

    async def pulse(self) -> Pulse:
        self.asked += 1
        return Pulse(self.revision, 0.0)


async def test_a_moved_revision_is_told_at_once_and_once(pair: tuple[SharedRedis, SharedRedis]) -> None:
    store, revisions = Store(), list[Revision]()
    published: list[str] = []
    for redis in pair:
        announced = AnnouncedRevision(store, redis.notices)
        revision = Revision(announced, interval=3600)
        announced.tell(revision.expect_change)
        redis.notices.subscribe("revision", published.append)
        revisions.append(revision)
        await redis.notices.listening()
    assert [await revision.current() for revision in revisions] == [1, 1]
    store.revision = 2
    assert [await revision.current() for revision in revisions] == [1, 1]  # nobody knows
    revisions[0].expect_change()  # as who changed it does
    assert await revisions[0].current() == 2
    await eventually(lambda: not revisions[1].fresh)
    assert await revisions[1].current() == 2
    pair[1].notices.publish("revision", "not a number")
    await eventually(lambda: len(published) == 2)
    assert sorted(published) == ["2", "not a number"]  # and not once more by the second
    assert store.asked == 4


async def test_one_replica_fails_and_all_let_the_key_rest(pair: tuple[SharedRedis, SharedRedis]) -> None:
    healths: Sequence[SharedEjection] = [SharedEjection(redis.notices) for redis in pair]
    for redis in pair:
        await redis.notices.listening()
    keyed, other = (Channel(id=number, name=f"c{number}", api_keys=(Secret("a"), Secret("b"))) for number in (7, 8))

    def fail(health: SharedEjection, channel: Channel, cause: Cause, wait: float | None = None) -> None:
        trial = health.begin(Candidate(channel, 1, "m"), forced=True)
        assert not isinstance(trial, Standing)
        trial.failed(cause, retry_after=wait, status=401)

    for _ in range(4):
        fail(healths[0], keyed, "auth")
    await eventually(lambda: healths[1].standing(keyed, 1, "m").state == "out")
    assert healths[1].standing(keyed, 1, "another").cause == "auth"
    assert healths[1].standing(keyed, 0, "m").state == "fit"
    assert healths[1].calm is False
    fail(healths[1], other, "rate", 30.0)
    await eventually(lambda: healths[0].standing(other, 1, "m").state == "cooling")
    assert healths[0].standing(keyed, 1, "m").state == "cooling"  # of the same account
    assert 29 < healths[0].standing(other, 1, "m").wait <= 30


async def test_all_hear_what_somebody_else_tells(pair: tuple[SharedRedis, SharedRedis], prefix: str) -> None:
    heard: list[str] = []
    for redis in pair:
        redis.notices.subscribe("k", heard.append)
        await redis.notices.listening()
    assert await tell(URL, "k", "changed", prefix=prefix)
    await eventually(lambda: heard == ["changed", "changed"])
    assert not await tell("redis://127.0.0.1:1/0", "k", "lost", prefix=prefix)
