"""Connections to servers: cancelled, hung, cut, killed and contended for, none of them is handed on in doubt."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import anyio
import pytest
from servers.databases import fresh, rows
from servers.own import OwnMariaDB, OwnPostgres, OwnServer
from servers.prepared import Prepared
from sqlalchemy import Connection, event, text

from oneapi_asgi.models import Reserve, Reserved, Settle, Settled, TokenDraft
from oneapi_asgi.storage import StorageError
from oneapi_asgi.storage.sql import SQLStorage, sessions

from .books import audit
from .opened import Opened

T = TypeVar("T")

SERVERS = ("postgres", "mysql")
OWN: dict[str, type[OwnServer]] = {"postgres": OwnPostgres, "mysql": OwnMariaDB}
SLEEP = {"postgresql": "SELECT pg_sleep(:seconds)", "mysql": "SELECT SLEEP(:seconds)"}


@pytest.fixture(params=SERVERS)
def database(request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared) -> Iterator[str]:
    with prepared(request.param, tmp_path) as url:
        yield url


@pytest.fixture
async def storage(database: str) -> AsyncIterator[Opened]:
    async with Opened(database) as storage:
        yield storage


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[OwnServer]:
    with OWN[request.param]() as server:
        yield server


@pytest.fixture
def url(server: OwnServer, tmp_path: Path) -> Iterator[str]:
    with fresh("postgres" if isinstance(server, OwnPostgres) else "mysql", tmp_path, server.url) as url:
        yield url


def sleep(seconds: float) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(text(SLEEP[connection.dialect.name]), {"seconds": seconds}).all()


async def seconds_to_fail(asked: Awaitable[object]) -> float:
    began = time.monotonic()
    with pytest.raises(StorageError):
        await asked
    return time.monotonic() - began


COUNT = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datname = :name",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE db = :name",
}


async def connections(storage: Opened) -> int:
    """As the server counts them."""
    url = storage._url
    return int(await storage.run(lambda c: c.scalar(text(COUNT[url.drivername]), {"name": url.database})) or 0)


@pytest.mark.parametrize("seconds", [0.6, pytest.param(5.0, marks=pytest.mark.slow)])
async def test_cancelled_callers_get_nobody_elses_answer(storage: Opened, seconds: float) -> None:
    chance = random.Random(1)
    for number in range(50):
        await storage.add_token(TokenDraft(name=str(number), digest=str(number)))
    asked = cancelled = 0

    async def churn() -> None:
        nonlocal asked, cancelled
        while time.monotonic() < end or min(asked, cancelled) <= 50:
            digest = str(chance.randrange(50))
            try:
                async with asyncio.timeout(chance.uniform(0, 0.01)):
                    token = await storage.find_token(digest)
                    assert token is not None
                    assert token.name == digest
                asked += 1
            except TimeoutError:
                cancelled += 1

    end = time.monotonic() + seconds
    async with asyncio.timeout(30):
        await asyncio.gather(*[churn() for _ in range(20)])
    assert asked > 50
    assert cancelled > 50
    assert await connections(storage) <= 9, "four to write and four to read, and the one that asks"


async def test_nobody_waits_long_for_a_session(storage: Opened) -> None:
    busy = [asyncio.create_task(storage.write(sleep(1.7))) for _ in range(4)]
    await asyncio.sleep(0)
    took = await seconds_to_fail(storage.write(sleep(0)))
    assert took == pytest.approx(sessions._WAIT, abs=0.4)
    assert (await storage.pulse()).revision, "those who read have their own"
    await asyncio.gather(*busy)
    await storage.write(sleep(0))


async def test_whoever_waits_is_not_refused_for_what_the_loop_stood_still(storage: Opened) -> None:
    asked = [asyncio.create_task(storage.write(sleep(0.05))) for _ in range(12)]
    await asyncio.sleep(0)
    time.sleep(1.5 * sessions._WAIT)  # noqa: ASYNC251 - what it stands still for
    await asyncio.gather(*asked)


@pytest.mark.parametrize("seconds", [1.5, pytest.param(5.0, marks=pytest.mark.slow)])
async def test_a_statement_that_takes_too_long_is_broken_off(
    storage: Opened, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    await storage.add_user("bob", wallet=1_000)
    account = (await storage.add_token(TokenDraft(name="ci", digest="d", user="bob"))).accounts[-1]
    monkeypatch.setattr(sessions, "LIMIT", 0.3)

    def spend_and_sleep(connection: Connection) -> None:
        connection.execute(text("UPDATE accounts SET used = 77"))
        sleep(seconds)(connection)

    assert await seconds_to_fail(storage.write(spend_and_sleep)) == pytest.approx(0.35, abs=0.25)
    monkeypatch.undo()
    assert [balance.used for balance in await storage.balances([account])] == [0]
    with anyio.fail_after(10):  # the server lets go of the lock as soon as it sees that its client has gone
        while True:
            try:
                await storage.credit(account, 1)
                break
            except StorageError:
                await asyncio.sleep(0.1)


@pytest.mark.parametrize("limit", [2.0, pytest.param(sessions.LIMIT, marks=pytest.mark.slow)])
async def test_a_server_that_hangs(server: OwnServer, url: str, limit: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "LIMIT", limit)
    async with SQLStorage(url) as storage:
        token = await storage.add_token(TokenDraft(name="ci", digest="d", quota=100))
        await asyncio.gather(*[storage.find_token("d") for _ in range(4)])
        server.stop()
        try:
            asked = [storage.apply([Reserve("a", token.accounts, 60, 60, 60.0)]), *[storage.pulse() for _ in range(6)]]
            took = await asyncio.gather(*map(seconds_to_fail, asked))
        finally:
            server.resume()
        assert max(took) < sessions.LIMIT + 0.5
        assert await storage.apply([Settle("a", 0), Reserve("b", token.accounts, 10, 10, 60.0)])
        assert await storage.apply([Settle("b", 5)]) == [Settled(0)]
        assert (await storage.balances(token.accounts))[0].used == 5
    audit(url)


async def test_a_server_that_is_killed_and_comes_back(server: OwnServer, url: str) -> None:
    async with SQLStorage(url) as storage:
        token = await storage.add_token(TokenDraft(name="ci", digest="d", quota=100))
        assert await storage.apply([Reserve("a", token.accounts, 60, 60, 60.0)]) == [Reserved(60)]
        server.kill()
        took = await asyncio.gather(*[seconds_to_fail(storage.pulse()) for _ in range(5)])
        assert max(took) < 1
        await anyio.to_thread.run_sync(server.start)
        assert await storage.apply([Settle("a", 7)]) == [Settled(0)]
        assert (await storage.balances(token.accounts))[0].used == 7
    audit(url)


async def test_a_connection_that_was_closed_meanwhile_is_made_anew(storage: Opened, database: str) -> None:
    token = await storage.add_token(TokenDraft(name="ci", digest="d", quota=100))
    name = database.rpartition("/")[2]
    for _ in range(3):
        if database.startswith("mysql"):
            query = f"SELECT id FROM information_schema.processlist WHERE db = '{name}' AND id != connection_id()"
            for (number,) in rows(database, query):
                rows(database, f"KILL {number}")
        else:
            own = "pid != pg_backend_pid()"
            rows(database, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND {own}")
        assert await storage.find_token("d") == token
        await storage.credit(token.accounts[0], 1)
    assert (await storage.balances(token.accounts))[0].available == 103


async def test_who_loses_a_deadlock_tries_again(storage: Opened) -> None:
    await storage.run(lambda c: c.execute(text("CREATE TABLE pair (id INT PRIMARY KEY, n INT NOT NULL)")))
    await storage.run(lambda c: c.execute(text("INSERT INTO pair VALUES (1, 0), (2, 0)")))
    tries = 0

    def cross(first: int, second: int) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            nonlocal tries
            tries += 1
            for number in (first, second):
                connection.execute(text("UPDATE pair SET n = n + 1 WHERE id = :number"), {"number": number})
                sleep(0.1)(connection)

        return work

    await asyncio.gather(storage.write(cross(1, 2)), storage.write(cross(2, 1)))
    assert tries == 3
    assert await storage.run(lambda c: c.execute(text("SELECT n FROM pair")).scalars().all()) == [2, 2]


async def test_a_commit_that_nobody_confirmed_is_not_repeated(storage: Opened) -> None:
    tries = 0

    def work(connection: Connection) -> None:
        nonlocal tries
        tries += 1
        connection.execute(text("UPDATE meta SET value = value"))
        event.listen(connection, "commit", lose, once=True)

    def lose(_: Connection) -> None:
        raise ConnectionResetError(104, "Connection reset by peer")

    with pytest.raises(StorageError, match="did not confirm"):
        await storage.write(work)
    assert tries == 1
    assert (await storage.pulse()).revision


async def test_passwords_are_not_told(tmp_path: Path) -> None:
    for url in (
        "postgresql://postgres:hunter2secret@127.0.0.1:9/none",
        "mysql://root:hunter2secret@127.0.0.1:9/none",
        "postgresql://a:hunter2secret@[bad/none",
        "oracle://a:hunter2secret@host/none",
        "postgresql://a:hunter2secret@host",
        "postgresql://127.0.0.1:9/none?user=a&password=hunter2secret",
        "mysql://127.0.0.1:9/none?password=hunter2secret",
    ):
        with pytest.raises((StorageError, ValueError)) as told:
            async with SQLStorage(url):
                pass
        assert "hunter2secret" not in f"{told.value!r} {told.value.__cause__!r}"


async def test_the_clock_of_mysql_does_not_follow_summer_time(storage: Opened) -> None:
    if storage._url.drivername != "mysql":
        pytest.skip("its clock knows no zones")
    assert await storage.run(lambda c: c.scalar(text("SELECT @@session.time_zone"))) == "+00:00"
    ambiguous = text("SELECT unix_timestamp(from_unixtime(:at + 0e0))")
    hours = (1761436800.5, 1761440400.5)  # of one name in Berlin

    def read(connection: Connection) -> list[float]:
        return [float(connection.scalar(ambiguous, {"at": at}) or 0) for at in hours]

    assert await storage.run(read) == [*hours]


@pytest.mark.parametrize("name", ["no_such_database_here", "x" * 70])
async def test_a_database_that_is_not_there(database: str, name: str) -> None:
    with pytest.raises(StorageError, match=f"cannot open .*{name}"):
        async with SQLStorage(database.rpartition("/")[0] + f"/{name}"):
            pass
