"""In what order equals are asked."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from oneapi_asgi.models import Candidate, Channel
from oneapi_asgi.strategies import (
    STRATEGIES,
    Draw,
    Option,
    Strategy,
    StrategyName,
    cheapest,
    latency,
    least_in_flight,
    round_robin,
    sticky,
    weighted,
)

DRAWS = 4_000
CLOSE = 0.03
FEW = settings(max_examples=40)


def option(channel: int, key: int = 0, *, weight: float = 1.0, **known: object) -> Option:
    made = Option(step=Candidate(Channel(id=channel, name=f"c{channel}"), key, "m"), weight=weight)
    return replace(made, **known)


def ids(options: Sequence[Option]) -> list[int]:
    return [one.step.channel.id for one in options]


def firsts(
    strategy: Strategy, options: Sequence[Option], draw: Callable[[int], Draw] | None = None
) -> dict[int, float]:
    """How often each channel is first, of one."""
    rng = random.Random(7)
    draws = draw or (lambda turn: Draw(rng, turn))
    counts = Counter(strategy(options, draws(turn))[0].step.channel.id for turn in range(DRAWS))
    return {channel: count / DRAWS for channel, count in counts.items()}


def close(found: dict[int, float], wanted: dict[int, float]) -> bool:
    return all(abs(found.get(channel, 0.0) - share) < CLOSE for channel, share in wanted.items())


# --- all of them ------------------------------------------------------------------------------------------------------

OPTIONS = st.lists(
    st.builds(
        option,
        st.integers(1, 6),
        st.integers(0, 2),
        weight=st.sampled_from([0.0, 0.25, 1.0, 8.0, 1e6]),
        share=st.sampled_from([0.1, 0.5, 1.0]),
        in_flight=st.integers(0, 5),
        latency=st.none() | st.floats(0, 100),
        cost=st.none() | st.floats(0, 100),
    ),
    max_size=8,
    unique_by=lambda one: (one.step.channel.id, one.step.key),
)


def test_there_is_one_for_each_name() -> None:
    assert set(STRATEGIES) == set(get_args(StrategyName))


@FEW
@given(OPTIONS, st.integers(0, 99), st.integers(0, 99), st.sampled_from(["", "a", "\ud800"]))
def test_every_order_has_all_options_once_those_without_weight_last(
    options: list[Option], seed: int, turn: int, key: str
) -> None:
    for strategy in STRATEGIES.values():
        found = strategy(options, Draw(random.Random(seed), turn, key))
        assert sorted(map(id, found)) == sorted(map(id, options))
        assert [bool(one.weight) for one in found] == sorted([bool(one.weight) for one in options], reverse=True)


@pytest.mark.parametrize("name", STRATEGIES)
def test_who_recovers_takes_part_as_its_share_says(name: StrategyName) -> None:
    """Also where it would always be the first: it is the cheapest, the fastest, has nothing to do, holds the key."""
    best = option(1, cost=1.0, latency=0.01, weight=1e9)
    other = option(2, cost=2.0, latency=9.0, in_flight=9, weight=1.0)
    rng = random.Random(7)
    for share in (1.0, 0.5, 0.1):
        options = [replace(best, share=share), other]
        found = firsts(STRATEGIES[name], options, lambda _: Draw(rng, 0, "a"))
        assert close(found, {1: share}), name
    assert ids(STRATEGIES[name]([replace(best, share=0.0)], Draw(rng))) == [1]


# --- weighted ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [weighted, least_in_flight, latency, cheapest, sticky])
@pytest.mark.parametrize("weights", [(8, 1, 1), (3, 2, 1), (100, 1), (10**9, 10**9)])
def test_equals_share_by_weight(strategy: Strategy, weights: tuple[int, ...]) -> None:
    options = [option(number, weight=weight) for number, weight in enumerate(weights)]
    wanted = {number: weight / sum(weights) for number, weight in enumerate(weights)}
    rng = random.Random(7)
    assert close(firsts(strategy, options), wanted)
    if strategy is sticky:
        assert close(firsts(strategy, options, lambda turn: Draw(rng, 0, f"caller {turn}")), wanted)


def test_the_second_is_drawn_by_weight_among_the_others() -> None:
    rng = random.Random(7)
    options = [option(1), option(2), option(3, weight=2)]
    pairs = Counter(tuple(ids(weighted(options, Draw(rng)))[:2]) for _ in range(DRAWS))
    assert abs(pairs[1, 3] / (pairs[1, 2] + pairs[1, 3]) - 2 / 3) < CLOSE


# --- round_robin ------------------------------------------------------------------------------------------------------


@FEW
@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.integers(0, 50), st.randoms(use_true_random=False))
def test_round_robin_is_exact(keys: list[int], start: int, rng: random.Random) -> None:
    options = [option(channel, key) for channel, count in enumerate(keys) for key in range(count)]
    rng.shuffle(options)  # it does not depend on the order that they come in
    rounds = 12  # that all counts of keys divide
    found = [round_robin(options, Draw(rng, start + turn))[0].step for turn in range(len(keys) * rounds)]
    for at in range(0, len(found), len(keys)):
        assert {step.channel.id for step in found[at : at + len(keys)]} == set(range(len(keys)))
    for (channel, _), times in Counter((step.channel.id, step.key) for step in found).items():
        assert times == rounds / keys[channel]


# --- least_in_flight --------------------------------------------------------------------------------------------------


def test_of_two_the_one_with_less_to_do_for_its_weight_is_first() -> None:
    draw = Draw(random.Random(7))
    for first, second in (
        (option(1, in_flight=0), option(2, in_flight=1)),
        (option(1, in_flight=3, weight=2), option(2, in_flight=2)),
        (option(1, in_flight=0), option(2, in_flight=1, weight=1e9)),
    ):
        assert all(ids(least_in_flight([second, first], draw)) == [1, 2] for _ in range(50))


@pytest.mark.parametrize("weights", [(1, 1), (4, 2, 1), (1,) * 10])
def test_calls_that_last_spread_by_weight(weights: tuple[int, ...]) -> None:
    """A thousand that stay: within a tenth of what the weights say, also where two are drawn of many."""
    rng, running = random.Random(7), [0] * len(weights)
    for _ in range(1000):
        options = [option(n, weight=w, in_flight=running[n]) for n, w in enumerate(weights)]
        running[least_in_flight(options, Draw(rng))[0].step.channel.id] += 1
    for count, weight in zip(running, weights, strict=True):
        assert abs(count / 1000 / (weight / sum(weights)) - 1) < 0.1


# --- latency ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (option(1, latency=0.1), option(2, latency=0.2)),
        (option(1, latency=0.3), option(2, latency=0.2, in_flight=1)),
        (option(1, latency=0.3, in_flight=1, weight=9), option(2, latency=0.2, in_flight=2)),
        (option(1), option(2, latency=0.001)),  # nobody knows: it is tried
        (option(1, latency=9.0), option(2, in_flight=1)),  # it is being tried already
        (option(1, latency=0.1), option(2, latency=0.2, weight=1e9)),
    ],
)
def test_of_two_the_one_that_is_faster_is_first(first: Option, second: Option) -> None:
    draw = Draw(random.Random(7))
    assert all(ids(latency([second, first], draw)) == [1, 2] for _ in range(50))


def test_of_many_the_slowest_is_never_first_and_the_fastest_mostly() -> None:
    options = [option(number, latency=float(number)) for number in (1, 2, 3, 4)]
    assert close(firsts(latency, options), {1: 1 / 2, 2: 1 / 3, 3: 1 / 6, 4: 0.0})


# --- cheapest ---------------------------------------------------------------------------------------------------------


def test_the_cheaper_are_first_those_without_a_price_last() -> None:
    options = [option(1), option(2, cost=3.0), option(3, cost=0.5, weight=0.01), option(4, cost=0.0)]
    assert ids(cheapest(options, Draw(random.Random(7)))) == [4, 3, 2, 1]


# --- sticky -----------------------------------------------------------------------------------------------------------


@FEW
@given(
    st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=2, max_size=8),
    st.text(min_size=1, max_size=5),
    st.data(),
    st.randoms(use_true_random=False),
)
def test_a_key_stays_while_others_come_and_go(
    weights: list[float], key: str, data: st.DataObject, rng: random.Random
) -> None:
    options = [option(number, weight=weight) for number, weight in enumerate(weights)]
    draw = Draw(rng, 0, key)
    order = ids(sticky(options, draw))
    rng.shuffle(options)
    assert ids(sticky(options, draw)) == order
    gone = data.draw(st.sampled_from(options))
    options.remove(gone)
    assert ids(sticky(options, draw)) == [channel for channel in order if channel != gone.step.channel.id]


def test_keys_differ() -> None:
    options = [option(channel, key) for channel in (1, 2, 3) for key in (0, 1)]
    rng = random.Random(7)
    found = {tuple(ids(sticky(options, Draw(rng, 0, str(key))))) for key in range(200)}
    assert len(found) > 40
