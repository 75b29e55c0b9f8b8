from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import psutil
import pytest

from .databases import fresh, rows
from .guard import is_gone
from .own import OwnMariaDB, OwnPostgres, OwnRedis, OwnServer

ALL: tuple[type[OwnServer], ...] = (OwnPostgres, OwnMariaDB, OwnRedis)
TESTS = Path(__file__).parent.parent
SILENT_SECONDS = 0.2


@pytest.fixture(scope="module", params=ALL, ids=lambda kind: kind.__name__)
def server(request: pytest.FixtureRequest) -> Iterator[OwnServer]:
    with request.param() as started:
        yield started


def ask(server: OwnServer) -> object:
    """Something that only a working server answers, on a connection of its own."""
    if not isinstance(server, OwnRedis):
        return rows(server.url, "SELECT 1")
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(b"ECHO 1\r\n")
        return connection.recv(100)


def is_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def test_answers_again_on_the_same_port_after_a_kill(server: OwnServer) -> None:
    before = ask(server)
    server.kill()
    assert not server.alive
    assert not is_open(server.port)
    server.start()
    assert server.alive
    assert ask(server) == before


def test_silent_while_it_is_stopped(server: OwnServer) -> None:
    before = ask(server)
    with ThreadPoolExecutor(1) as thread:
        server.stop()
        try:
            asked = thread.submit(ask, server)
            with pytest.raises(TimeoutError):
                asked.result(SILENT_SECONDS)
            assert server.alive
        finally:
            server.resume()
        assert asked.result(10) == before


@pytest.mark.parametrize("server", [OwnPostgres, OwnMariaDB], indirect=True)
def test_what_was_committed_survives_a_kill(server: OwnServer, tmp_path: Path) -> None:
    with fresh("mysql" if isinstance(server, OwnMariaDB) else "postgres", tmp_path, server.url) as url:
        rows(url, "CREATE TABLE things (number BIGINT)")
        for number in range(20):
            rows(url, f"INSERT INTO things VALUES ({number})")
        server.kill()
        server.start()
        assert rows(url, "SELECT COUNT(*) FROM things") == [(20,)]


@pytest.mark.parametrize("server", [OwnPostgres], indirect=True)
async def test_connections_of_postgres_are_stopped_and_killed_too(server: OwnServer) -> None:
    connection = await asyncpg.connect(server.url)
    server.stop()
    asked = asyncio.create_task(connection.fetchval("SELECT 1"))
    assert not (await asyncio.wait([asked], timeout=SILENT_SECONDS))[0]
    server.resume()
    assert await asked == 1
    server.kill()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.fetchval("SELECT 1")
    connection.terminate()
    server.start()


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("last", [OwnServer.kill, OwnServer.stop])
def test_leaves_nothing(kind: type[OwnServer], last: Callable[[OwnServer], None]) -> None:
    with kind() as server:
        assert server._process is not None
        family = [server._process, *server._process.children(recursive=True)]
        folder = server._folder
        last(server)
    assert all(map(is_gone, family))
    assert not folder.exists()
    assert not is_open(server.port)


def test_its_options_arrive() -> None:
    with OwnPostgres("-c", "max_connections=7") as server:
        assert rows(server.url, "SHOW max_connections") == [("7",)]


def test_says_what_the_server_said_if_it_does_not_start() -> None:
    with pytest.raises(RuntimeError, match="no-such-option"), OwnRedis("--no-such-option", "1"):
        pass


KILLED = """
import time
from servers.own import {kind}

with {kind}() as server:
    print(server._process.pid, server._folder, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("kind", ["OwnPostgres", "OwnRedis"])
def test_leaves_nothing_when_the_test_is_killed(kind: str) -> None:
    command = [sys.executable, "-c", KILLED.format(kind=kind)]
    with subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, text=True) as test:
        assert test.stdout is not None
        number, folder = test.stdout.readline().split()
        server = psutil.Process(int(number))
        family = [server, *server.children(recursive=True)]
        test.kill()
    end = time.monotonic() + 10
    while time.monotonic() < end and (Path(folder).exists() or not all(map(is_gone, family))):
        time.sleep(0.01)
    assert not Path(folder).exists()
    assert all(map(is_gone, family))
