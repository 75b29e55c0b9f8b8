from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from oneapi_asgi.models import CallRecord, Channel, Ended, Price, Reserve, Settle, TokenDraft
from oneapi_asgi.ports import Storage
from oneapi_asgi.storage.memory import MemoryStorage
from oneapi_asgi.testing.contracts import StorageContract


class TestMemoryStorage(StorageContract):
    @pytest.fixture
    def ahead(self) -> list[float]:
        return []

    @pytest.fixture
    def later(self, ahead: list[float]) -> Callable[[float], None]:
        return ahead.append

    @pytest.fixture
    async def storage(self, ahead: list[float]) -> AsyncIterator[Storage]:
        async with MemoryStorage(clock=lambda: time.time() + sum(ahead)) as storage:
            yield storage

    async def read_records(self, storage: Storage) -> Sequence[CallRecord]:
        assert isinstance(storage, MemoryStorage)
        return await storage.list_records()


async def test_begins_with_what_it_is_given() -> None:
    token = TokenDraft(name="ci", digest="d", quota=10)
    storage = MemoryStorage(
        channels=[Channel(id=2, name="b"), Channel(id=0, name="a"), Channel(id=0, name="c")],
        tokens=[token],
        prices={"m": Price(input=1)},
    )
    assert isinstance(storage, Storage)
    assert [(channel.name, channel.id) for channel in await storage.list_channels()] == [("b", 2), ("a", 1), ("c", 3)]
    assert [found.digest for found in await storage.list_tokens()] == ["d"]
    assert await storage.list_prices() == {"m": Price(input=1)}


async def test_what_ended_is_forgotten_after_a_while() -> None:
    now = 1000.0
    storage = MemoryStorage(tokens=[TokenDraft(name="ci", digest="d")], keep=2, clock=lambda: now)
    accounts = (await storage.list_tokens())[0].accounts
    for number in "abc":
        await storage.apply([Reserve(number, accounts, 5, 5, 60.0)])
        await storage.apply([Settle(number, 1)])
    await storage.apply([Reserve("held", accounts, 5, 5, 60.0)])
    assert list(storage._holds) == ["b", "c", "held"]
    assert await storage.apply([Reserve("c", accounts, 5, 5, 60.0)]) == [Ended()]
    now = 1060.0
    assert await storage.expire() == 1
    assert list(storage._holds) == ["c", "held"]
    await storage.write_records([CallRecord(id=number, at=1.0, operation="chat") for number in "abc"])
    assert [record.id for record in await storage.list_records()] == ["c", "b"]
    assert [record.id for record in await storage.list_records(1)] == ["c"]
