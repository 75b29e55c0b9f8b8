"""Group commit on a store that fails or hangs: nobody waits for long, nothing is lost, no release is too early."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence

import pytest
from grouped import Ledger, within

from oneapi_asgi.group import GroupCommit, UntriedError, pause_after

Step = tuple[str, int]


def timer() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 0.2), (2, 0.4), (3, 0.8), (4, 1.6), (5, 3.2), (6, 5.0), (10**9, 5.0)]
)
def test_pauses_grow_and_stop_growing(failures: int, seconds: float) -> None:
    assert pause_after(failures) == pytest.approx(seconds)


# --- deadlines --------------------------------------------------------------------------------------------------------


async def test_no_submission_waits_longer_than_its_deadline() -> None:
    ledger = Ledger()
    ledger.open.clear()
    began = timer().time()
    async with GroupCommit(ledger.commit, deadline=0.1) as group:
        under_way = group.submit(1)
        await asyncio.sleep(0.05)
        waiting = group.submit(2)
        with pytest.raises(TimeoutError) as first:
            await within(under_way)
        assert 0.095 < timer().time() - began < 1
        with pytest.raises(UntriedError):
            await within(waiting)
        assert 0.14 < timer().time() - began < 1
        assert not isinstance(first.value, UntriedError)  # nobody knows what became of it
        ledger.open.set()
        assert await within(group.submit(3)) == 30
    assert ledger.taken == [1, 3]


async def test_one_timer_is_enough_for_all() -> None:
    ledger = Ledger()
    async with GroupCommit(ledger.commit, deadline=0.1) as group:
        assert await asyncio.gather(*[group.submit(number) for number in range(500)])
        alarm = group._alarm
        assert alarm is not None
        assert await within(group.submit(1)) == 10
        assert group._alarm is alarm
        await asyncio.sleep(0.12)
        assert group._alarm is None  # nobody waits
        assert await within(group.submit(2)) == 20
    assert group._alarm is None


async def test_without_a_deadline_there_is_no_timer() -> None:
    async with GroupCommit(Ledger().commit) as group:
        assert await within(group.submit(1)) == 10
        assert group._alarm is None


async def test_what_was_posted_has_no_deadline() -> None:
    ledger = Ledger()
    ledger.open.clear()
    async with GroupCommit(ledger.commit, deadline=0.02) as group:
        group.post(1)
        with pytest.raises(TimeoutError):
            await within(group.submit(2))
        group.post(3)
        await asyncio.sleep(0.05)
        ledger.open.set()
        await group.settled()
    assert [number for number in ledger.taken if number != 2] == [1, 3]


# --- a store that is away ---------------------------------------------------------------------------------------------


async def test_a_submission_hastens_the_next_attempt() -> None:
    ledger = Ledger()
    async with GroupCommit(ledger.commit, deadline=2) as group:
        ledger.failing = 3
        group.post(1)
        await _until_failing_is(ledger, 0)  # the next attempt would be 0.8 s later
        began = timer().time()
        assert await within(group.submit(2)) == 20
        assert timer().time() - began < 0.5
    assert ledger.taken == [1, 2]


async def _until_failing_is(ledger: Ledger, number: int) -> None:
    async with asyncio.timeout(10):
        while ledger.failing > number:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_failing_store_is_tried_with_what_was_posted_alone() -> None:
    """So nothing new is held that would have to be released, however long it fails."""
    ledger = Ledger()
    tried: list[Sequence[int]] = []

    async def commit(items: Sequence[int]) -> Sequence[int]:
        tried.append(items)
        return await ledger.commit(items)

    async with GroupCommit(commit, deadline=5, limit=10) as group:
        ledger.failing = 3
        group.post(1)
        await _until_failing_is(ledger, 2)
        while ledger.failing:
            futures = [group.submit(number) for number in range(10, 30)]
            for future in futures:
                with pytest.raises(UntriedError):
                    await within(future)
        assert tried == [[1]] * 3
        assert await within(group.submit(2)) == 20
    assert ledger.taken == [1, 2]


async def test_attempts_are_not_more_frequent_than_that() -> None:
    ledger = Ledger()
    async with GroupCommit(ledger.commit, deadline=2) as group:
        ledger.failing = 100
        began = timer().time()
        while timer().time() - began < 0.7:
            group.post(1)
            with pytest.raises((ConnectionError, UntriedError)):
                await within(group.submit(2))
        attempts, ledger.failing = 100 - ledger.failing, 0
    assert 3 <= attempts <= 6


async def test_an_outage_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    ledger = Ledger()
    async with GroupCommit(ledger.commit) as group:
        for failures in range(100):
            group._failures = failures
            group._fail([(1, None, 0.0)], ConnectionError())
        group._failures = 0
        await group.settled()
    assert len(caplog.records) == 8


async def test_a_store_that_cancels_itself_is_one_that_fails() -> None:
    ledger = Ledger()

    async def commit(items: Sequence[int]) -> Sequence[int]:
        if items == [1]:
            raise asyncio.CancelledError
        return await ledger.commit(items)

    async with GroupCommit(commit) as group:
        with pytest.raises(ConnectionError):
            await within(group.submit(1))
        assert await within(group.submit(2)) == 20


async def test_who_still_waits_when_the_store_is_given_up_is_told() -> None:
    ledger = Ledger()
    ledger.open.clear()
    group = GroupCommit(ledger.commit, patience=0.05, deadline=60)
    async with group:
        under_way = group.submit(1)
        await asyncio.sleep(0.01)
        waiting = group.submit(2)
    for future in (under_way, waiting):
        with pytest.raises(TimeoutError):
            await within(future)
    ledger.open.set()


# --- a release never overtakes what it releases -----------------------------------------------------------------------


class Holds:
    """A store that fails before the commit or after it, hangs, and answers out of time."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.held: set[int] = set()
        self.ended: set[int] = set()
        self.running = 0
        self.well = False

    async def apply(self, steps: Sequence[Step]) -> Sequence[bool]:
        self.running += 1
        assert self.running == 1, "two commits at once"
        try:
            await self._suffer(0.02)
            answers = [self._carry_out(step) for step in sorted(steps, key=lambda step: step[0] == "hold")]
            await self._suffer(0.02)
        finally:
            self.running -= 1
        return answers

    async def _suffer(self, longest: float) -> None:
        if self.well:
            return
        await asyncio.sleep(self.rng.choice([0, 0, longest, 10 * longest]))
        if self.rng.random() < 0.3:
            raise ConnectionError

    def _carry_out(self, step: Step) -> bool:
        what, number = step
        if what == "hold":
            if number not in self.ended:
                self.held.add(number)
            return number in self.held
        if number in self.held:  # one that comes too early finds nothing, and leaves no trace
            self.held.discard(number)
            self.ended.add(number)
        return True


@pytest.mark.parametrize("seed", [0, 1, *[pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 40)]])
async def test_no_hold_outlives_its_release(seed: int) -> None:
    rng = random.Random(seed)
    holds = Holds(rng)
    kept: set[int] = set()
    async with GroupCommit(holds.apply, limit=8, linger=0.005, deadline=0.1) as group:

        async def one(number: int) -> None:
            await asyncio.sleep(rng.uniform(0, 0.6))
            try:
                async with asyncio.timeout(rng.choice([0.001, 0.05, 5])):
                    await group.submit(("hold", number))
            except UntriedError:
                return
            except Exception:
                group.post(("release", number))
                return
            kept.add(number)
            if rng.random() < 0.5:
                kept.discard(number)
                group.post(("release", number))

        await asyncio.gather(*[one(number) for number in range(150)])
        holds.well = True
        async with asyncio.timeout(30):
            await group.settled()
    assert kept <= holds.held | holds.ended
    assert holds.held == kept
