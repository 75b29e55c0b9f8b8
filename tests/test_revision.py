"""The store is asked at most once an interval, by one caller at a time, and an old answer is never given."""

from __future__ import annotations

import asyncio

import pytest

from oneapi_asgi.revision import Revision


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Store:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.moved = 1
        self.asked = 0
        self.takes = 0.0
        self.error: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()

    async def revision(self) -> int:
        self.asked += 1
        self.clock.now += self.takes
        await self.open.wait()
        if self.error:
            raise self.error
        return self.moved


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(clock: Clock) -> Store:
    return Store(clock)


async def test_once_an_interval(store: Store, clock: Clock) -> None:
    revision = Revision(store, interval=0.5, clock=clock)
    assert not revision.fresh
    assert await revision.current() == 1
    store.moved = 2
    clock.now += 0.49
    assert revision.fresh
    assert (await revision.current(), store.asked) == (1, 1)
    clock.now += 0.01
    assert not revision.fresh
    assert (await revision.current(), store.asked) == (2, 2)


async def test_the_interval_counts_from_the_question(store: Store, clock: Clock) -> None:
    store.takes = 0.4
    revision = Revision(store, interval=0.5, clock=clock)
    await revision.current()
    assert revision.fresh
    clock.now += 0.1
    assert not revision.fresh


async def test_without_an_interval_every_call_asks(store: Store, clock: Clock) -> None:
    revision = Revision(store, interval=0, clock=clock)
    for asked in (1, 2, 3):
        await revision.current()
        assert store.asked == asked


async def test_those_that_come_meanwhile_wait_for_the_answer(store: Store, clock: Clock) -> None:
    revision = Revision(store, clock=clock)
    store.open.clear()
    waiting = [asyncio.create_task(revision.current()) for _ in range(50)]
    await asyncio.sleep(0)
    store.moved = 7
    store.open.set()
    assert set(await asyncio.gather(*waiting)) == {7}
    assert store.asked == 1


async def test_a_failure_is_raised_and_not_remembered(store: Store, clock: Clock) -> None:
    revision = Revision(store, clock=clock)
    store.error = ConnectionError()
    with pytest.raises(ConnectionError):
        await revision.current()
    assert not revision.fresh
    store.error = None
    assert await revision.current() == 1


async def test_a_cancelled_question_is_asked_by_the_next(store: Store, clock: Clock) -> None:
    revision = Revision(store, clock=clock)
    store.open.clear()
    first, second = (asyncio.create_task(revision.current()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    store.open.set()
    async with asyncio.timeout(2):
        assert await second == 1


def test_a_negative_interval_is_refused(clock: Clock) -> None:
    with pytest.raises(ValueError, match="negative"):
        Revision(Store(clock), interval=-1)
