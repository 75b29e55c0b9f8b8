"""Empty databases of every kind, and what is in their tables. Who has no use for one without tables asks ``prepared``.

::

    @pytest.fixture(params=KINDS)
    def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
        with fresh(request.param, tmp_path) as url:
            yield url

The servers are those of ``ONEAPI_TEST_POSTGRES_URL`` and ``ONEAPI_TEST_MYSQL_URL`` (MySQL or MariaDB), or those on the
standard ports of 127.0.0.1, where the user ``postgres`` or ``root`` needs no password. Who sets a variable wants the
tests: they fail if that server is not there, and are skipped only where nobody named one.

Everything here may be called with or without a running event loop: drivers run in a thread and loop of their own.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sqlite3
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

import asyncmy
import asyncpg
import pytest

__all__ = [
    "KINDS",
    "Kind",
    "Row",
    "ask_mysql",
    "end_others",
    "fresh",
    "mysql",
    "or_skip",
    "redis_server",
    "rows",
    "rows_of_each",
    "run_apart",
    "server_of",
]

Kind = Literal["sqlite", "postgres", "mysql"]
Row = tuple[Any, ...]
T = TypeVar("T")

KINDS: tuple[Kind, ...] = ("sqlite", "postgres", "mysql")

_SERVERS = {
    "postgres": ("ONEAPI_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres"),
    "mysql": ("ONEAPI_TEST_MYSQL_URL", "mysql://root@127.0.0.1:3306"),
    "redis": ("ONEAPI_TEST_REDIS_URL", "redis://127.0.0.1:6379"),
}
_SECONDS = 10.0


@contextmanager
def fresh(kind: Kind, folder: Path, server: str | None = None) -> Iterator[str]:
    """The URL of an empty database, as an operator writes it; dropped at the end, whoever is still connected.

    ``folder`` is for the file of SQLite. ``server`` is the URL of another server than the shared one, such as
    ``OwnPostgres.url``.
    """
    name = f"oneapi_test_{secrets.token_hex(6)}"
    if kind == "sqlite":
        yield f"sqlite:///{folder}/{name}.db"
        return
    base = urlsplit(server or server_of(kind))
    rows(base.geturl(), f"CREATE DATABASE {name}")
    try:
        yield base._replace(path=f"/{name}").geturl()
    finally:
        _drop(base.geturl(), name)


def rows(url: str, sql: str) -> list[Row]:
    """What one statement returns, committed at once, on a connection of its own.

    ``url`` may name a driver (``postgresql+asyncpg``). It blocks the thread that calls it for some milliseconds.
    """
    (found,) = rows_of_each(url, sql)
    return found


def rows_of_each(url: str, *statements: str) -> list[list[Row]]:
    """What each of the statements returns, one after the other on one connection."""
    split = urlsplit(url)
    match split.scheme.partition("+")[0]:
        case "sqlite":
            return _rows_of_file(split.path.removeprefix("/"), statements)
        case "postgresql" | "postgres":
            return run_apart(lambda: _rows_of_postgres(split._replace(scheme="postgresql").geturl(), statements))
        case "mysql" | "mariadb":
            return run_apart(lambda: _rows_of_mysql(split, statements))
        case scheme:
            raise ValueError(f"no driver for {scheme}")


def server_of(kind: Literal["postgres", "mysql", "redis"]) -> str:
    """The shared server's URL, with rights to create databases; skips the test where there is none."""
    variable, standard = _SERVERS[kind]
    return os.environ.get(variable) or or_skip(standard, variable)


def or_skip(url: str, variable: str) -> str:
    """The URL, if something listens there; otherwise skips the test, naming the variable that would help."""
    split = urlsplit(url)
    try:
        socket.create_connection((split.hostname or "", split.port or 0), 2).close()
    except OSError:
        pytest.skip(f"nothing listens at {split.netloc}: name a server in {variable}")
    return url


def redis_server() -> str:
    """The shared Redis. All tests share its keys: who must have it empty starts an ``OwnRedis``."""
    return server_of("redis")


def run_apart(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of a coroutine that ran in an event loop and a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(main())).result()


def _drop(server: str, name: str) -> None:
    if server.startswith("mysql"):
        run_apart(lambda: _drop_of_mysql(urlsplit(server), name))
    else:
        rows(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _rows_of_file(path: str, statements: Sequence[str]) -> list[list[Row]]:
    with closing(sqlite3.connect(path, timeout=_SECONDS)) as connection, connection:
        return [connection.execute(sql).fetchall() for sql in statements]


async def _rows_of_postgres(url: str, statements: Sequence[str]) -> list[list[Row]]:
    connection = await asyncpg.connect(url, timeout=_SECONDS, command_timeout=_SECONDS)
    try:
        return [[tuple(row) for row in await connection.fetch(sql)] for sql in statements]
    finally:
        await connection.close(timeout=_SECONDS)


async def _rows_of_mysql(url: SplitResult, statements: Sequence[str]) -> list[list[Row]]:
    async with mysql(url) as connection:
        return [await ask_mysql(connection, sql) for sql in statements]


async def _drop_of_mysql(url: SplitResult, name: str) -> None:
    async with mysql(url) as connection:
        await ask_mysql(connection, f"SET SESSION lock_wait_timeout = {_SECONDS:.0f}")
        await end_others(connection, name)
        await ask_mysql(connection, f"DROP DATABASE IF EXISTS {name}")


async def end_others(connection: asyncmy.Connection, database: str) -> bool:
    """End whoever else is connected with the database, whose open transaction would hold up any change of its tables;
    whether there was one."""
    processes = await ask_mysql(connection, "SELECT id, connection_id(), db FROM information_schema.processlist")
    others = [number for number, own, name in processes if name == database and number != own]
    for number in others:
        await _end(connection, number)
    return bool(others)


async def _end(connection: asyncmy.Connection, number: int) -> None:
    unknown_thread = 1094
    try:
        await ask_mysql(connection, f"KILL {number}")
    except asyncmy.errors.MySQLError as error:
        if error.args[0] != unknown_thread:
            raise


def mysql(url: SplitResult) -> Any:
    return asyncmy.connect(
        host=url.hostname or "127.0.0.1",
        port=url.port or 3306,
        user=unquote(url.username or "root"),
        password=unquote(url.password or ""),
        database=url.path.removeprefix("/") or None,
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=_SECONDS,
    )


async def ask_mysql(connection: asyncmy.Connection, sql: str) -> list[Row]:
    async with connection.cursor() as cursor:
        await cursor.execute(sql)
        return list(await cursor.fetchall()) if cursor.description else []
