"""Reservations: what a ledger that fails leaves behind, what is noted of calls that last, what could not be booked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest
from quotas import CHANNELS, COST, Bank, Clock, begin, opened, until, used

from oneapi_asgi.errors import NotStarted, Unavailable
from oneapi_asgi.models import NANO, Checkpoint, Limit, Price, Reserve, Settle, Usage
from oneapi_asgi.pricebook import PriceBook
from oneapi_asgi.pricing import cost
from oneapi_asgi.quota import Quota, charged
from oneapi_asgi.tariffs import Group

LEASE = 60.0


def checkpoints(bank: Bank) -> list[Checkpoint]:
    return [step for step in bank.asked if isinstance(step, Checkpoint)]


# --- a ledger that fails ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_failed_hold_is_released(when: str) -> None:
    """What failed may have been the answer."""
    bank = Bank()
    token = await bank.caller()
    async with opened(bank) as quota:
        getattr(bank, when).append(ConnectionError)
        with pytest.raises(Unavailable, match="cannot be checked") as refused:
            await begin(quota, token)
        assert refused.value.retry_after == 1
        await quota.settled()
        assert [type(step) for step in bank.asked] == [Reserve, Settle]
        await begin(quota, token)
    assert bank.states().get("held") == 1
    assert bank.states().get("released", 0) == (when == "after")


async def test_a_ledger_that_hangs_refuses_in_time_and_holds_nothing() -> None:
    bank = Bank()
    token = await bank.caller()
    async with opened(bank, deadline=0.05) as quota:
        bank.open.clear()
        calls = [asyncio.create_task(begin(quota, token)) for _ in range(3)]
        await until(lambda: len(bank.asked) == 3)
        late = [asyncio.create_task(begin(quota, token)) for _ in range(50)]
        done = await asyncio.wait_for(asyncio.gather(*calls, *late, return_exceptions=True), 2)
        assert {type(error) for error in done} == {Unavailable}
        assert bank.states() == {"held": 3}
        bank.open.set()
        await quota.settled()
    assert bank.states() == {"released": 3}
    assert len(bank.asked) == 6  # what was never tried need not be released
    assert [balance.available for balance in await bank.balances(token.accounts[1:])] == [100 * COST]


async def test_a_ledger_may_say_itself_why_it_refuses() -> None:
    class Full(Unavailable):
        def __init__(self) -> None:
            super().__init__("Too many connections.", retry_after=3)

    bank = Bank()
    token = await bank.caller()
    async with opened(bank) as quota:
        bank.after = [Full]
        with pytest.raises(Full):
            await begin(quota, token)
        await quota.settled()
    assert bank.states() == {"released": 1}


async def test_who_leaves_while_the_hold_is_made_leaves_nothing_held() -> None:
    bank = Bank()
    token = await bank.caller()
    async with opened(bank) as quota:
        bank.open.clear()
        call = asyncio.create_task(begin(quota, token))
        await until(lambda: bank.states() == {"held": 1})
        call.cancel()
        await asyncio.wait([call])
        bank.open.set()
        await quota.settled()
    assert call.cancelled()
    assert bank.states() == {"released": 1}


async def test_a_call_is_held_for_once() -> None:
    bank = Bank()
    token = await bank.caller()
    async with opened(bank) as quota:
        call = await begin(quota, token)
        quota.settle(call.id, COST)
        assert call.operation is not None
        assert call.request is not None
        with pytest.raises(Unavailable, match="is known already"):
            await quota.reserve(call, token, call.operation, call.request.head, b"")


async def test_it_has_to_be_entered() -> None:
    bank = Bank()
    token = await bank.caller()
    with pytest.raises(NotStarted):
        await begin(Quota(bank, PriceBook(bank)), token)


async def test_it_can_be_entered_again() -> None:
    bank = Bank()
    token = await bank.caller()
    quota = Quota(bank, PriceBook(bank), budgets=bank)
    for _ in range(2):
        async with quota:
            quota.settle((await begin(quota, token)).id, COST)
    assert bank.states() == {"settled": 2}
    await quota.__aexit__(None, None, None)  # and left again


@pytest.mark.parametrize(("lease", "checkpoint"), [(10.0, 5.0), (10.0, 0.0), (1.0, 60.0)])
def test_a_lease_that_checkpoints_cannot_renew_is_refused(lease: float, checkpoint: float) -> None:
    bank = Bank()
    with pytest.raises(ValueError, match="less than half of the lease"):
        Quota(bank, PriceBook(bank), lease=lease, checkpoint=checkpoint)


# --- checkpoints ------------------------------------------------------------------------------------------------------


async def test_running_calls_are_renewed_and_charged_for_what_they_were_seen_to_use() -> None:
    clock = Clock()
    bank = Bank(clock)
    await bank.save_limit(Limit(scope="channel", budget=100 * COST))
    token = await bank.caller()
    spent = [await bank.budget(1, str(channel.id)) for channel in CHANNELS[:2]]
    async with opened(bank, checkpoint=0.005, lease=LEASE) as quota:
        silent, streaming, whole = [await begin(quota, token, CHANNELS[:2], age=1) for _ in range(3)]
        streaming.progress = lambda: Usage(calls=2)
        whole.usage, whole.progress = Usage(calls=3), streaming.progress  # what is final is final
        whole.serving = whole.plan[1]
        for _ in range(3):
            bank.asked.clear()
            await until(lambda: len(checkpoints(bank)) >= 6)
            clock.now += LEASE - 1
            assert await bank.expire() == 0
        noted = {step.id: step for step in checkpoints(bank)}
    assert noted == {
        silent.id: Checkpoint(silent.id, 0, LEASE, (spent[1],)),
        streaming.id: Checkpoint(streaming.id, 2 * COST, LEASE, (spent[1],)),
        whole.id: Checkpoint(whole.id, 3 * COST, LEASE, (spent[0],)),
    }


async def test_a_call_of_a_dead_process_costs_what_was_noted_of_it() -> None:
    clock = Clock()
    bank = Bank(clock)
    token = await bank.caller()
    async with opened(bank, checkpoint=0.005, lease=LEASE) as quota:
        call = await begin(quota, token, age=1)
        silent = await begin(quota, token, age=1)
        call.progress = lambda: Usage(calls=2)
        await until(lambda: len(checkpoints(bank)) >= 4)
        quota._open.clear()  # it dies here
        clock.now += LEASE
        assert await bank.expire() == 2
        assert await used(bank, *token.accounts) == [2 * COST, 2 * COST]
    assert [bank._holds[one.id].cost for one in (call, silent)] == [2 * COST, 0]
    assert bank.states() == {"expired": 2}


async def test_a_short_call_is_not_noted() -> None:
    bank = Bank()
    token = await bank.caller()
    async with opened(bank, checkpoint=0.005, lease=LEASE) as quota:
        old = await begin(quota, token, age=1)
        ended = await begin(quota, token, age=1)
        quota.settle(ended.id, COST)
        young = await begin(quota, token, age=-60)
        await until(lambda: len(checkpoints(bank)) >= 3)
        assert {step.id for step in checkpoints(bank)} == {old.id}
        quota.settle(young.id, COST)
        quota.settle(old.id, COST)
        assert quota._open == {}
        bank.asked.clear()
        await asyncio.sleep(0.02)
        assert checkpoints(bank) == []


async def test_one_call_that_cannot_be_read_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Usage:
        raise LookupError("of a component")

    bank = Bank()
    token = await bank.caller()
    async with opened(bank, checkpoint=0.005, lease=LEASE) as quota:
        sick, well = await begin(quota, token, age=1), await begin(quota, token, age=1)
        sick.progress, well.progress = broken, lambda: Usage(calls=1)
        await until(lambda: len(checkpoints(bank)) >= 4)
    assert {(step.id, step.cost) for step in checkpoints(bank)} == {(sick.id, 0), (well.id, COST)}
    assert f"the usage of call {sick.id} cannot be read: LookupError" in caplog.text


async def test_many_calls_are_noted_in_turns(caplog: pytest.LogCaptureFixture) -> None:
    bank = Bank()
    token = await bank.caller(wallet=None)
    sizes: list[int] = []
    apply = bank.apply

    async def watched(operations: Sequence[Reserve | Settle | Checkpoint]) -> object:
        sizes.append(len(operations))
        return await apply(operations)

    bank.apply = watched  # type: ignore[method-assign, assignment]
    async with opened(bank, checkpoint=0.01, lease=LEASE) as quota:
        calls = await asyncio.gather(*[begin(quota, token, age=1) for _ in range(600)])
        await until(lambda: len(checkpoints(bank)) >= 600)
        for call in calls:
            quota.settle(call.id, COST)
    assert max(sizes) <= 256
    assert bank.states() == {"settled": 600}
    assert caplog.text == ""


async def test_during_an_outage_checkpoints_do_not_gather(caplog: pytest.LogCaptureFixture) -> None:
    bank = Bank()
    token = await bank.caller()
    async with opened(bank, checkpoint=0.01, lease=LEASE, deadline=0.05) as quota:
        await begin(quota, token, age=1)
        bank.open.clear()
        async with asyncio.timeout(5):
            while caplog.text.count("1 of 1 running calls could not be noted") < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert len(quota._group._waiting) <= 1
        bank.open.set()
        bank.asked.clear()
        await until(lambda: len(checkpoints(bank)) >= 2)


async def test_what_still_runs_at_the_end_is_noted_once_more() -> None:
    bank = Bank()
    token = await bank.caller()
    async with opened(bank, lease=LEASE) as quota:
        call = await begin(quota, token)
        call.progress = lambda: Usage(calls=1)
    assert checkpoints(bank) == [Checkpoint(call.id, COST, LEASE)]


# --- what could not be booked -----------------------------------------------------------------------------------------


async def test_a_cost_that_comes_too_late_is_told(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    bank = Bank(clock)
    token = await bank.caller()
    async with opened(bank) as quota:
        call = await begin(quota, token)
        clock.now += quota.lease
        assert await bank.expire() == 1
        quota.settle(call.id, COST)
        await quota.settled()
    assert f"reservation {call.id} had ended before its cost of {COST} was booked" in caplog.text
    assert caplog.records[-1].levelno == logging.ERROR


async def test_a_call_that_lost_its_hold_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    bank = Bank(clock)
    token = await bank.caller()
    async with opened(bank, checkpoint=0.005, lease=LEASE) as quota:
        call = await begin(quota, token, age=1)
        other = await begin(quota, token, age=1)
        call.progress = lambda: Usage(calls=2)
        bank._holds[call.id].state = "expired"
        await until(lambda: len([step for step in checkpoints(bank) if step.id == other.id]) >= 4)
    told = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert told == [f"reservation {call.id} has ended while its call runs, at a cost of {2 * COST}"]


async def test_a_settlement_whose_answer_got_lost_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    bank = Bank()
    token = await bank.caller()
    async with opened(bank) as quota:
        call = await begin(quota, token)
        bank.after = [ConnectionError]
        quota.settle(call.id, COST)
        await quota.settled()
        assert quota._unsure == set()
    assert await used(bank, *token.accounts) == [COST, COST]
    assert bank.states() == {"settled": 1}
    assert not [record.message for record in caplog.records if "had ended before" in record.message]


async def test_a_call_that_ends_while_it_is_noted_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    bank = Bank()
    token = await bank.caller()
    async with opened(bank, checkpoint=0.005, lease=LEASE) as quota:
        call = await begin(quota, token, age=1)
        bank.open.clear()
        await until(lambda: len(checkpoints(bank)) >= 1)
        quota.settle(call.id, COST)
        bank.open.set()
        await quota.settled()
    assert bank.states() == {"settled": 1}
    assert caplog.text == ""


async def test_an_item_that_nobody_can_carry_out_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    bank = Bank()
    token = await bank.caller()
    async with opened(bank) as quota:
        call = await begin(quota, token)
        quota.settle(call.id, -1)
        await quota.settled()
        assert quota._unsure == set()
    assert "cannot be committed: Settle" in caplog.text


# --- what is beyond all measure ---------------------------------------------------------------------------------------

DEAR = Price(output=10**18, per_call=2**62 + 1)


@pytest.mark.parametrize(
    ("usage", "price", "nano"),
    [
        (None, DEAR, 0),
        (Usage(), None, 0),
        (Usage(calls=1), Price(per_call=2**62), 2**62),
        (Usage(calls=1), DEAR, 2**62),
        (Usage(output=1 << 40), DEAR, 2**62),
        (Usage(output=10**30), DEAR, 2**62),
    ],
)
def test_what_is_charged_can_be_booked(usage: Usage | None, price: Price | None, nano: int) -> None:
    assert charged(usage, price) == nano


async def test_a_cost_beyond_all_measure_is_booked_as_the_largest(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    bank = Bank()
    token = await bank.caller()
    async with opened(bank, checkpoint=0.005, lease=LEASE) as quota:
        for _ in range(3):
            call = await begin(quota, token, age=1)
            call.prices, call.usage, noted = {"": DEAR}, Usage(output=10**30), len(checkpoints(bank))
            await until(lambda noted=noted: len(checkpoints(bank)) > noted)  # type: ignore[misc]
            quota.settle(call.id, charged(call.usage, call.price))
            await quota.settled()
            for account in token.accounts:
                await bank.credit(account, 2**62)
    assert {checkpoint.cost for checkpoint in checkpoints(bank)} == {2**62}
    assert [balance.used for balance in await bank.balances(token.accounts)] == [2**63 - 1] * 2
    assert caplog.text == ""


@pytest.mark.parametrize(("ratio", "paid"), [(None, COST), (NANO // 3, 33_334), (0, 0), (2 * NANO, 2 * COST)])
async def test_a_group_pays_its_ratio_of_what_is_held_and_of_what_is_charged(ratio: int | None, paid: int) -> None:
    bank = Bank()
    if ratio is not None:
        await bank.set_group(Group(name="staff", ratio=ratio))
    token = await bank.caller(wallet=2 * COST)
    async with opened(bank) as quota:
        call = await begin(quota, token)
        [held] = [one.amount for one in bank.asked if isinstance(one, Reserve)]
        price = call.prices[""]
        assert (held, cost(Usage(), price)) == (paid, paid)
        assert price.ratio == (NANO if ratio is None else ratio)
