"""Which channels serve a call, in what order."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planned import Known, Store, asking, caller, channel, planner_of, pool_of, steps

from oneapi_asgi.call import Call
from oneapi_asgi.errors import BadRequest, Forbidden, NotFound, RateLimited, Unavailable
from oneapi_asgi.health import Ejection, Standing
from oneapi_asgi.keys import key_digest
from oneapi_asgi.models import Candidate, Channel, Holder, Price, Pulse
from oneapi_asgi.planning import Preparing, Route, RoutePlanner
from oneapi_asgi.pool import ChannelPool
from oneapi_asgi.pricebook import PriceBook
from oneapi_asgi.revision import Revision
from oneapi_asgi.strategies import STRATEGIES, StrategyName
from oneapi_asgi.tariffs import Group

DOUBTFUL, RECOVERING = Standing("doubtful"), Standing("recovering", share=0.5)
PROBING = Standing("probing", share=0.1)


def cooling(wait: float) -> Standing:
    return Standing("cooling", wait, 0.0, "rate")


def out(wait: float) -> Standing:
    return Standing("out", wait, 0.0, "server")


# --- priorities, weights, keys ----------------------------------------------------------------------------------------


async def test_higher_priorities_come_first() -> None:
    channels = [channel(1), channel(2, priority=5), channel(3, priority=-1), channel(4, priority=5)]
    planner = await planner_of(*channels, most=9)
    for _ in range(20):
        found = [number for number, _ in steps(planner.plan(Call(), "m"))]
        assert set(found[:2]) == {2, 4}
        assert found[2:] == [1, 3]


@pytest.mark.parametrize("weights", [(8, 1, 1), (1, 1), (1, 0)])
@pytest.mark.parametrize("keys", [1, 3])
async def test_the_first_is_drawn_by_weight_whatever_its_keys(weights: tuple[int, ...], keys: int) -> None:
    channels = [channel(n, weight=w, keys=1 if n else keys) for n, w in enumerate(weights)]
    planner = await planner_of(*channels, most=1)
    firsts = Counter(steps(planner.plan(Call(), "m"))[0][0] for _ in range(10_000))
    for number, weight in enumerate(weights):
        assert abs(firsts[number] / 10_000 - weight / sum(weights)) < 0.03


@pytest.mark.parametrize("health", [None, Known(c98=out(5))])
async def test_of_very_many_too(health: Known | None) -> None:
    planner = await planner_of(*(channel(n, weight=n % 3, keys=1 + n % 2) for n in range(100)), health=health, most=5)
    plans = [[number for number, _ in steps(planner.plan(Call(), "m"))] for _ in range(10_000)]
    assert all(len(set(plan)) == 5 for plan in plans)
    for at in (0, 4):  # few of so many are taken away by those drawn before
        drawn = Counter(plan[at] % 3 for plan in plans)
        assert drawn[0] == 0
        assert abs(drawn[2] / 10_000 - 2 / 3) < 0.03
    assert any(98 in plan for plan in plans) is (health is None)


async def test_the_light_among_many_heavy_ones_have_their_part() -> None:
    """Plans of nine steps often need more draws than is worth while."""
    planner = await planner_of(*(channel(n, weight=200 if n < 8 else 1) for n in range(48)), most=9)
    firsts = Counter(steps(planner.plan(Call(), "m"))[0][0] >= 8 for _ in range(40_000))
    assert abs(firsts[True] / 40_000 - 40 / 1_640) < 0.003


async def test_of_very_many_those_that_are_fit_are_found_the_long_way() -> None:
    barred = {f"c{n}": out(5) for n in range(1, 199)}
    planner = await planner_of(*map(channel, range(200)), health=Known(**barred), most=5)
    assert {number for number, _ in steps(planner.plan(Call(), "m"))} == {0, 199}


async def test_one_key_of_each_channel_before_second_keys() -> None:
    planner = await planner_of(channel(1, keys=3), channel(2, keys=2), channel(3, keys=0), most=9)
    seen = set()
    for _ in range(50):
        found = steps(planner.plan(Call(), "m"))
        assert {number for number, _ in found[:3]} == {1, 2, 3}
        assert {number for number, _ in found[3:5]} == {1, 2}
        assert found[5][0] == 1
        assert sorted(found) == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (3, 0)]
        seen.add(tuple(found))
    assert len(seen) > 10


async def test_keys_share_the_load() -> None:
    planner = await planner_of(channel(1, keys=4), most=1)
    firsts = Counter(steps(planner.plan(Call(), "m"))[0][1] for _ in range(4_000))
    assert all(abs(firsts[key] / 4_000 - 0.25) < 0.03 for key in range(4))


async def test_the_name_is_the_channels_own() -> None:
    planner = await planner_of(channel(1, model_map={"m": "m-2024"}), channel(2))
    assert {step.channel.id: step.upstream_model for step in planner.plan(Call(), "m")} == {1: "m-2024", 2: "m"}


async def test_a_plan_follows_the_channels() -> None:
    store = Store(channel(1))
    pool = ChannelPool(store, revision=Revision(store, interval=0))
    planner = RoutePlanner(pool)
    await pool.refresh()
    assert steps(planner.plan(Call(), "m")) == [(1, 0)]
    store.channels, store.moved = [channel(2, keys=2), channel(3)], 2
    await pool.refresh()
    assert {number for number, _ in steps(planner.plan(Call(), "m"))} == {2, 3}
    store.channels, store.moved = [], 3
    await pool.refresh()
    with pytest.raises(NotFound):
        planner.plan(Call(), "m")


async def test_who_is_switched_off_is_told_from_who_is_not_there() -> None:
    planner = await planner_of(channel(1, models=("asleep",), enabled=False), channel(2, models=("m",)))
    with pytest.raises(Unavailable, match="switched off"):
        planner.plan(Call(), "asleep")
    with pytest.raises(NotFound):
        planner.plan(Call(), "other")
    with pytest.raises(NotFound):
        planner.plan(Call(token=caller("vip")), "m")


def test_a_plan_without_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        RoutePlanner(ChannelPool(Store()), max_attempts=0)


# --- health -----------------------------------------------------------------------------------------------------------


async def test_the_doubtful_come_after_all_others() -> None:
    """Those of lower priority, too."""
    health = Known(c1_0=DOUBTFUL, c2=DOUBTFUL)
    channels = [channel(1, keys=2, priority=5), channel(2), channel(3), channel(4, priority=-5)]
    planner = await planner_of(*channels, health=health, most=9)
    for _ in range(20):
        assert steps(planner.plan(Call(), "m")) == [(1, 1), (3, 0), (4, 0), (1, 0), (2, 0)]


@pytest.mark.parametrize("barred", [cooling(9), out(9)])
async def test_who_may_not_be_asked_is_left_out(barred: Standing) -> None:
    health = Known(c1=barred, c2_1=barred, c3=DOUBTFUL)
    planner = await planner_of(channel(1, priority=9), channel(2, keys=2), channel(3), health=health, most=9)
    assert steps(planner.plan(Call(), "m")) == [(2, 0), (3, 0)]


@pytest.mark.parametrize(("standing", "share"), [(PROBING, 0.1), (RECOVERING, 0.5)])
async def test_who_recovers_is_asked_as_often_as_its_share_says(standing: Standing, share: float) -> None:
    planner = await planner_of(channel(1), channel(2), health=Known(c1=standing))
    firsts = Counter(steps(planner.plan(Call(), "m"))[0][0] for _ in range(4_000))
    assert abs(firsts[1] / 4_000 - share / 2) < 0.03  # of the half that is its own


async def test_the_one_that_is_back_first_is_tried_where_all_are_out() -> None:
    health = Known(c1=out(20), c2=out(10), c3=cooling(1), c4=out(30))
    planner = await planner_of(*map(channel, (1, 2, 3, 4)), health=health)
    assert steps(planner.plan(Call(), "m")) == [(2, 0)]


async def test_where_all_cool_down_the_caller_is_told_for_how_long() -> None:
    health = Known(c1=cooling(20), c2=cooling(3.5))
    planner = await planner_of(channel(1), channel(2), health=health)
    with pytest.raises(RateLimited) as refused:
        planner.plan(Call(), "m")
    assert (refused.value.status, refused.value.retry_after) == (429, 3.5)


async def test_the_only_channel_is_asked_about_too() -> None:
    planner = await planner_of(channel(1), health=Known(c1=cooling(2)))
    with pytest.raises(RateLimited):
        planner.plan(Call(), "m")


async def test_the_standing_is_that_of_the_model() -> None:
    health = Known(c1_up=out(9))
    mapped = channel(1, models=("*",), model_map={"a": "up"})
    planner = await planner_of(mapped, channel(2), health=health)
    assert steps(planner.plan(Call(), "a")) == [(2, 0)]
    assert len(planner.plan(Call(), "b")) == 2


async def test_health_that_judges_is_heard() -> None:
    health = Ejection()
    planner = await planner_of(channel(1, priority=9), channel(2), health=health)
    assert steps(planner.plan(Call(), "m")) == [(1, 0), (2, 0)]
    for _ in range(5):
        trial = health.begin(Candidate(channel(1), 0, "m"), forced=True)
        assert not isinstance(trial, Standing)
        trial.failed("server")
    assert steps(planner.plan(Call(), "m")) == [(2, 0)]


STATES = st.sampled_from([None, DOUBTFUL, PROBING, cooling(5), out(5)])
ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 1), st.integers(0, 5), STATES), min_size=1, max_size=6)

MANY = st.lists(st.tuples(st.integers(0, 3), st.just(0), st.integers(0, 5), STATES), min_size=40, max_size=60)


@given(ROWS | MANY, st.integers(0, 1000), st.integers(1, 8), st.sampled_from([*STRATEGIES]))
@settings(max_examples=60)
async def test_every_plan_is_a_selection_of_the_candidates(
    rows: list[tuple[int, int, int, Standing | None]], seed: int, most: int, strategy: StrategyName
) -> None:
    channels = {n: channel(n, keys=keys, priority=p, weight=w) for n, (keys, p, w, _) in enumerate(rows)}
    told = {f"c{n}": state for n, (_, _, _, state) in enumerate(rows) if state is not None}
    planner = await planner_of(
        *channels.values(), health=Known(**told), routes=[Route(strategy=strategy)], most=most, seed=seed
    )
    fine = {n for n, row in enumerate(rows) if row[3] in (None, PROBING)}
    doubted = {n for n, row in enumerate(rows) if row[3] is DOUBTFUL}
    every = {(one.id, key) for one in channels.values() if one.id in fine | doubted for key in range(_keys(one))}
    if not every and not any(row[3] == out(5) for row in rows):
        with pytest.raises(RateLimited):
            planner.plan(Call(), "m")
        return
    found = steps(planner.plan(Call(), "m"))
    if not every:
        assert [rows[number][3] for number, _ in found] == [out(5)]
        return
    assert len(found) == len(set(found)) == min(most, len(every))
    assert set(found) <= every
    sure = [number in fine for number, _ in found]
    assert sure == sorted(sure, reverse=True)
    priorities = [channels[number].priority for number, _ in found if number in fine]
    assert priorities == sorted(priorities, reverse=True)


def _keys(one: Channel) -> int:
    return max(len(one.api_keys), 1)


# --- pinned calls -----------------------------------------------------------------------------------------------------


async def test_a_pinned_call_has_one_step() -> None:
    health = Known(c3_0=out(9), c3_1=DOUBTFUL, c3_2=cooling(9), c4=out(9))
    planner = await planner_of(
        channel(1, groups=(), models=()), channel(2, enabled=False), channel(3, keys=3), channel(4), health=health
    )
    (only,) = planner.plan(Call(pinned_channel=1), "anything")
    assert planner.plan(Call(pinned_channel=1), "anything")[0] is only  # what is known of it need not be found again
    assert (only.channel.id, only.upstream_model) == (1, "anything")
    assert steps(planner.plan(Call(pinned_channel=3), "m")) == [(3, 1)]
    assert steps(planner.plan(Call(pinned_channel=4), "m")) == [(4, 0)]  # its caller knows best
    with pytest.raises(BadRequest):
        planner.plan(Call(pinned_channel=9), "m")
    with pytest.raises(Forbidden):
        planner.plan(Call(pinned_channel=2), "m")


# --- routes -----------------------------------------------------------------------------------------------------------


async def test_the_first_route_that_concerns_the_call_holds() -> None:
    routes = [
        Route(models=("a*",), groups=("vip",), fallbacks=("f1",)),
        Route(models=("a*",), fallbacks=("f2",)),
        Route(groups=("v?p",), fallbacks=("f3",)),
        Route(models=("b",)),
        Route(fallbacks=("f4",)),
    ]
    planner = await planner_of(channel(1, groups=("vip", "default")), routes=routes)
    for group, model, fallback in (
        ("vip", "a1", "f1"),
        ("default", "a1", "f2"),
        ("vip", "b", "f3"),
        ("default", "b", ""),
        ("default", "c", "f4"),
    ):
        assert [step.fallback for step in planner.plan(Call(token=caller(group)), model)][1:] == [fallback] * bool(
            fallback
        )


async def test_the_groups_of_a_route_are_tried_in_their_order() -> None:
    channels = [
        channel(1, groups=("vip",), priority=-5),
        channel(2, groups=("vip", "default")),
        channel(3, groups=("default",), priority=9),
        channel(4, groups=("other",)),
    ]
    planner = await planner_of(*channels, routes=[Route(groups=("vip",), tiers=("vip", "default"))], most=9)
    assert steps(planner.plan(Call(token=caller("vip")), "m")) == [(2, 0), (1, 0), (3, 0)]
    assert steps(planner.plan(Call(), "m")) == [(3, 0), (2, 0)]
    with pytest.raises(NotFound, match="'vip'"):
        (await planner_of(routes=[Route(tiers=("vip", "default"))])).plan(Call(token=caller("vip")), "m")


@pytest.mark.parametrize("name", STRATEGIES)
async def test_a_route_has_its_strategy(name: StrategyName) -> None:
    """Told by what comes of 40 plans."""
    health = Known()
    health.running, health.first = {1: 5}, {1: 1.0, 2: 2.0, 3: 3.0}
    channels = [channel(1, weight=1), channel(2, weight=100), channel(3, weight=1)]
    planner = await planner_of(*channels, health=health, routes=[Route(strategy=name)], most=1)
    call = Call(session="a")
    firsts = Counter(steps(planner.plan(call, "m"))[0][0] for _ in range(40))
    if name == "round_robin":
        assert sorted(firsts.values()) == [13, 13, 14]
        assert len({steps(planner.plan(call, other))[0] for other in "ab" for _ in range(3)}) == 3  # each its own turn
    elif name == "sticky":
        assert len(firsts) == 1
    elif name == "least_in_flight":
        assert firsts[1] == 0
    elif name == "latency":
        assert firsts[3] == 0
    else:
        assert firsts[2] > 30


class Prices:
    """Those of a storage."""

    async def pulse(self) -> Pulse:
        return Pulse(1, 0.0)

    async def list_prices(self) -> dict[str, Price]:
        return {"dear": Price(input=3, output=9), "cheap": Price(input=1, output=2), "call": Price(per_call=1)}

    async def list_groups(self) -> list[Group]:
        return []


async def test_the_cheapest_is_found_by_prices_and_factors() -> None:
    channels = [
        channel(1, model_map={"m": "cheap"}),
        channel(2, model_map={"m": "dear"}, options={"cost_factor": "0.2"}),
        channel(3, model_map={"m": "nobody knows"}),
        channel(4, model_map={"m": "call"}),
        channel(5, model_map={"m": "cheap"}, options={"cost_factor": "about one"}),
    ]
    pool = await pool_of(*channels)
    planner = RoutePlanner(pool, [Route(strategy="cheapest")], max_attempts=9, prices=PriceBook(Prices()))
    call = asking()
    await planner.prepare(call, "m", ())
    found = [number for number, _ in steps(planner.plan(call, "m"))]
    assert (found[:3], set(found[3:])) == ([2, 1, 4], {3, 5})


# --- fallbacks --------------------------------------------------------------------------------------------------------

FALLING = Route(models=("a",), fallbacks=("b", "a", "c"))
ABC = tuple(channel(number, models=(name,)) for number, name in enumerate("aaabc", 1))


def told(plan: tuple[Candidate, ...]) -> list[str]:
    return [step.fallback or step.upstream_model.upper() for step in plan]


@pytest.mark.parametrize(
    ("most", "gone", "wanted"),
    [
        (1, (), ["A"]),
        (2, (), ["A", "b"]),
        (3, (), ["A", "A", "b"]),
        (4, (), ["A", "A", "A", "b"]),
        (9, (), ["A", "A", "A", "b", "c"]),
        (3, (1, 2), ["A", "b", "c"]),
        (3, (1, 2, 3), ["b", "c"]),
        (1, (1, 2, 3), ["b"]),
        (3, (4,), ["A", "A", "c"]),
        (3, (4, 5), ["A", "A", "A"]),
    ],
)
async def test_models_that_serve_in_place_of_another_come_last(
    most: int, gone: tuple[int, ...], wanted: list[str]
) -> None:
    planner = await planner_of(*ABC, health=Known(**{f"c{n}": out(9) for n in gone}), routes=[FALLING], most=most)
    assert told(planner.plan(Call(), "a")) == wanted
    assert told(planner.plan(Call(), "b")) == ["B"]  # of which nothing serves in place


async def test_only_models_that_the_caller_may_use_serve_in_place_of_another() -> None:
    planner = await planner_of(*ABC, routes=[FALLING])
    call = Call(token=caller(models=("a", "c*")))
    assert told(planner.plan(call, "a")) == ["A", "A", "c"]


async def test_a_model_that_is_switched_off_has_fallbacks_one_that_never_was_has_none() -> None:
    asleep = channel(1, models=("a",), enabled=False)
    planner = await planner_of(asleep, ABC[3], routes=[Route(fallbacks=("b",)), FALLING])
    assert told(planner.plan(Call(), "a")) == ["b"]
    with pytest.raises(NotFound):
        planner.plan(Call(), "z")
    planner = await planner_of(asleep, routes=[FALLING])
    with pytest.raises(Unavailable):
        planner.plan(Call(), "a")


async def test_where_all_are_barred_any_of_them_may_be_tried() -> None:
    barred = Known(c1=cooling(9), c2=cooling(8), c3=cooling(7), c4=out(5), c5=out(3))
    planner = await planner_of(*ABC, health=barred, routes=[FALLING])
    assert told(planner.plan(Call(), "a")) == ["c"]
    barred.standings |= {"c4": cooling(2), "c5": cooling(3)}
    with pytest.raises(RateLimited) as refused:
        planner.plan(Call(), "a")
    assert refused.value.retry_after == 2


# --- sessions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "headers", "said"),
    [
        ({}, {}, ""),
        ({"prompt_cache_key": "p", "user": "u"}, {}, "p"),
        ({"user": "u", "metadata": {"user_id": "i"}}, {}, "u"),
        ({"metadata": {"user_id": "i"}}, {"x-session-id": "h"}, "i"),
        ({"metadata": {"user_id": 7}, "prompt_cache_key": ["p"]}, {"x-session-id": "h"}, "h"),
        ({"metadata": None}, {"session_id": "s"}, "s"),
        ({"user": ""}, {"session_id": "s", "x-session-id": "h"}, "h"),
        ({"user": "u" * 1000}, {}, "u" * 256),
    ],
)
async def test_what_tells_sessions_apart(body: dict[str, object], headers: dict[str, str], said: str) -> None:
    planner = await planner_of(channel(1), routes=[Route(strategy="sticky")])
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    call, other = asking(body), asking(body)
    other.token = caller(id=2)
    for one in (call, other):
        await planner.prepare(one, "m", raw)
    assert call.session == (f"1\0{said}" if said else "")
    assert (other.session == call.session) is not bool(said)  # of another caller


async def test_nothing_is_read_where_nobody_asks() -> None:
    planner = await planner_of(channel(1), routes=[Route(models=("other",), strategy="sticky")])
    call = asking({"user": "u"})
    await planner.prepare(call, "m", ())
    assert call.session == ""
    assert isinstance(planner, Preparing)


async def test_a_session_stays_with_its_channel_and_sessions_share_by_weight() -> None:
    channels = [channel(1, weight=2), channel(2, weight=1), channel(3, weight=1)]
    planner = await planner_of(*channels, routes=[Route(strategy="sticky")], most=1)
    at: dict[int, int] = {}
    for session in range(2_000):
        found = {steps(planner.plan(Call(session=str(session)), "m"))[0][0] for _ in range(2)}
        (at[session],) = found
    shares = Counter(at.values())
    assert abs(shares[1] / 2_000 - 0.5) < 0.05
    fewer = await planner_of(*channels[:2], routes=[Route(strategy="sticky")], most=1)
    for session, first in at.items():
        if first != 3:
            assert steps(fewer.plan(Call(session=str(session)), "m")) == [(first, 0)]


# --- who keeps an answer ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("holder", "wanted"),
    [
        (Holder(2, key_digest("k2.1")), [(2, 1)]),
        (Holder(3, key_digest("")), [(3, 0)]),
        (Holder(2, key_digest("gone")), None),
        (Holder(9, key_digest("k9.0")), None),
        (Holder(4, key_digest("k4.0")), None),  # not one of the caller's
        (Holder(5, key_digest("k5.0")), None),  # does not serve the model
        (None, None),
    ],
)
@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_who_keeps_the_answer_is_asked_alone(
    holder: Holder | None, wanted: list[tuple[int, int]] | None, strategy: StrategyName
) -> None:
    channels = [
        channel(1, priority=9),
        channel(2, keys=2),
        channel(3, keys=0),
        channel(4, groups=("vip",)),
        channel(5, models=("other",)),
    ]
    routes = [Route(strategy=strategy, fallbacks=("other",))]
    planner = await planner_of(*channels, health=Known(c2=cooling(5), c3=out(5)), routes=routes)
    found = steps(planner.plan(Call(holder=holder), "m"))
    assert found == wanted if wanted else found[0] == (1, 0) and len(found) > 1


def test_the_turns_of_many_models_are_forgotten() -> None:
    """Callers choose the names."""
    planner = RoutePlanner(ChannelPool(Store()), [Route(strategy="round_robin")], rng=random.Random(1))
    assert planner._turns.maxsize < 10_000
    assert planner._chosen.maxsize < 10_000
    assert planner._offers.maxsize < 10_000


async def test_steps_to_spare_come_after_those_that_may_be_tried() -> None:
    pool = await pool_of(*(channel(number, priority=-number) for number in range(1, 6)))
    planner = RoutePlanner(pool, [Route(fallbacks=("other",))], max_attempts=2, spare=2, rng=random.Random(1))
    plan = planner.plan(asking(), "m")
    assert [(step.channel.id, step.fallback) for step in plan] == [(1, ""), (1, "other"), (2, ""), (3, "")]
