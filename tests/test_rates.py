"""Counters: everything or nothing, never more than the limit, and whoever waits as told gets in."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.models import Ask, AskKind, Granted, Level, Refused
from oneapi_asgi.ports import RateStore
from oneapi_asgi.rates import LocalRates, Share, admit, level

GAPS = st.lists(st.floats(0, 30) | st.just(0.0), max_size=80)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


# --- the decision -----------------------------------------------------------------------------------------------------


@given(GAPS, st.integers(1, 20))
def test_no_minute_admits_more_than_twice_the_limit_and_none_less_than_the_even_rate(
    gaps: list[float], limit: int
) -> None:
    now, due, admitted = 0.0, 0.0, []
    for gap in gaps:
        now += gap
        wait, due = admit(due, now, limit)
        if not wait:
            admitted.append(now)
    for first in admitted:
        for length in (1.0, 10.0, 60.0, 120.0):
            inside = sum(first <= moment < first + length for moment in admitted)
            assert inside <= limit * (1 + length / 60) + 1


@given(GAPS, st.integers(1, 20), st.integers(1, 20))
def test_whoever_waits_as_told_is_admitted_and_not_earlier(gaps: list[float], limit: int, amount: int) -> None:
    now, due, unit, amount = 0.0, 0.0, 60 / limit, min(amount, limit)
    for gap in gaps:
        now += gap
        wait, due = admit(due, now, limit, amount)
        assert 0 <= wait <= unit * (amount + 0.01) + 1e-6  # who came a hundredth of a unit early was let in
        if wait:
            assert admit(due, now + wait, limit, amount)[0] == 0
            early = wait - unit * 0.02
            if early > 0:
                assert admit(due, now + early, limit, amount)[0] > 0
            assert admit(due, now, limit, amount) == (wait, due)  # a refusal costs nothing


@given(st.integers(1, 1000))
def test_the_whole_allowance_may_be_spent_at_once(limit: int) -> None:
    due = 0.0
    for taken in range(limit):
        assert level(due, 5.0, limit).remaining == limit - taken
        wait, due = admit(due, 5.0, limit)
        assert wait == 0
    assert level(due, 5.0, limit).reset == pytest.approx(60)
    assert admit(due, 5.0, limit)[0] == pytest.approx(60 / limit)


def test_a_debt_leaves_nothing_and_takes_longer_than_a_minute() -> None:
    assert level(190.0, 100.0, 10) == Level(0, 90.0)
    assert admit(190.0, 100.0, 10)[0] == pytest.approx(36)


# --- the counters, wherever they are ----------------------------------------------------------------------------------


class Rates(Protocol):
    """Counters to be tested, with a way to let time pass."""

    @property
    def store(self) -> RateStore: ...

    async def after(self, seconds: float) -> None: ...

    async def settled(self) -> None:
        """Until what was given is counted."""
        ...


def ask(kind: AskKind = "requests", limit: int = 1, amount: int = 1, key: str = "k") -> Ask:
    return Ask(f"{key}:{kind}", kind, limit, amount)


class RateContract:
    """What every ``RateStore`` promises. Inherit, and give a fixture ``rates``."""

    async def granted(self, rates: Rates, *asks: Ask) -> Granted:
        outcome = await rates.store.take("call", asks)
        assert isinstance(outcome, Granted), outcome
        return outcome

    async def refused(self, rates: Rates, *asks: Ask) -> Refused:
        outcome = await rates.store.take("call", asks)
        assert isinstance(outcome, Refused), outcome
        return outcome

    async def granted_but_the_last(self, rates: Rates, *takings: tuple[Ask, ...]) -> tuple[list[Granted], Refused]:
        """Of what is asked for at one moment, in which nothing comes back."""
        *granted, refused = await asyncio.gather(*(rates.store.take("call", asks) for asks in takings))
        assert isinstance(refused, Refused), refused
        firsts = [one for one in granted if isinstance(one, Granted)]
        assert firsts == granted
        return firsts, refused

    @pytest.mark.parametrize("limit", [1, 7, 100, 9999])
    async def test_the_whole_allowance_at_once_and_not_one_more(self, rates: Rates, limit: int) -> None:
        one = (ask("requests", limit),)
        rest = [(ask("requests", limit, limit - 1),)] if limit > 1 else []
        (first, *_), late = await self.granted_but_the_last(rates, one, *rest, one)
        assert first.levels[0].remaining == limit - 1
        assert first.levels[0].reset == pytest.approx(60 / limit, abs=1e-5)
        assert (late.which, late.levels[0].remaining) == (0, 0)
        assert late.wait == pytest.approx(60 / limit, abs=0.5)
        assert late.levels[0].reset == pytest.approx(60, abs=0.5)

    async def test_one_by_one_the_allowance_is_exact(self, rates: Rates) -> None:
        outcomes = await asyncio.gather(*(rates.store.take("c", [ask("requests", 70)]) for _ in range(100)))
        assert sum(isinstance(outcome, Granted) for outcome in outcomes) == 70

    async def test_whoever_waits_as_told_gets_in(self, rates: Rates) -> None:
        _, refused = await self.granted_but_the_last(rates, (ask("requests", 600, 600),), (ask("requests", 600),))
        assert 0 < refused.wait <= 0.1
        await rates.after(refused.wait)
        await self.granted(rates, ask("requests", 600))

    async def test_all_or_nothing(self, rates: Rates) -> None:
        asks = (ask("requests", 10), ask("tokens", 1000, 600), ask("calls", 5))
        _, refused = await self.granted_but_the_last(rates, asks, asks)
        assert refused.which == 1
        assert refused.wait == pytest.approx(12, abs=0.5)
        assert [each.remaining for each in refused.levels] == [9, 400, 4]
        again = await self.refused(rates, *asks)
        assert [each.remaining for each in again.levels] == [9, pytest.approx(400, abs=9), 4]

    async def test_the_longest_wait_is_told(self, rates: Rates) -> None:
        await self.granted(rates, ask("requests", 10, 10, "a"), ask("requests", 2, 2, "b"), ask("calls", 1))
        refused = await self.refused(rates, ask("requests", 10, 1, "a"), ask("requests", 2, 1, "b"), ask("calls", 1))
        assert refused.which == 1
        assert refused.wait == pytest.approx(30, abs=0.5)

    async def test_slots_are_free_when_calls_end(self, rates: Rates) -> None:
        slots = ask("calls", 2)
        one, _ = await self.granted(rates, slots), await self.granted(rates, slots)
        refused = await self.refused(rates, slots)
        assert (refused.wait, refused.levels) == (1.0, (Level(0, 0.0),))
        rates.store.give(one)
        await rates.settled()
        await self.granted(rates, slots)
        await self.refused(rates, slots)

    async def test_one_call_may_hold_a_slot_twice(self, rates: Rates) -> None:
        slots = ask("calls", 2)
        one, two = await self.granted(rates, slots), await self.granted(rates, slots)
        rates.store.give(one)
        await rates.settled()
        assert (await self.granted(rates, slots)).levels[0].remaining == 0
        rates.store.give(two)
        await rates.settled()
        await self.granted(rates, slots)

    @pytest.mark.parametrize(
        ("used", "remaining"), [(None, 399), (600, 399), (0, 999), (100, 899), (900, 99), (1000, 0), (5000, 0)]
    )
    async def test_tokens_are_corrected_to_what_was_used(self, rates: Rates, used: int | None, remaining: int) -> None:
        granted = await self.granted(rates, ask("tokens", 1000, 600), ask("requests", 10))
        rates.store.give(granted, used)
        await rates.settled()
        outcome = await rates.store.take("c", [ask("tokens", 1000, 1), ask("requests", 10)])
        assert outcome.levels[0].remaining == pytest.approx(remaining, abs=20)
        assert outcome.levels[1].remaining == (8 if isinstance(outcome, Granted) else 9)
        if used == 5000:
            assert isinstance(outcome, Refused)
            assert outcome.wait == pytest.approx(240, abs=1)  # the debt is paid first
            assert outcome.levels[0].reset == pytest.approx(300, abs=1)

    @pytest.mark.parametrize("used", [2**40, 10**30, 10**400], ids=["many", "more", "beyond-floats"])
    async def test_no_debt_is_longer_than_a_day_and_no_slot_stays_taken(self, rates: Rates, used: int) -> None:
        slots = ask("calls", 2)
        takings = [await self.granted(rates, ask("tokens", 1000, 100), slots) for _ in range(2)]
        for granted in takings:
            rates.store.give(granted, used)
        await rates.settled()
        assert (await self.granted(rates, slots)).levels[0].remaining == 1
        refused = await self.refused(rates, ask("tokens", 1000, 1000))
        assert refused.wait == pytest.approx(86_400, abs=1)

    async def test_what_was_given_back_is_never_more_than_was_taken(self, rates: Rates) -> None:
        granted = await self.granted(rates, ask("tokens", 60_000, 1000))
        await rates.after(0.5)  # half of it came back by itself
        rates.store.give(granted, 0)
        await rates.settled()
        assert (await self.granted(rates, ask("tokens", 60_000, 60_000))).levels[0].remaining == 0
        await self.refused(rates, ask("tokens", 60_000, 30_000))

    async def test_counters_are_apart(self, rates: Rates) -> None:
        for key in "ab":
            await self.granted(rates, ask("requests", 1, key=key), ask("calls", 1, key=key))
        for key in "ab":
            assert (await self.refused(rates, ask("requests", 1, key=key))).which == 0

    async def test_a_changed_limit_holds_at_once(self, rates: Rates) -> None:
        await self.granted(rates, ask("requests", 10, 5))
        assert (await self.granted(rates, ask("requests", 100))).levels[0].remaining == pytest.approx(49, abs=1)
        assert isinstance(await rates.store.take("c", [ask("requests", 2, 2)]), Refused)


class Local:
    def __init__(self) -> None:
        self.clock = Clock()
        self.store = LocalRates(clock=self.clock)

    async def after(self, seconds: float) -> None:
        self.clock.now += seconds

    async def settled(self) -> None:
        """It is at once."""


class TestLocalRates(RateContract):
    @pytest.fixture
    def rates(self) -> Rates:
        return Local()


@given(GAPS, st.integers(1, 20))
async def test_forgetting_the_rested_changes_nothing(gaps: list[float], limit: int) -> None:
    clock = Clock()
    rates = LocalRates(clock=clock)
    due = 0.0
    for gap in gaps:
        clock.now += gap
        wait, due = admit(due, clock.now, limit)
        outcome = await rates.take("c", [ask("requests", limit)])
        assert (outcome.wait if isinstance(outcome, Refused) else 0.0) == wait


async def test_what_was_granted_elsewhere_is_used_up_here_as_far_as_there_is_room() -> None:
    rates = LocalRates(clock=Clock())
    rates.note([ask("requests", 10, 7), ask("tokens", 100, 0), ask("calls", 1)])
    outcome = await rates.take("c", [ask("requests", 10), ask("tokens", 100), ask("calls", 1)])
    assert [each.remaining for each in outcome.levels] == [2, 99, 0]
    rates.note([ask("requests", 10, 7_000)])
    refused = await rates.take("c", [ask("requests", 10)])
    assert isinstance(refused, Refused)
    assert refused.wait == pytest.approx(6)


async def test_memory_is_bounded_and_given_back() -> None:
    clock = Clock()
    rates = LocalRates(size=10, clock=clock)
    for key in range(100):
        granted = await rates.take("c", [ask("requests", 1, key=str(key)), ask("calls", 1, key=str(key))])
        assert isinstance(granted, Granted)
        rates.give(granted)
    assert len(rates._due) == 10
    assert not rates._calls
    clock.now += 60
    for key in range(5):  # whoever comes lets two go
        await rates.take("c", [ask("requests", 1, key=f"new {key}")])
    assert [*rates._due] == [f"new {key}:requests" for key in range(5)]


async def test_who_owes_for_long_is_not_forgotten_for_those_that_have_rested() -> None:
    clock = Clock()
    rates = LocalRates(size=100, clock=clock)
    debt = ask("tokens", 1000, 1000, key="debtor")
    granted = await rates.take("c", [debt])
    assert isinstance(granted, Granted)
    rates.give(granted, 1_000_000)
    for key in range(110):
        clock.now += 2
        await rates.take("c", [ask("requests", 60, key=str(key))])
    assert isinstance(await rates.take("c", [debt]), Refused)
    assert len(rates._due) < 5


def test_in_one_process_nothing_is_waited_for() -> None:
    taking = LocalRates().take("c", [ask()])
    with pytest.raises(StopIteration):
        taking.send(None)
    assert inspect.getcoroutinestate(taking) == inspect.CORO_CLOSED


@given(st.integers(1, 300), st.integers(0, 1000), st.integers(1, 50))
def test_parts_come_to_no_more_than_the_whole(processes: int, limit: int, amount: int) -> None:
    seen: list[Ask] = []

    class Own(LocalRates):
        async def take(self, call_id: str, asks: Sequence[Ask]) -> Granted | Refused:
            seen.extend(asks)
            return Granted(call_id, tuple(asks), ())

    part = Share(Own(), processes)
    asyncio.run(part.take("c", [ask("tokens", limit, min(amount, limit)), ask("calls", limit)]))
    assert all(one.limit == 1 or one.limit * processes <= limit for one in seen)
    assert all(one.limit >= 1 and one.amount <= one.limit for one in seen)


async def test_what_a_part_granted_is_given_back_to_it() -> None:
    part = Share(LocalRates(), 4)
    first = await part.take("a", [ask("calls", 4)])
    assert isinstance(first, Granted)
    assert isinstance(await part.take("b", [ask("calls", 4)]), Refused)
    part.give(first)
    assert isinstance(await part.take("c", [ask("calls", 4)]), Granted)
    with pytest.raises(ValueError, match="at least 1"):
        Share(LocalRates(), 0)
