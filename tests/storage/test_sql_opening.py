"""Opening a file: what is no database, what may not be written, what is locked, and several processes at once."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from oneapi_asgi.storage import StorageError
from oneapi_asgi.storage.sql import SQLStorage, opening, sqlite
from oneapi_asgi.storage.sql.schema import REVISIONS, VERSION_TABLE

from .books import rows

UNMIGRATED = f"CREATE TABLE {VERSION_TABLE} (\n\tversion_num VARCHAR(32) NOT NULL\n)"
SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name"


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


async def open_once(path: Path) -> None:
    async with SQLStorage(f"sqlite:///{path}") as storage:
        await storage.pulse()


async def test_a_failed_migration_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    execute(path, UNMIGRATED, "CREATE TABLE transfers (id INTEGER)")
    before = rows(path, SCHEMA)
    with pytest.raises(StorageError, match="already exists"):
        await open_once(path)
    assert rows(path, SCHEMA) == before


async def test_a_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no directory .*missing; make it"):
        await open_once(tmp_path / "missing" / "test.db")


async def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is a directory"):
        await open_once(tmp_path)


LOCKS = pytest.mark.parametrize("lock", [["BEGIN EXCLUSIVE"], ["BEGIN", "SELECT * FROM other"]])


@LOCKS
async def test_a_new_file_that_is_locked_for_a_moment(tmp_path: Path, lock: list[str]) -> None:
    path = tmp_path / "test.db"
    execute(path, "CREATE TABLE other (id INTEGER)")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in lock:
            connection.execute(statement)
        asyncio.get_running_loop().call_later(0.1, connection.rollback)
        await open_once(path)


@LOCKS
async def test_a_file_that_stays_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: list[str]) -> None:
    path = tmp_path / "test.db"
    execute(path, "CREATE TABLE other (id INTEGER)")
    monkeypatch.setattr(sqlite, "_WAIT", 50)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in lock:
            connection.execute(statement)
        with pytest.raises(StorageError, match="database is locked"):
            await open_once(path)


async def test_no_database(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    path.write_text("[storage]\nurl = 'this is the configuration file'\n" * 100)
    with pytest.raises(StorageError, match=r"test\.db: file is not a database"):
        await open_once(path)


async def test_a_file_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await open_once(tmp_path / "test.db")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the permissions of files do not bind root
    with pytest.raises(StorageError, match="may not write"):
        await open_once(tmp_path / "test.db")


@pytest.mark.parametrize(
    "url",
    ["oneapi.db", "sqlite://", "sqlite:///:memory:", "", "postgresql://localhost", "mssql://localhost/x", "a://[b"],
)
def test_a_url_that_names_no_database(url: str) -> None:
    with pytest.raises(ValueError, match=r"sqlite:///|user:password@host/database"):
        SQLStorage(url)


START = """
import asyncio, sys
from oneapi_asgi.storage.sql import SQLStorage, opening

async def main():
    async with SQLStorage(sys.argv[1]) as storage:
        await storage.pulse()
    print("alembic" in sys.modules)

sys.stdin.readline()
asyncio.run(main())
"""


def test_several_starters_on_an_empty_database(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    command = [sys.executable, "-W", "error", "-c", START, f"sqlite:///{path}"]
    starters = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(4)
    ]
    for starter in starters:  # they have imported nearly everything by now, and wait for this
        assert starter.stdin is not None
        starter.stdin.write("go\n")
        starter.stdin.flush()
    outputs = [starter.communicate(timeout=30)[0] for starter in starters]
    assert outputs == ["False\n"] * 4  # neither a new database nor one at the newest revision needs Alembic
    assert rows(path, "SELECT name FROM users") == [("root",)]
    assert rows(path, "SELECT count(*) FROM accounts") == [(7,)]
    assert rows(path, f"SELECT * FROM {VERSION_TABLE}") == [(REVISIONS[-1],)]


def test_many_connections_to_new_files_at_once(tmp_path: Path) -> None:
    barrier = threading.Barrier(4)

    def connect(_: int) -> None:
        for number in range(200):
            barrier.wait(10)
            with closing(sqlite.connect_writer(opening.parse(f"sqlite:///{tmp_path}/{number}.db"), {})) as connection:
                assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(connect, range(4))) == [None] * 4


def test_memory_needs_no_database_library() -> None:
    check = "import sys, oneapi_asgi.storage.memory; print('sqlalchemy' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", check], text=True) == "False\n"
