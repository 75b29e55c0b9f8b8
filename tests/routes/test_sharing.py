"""How calls spread over channels that are unlike: slow ones, heavy ones, and one that has just come back."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest
from lab.audit import Audit
from lab.rig import percentile

from oneapi_asgi import Channel, MemoryStorage
from oneapi_asgi.call import Call
from oneapi_asgi.health import State
from oneapi_asgi.planning import Route, RoutePlanner
from oneapi_asgi.pool import ChannelPool

from .rig import MODEL, Routes, after, channel, fails, name_of, open_loop, open_routes, statuses

LONG = [pytest.mark.slow, pytest.mark.timeout(300)]
WEIGHTS = {"heavy": 8, "light": 1, "other": 1}
NAMES = ("one", "two", "new")


def weighted(root: str) -> list[Channel]:
    return [channel(name, root, weight=weight) for name, weight in WEIGHTS.items()]


def three(root: str) -> list[Channel]:
    return [channel(name, root) for name in NAMES]


def shares(counts: Counter[str]) -> dict[str, float]:
    return {name: count / counts.total() for name, count in counts.items()}


def by_weight(found: dict[str, float]) -> bool:
    return all(abs(found[name] - weight / 10) <= 0.03 for name, weight in WEIGHTS.items())


async def test_plans_begin_by_weight() -> None:
    pool = ChannelPool(MemoryStorage(channels=weighted("http://127.0.0.1:9")))
    await pool.refresh()
    planner = RoutePlanner(pool, rng=random.Random(25))
    call = Call()
    assert by_weight(shares(Counter(planner.plan(call, MODEL)[0].channel.name for _ in range(10_000))))


@pytest.mark.slow
async def test_calls_go_by_weight(tmp_path: Path, audited: Audit) -> None:
    chance = random.Random(25)

    def planner(pool: ChannelPool) -> RoutePlanner:
        return RoutePlanner(pool, rng=chance)

    async with open_routes(tmp_path, audited, weighted, planner=planner) as routes:
        assert statuses(await open_loop(routes.ask, rate=100, seconds=10)) == {200}
        assert by_weight(shares(Counter(name_of(seen.request) for seen in routes.seen())))


@pytest.mark.parametrize(
    ("slow", "usual", "learn", "seconds"),
    [pytest.param(1.5, 0.05, 0.8, 0.7, id="1.5s"), pytest.param(30.0, 0.5, 20.0, 10.0, id="30s", marks=LONG)],
)
async def test_who_is_slow_is_hardly_asked(
    tmp_path: Path, audited: Audit, slow: float, usual: float, learn: float, seconds: float
) -> None:
    """But while nobody knows: for ``learn`` seconds."""
    routed = [Route(strategy="latency")]
    async with open_routes(tmp_path, audited, three, routes=routed) as routes:
        routes.always(after(usual), "one", "two")
        routes.always(after(slow), "new")
        said = await open_loop(routes.ask, rate=50, seconds=learn + seconds)
        assert statuses(said) == {200}
        known = said[0].began + learn
        later = [each.took for each in said if each.began > known]
        assert sum(seen.at > known for seen in routes.seen("new")) <= 0.1 * len(later)
        if slow >= 10:
            healthy = [took for took in later if took < slow]
            assert percentile(later, 0.95) <= 2 * percentile(healthy, 0.95)


# --- who has just come back -------------------------------------------------------------------------------------------


def stands(routes: Routes, name: str) -> State:
    pool = routes.gateway.pool
    (found,) = (each for each in pool.channels if each.name == name)
    return pool.health.standing(found, 0, MODEL).state


async def crowd(routes: Routes, callers: int, *, turns: int, seconds: float) -> float:
    """The share that the new one gets of what so many callers ask in so many turns each, who come one by one over so
    many seconds. How many calls there are is not left to how fast the machine is: of a few, chance decides."""
    routes.upstream.forget()

    async def caller(number: int) -> None:
        await asyncio.sleep(number * seconds / callers)
        for _ in range(turns):
            assert (await routes.ask()).status == 200

    async with asyncio.TaskGroup() as tasks:
        for number in range(callers):
            tasks.create_task(caller(number))
    return len(routes.seen("new")) / len(routes.seen())


@pytest.mark.parametrize(
    ("callers", "turns", "takes", "seconds"),
    [pytest.param(40, 3, 0.2, 0.5, id="40"), pytest.param(1_000, 1, 15.0, 15.0, id="1000", marks=LONG)],
)
async def test_nobody_rushes_at_who_comes_back(
    tmp_path: Path, audited: Audit, callers: int, turns: int, takes: float, seconds: float
) -> None:
    async with open_routes(tmp_path, audited, three) as routes:
        routes.always(fails(), "new")
        while routes.gateway.pool.health.calm:
            await routes.ask()
        routes.acts.clear()
        routes.clock.ahead += 100
        while stands(routes, "new") != "recovering":  # one of them finds out that it works again
            await routes.ask()
        routes.always(after(takes), *NAMES)
        got = [await crowd(routes, callers, turns=turns, seconds=seconds)]
        for _ in range(2):
            routes.clock.ahead += 15
            got.append(await crowd(routes, callers, turns=turns, seconds=seconds))
    first, half, whole = got
    assert first <= 0.2
    assert first < half
    assert whole > max(first, 0.2)
