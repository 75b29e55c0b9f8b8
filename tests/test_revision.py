"""The store is asked at most once an interval, by one caller at a time, and an old answer is never given."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

from oneapi_asgi.errors import Unavailable
from oneapi_asgi.models import Pulse
from oneapi_asgi.revision import Following, Revision


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Store:
    """``takes`` are the seconds by ``clock`` until an answer is read, and again until it has come."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.moved = 1
        self.ahead = 5000.0
        self.asked = 0
        self.takes = 0.0
        self.error: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()

    async def pulse(self) -> Pulse:
        self.asked += 1
        self.clock.now += self.takes
        answer = Pulse(self.moved, self.clock.now + self.ahead)
        await self.open.wait()
        self.clock.now += self.takes
        if self.error:
            raise self.error
        return answer


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
    store.takes = 0.2
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
    store.moved = 7
    waiting = [asyncio.create_task(revision.current()) for _ in range(50)]
    await asyncio.sleep(0.01)
    store.open.set()
    assert set(await asyncio.gather(*waiting)) == {7}
    assert store.asked == 1


@pytest.mark.parametrize(("late", "answer", "asked"), [(0.5, 1, 1), (0.6, 2, 2)])
async def test_an_answer_to_an_old_question_is_not_for_those_that_came_later(
    store: Store, clock: Clock, late: float, answer: int, asked: int
) -> None:
    revision = Revision(store, interval=0.5, clock=clock)
    store.open.clear()
    first = asyncio.create_task(revision.current())
    await asyncio.sleep(0.01)
    store.moved = 2
    clock.now += late
    others = [asyncio.create_task(revision.current()) for _ in range(10)]
    await asyncio.sleep(0)
    store.open.set()
    assert await first == 1
    assert (set(await asyncio.gather(*others)), store.asked) == ({answer}, asked)


