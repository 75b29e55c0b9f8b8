"""Budgets: whose they are, what a call holds of them, and what happens when one is short."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from quotas import CHANNELS, COST, Bank, Clock, begin, opened, used

from oneapi_asgi.errors import BudgetExceeded, Forbidden, GatewayError, InsufficientQuota, NotStarted, Unavailable
from oneapi_asgi.limitbook import LimitBook
from oneapi_asgi.models import Channel, Checkpoint, Limit, LimitScope, Price, Reserve, Settle
from oneapi_asgi.pricebook import PriceBook
from oneapi_asgi.quota import Quota

DAY = 86_400


async def with_limits(*limits: Limit, clock: Clock | None = None) -> Bank:
    bank = Bank(clock)
    for limit in limits:
        await bank.save_limit(limit)
    return bank


def budget(scope: LimitScope, name: str = "*", calls: float = 10, **more: object) -> Limit:
    return Limit(scope=scope, name=name, budget=int(calls * COST), **{"period": "day", **more})  # type: ignore[arg-type]


# --- whose ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "subjects"),
    [
        (budget("token"), ["1"]),
        (budget("token", "ci"), ["1"]),
        (budget("token", "other"), []),
        (budget("user", "an*"), ["2"]),
        (budget("group", "*"), ["staff"]),
        (budget("model", "m*"), ["m"]),
        (budget("model", "n*"), []),
        (budget("channel"), ["1", "2"]),
        (budget("channel", "b"), ["2"]),
        (Limit(scope="user", requests_per_minute=1), []),
    ],
)
async def test_a_call_holds_on_every_budget_that_concerns_it(limit: Limit, subjects: list[str]) -> None:
    bank = await with_limits(limit)
    token = await bank.caller()
    async with opened(bank) as quota:
        await begin(quota, token, CHANNELS[:2])
    assert [subject for wanted in bank.opened for _, subject in wanted] == subjects
    expected = (*token.accounts, *[await bank.budget(1, subject) for subject in subjects])
    assert [step.accounts for step in bank.asked if isinstance(step, Reserve)] == [expected]


async def test_each_model_has_a_budget_for_itself() -> None:
    bank = await with_limits(budget("model", "m-*", calls=1))
    token = await bank.caller()
    async with opened(bank) as quota:
        for model in ("m-1", "m-2", "free", "free"):
            await begin(quota, token, model=model)
        for model in ("m-1", "m-2"):
            with pytest.raises(BudgetExceeded, match=f"the model '{model}'"):
                await begin(quota, token, model=model)
        await begin(quota, token, model="m-3")


async def test_accounts_are_asked_for_once_until_the_limits_change() -> None:
    bank = await with_limits(budget("user", calls=100), budget("channel", calls=100))
    token = await bank.caller()
    async with opened(bank) as quota:
        await asyncio.gather(*[begin(quota, token) for _ in range(20)])
        await begin(quota, token)
        assert bank.opened == [[(1, "2"), (2, "1")]]
        await bank.save_limit(budget("group"))
        await begin(quota, token)
        assert bank.opened[1:] == [[(1, "2"), (3, "staff"), (2, "1")]]
        await bank.delete_limit(1)
        call = await begin(quota, token)
    (last,) = [step for step in bank.asked if isinstance(step, Reserve) and step.id == call.id]
    assert last.accounts == (*token.accounts, await bank.budget(3, "staff"), await bank.budget(2, "1"))


async def test_a_limit_that_is_gone_meanwhile_is_none() -> None:
    class Late(Bank):
        async def open_budgets(self, wanted: Sequence[tuple[int, str]]) -> Sequence[int | None]:
            return [None for _ in wanted]

    bank = Late()
    await bank.save_limit(budget("user"))
    token = await bank.caller()
    async with opened(bank) as quota:
        await begin(quota, token)
    assert [step.accounts for step in bank.asked if isinstance(step, Reserve)] == [token.accounts]


async def test_without_budgets_nothing_is_asked() -> None:
    bank = await with_limits(Limit(scope="user", requests_per_minute=5))
    token = await bank.caller()
    async with Quota(bank, PriceBook(bank), limits=LimitBook(bank)) as without, opened(bank) as quota:
        await begin(without, token)
        await begin(quota, token)
    assert bank.opened == []


async def test_budgets_that_cannot_be_read_refuse_the_call() -> None:
    bank = await with_limits(budget("user"))
    token = await bank.caller()
    async with opened(bank) as quota:
        bank.before = [ConnectionError]
        with pytest.raises(Unavailable, match="Budgets cannot be read") as refused:
            await begin(quota, token)
        assert refused.value.retry_after == 1
        await begin(quota, token)
    assert [type(step) for step in bank.asked] == [Reserve, Checkpoint]  # nothing was held before
    never = Quota(bank, PriceBook(bank), limits=LimitBook(bank), budgets=bank)
    with pytest.raises(NotStarted, match="opener of budgets is not running"):
        await begin(never, token)


@pytest.mark.parametrize("limit", [budget("user"), budget("channel")])
async def test_who_has_a_budget_cannot_use_what_has_no_price(limit: Limit) -> None:
    bank = await with_limits()
    await bank.set_price("*", None)
    token = await bank.caller(wallet=None)
    async with opened(bank) as quota:
        await begin(quota, token)
        await bank.save_limit(limit)
        with pytest.raises(Forbidden, match="has no price"):
            await begin(quota, token)


# --- short ------------------------------------------------------------------------------------------------------------


async def refused(quota: Quota, *args: object, **more: object) -> GatewayError:
    with pytest.raises(GatewayError) as error:
        await begin(quota, *args, **more)  # type: ignore[arg-type]
    return error.value


@pytest.mark.parametrize(
    ("scope", "whose"),
    [
        ("token", "this API key"),
        ("user", "the owner of this API key"),
        ("group", "the group of this API key"),
        ("model", "the model 'm'"),
    ],
)
async def test_a_budget_that_is_used_up_says_until_when(scope: LimitScope, whose: str) -> None:
    clock = Clock()
    bank = await with_limits(budget(scope, calls=2), clock=clock)
    token = await bank.caller()
    async with opened(bank) as quota:
        for _ in range(2):
            quota.settle((await begin(quota, token)).id, COST)
        await quota.settled()
        midnight = (clock.now // DAY + 1) * DAY
        error = await refused(quota, token)
        assert isinstance(error, BudgetExceeded)
        assert (error.status, error.code, error.retry_after) == (429, "budget_exceeded", midnight - clock.now)
        assert f"The budget of {whose}" in error.message
        assert "$0 left, $0.0001 needed" in error.message
        assert error.should_retry is False  # nobody waits for hours
        clock.now = midnight - 30
        error = await refused(quota, token)
        assert (error.retry_after, error.should_retry) == (30, True)
        clock.now = midnight
        await begin(quota, token)


async def test_a_budget_that_running_calls_hold_is_free_soon() -> None:
    bank = await with_limits(budget("user", calls=1))
    token = await bank.caller()
    async with opened(bank) as quota:
        call = await begin(quota, token)
        error = await refused(quota, token)
        assert (error.code, error.retry_after, error.should_retry) == ("budget_exceeded", 1, True)
        quota.settle(call.id, 0)
        await begin(quota, token)


async def test_a_call_that_no_period_covers_is_refused_for_good() -> None:
    bank = await with_limits(budget("user", calls=0.5))
    token = await bank.caller()
    async with opened(bank) as quota:
        error = await refused(quota, token)
    assert isinstance(error, InsufficientQuota)
    assert (error.status, error.code, error.should_retry) == (403, "budget_too_small", False)
    assert "can never cover this call: $0.00005 for a whole period" in error.message


async def test_a_wallet_that_is_short_is_still_told_as_such() -> None:
    bank = await with_limits(budget("user"), budget("channel"))
    token = await bank.caller(wallet=COST // 2)
    async with opened(bank) as quota:
        error = await refused(quota, token, CHANNELS)
    assert (error.code, "The quota of the account" in error.message) == ("insufficient_quota", True)


# --- budgets of channels ----------------------------------------------------------------------------------------------


async def test_only_the_channel_that_served_is_charged() -> None:
    bank = await with_limits(budget("channel"))
    token = await bank.caller()
    async with opened(bank) as quota:
        accounts = [await bank.budget(1, str(channel.id)) for channel in CHANNELS]
        for served in (1, 2, 1, None):
            call = await begin(quota, token, CHANNELS)
            call.serving = None if served is None else call.plan[served]
            quota.settle(call.id, COST)
        await quota.settled()
    assert await used(bank, *accounts) == [COST, 2 * COST, COST]  # the first, where nobody says who it was
    assert [balance.available for balance in await bank.balances(accounts)] == [9 * COST, 8 * COST, 9 * COST]
    assert bank.states() == {"settled": 4}


async def test_a_channel_without_budget_is_left_out() -> None:
    bank = await with_limits(budget("channel", "a", calls=0.5), budget("channel", "b", calls=1), budget("channel", "c"))
    token = await bank.caller()
    left: list[Sequence[Channel]] = []
    async with opened(bank) as quota:
        for _ in range(2):
            call = await begin(quota, token, CHANNELS)
            left.append([candidate.channel for candidate in call.plan])
            call.serving = call.plan[0]
            quota.settle(call.id, COST)
        await quota.settled()
    assert left == [[*CHANNELS[1:]], [CHANNELS[2]]]
    assert bank.states() == {"settled": 2}
    (b, c) = (await bank.budget(2, "2"), await bank.budget(3, "3"))
    assert await used(bank, b, c, *token.accounts) == [COST, COST, 2 * COST, 2 * COST]


async def test_the_price_is_that_of_who_is_left() -> None:
    """Where the name that callers use has no price of its own, but those of the upstreams have."""
    bank = await with_limits(budget("channel", "a", calls=0.5))
    await bank.set_price("*", None)
    for channel in CHANNELS:
        await bank.set_price(f"up-{channel.name}", Price(per_call=COST + channel.id))
    token = await bank.caller()
    async with opened(bank) as quota:
        call = await begin(quota, token, CHANNELS[:2], upstream="up-{}")
    assert [candidate.channel.name for candidate in call.plan] == ["b"]
    assert call.price == Price(per_call=COST + 2)


async def test_without_a_channel_that_has_a_budget_the_first_one_to_have_it_is_waited_for() -> None:
    clock = Clock()
    bank = await with_limits(
        budget("channel", "a", calls=0.5),
        budget("channel", "b", calls=1, period="month"),
        budget("channel", "c", calls=1),
        clock=clock,
    )
    token = await bank.caller()
    async with opened(bank) as quota:
        for _ in range(2):
            call = await begin(quota, token, CHANNELS)
            call.serving = call.plan[0]
            quota.settle(call.id, COST)
        error = await refused(quota, token, CHANNELS)
        assert isinstance(error, Unavailable)
        assert (error.status, error.code) == (503, "channel_budget_exceeded")
        assert error.retry_after == DAY - clock.now % DAY
        assert error.should_retry is False
        error = await refused(quota, token, CHANNELS[:1])
        assert (error.status, error.code, error.should_retry) == (403, "budget_too_small", False)


async def test_budgets_hold_exactly_under_many_calls() -> None:
    """However many ask at once: never more is spent than each of the budgets allows."""
    bank = await with_limits(
        budget("user", calls=60), budget("channel", "a", calls=7), budget("channel", "b", calls=11)
    )
    token = await bank.caller(wallet=None)
    async with opened(bank) as quota:

        async def one() -> str:
            try:
                call = await begin(quota, token, CHANNELS)
            except BudgetExceeded:
                return "refused"
            await asyncio.sleep(0)
            call.serving = call.plan[0]
            quota.settle(call.id, COST)
            return call.serving.channel.name

        served = await asyncio.gather(*[one() for _ in range(200)])
        await quota.settled()
    counts = {name: served.count(name) for name in sorted(set(served))}
    assert counts == {"a": 7, "b": 11, "c": 42, "refused": 140}
    accounts = [await bank.budget(*wanted) for wanted in ((1, "2"), (2, "1"), (3, "2"))]
    assert await used(bank, *accounts) == [60 * COST, 7 * COST, 11 * COST]
    assert bank.states() == {"settled": 60}


async def test_nothing_is_settled_twice() -> None:
    bank = await with_limits(budget("channel"))
    token = await bank.caller()
    async with opened(bank) as quota:
        call = await begin(quota, token, CHANNELS)
        quota.settle(call.id, COST)
        quota.settle(call.id, COST)
        await quota.settled()
    assert [step.cost for step in bank.asked if isinstance(step, Settle)] == [COST, COST]
    assert await used(bank, *token.accounts) == [COST, COST]
