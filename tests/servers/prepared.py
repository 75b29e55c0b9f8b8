"""Databases that have today's tables and nothing in them: what most tests of storages begin with.

To make one takes a server up to a second, to empty one a few milliseconds. So each is used again, and is what a first
start that broke off after the tables leaves: no rows, and numbers that begin at 1. One whose tables are no longer what
they were is not used again, nor is one that cannot be emptied.

A test of the tables themselves, of an empty database, or with a server of its own takes ``databases.fresh``.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import asyncmy
import asyncpg
import pytest
from msgspec import Struct

from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.schema import VERSION_TABLE, metadata

from .databases import Kind, Row, ask_mysql, end_others, fresh, mysql, rows, rows_of_each, run_apart

__all__ = ["Prepared", "emptied", "prepared"]

_TABLES = [table.name for table in reversed(metadata.sorted_tables)]
_VERSION = f"SELECT version_num FROM {VERSION_TABLE}"
_SECONDS = 10.0

_SHAPE_OF_POSTGRES = """
    SELECT 'column', concat_ws(' ', c.relname, c.relkind, a.attname, format_type(a.atttypid, a.atttypmod),
        a.attnotnull, pg_get_expr(d.adbin, d.adrelid))
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL SELECT 'index', indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT 'constraint', conname || pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT 'trigger', tgname FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'function', proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT 'setting', setconfig::text FROM pg_db_role_setting
        JOIN pg_database b ON b.oid = setdatabase WHERE b.datname = current_database()
    ORDER BY 1, 2
"""
_OTHERS_OF_POSTGRES = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_FROM_ONE = """
    SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false) FROM pg_sequences
    WHERE last_value IS NOT NULL
"""
_BEYOND_ONE = """
    SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND auto_increment > 1
"""


class _Made(Struct, frozen=True):
    """A database, and what its tables looked like when it was made."""

    url: str
    shape: list[Row]


class Prepared:
    """``with prepared(kind, folder) as url``: a database of one's own for as long as the block lasts.

    To be closed at the end of the session, by ``close``, which drops them all. ``folder`` is for what stays until then.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._free: dict[Kind, list[_Made]] = {}
        self._dropping = ExitStack()

    def close(self) -> None:
        self._dropping.close()

    @contextmanager
    def __call__(self, kind: Kind, folder: Path) -> Iterator[str]:
        """``folder`` is for the file of SQLite, as of ``fresh``. What a block that failed had is not used again."""
        free = self._free.setdefault(kind, [])
        made = free.pop() if free else self._make(kind)
        if kind == "sqlite":
            free.append(made)
            with fresh(kind, folder) as url:
                shutil.copyfile(_path(made.url), _path(url))
                yield url
            return
        yield made.url
        with suppress(asyncpg.PostgresError, asyncmy.errors.MySQLError):  # a table is gone, or stays locked
            if emptied(made.url) == made.shape:
                free.append(made)

    def _make(self, kind: Kind) -> _Made:
        url = self._dropping.enter_context(fresh(kind, self._folder))
        if kind == "postgres":  # the server stays up: nobody need wait for its disk
            rows(url, f"ALTER DATABASE {_path(url)} SET synchronous_commit = off")
        run_apart(lambda: _start(url))
        return _Made(url, emptied(url))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    made = Prepared(tmp_path_factory.mktemp("prepared"))
    yield made
    made.close()


async def _start(url: str) -> None:
    async with SQLStorage(url):
        pass


def _path(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def emptied(url: str) -> list[Row]:
    """Nobody is connected and nothing in the tables any more; what these look like.

    By DELETE: for tables with a few rows TRUNCATE takes ten times as long."""
    match urlsplit(url).scheme:
        case "sqlite":
            rows_of_each(url, *(f'DELETE FROM "{table}"' for table in (*_TABLES, "sqlite_sequence")))
            return []
        case "postgresql":
            return run_apart(lambda: _emptied_postgres(url))
        case _:
            return run_apart(lambda: _emptied_mysql(url))


async def _emptied_postgres(url: str) -> list[Row]:
    connection = await asyncpg.connect(url, timeout=_SECONDS, command_timeout=_SECONDS)
    try:
        deadline = time.monotonic() + _SECONDS
        while await connection.fetch(_OTHERS_OF_POSTGRES) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        await connection.execute(";".join(f'DELETE FROM "{table}"' for table in _TABLES))
        await connection.execute(_FROM_ONE)
        shape = [*await connection.fetch(_SHAPE_OF_POSTGRES), *await connection.fetch(_VERSION)]
        return [tuple(row) for row in shape]
    finally:
        await connection.close(timeout=_SECONDS)


async def _emptied_mysql(url: str) -> list[Row]:
    async with mysql(urlsplit(url)) as connection:
        deadline = time.monotonic() + _SECONDS
        while await end_others(connection, _path(url)) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        await ask_mysql(connection, f"SET SESSION lock_wait_timeout = {_SECONDS:.0f}")
        await _empty_mysql(connection)
        names = sorted(await ask_mysql(connection, "SHOW TABLES"))
        shape = [row for (name,) in names for row in await ask_mysql(connection, f"SHOW CREATE TABLE `{name}`")]
        return [*shape, *await ask_mysql(connection, "SHOW TRIGGERS"), *await ask_mysql(connection, _VERSION)]


async def _empty_mysql(connection: asyncmy.Connection) -> None:
    await ask_mysql(connection, "START TRANSACTION")
    for table in _TABLES:
        await ask_mysql(connection, f"DELETE FROM `{table}`")
    await ask_mysql(connection, "COMMIT")
    with suppress(asyncmy.errors.OperationalError):  # MariaDB knows no such variable, and never tells old numbers
        await ask_mysql(connection, "SET SESSION information_schema_stats_expiry = 0")
    for (name,) in await ask_mysql(connection, _BEYOND_ONE):
        await ask_mysql(connection, f"ALTER TABLE `{name}` AUTO_INCREMENT = 1")