async def test_a_failure_is_everybodys_and_soon_forgotten(store: Store, clock: Clock) -> None:
    revision = Revision(store, clock=clock)
    store.error = ConnectionError()
    outcomes = await asyncio.gather(*[revision.current() for _ in range(10)], return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert (store.asked, revision.fresh) == (1, False)
    store.error = None
    clock.now += 0.25
    assert await revision.current() == 1


async def test_an_old_answer_is_not_used_when_the_store_fails(store: Store, clock: Clock) -> None:
    revision = Revision(store, interval=0.5, clock=clock)
    await revision.current()
    store.error = ConnectionError()
    clock.now += 0.5
    assert not revision.is_still(1)
    with pytest.raises(Unavailable):
        await revision.current()
    assert not revision.is_still(1)


async def test_a_store_that_hangs_fails_all_within_one_time_out(store: Store) -> None:
    revision = Revision(store, timeout=0.1)
    store.open.clear()
    waiting = [asyncio.create_task(revision.current()) for _ in range(100)]
    async with asyncio.timeout(2):
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert store.asked == 1


async def test_a_cancelled_caller_takes_nobody_along(store: Store, clock: Clock) -> None:
    revision = Revision(store, clock=clock)
    store.open.clear()
    first, second = (asyncio.create_task(revision.current()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    store.open.set()
    async with asyncio.timeout(2):
        assert await second == 1


async def test_an_expected_change_is_asked_for_at_once(store: Store, clock: Clock) -> None:
    revision = Revision(store, clock=clock)
    await revision.current()
    store.moved = 2
    revision.expect_change()
    assert not revision.is_still(1)
    assert (await revision.current(), await revision.current(), store.asked) == (2, 2, 2)


async def test_a_change_that_is_expected_amid_a_question_is_asked_for_again(store: Store, clock: Clock) -> None:
    revision = Revision(store, clock=clock)
    store.open.clear()
    early = asyncio.create_task(revision.current())
    await asyncio.sleep(0.01)
    store.moved = 2
    revision.expect_change()
    late = asyncio.create_task(revision.current())
    await asyncio.sleep(0)
    store.open.set()
    assert (await early, await late, store.asked) == (1, 2, 2)


def test_a_negative_interval_is_refused(clock: Clock) -> None:
    with pytest.raises(ValueError, match="negative"):
        Revision(Store(clock), interval=-1)


async def test_the_time_is_the_stores(store: Store, clock: Clock) -> None:
    revision = Revision(store, clock=clock)
    assert revision.now() == float("inf")
    await revision.current()
    assert revision.now() == 6000.0
    clock.now += 0.3
    assert revision.now() == pytest.approx(6000.3)
    store.ahead = 100.0
    assert revision.now() == pytest.approx(6000.3)
    clock.now += 0.3
    await revision.current()
    assert revision.now() == pytest.approx(1100.6)


async def test_the_time_is_never_behind(store: Store, clock: Clock) -> None:
    store.takes = 0.1
    revision = Revision(store, clock=clock)
    await revision.current()
    true = clock.now + store.ahead
    assert true <= revision.now() <= true + 2 * store.takes


# --- Following --------------------------------------------------------------------------------------------------------


class Shelf:
    """A table beside the revision: each load waits for its turn to be let through."""

    def __init__(self, *values: str | Exception) -> None:
        self.values = deque(values)
        self.loaded = 0
        self.gated = False
        self.gates: list[asyncio.Event] = []
        self.arrivals = asyncio.Semaphore(0)

    async def load(self) -> str:
        self.loaded += 1
        value = self.values.popleft()
        if self.gated:
            self.gates.append(asyncio.Event())
            self.arrivals.release()
            await self.gates[-1].wait()
        if isinstance(value, Exception):
            raise value
        return value


async def test_what_follows_is_loaded_when_the_revision_moved(store: Store, clock: Clock) -> None:
    revision, shelf = Revision(store, clock=clock), Shelf("a", "b")
    followed = Following(revision, shelf.load, what="things")
    assert not followed.fresh
    assert (await followed.refresh(), followed.value, followed.fresh) == ("a", "a", True)
    store.moved = 2
    assert (await followed.refresh(), shelf.loaded) == ("a", 1)
    clock.now += 0.6
    assert not followed.fresh
    assert (await followed.refresh(), followed.value, shelf.loaded) == ("b", "b", 2)
    clock.now += 0.6
    assert (await followed.refresh(), shelf.loaded) == ("b", 2)


async def test_that_another_has_asked_does_not_make_this_one_fresh(store: Store, clock: Clock) -> None:
    revision, shelf = Revision(store, clock=clock), Shelf("a", "b")
    followed = Following(revision, shelf.load, what="things")
    await followed.refresh()
    store.moved = 2
    clock.now += 0.6
    await revision.current()
    assert not followed.fresh
    assert await followed.refresh() == "b"


async def test_many_load_once(store: Store, clock: Clock) -> None:
    shelf = Shelf("a")
    followed = Following(Revision(store, clock=clock), shelf.load, what="things")
    shelf.gated = True
    waiting = [asyncio.create_task(followed.refresh()) for _ in range(20)]
    await shelf.arrivals.acquire()
    waiting[0].cancel()
    shelf.gates[0].set()
    assert set(await asyncio.gather(*waiting[1:])) == {"a"}


@pytest.mark.parametrize("first", [0, 1], ids=["old-first", "new-first"])
async def test_a_load_from_before_a_change_does_not_outlive_it(store: Store, clock: Clock, first: int) -> None:
    shelf = Shelf("old", "new")
    shelf.gated = True
    followed = Following(Revision(store, interval=0, clock=clock), shelf.load, what="things")
    early = asyncio.create_task(followed.refresh())
    await shelf.arrivals.acquire()
    store.moved = 2
    late = asyncio.create_task(followed.refresh())
    await shelf.arrivals.acquire()
    shelf.gates[first].set()
    await asyncio.wait([early, late], return_when=asyncio.FIRST_COMPLETED)
    shelf.gates[1 - first].set()
    assert (await early, await late) == (("old", "new") if first == 0 else ("new", "new"))
    assert await followed.refresh() == "new"


@pytest.mark.parametrize("of", ["revision", "load"])
async def test_what_cannot_be_loaded_is_unavailable(store: Store, clock: Clock, of: str) -> None:
    error = ConnectionError("db.internal")
    shelf = Shelf("a", *([error] if of == "load" else []), "b")
    followed = Following(Revision(store, clock=clock), shelf.load, what="API keys")
    await followed.refresh()
    store.moved = 2
    store.error = error if of == "revision" else None
    clock.now += 0.6
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"^API keys cannot be read at the moment\.$") as refused:
            await followed.refresh()
        assert refused.value.retry_after == 1
    store.error = None
    clock.now += 0.25
    assert await followed.refresh() == "b"
