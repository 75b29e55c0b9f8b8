from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from journal_storage import JournalStorage

from oneapi_asgi import CallRecord, Channel, Price, Secret, Storage, TokenDraft
from oneapi_asgi.models import Reserve, Settle
from oneapi_asgi.testing.contracts import StorageContract


class TestJournalStorage(StorageContract):
    @pytest.fixture
    async def storage(self, tmp_path: Path) -> AsyncIterator[Storage]:
        async with JournalStorage(tmp_path / "gateway.jsonl") as storage:
            yield storage

    async def read_records(self, storage: Storage) -> Sequence[CallRecord]:
        assert isinstance(storage, JournalStorage)
        return await storage.list_records()


async def _fill(storage: JournalStorage) -> None:
    await storage.declare([Channel(id=0, name="a", api_keys=(Secret("sk-1"),))], [TokenDraft(name="x", digest="x")])
    await storage.add_user("ann", wallet=1_000)
    token = await storage.add_token(TokenDraft(name="ci", digest="d", user="ann", quota=500))
    with pytest.raises(ValueError, match="ci"):
        await storage.add_token(TokenDraft(name="ci", digest="e", user="ann"))
    await storage.set_price("gpt-*", Price(input=1, max_output=7))
    await storage.apply([Reserve("a", token.accounts, 400, 100, 60.0), Reserve("b", token.accounts, 50, 50, -1.0)])
    await storage.apply([Reserve("c", token.accounts, 5, 5, 60.0), Settle("a", 123)])
    await storage.expire()
    await storage.credit(token.accounts[1], -7)
    await storage.set_token_status(token.id, "exhausted")
    await storage.write_records([CallRecord(id="r", at=1.5, operation="chat")])


async def _state(storage: JournalStorage) -> tuple[object, ...]:
    tokens = await storage.list_tokens()
    return (
        await storage.revision(),
        tokens,
        await storage.list_channels(),
        await storage.list_prices(),
        await storage.list_records(),
        [await storage.balances(token.accounts) for token in tokens],
    )


async def test_what_was_answered_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "gateway.jsonl"
    async with JournalStorage(path) as storage:
        await _fill(storage)
        before = await _state(storage)
    async with JournalStorage(path) as storage:
        assert await _state(storage) == before
        await storage.apply([Settle("c", 5)])
        after = await _state(storage)
    async with JournalStorage(path) as storage:
        assert await _state(storage) == after != before


async def test_a_line_cut_short_was_never_promised(tmp_path: Path) -> None:
    path = tmp_path / "gateway.jsonl"
    async with JournalStorage(path) as storage:
        await _fill(storage)
        before = await _state(storage)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole.splitlines()[0]) // 2])
    async with JournalStorage(path) as storage:
        assert await _state(storage) == before
    assert path.read_bytes() == whole


async def test_a_disk_that_refuses_stops_it(tmp_path: Path) -> None:
    path = tmp_path / "gateway.jsonl"
    async with JournalStorage(path) as storage:
        await storage.add_user("ann")
        storage._file.close()
        storage._file = path.open("rb", buffering=0)
        for name in ("bob", "cid"):
            with pytest.raises(OSError, match=r"not open for writing|opened anew"):
                await storage.add_user(name)
    async with JournalStorage(path) as storage:
        await storage.add_user("bob")


async def test_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "gateway.jsonl"
    async with JournalStorage(path):
        with pytest.raises(BlockingIOError):
            await JournalStorage(path).__aenter__()


async def test_what_changes_nothing_takes_no_room(tmp_path: Path) -> None:
    path = tmp_path / "gateway.jsonl"
    async with JournalStorage(path) as storage:
        assert await storage.expire() == 0
        assert await storage.apply([]) == []
    assert path.read_bytes() == b""
