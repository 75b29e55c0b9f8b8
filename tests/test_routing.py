"""Which channels, in what order."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from starlette.types import Receive, Scope, Send

from oneapi_asgi.call import Call
from oneapi_asgi.errors import BadRequest, Forbidden, NotFound, Unavailable
from oneapi_asgi.health import CoolDown
from oneapi_asgi.models import Channel, Pulse, Secret, Token
from oneapi_asgi.revision import Revision
from oneapi_asgi.routing import ChannelPool, ModelRouter, plan, serves, upstream_model
from oneapi_asgi.testing import StreamingClient


def channel(number: int, *, keys: int = 1, **fields: object) -> Channel:
    named = Channel(id=number, name=f"c{number}", api_keys=tuple(Secret(f"k{number}.{key}") for key in range(keys)))
    return replace(named, **fields)


def steps(channels: Sequence[Channel], seed: int = 0, limit: int = 99, **options: object) -> list[tuple[int, int]]:
    ordered = sorted(channels, key=lambda one: -one.priority)
    candidates = plan(ordered, "m", rng=random.Random(seed), limit=limit, **options)  # type: ignore[arg-type]
    return [(one.channel.id, one.key) for one in candidates]


# --- serves, upstream_model -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("models", "model_map", "model", "serving"),
    [
        (("*",), {}, "anything", True),
        (("gpt-4o",), {}, "gpt-4o", True),
        (("gpt-4o",), {}, "gpt-4o-mini", False),
        (("gpt-4o*",), {}, "gpt-4o-mini", True),
        (("o?-mini",), {}, "o3-mini", True),
        (("claude-[34]",), {}, "claude-4", True),
        (("claude-[34]",), {}, "claude-5", False),
        (("odd[name",), {}, "odd[name", True),
        (("GPT-4o",), {}, "gpt-4o", False),
        ((), {}, "gpt-4o", False),
        ((), {"alias": "real"}, "alias", True),
        ((), {"alias": "real"}, "real", False),
    ],
)
def test_what_a_channel_serves(
    models: tuple[str, ...], model_map: dict[str, str], model: str, *, serving: bool
) -> None:
    assert serves(channel(1, models=models, model_map=model_map), model) is serving


def test_what_the_channel_calls_it() -> None:
    mapped = channel(1, model_map={"gpt-4o": "gpt-4o-2024-11-20"})
    assert upstream_model(mapped, "gpt-4o") == "gpt-4o-2024-11-20"
    assert upstream_model(mapped, "other") == "other"
    assert plan([mapped], "gpt-4o")[0].upstream_model == "gpt-4o-2024-11-20"


# --- plan -------------------------------------------------------------------------------------------------------------


def test_higher_priorities_come_first() -> None:
    channels = [channel(1), channel(2, priority=5), channel(3, priority=-1), channel(4, priority=5)]
    for seed in range(20):
        found = [number for number, _ in steps(channels, seed)]
        assert set(found[:2]) == {2, 4}
        assert found[2:] == [1, 3]


@pytest.mark.parametrize("weights", [(8, 1, 1), (1, 1), (3, 2, 1), (100, 1), (1, 0), (10**9, 10**9)])
def test_the_first_is_drawn_by_weight(weights: tuple[int, ...]) -> None:
    channels = [channel(number, weight=weight) for number, weight in enumerate(weights)]
    rng = random.Random(7)
    firsts = Counter(plan(channels, "m", rng=rng, limit=1)[0].channel.id for _ in range(10_000))
    for number, weight in enumerate(weights):
        assert abs(firsts[number] / 10_000 - weight / sum(weights)) < 0.03


def test_the_second_is_drawn_by_weight_among_the_others() -> None:
    channels = [channel(1, weight=1), channel(2, weight=1), channel(3, weight=2)]
    rng = random.Random(7)
    pairs = Counter(tuple(one.channel.id for one in plan(channels, "m", rng=rng, limit=2)) for _ in range(10_000))
    assert abs(pairs[1, 3] / (pairs[1, 2] + pairs[1, 3]) - 2 / 3) < 0.03


def test_weight_0_comes_last_in_its_priority() -> None:
    channels = [channel(1, weight=0), channel(2), channel(3, priority=-1)]
    assert {tuple(steps(channels, seed)) for seed in range(20)} == {((2, 0), (1, 0), (3, 0))}


def test_one_key_of_each_channel_before_second_keys() -> None:
    channels = [channel(1, keys=3), channel(2, keys=2), channel(3, keys=0)]
    seen = set()
    for seed in range(50):
        found = steps(channels, seed)
        assert {number for number, _ in found[:3]} == {1, 2, 3}
        assert {number for number, _ in found[3:5]} == {1, 2}
        assert found[5][0] == 1
        assert sorted(found) == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (3, 0)]
        seen.add(tuple(found))
    assert len(seen) > 10


def test_keys_share_the_load() -> None:
    rng = random.Random(7)
    firsts = Counter(plan([channel(1, keys=4)], "m", rng=rng, limit=1)[0].key for _ in range(10_000))
    assert all(abs(firsts[key] / 10_000 - 0.25) < 0.03 for key in range(4))


def test_what_is_cooling_down_comes_last() -> None:
    channels = [channel(1, keys=2, priority=5), channel(2), channel(3)]
    cooling = {(1, 0), (2, 0)}
    for seed in range(20):
        found = steps(channels, seed, fit=lambda *place: place not in cooling)
        assert found[:2] == [(1, 1), (3, 0)]
        assert found[2:] == [(1, 0), (2, 0)]


def test_when_all_are_cooling_down_they_are_tried_nevertheless() -> None:
    assert len(steps([channel(1), channel(2)], fit=lambda *_: False)) == 2


CHANNELS = st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 1), st.integers(0, 5)), min_size=1, max_size=6)


@given(CHANNELS, st.integers(0, 1000), st.integers(1, 8), st.sets(st.tuples(st.integers(0, 5), st.integers(0, 2))))
def test_every_plan_is_a_selection_of_the_candidates(
    rows: list[tuple[int, int, int]], seed: int, limit: int, cooling: set[tuple[int, int]]
) -> None:
    channels = [channel(n, keys=keys, priority=p, weight=w) for n, (keys, p, w) in enumerate(rows)]
    every = {(one.id, key) for one in channels for key in range(max(len(one.api_keys), 1))}
    found = steps(channels, seed, limit, fit=lambda *place: place not in cooling)
    assert len(found) == len(set(found)) == min(limit, len(every))
    assert set(found) <= every
    fit = [place not in cooling for place in found]
    assert fit == sorted(fit, reverse=True)
    if len(found) < len(every - cooling):
        assert all(fit)
    priorities = [channels[number].priority for number, _ in found if (number, _) not in cooling]
    assert priorities == sorted(priorities, reverse=True)


# --- ChannelPool ------------------------------------------------------------------------------------------------------


class Store:
    def __init__(self, *channels: Channel) -> None:
        self.channels = list(channels)
        self.moved = 1
        self.listed = 0

    async def pulse(self) -> Pulse:
        return Pulse(self.moved, 0.0)

    async def list_channels(self) -> list[Channel]:
        self.listed += 1
        return self.channels


async def pool_of(*channels: Channel) -> ChannelPool:
    pool = ChannelPool(Store(*channels), rng=random.Random(0))
    await pool.refresh()
    return pool


async def test_the_pool_chooses_by_group_model_and_state() -> None:
    pool = await pool_of(
        channel(1, models=("a", "b*")),
        channel(2, models=("a",), groups=("vip",)),
        channel(3, models=("a",), groups=("default", "vip"), priority=3),
        channel(4, models=("a",), enabled=False),
        channel(5, models=("asleep",), enabled=False),
    )
    assert [one.id for one in pool.serving("default", "a")] == [3, 1]
    assert {one.id for one in pool.serving("vip", "a")} == {2, 3}
    assert [one.channel.id for one in pool.plan("default", "b2", limit=3)] == [1]
    for group, model, error, code in (
        ("default", "c", NotFound, "model_not_found"),
        ("other", "a", NotFound, "model_not_found"),
        ("vip", "b2", NotFound, "model_not_found"),
        ("default", "asleep", Unavailable, "model_unavailable"),
    ):
        with pytest.raises(error) as refused:
            pool.plan(group, model, limit=3)
        assert getattr(refused.value, "code", None) == code


async def test_models_that_are_named() -> None:
    pool = await pool_of(
        channel(1, models=("b", "a", "gpt-*", "o?"), model_map={"alias": "a"}),
        channel(2, models=("a", "vip"), provider="azure", groups=("vip",)),
        channel(3, models=("gone",), enabled=False),
    )
    assert pool.models("default") == [("a", "openai"), ("alias", "openai"), ("b", "openai")]
    assert pool.models("vip") == [("a", "azure"), ("vip", "azure")]
    assert pool.models("other") == []


async def test_the_pool_follows_the_store() -> None:
    store = Store(channel(1))
    pool = ChannelPool(store, revision=Revision(store, interval=0))
    for _ in range(3):
        await pool.refresh()
    assert store.listed == 1
    assert [one.id for one in pool.serving("default", "m")] == [1]
    store.channels = [channel(2)]
    await pool.refresh()
    assert [one.id for one in pool.serving("default", "m")] == [1]
    store.moved += 1
    await pool.refresh()
    assert [one.id for one in pool.serving("default", "m")] == [2]
    assert pool.get(1) is None


@pytest.mark.parametrize("others", [0, 1])
async def test_the_pool_asks_its_health(others: int) -> None:
    health = CoolDown(60)
    pool = ChannelPool(Store(channel(1, priority=9), *(channel(2 + n) for n in range(others))), health=health)
    await pool.refresh()
    assert pool.plan("default", "m", limit=3)[0].channel.id == 1
    health.failed(1, 0)
    assert [one.channel.id for one in pool.plan("default", "m", limit=3)] == [*range(2, 2 + others), 1]


async def test_pinning() -> None:
    pool = await pool_of(channel(1, groups=(), models=()), channel(2, enabled=False), channel(3, keys=5))
    (only,) = pool.pinned(1, "anything")
    assert (only.channel.id, only.upstream_model) == (1, "anything")
    assert len(pool.pinned(3, "m")) == 1
    with pytest.raises(BadRequest) as refused:
        pool.pinned(9, "m")
    assert refused.value.code == "invalid_channel"
    with pytest.raises(Forbidden) as forbidden:
        pool.pinned(2, "m")
    assert forbidden.value.code == "channel_disabled"


# --- ModelRouter ------------------------------------------------------------------------------------------------------


class Caller:
    """Fills the slots that a router reads, and shows the plan that it wrote."""

    def __init__(self, pool: ChannelPool, *, group: str = "", pinned: int | None = None, max_attempts: int = 3) -> None:
        self.router = ModelRouter(self.show, pool, max_attempts=max_attempts)
        self.token = Token(id=1, name="t", digest="", group=group) if group else None
        self.pinned = pinned
        self.plan: list[int] = []
        self.body = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call.of(scope)
        call.token, call.pinned_channel = self.token, self.pinned
        await self.router(scope, receive, send)

    async def show(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.plan = [one.channel.id for one in Call.of(scope).plan]
        self.body = (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("group", "pinned", "max_attempts", "body", "status", "planned"),
    [
        ("", None, 3, CHAT, 200, [1, 2]),
        ("default", None, 1, CHAT, 200, [1]),
        ("vip", None, 3, CHAT, 200, [3]),
        ("default", 3, 3, CHAT, 200, [3]),
        ("default", 9, 3, CHAT, 400, []),
        ("nobody", None, 3, CHAT, 404, []),
        ("default", None, 3, {"model": "m"}, 400, []),
    ],
)
async def test_the_component(
    group: str, pinned: int | None, max_attempts: int, body: dict[str, object], status: int, planned: list[int]
) -> None:
    pool = ChannelPool(Store(channel(1, priority=2), channel(2, priority=1), channel(3, groups=("vip",))))
    app = Caller(pool, group=group, pinned=pinned, max_attempts=max_attempts)
    async with StreamingClient(app, lifespan=False) as client:
        answer = await client.request("POST", "/v1/chat/completions", json=body)
    assert (answer.status, app.plan) == (status, planned)
    if status == 200:
        assert b'"model":"m"' in app.body


def test_a_plan_without_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Caller(ChannelPool(Store()), max_attempts=0)
