"""One question at a time, whose outcome is everybody's."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from oneapi_asgi.errors import Unavailable
from oneapi_asgi.flight import Flight


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Store:
    """Answers with how often it was asked; questions wait while ``open`` is clear."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()

    async def ask(self) -> int:
        self.asked += 1
        asked = self.asked
        await self.open.wait()
        if self.error:
            raise self.error
        return asked


@pytest.fixture
async def store() -> Store:
    return Store()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def flight(store: Store, clock: Clock, *, timeout: float = 5.0) -> Flight[int]:
    return Flight(store.ask, what="things", timeout=timeout, rest=0.2, clock=clock)


async def together(ask: Flight[int], count: int) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(ask()) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_a_loop_that_stood_still_does_not_spend_the_time() -> None:
    ask = Flight(lambda: asyncio.to_thread(lambda: 7), what="things", timeout=0.2)
    (task,) = await together(ask, 1)
    await asyncio.sleep(0)
    time.sleep(0.5)  # noqa: ASYNC251 - all the while nobody could have heard the answer
    assert await task == 7


async def test_those_that_come_meanwhile_share_the_answer(store: Store, clock: Clock) -> None:
    ask = flight(store, clock)
    store.open.clear()
    tasks = await together(ask, 20)
    store.open.set()
    assert await asyncio.gather(*tasks) == [1] * 20
    assert await ask() == 2


async def test_they_share_the_failure(store: Store, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    ask = flight(store, clock)
    store.open.clear()
    tasks = await together(ask, 20)
    store.error = ConnectionError("db.internal:5432")
    store.open.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert len({id(outcome) for outcome in outcomes}) == 20  # each has a traceback of its own
    assert store.asked == 1
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "things cannot be read: ConnectionError")


async def test_what_hangs_fails_for_all_at_once(store: Store, clock: Clock) -> None:
    ask = flight(store, clock, timeout=0.05)
    store.open.clear()
    async with asyncio.timeout(2):
        outcomes = await asyncio.gather(*await together(ask, 200), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert store.asked == 1


async def test_after_a_failure_it_rests_for_a_moment(store: Store, clock: Clock) -> None:
    ask = flight(store, clock)
    store.error = ConnectionError()
    for passed, asked in ((0, 1), (0, 1), (0.19, 1), (0.02, 2), (0.19, 2)):
        clock.now += passed
        with pytest.raises(Unavailable, match=r"^Things cannot be read at the moment\.$") as refused:
            await ask()
        assert (refused.value.retry_after, refused.value.__cause__, store.asked) == (1, store.error, asked)
    store.error = None
    clock.now += 0.02
    assert await ask() == 3
    assert await ask() == 4


async def test_a_caller_that_is_cancelled_takes_nobody_along(store: Store, clock: Clock) -> None:
    ask = flight(store, clock)
    store.open.clear()
    first, second = await together(ask, 2)
    first.cancel()
    await asyncio.wait([first])
    store.open.set()
    assert await second == 1


async def test_nobody_need_be_left_to_hear_of_a_failure(store: Store, clock: Clock) -> None:
    """Otherwise the loop complains of an exception that nobody has retrieved."""
    ask = flight(store, clock)
    store.open.clear()
    (only,) = await together(ask, 1)
    only.cancel()
    await asyncio.wait([only])
    store.error = ConnectionError()
    store.open.set()
    with pytest.raises(Unavailable):
        await ask()
    assert store.asked == 1


def test_the_end_of_the_loop_is_a_failure_and_the_next_loop_asks_anew(clock: Clock) -> None:
    async def left() -> tuple[Flight[int], Store]:
        store = Store()
        store.open.clear()
        ask = flight(store, clock)
        await together(ask, 1)
        return ask, store

    ask, store = asyncio.run(left())
    store.open.set()
    assert asyncio.run(asyncio.wait_for(ask(), 2)) == 2
