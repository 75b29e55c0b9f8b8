"""Housekeeping: what is old goes, batch by batch, and nothing else stops for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from oneapi_asgi.housekeeping import Chore, Housekeeping, old_records
from oneapi_asgi.models import CallRecord
from oneapi_asgi.queries import RecordQuery
from oneapi_asgi.storage.memory import MemoryStorage


class Store:
    """Has so many old records, and fails as it is told."""

    def __init__(self, old: int = 0, *, failing: int = 0) -> None:
        self.old = old
        self.failing = failing
        self.asked: list[tuple[float, int]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def prune_records(self, before: float, limit: int = 5_000) -> int:
        self.asked.append((before, limit))
        await self.open.wait()
        if self.failing:
            self.failing -= 1
            raise ConnectionError("secret words of a driver")
        count = min(self.old, limit)
        self.old -= count
        return count


def keeper(store: Store, *, batch: int = 10, interval: float = 3600.0, pause: float = 0.0) -> Housekeeping:
    chore = old_records(store, keep=100.0, batch=batch, clock=lambda: 1_000.0)
    return Housekeeping({"records": chore}, interval=interval, pause=pause)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - of any kind
            await asyncio.sleep(0.001)


async def test_clears_until_nothing_is_left() -> None:
    store = Store(25)
    async with keeper(store):
        await until(lambda: len(store.asked) == 4)
    assert store.old == 0
    assert store.asked == [(900.0, 10)] * 4


async def test_keeps_what_is_young_enough() -> None:
    now = 1_000.0
    storage = MemoryStorage()
    await storage.write_records([CallRecord(id=f"r{n}", at=float(n), operation="chat") for n in range(1_000)])
    chore = old_records(storage, keep=300.0, batch=64, clock=lambda: now)
    keeper = Housekeeping({}, pause=0.0)
    assert await keeper.clear(chore) == 700
    page = await storage.find_records(RecordQuery(limit=1_000))
    assert [record.at for record in page.records] == [float(n) for n in range(999, 699, -1)]
    assert await keeper.clear(chore) == 0
    now = 1_001.0
    assert await keeper.clear(chore) == 1
    [total] = await storage.totals(0, 99_999_999)
    assert total.calls == 1_000


async def test_looks_again_every_interval() -> None:
    store = Store()
    async with keeper(store, interval=0.001):
        await until(lambda: len(store.asked) > 3)
        store.old = 5
        await until(lambda: store.old == 0)


async def test_a_store_that_fails_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    store = Store(5, failing=2)
    with caplog.at_level(logging.INFO):
        async with keeper(store, interval=0.001):
            await until(lambda: "deleted 5 records" in caplog.text)
    assert caplog.text.count("old records could not be deleted: ConnectionError") == 2
    assert "secret" not in caplog.text


async def test_one_chore_that_fails_does_not_keep_it_from_the_next() -> None:
    broken, sound = Store(failing=1_000), Store(5)
    chores: dict[str, Chore] = {"a": old_records(broken, keep=1.0), "b": old_records(sound, keep=1.0)}
    async with Housekeeping(chores, pause=0.0):
        await until(lambda: sound.old == 0)
    assert len(broken.asked) == 1


async def test_pauses_between_batches() -> None:
    store = Store(30)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await Housekeeping({}, pause=0.05).clear(old_records(store, keep=1.0, batch=10)) == 30
    assert loop.time() - began >= 0.15


async def test_pauses_as_long_as_a_batch_took() -> None:
    store = Store(1)
    store.open.clear()
    loop = asyncio.get_running_loop()
    began = loop.time()
    loop.call_later(0.1, store.open.set)
    assert await Housekeeping({}, pause=0.0).clear(old_records(store, keep=1.0)) == 1
    assert loop.time() - began >= 0.2


async def test_leaving_waits_for_no_batch() -> None:
    store = Store(5)
    store.open.clear()
    async with asyncio.timeout(5):
        async with keeper(store):
            await until(lambda: len(store.asked) == 1)
    assert store.old == 5
    await keeper(store).__aexit__(None, None, None)
