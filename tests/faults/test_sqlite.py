"""One file, and others who hold it, or a disk without room for it."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from e2e.serving import eventually
from servers.databases import fresh, rows

from oneapi_asgi.models import Reserve, Reserved, Settle, Settled
from oneapi_asgi.storage.sql import SQLStorage

from .auditor import complaints, read_books, unmatched
from .fleet import answers, open_fleet
from .load import KEY, Callers, add_callers, open_session, share

WRITERS = 8
COST = 7


class Contention(NamedTuple):
    """So many calls, while another program holds the file for itself for ``seconds``."""

    calls: int
    seconds: float


CONTENTIONS = [
    pytest.param(Contention(800, 1.0), id="800"),
    pytest.param(Contention(10_000, 3.0), id="10000", marks=pytest.mark.slow),
]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    with fresh("sqlite", tmp_path) as url:
        yield url


@contextmanager
def reading(path: str) -> Iterator[None]:
    """A transaction that began to read before everything, and sees nothing of it: the log cannot be emptied."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        before = connection.execute("SELECT count(*) FROM transfers").fetchone()
        yield
        assert connection.execute("SELECT count(*) FROM transfers").fetchone() == before


def hold(path: str, seconds: float) -> None:
    """As a program that knows no queue."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(seconds)
        connection.execute("COMMIT")


@pytest.mark.parametrize("contention", CONTENTIONS)
async def test_eight_writers_a_reader_and_a_stranger(database: str, contention: Contention) -> None:
    accounts = (await add_callers(database, wallet=10**9, quotas=[10**9]))[KEY]
    path = database.removeprefix("sqlite:///")

    async def charge(storage: SQLStorage, name: str) -> None:
        assert await storage.apply([Reserve(name, accounts, 10, 10, 600.0)]) == [Reserved(10)]
        assert await storage.apply([Settle(name, COST)]) == [Settled(0)]

    async with AsyncExitStack() as stack:
        storages = [await stack.enter_async_context(SQLStorage(database)) for _ in range(WRITERS)]
        charges = [partial(charge, storages[n % WRITERS], f"call-{n}") for n in range(contention.calls)]
        with reading(path):
            await asyncio.gather(share(charges, WRITERS * 4), asyncio.to_thread(hold, path, contention.seconds))
    books = await read_books(database)
    assert complaints(books, all_recorded=False) == []
    assert books.states() == {"settled": contention.calls}
    assert books.settled == contention.calls * COST


@pytest.mark.parametrize("contention", CONTENTIONS)
async def test_callers_never_hear_of_a_lock(database: str, contention: Contention) -> None:
    """Who cannot be charged in time is told to come again; all others are, whoever holds the file meanwhile."""
    await add_callers(database, wallet=10**9, quotas=[10**9])
    path = database.removeprefix("sqlite:///")
    calls = contention.calls // 4
    async with open_fleet(database) as fleet, open_session() as session:
        callers = Callers(session)
        asks = [partial(callers.ask, fleet.urls[number % 2]) for number in range(calls)]
        with reading(path):
            await asyncio.gather(share(asks, 40), asyncio.to_thread(hold, path, contention.seconds))
            await fleet.stop()
        books = await read_books(database)
        assert complaints(books) == []
        assert unmatched(books, fleet.upstream.journal) == []
        served = sum(answered.status == 200 for answered in callers.answered)
        assert books.settled == served * 100
        assert {answered.status for answered in callers.answered} <= {200, 503}
        assert all(answered.retry_after for answered in callers.answered if answered.status == 503)
        assert served >= calls - 40 * (contention.seconds // 2 + 1)


# --- a full disk ------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no disk of 16 MiB can be made: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(path: Path) -> None:
    """With a file that takes all the room there is, to the last byte."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))


async def test_a_full_disk(small_disk: Path) -> None:
    database, filler = f"sqlite:///{small_disk}/gateway.db", small_disk / "filler"
    await add_callers(database, wallet=10**9, quotas=[10**9])
    async with open_fleet(database, 1) as fleet, open_session() as session:
        (url,) = fleet.urls
        callers = Callers(session)
        await share([partial(callers.ask, url) for _ in range(100)], 10)
        assert {answered.status for answered in callers.answered} == {200}
        await asyncio.to_thread(fill, filler)

        async def refused() -> bool:  # the log has room of its own for a while
            return (await callers.ask(url)).status == 503

        await eventually(refused, within=10)
        for _ in range(20):
            assert (await callers.ask(url)).status == 503
        assert await answers(session, f"{url}/healthz")
        filler.unlink()

        async def served() -> bool:
            return (await callers.ask(url)).status == 200

        await eventually(served, within=10)
        await share([partial(callers.ask, url) for _ in range(100)], 10)
        assert {answered.status for answered in callers.answered[-100:]} == {200}
        await fleet.stop()
        assert await asyncio.to_thread(rows, database, "PRAGMA integrity_check") == [("ok",)]
        books = await read_books(database)
        assert complaints(books) == []
        assert unmatched(books, fleet.upstream.journal) == []
        assert books.settled == sum(answered.status == 200 for answered in callers.answered) * 100
