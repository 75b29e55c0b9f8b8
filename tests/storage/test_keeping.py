"""Notes and owned objects: how much memory keeps, and what several storages on one database make of each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from operator import attrgetter
from pathlib import Path

import pytest
from servers.databases import KINDS
from servers.prepared import Prepared
from sqlalchemy import Connection, make_url
from sqlalchemy.util import await_only

from oneapi_asgi.kept import KeptNote, NoteStore, ObjectStore, OwnedObject
from oneapi_asgi.ports import Storage
from oneapi_asgi.storage.keeping import NOTES_PURGED_AT_ONCE, Notes, Objects
from oneapi_asgi.storage.memory import MemoryStorage
from oneapi_asgi.storage.sql import SQLStorage, keeping, schema
from oneapi_asgi.testing.ledger_contract import digest

from .opened import Opened


def note(name: str, value: bytes = b"x", keep: float = 600.0) -> KeptNote:
    return KeptNote(key=digest(name), value=value, keep=keep)


def made(name: str, channel_id: int = 1, user_id: int = 1) -> OwnedObject:
    return OwnedObject(
        id=name, kind="file", channel_id=channel_id, key=digest("k"), token_id=1, user_id=user_id, created=5.0
    )


def test_notes_in_memory_are_bounded_by_their_bytes() -> None:
    notes = Notes(most_bytes=10)
    notes.put([note("a", b"12345"), note("b", b"12345")], now=0.0)
    notes.put([note("a", b"1234")], now=0.0)
    notes.put([note("c", b"1")], now=0.0)
    keys = [digest(name) for name in "abcd"]
    assert notes.get(keys, 1.0).keys() == set(keys[:3])
    notes.put([note("d", b"1")], now=0.0)
    assert notes.get(keys, 1.0).keys() == {keys[0], keys[2], keys[3]}, "b was put first"
    notes.put([note("b", b"12345678901")], now=0.0)
    assert notes.get(keys, 1.0) == {}
    notes.put([note("a", b"1234567890")], now=0.0)
    assert notes.get(keys, 1.0).keys() == {keys[0]}


def test_notes_in_memory_are_purged_some_at_once() -> None:
    notes = Notes()
    notes.put([note(str(number), keep=1.0) for number in range(NOTES_PURGED_AT_ONCE + 7)], now=0.0)
    assert [notes.purge(1.0) for _ in range(3)] == [NOTES_PURGED_AT_ONCE, 7, 0]


def test_objects_in_memory_are_bounded() -> None:
    objects = Objects(most=3)
    for owned in (made("a"), made("a", channel_id=2), made("b"), made("a"), made("c", user_id=2)):
        objects.put(owned)
    assert objects.page("file", 1, 10, None) == [made("b"), made("a", channel_id=2)]
    assert objects.get("c", 2) == made("c", user_id=2)
    for name in ("a", "b"):
        assert objects.delete(name, 1)
    for number in range(2):
        objects.put(made(str(number)))
    assert objects.get("c", 2) is not None, "what was deleted does not count"


def test_a_storage_may_go_without() -> None:
    """These are no part of what a gateway needs."""
    for store in (MemoryStorage(), SQLStorage("sqlite:///somewhere.db")):
        assert isinstance(store, NoteStore)
        assert isinstance(store, ObjectStore)
        assert isinstance(store, Storage)
    assert not isinstance(object(), NoteStore)


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared) -> Iterator[str]:
    with prepared(request.param, tmp_path) as url:
        yield url


@pytest.fixture
async def storage(database: str) -> AsyncIterator[Opened]:
    async with Opened(database) as storage:
        yield storage


async def test_a_purge_takes_so_many_at_once(storage: Opened) -> None:
    many = [{"key": f"{number:05}", "value": b"x", "keep_until": 1.0} for number in range(NOTES_PURGED_AT_ONCE + 7)]
    await storage.run(lambda connection: connection.execute(schema.notes.insert(), many))
    assert [await storage.purge_notes() for _ in range(3)] == [NOTES_PURGED_AT_ONCE, 7, 0]


async def test_a_purge_meets_nobody_from_the_other_side(database: str, storage: Opened) -> None:
    """Somebody writes two rows that are due, and holds the first as the purge comes: none of them is rolled back."""
    kind = make_url(database).drivername
    if kind == "sqlite":
        pytest.skip("one writes at a time")
    first, second = sorted((note("a", keep=600.0), note("b", keep=600.0)), key=attrgetter("key"))
    later, sooner = ({"key": one.key, "value": b"old", "keep_until": at} for one, at in ((first, 2.0), (second, 1.0)))
    await storage.run(lambda connection: connection.execute(schema.notes.insert(), [sooner, later]))
    held, met = asyncio.Event(), asyncio.Event()
    begun = []

    def write(connection: Connection) -> None:
        begun.append("write")
        keeping.put_notes(connection, [first], float)
        held.set()
        await_only(met.wait())
        keeping.put_notes(connection, [second], float)

    def purge(connection: Connection) -> int:
        begun.append("purge")
        return keeping.purge_notes(connection, float)

    async with Opened(database) as other:
        writing = asyncio.create_task(storage.run(write))
        await held.wait()
        purging = asyncio.create_task(other.run(purge))
        passed, _ = await asyncio.wait([purging], timeout=5.0 if kind == "postgresql" else 0.5)
        met.set()
        await writing
        assert await purging == len(passed)
        assert len(passed) == (1 if kind == "postgresql" else 0), "which leaves what is locked"
        assert begun == ["write", "purge"]
        assert await other.get_notes([first.key, second.key]) == {first.key: b"x", second.key: b"x"}


async def test_two_storages_on_the_same_rows(database: str, storage: Opened) -> None:
    """No transaction is refused, whatever the others do; and what the one has put the other gives."""
    async with SQLStorage(database) as other:

        async def work(number: int) -> None:
            store = (storage, other)[number % 2]
            for turn in range(6):
                await store.put_notes([note(str(n % 5), b"%d" % turn, keep=0.0) for n in range(number, number + 5)])
                await store.put_object(made(f"file-{turn % 3}"))
                await store.purge_notes()
                await store.delete_object(f"file-{number % 3}", user_id=1, token_id=1)

        await asyncio.gather(*map(work, range(8)))
        await storage.put_notes([note("a", b"kept")])
        await storage.put_object(made("last"))
        assert await other.get_notes([digest("a")]) == {digest("a"): b"kept"}
        assert await other.get_object("last", user_id=1, token_id=2) == made("last")
    async with SQLStorage(database) as again:
        assert await again.get_notes([digest("a")]) == {digest("a"): b"kept"}
        assert "last" in [one.id for one in await again.list_objects("file", user_id=1, token_id=2)]
