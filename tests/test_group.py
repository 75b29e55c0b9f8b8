"""Group commit: what waits together goes together, and nothing that was posted is lost."""

from __future__ import annotations

import asyncio
import logging

import pytest
from grouped import Ledger, within

from oneapi_asgi.errors import NotStarted
from oneapi_asgi.group import BLAMING, GroupCommit


async def test_what_waits_at_the_same_moment_goes_together() -> None:
    ledger = Ledger()
    async with GroupCommit(ledger.commit) as group:
        ledger.open.clear()
        first = group.submit(1)
        await asyncio.sleep(0.01)  # the first is being committed
        others = [group.submit(number) for number in range(2, 8)]
        group.post(8)
        ledger.open.set()
        assert await within(first) == 10
        assert [await within(one) for one in others] == [20, 30, 40, 50, 60, 70]
        await group.settled()
    assert ledger.groups == [[1], [2, 3, 4, 5, 6, 7, 8]]


async def test_groups_are_bounded() -> None:
    ledger = Ledger()
    async with GroupCommit(ledger.commit, limit=10) as group:
        outcomes = await asyncio.gather(*[group.submit(number) for number in range(95)])
    assert outcomes == [number * 10 for number in range(95)]
    assert [len(one) for one in ledger.groups] == [10] * 9 + [5]


async def test_lingering_gathers_company() -> None:
    ledger = Ledger()
    async with GroupCommit(ledger.commit, linger=0.05) as group:
        for number in range(5):
            group.post(number)
            await asyncio.sleep(0.002)
        await group.settled()
    assert ledger.groups == [[0, 1, 2, 3, 4]]


async def test_what_is_posted_during_a_commit_lingers_as_well() -> None:
    ledger = Ledger()
    async with GroupCommit(ledger.commit, linger=0.2) as group:
        ledger.open.clear()
        first = group.submit(1)
        await asyncio.sleep(0.01)
        group.post(2)
        ledger.open.set()
        assert await within(first) == 10
        await asyncio.sleep(0.02)
        group.post(3)
        assert ledger.groups == [[1]]
        await asyncio.sleep(0.3)
    assert ledger.groups == [[1], [2, 3]]


async def test_a_crowd_is_given_time_to_gather() -> None:
    ledger = Ledger()
    async with GroupCommit(ledger.commit, pace=0.1) as group:
        ledger.open.clear()
        first, second = group.submit(1), group.submit(2)
        await asyncio.sleep(0.01)
        third = group.submit(3)
        ledger.open.set()
        assert [await within(first), await within(second)] == [10, 20]
        fourth = group.submit(4)
        assert [await within(third), await within(fourth)] == [30, 40]
    assert ledger.groups[:2] == [[1, 2], [3, 4]]


async def test_submitters_hear_of_a_failure_and_may_try_again() -> None:
    ledger = Ledger()
    async with GroupCommit(ledger.commit) as group:
        ledger.failing = 1
        futures = [group.submit(1), group.submit(2)]
        for future in futures:
            with pytest.raises(ConnectionError):
                await within(future)
        assert await within(group.submit(3)) == 30
    assert ledger.taken == [3]


async def test_posted_items_are_tried_until_they_are_taken(caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()
    async with GroupCommit(ledger.commit, name="books") as group:
        ledger.failing = 2
        for number in (1, 2, 3):
            group.post(number)
        async with asyncio.timeout(3):
            await group.settled()
    assert sorted(ledger.taken) == [1, 2, 3]
    assert "books: 3 items wait for the store" in caplog.text


@pytest.mark.parametrize("blame", BLAMING)
async def test_a_poisoned_item_does_not_take_its_company_along(
    blame: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger()
    ledger.poison, ledger.blame = {3, 5}, blame
    async with GroupCommit(ledger.commit) as group:
        one, two, bad = (group.submit(number) for number in (1, 2, 3))
        for number in (4, 5, 6):
            group.post(number)
        assert [await within(one), await within(two)] == [10, 20]
        with pytest.raises(blame):
            await within(bad)
        async with asyncio.timeout(3):
            await group.settled()
    assert sorted(ledger.taken) == [1, 2, 4, 6]
    assert len([record for record in caplog.records if "cannot be committed" in record.message]) == 1


async def test_what_comes_after_the_end_is_told(caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()
    group = GroupCommit(ledger.commit, name="books")
    async with group:
        pass
    group.post(1)
    assert "books: an item came after the end" in caplog.text


async def test_who_leaves_before_the_commit_is_left_out() -> None:
    ledger = Ledger()
    async with GroupCommit(ledger.commit) as group:
        ledger.open.clear()
        first = group.submit(1)
        await asyncio.sleep(0.01)
        leaving, staying = group.submit(2), group.submit(3)
        leaving.cancel()
        ledger.open.set()
        assert [await within(first), await within(staying)] == [10, 30]
    assert ledger.taken == [1, 3]


async def test_who_leaves_during_the_commit_does_not_stop_it() -> None:
    ledger = Ledger()
    async with GroupCommit(ledger.commit) as group:
        ledger.open.clear()
        leaving, staying = group.submit(1), group.submit(2)
        await asyncio.sleep(0.01)
        leaving.cancel()
        ledger.open.set()
        assert await within(staying) == 20
    assert ledger.groups == [[1, 2]]


async def test_leaving_commits_what_is_left() -> None:
    ledger = Ledger()
    async with GroupCommit(ledger.commit, linger=60) as group:
        for number in range(1000):
            group.post(number)
    assert ledger.taken == list(range(1000))


async def test_leaving_tries_again_for_what_is_left() -> None:
    ledger = Ledger()
    async with GroupCommit(ledger.commit) as group:
        ledger.failing = 2
        group.post(1)
    assert ledger.taken == [1]


async def test_a_dead_store_is_given_up_and_the_loss_is_told(caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()
    async with asyncio.timeout(3):
        async with GroupCommit(ledger.commit, patience=0.2, name="books") as group:
            ledger.failing = 1_000_000
            group.post(1)
            group.post(2)
    (last,) = [record for record in caplog.records if "gave up" in record.message]
    assert last.levelno == logging.ERROR
    assert "books: gave up on 2 items" in last.message


async def test_it_has_to_be_entered() -> None:
    group = GroupCommit(Ledger().commit, name="books")
    assert not group.started
    with pytest.raises(NotStarted, match="books"):
        group.submit(1)
    async with group:
        assert group.started
    with pytest.raises(NotStarted):
        group.submit(1)


async def test_it_can_be_entered_again() -> None:
    ledger = Ledger()
    group = GroupCommit(ledger.commit)
    for number in (1, 2):
        async with group:
            assert await within(group.submit(number)) == number * 10
    assert ledger.taken == [1, 2]


async def test_nothing_waits_in_the_beginning() -> None:
    async with GroupCommit(Ledger().commit) as group:
        async with asyncio.timeout(1):
            await group.settled()
