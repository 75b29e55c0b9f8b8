"""Opening a database: connections, the right schema, and errors that an operator can act on."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, NullPool, create_engine, event, insert, inspect, make_url, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DatabaseError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from .. import StorageError
from .schema import REVISIONS, VERSION_TABLE, metadata, version

__all__ = ["connect", "explained", "parse", "prepare", "reading_engine"]

_READERS = 4
_WAIT = 10_000  # milliseconds that a connection waits for the write lock of another process


def parse(url: str) -> URL:
    """
    :raises ValueError: it does not name an SQLite file
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ValueError(f"{url!r} is no database URL; an SQLite file is written sqlite:///path/to/file.db") from error
    if parsed.get_backend_name() != "sqlite":
        raise ValueError(f"this storage speaks SQLite only (sqlite:///path/to/file.db), not {parsed.drivername}")
    if parsed.database in {None, "", ":memory:"}:
        raise ValueError("an SQLite URL names a file (sqlite:///path/to/file.db); MemoryStorage needs none")
    return parsed.set(drivername="sqlite")


def _file(url: URL) -> Path:
    return Path(url.database or "").absolute()


@contextmanager
def explained(url: URL) -> Iterator[None]:
    """Turn what can be wrong with the file into one message that names it.

    :raises StorageError:
    """
    path = _file(url)
    if not path.parent.is_dir():
        raise StorageError(f"cannot open {path}: there is no directory {path.parent}; make it, or name another file")
    if path.is_dir():
        raise StorageError(f"cannot open {path}: it is a directory; name a file in it")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise StorageError(f"cannot open {path}: this process may not write there")
    try:
        yield
    except DatabaseError as error:
        raise StorageError(f"cannot open {path}: {error.orig}") from error


def connect(url: URL) -> Connection:
    """A connection for writing: each of its transactions takes the write lock at once."""
    engine = create_engine(url, poolclass=NullPool)
    event.listen(engine, "connect", _set_up_writer)
    event.listen(engine, "begin", _begin)
    return engine.connect()


def reading_engine(url: URL) -> AsyncEngine:
    engine = create_async_engine(url.set(drivername="sqlite+aiosqlite"), pool_size=_READERS, max_overflow=0)
    event.listen(engine.sync_engine, "connect", _set_up_reader)
    return engine


def _set_up_writer(connection: DBAPIConnection, _: Any) -> None:
    # The driver would open transactions by itself, too late to take the lock before the first read.
    connection.isolation_level = None
    _pragmas(connection, f"busy_timeout={_WAIT}", "synchronous=NORMAL", "foreign_keys=ON")
    _write_ahead(connection)


def _set_up_reader(connection: DBAPIConnection, _: Any) -> None:
    _pragmas(connection, f"busy_timeout={_WAIT}", "query_only=ON")


def _pragmas(connection: DBAPIConnection, *pragmas: str) -> None:
    cursor = connection.cursor()
    for pragma in pragmas:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _write_ahead(connection: DBAPIConnection) -> None:
    # The one pragma that does not wait for the lock: processes that open a new file at once get in each other's way.
    deadline = time.monotonic() + _WAIT / 1000
    while True:
        try:
            return _pragmas(connection, "journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def prepare(connection: Connection) -> None:
    """Bring the tables to the newest revision. The write lock is held, so that one of several starters does it.

    :raises StorageError: the database belongs to a newer version, or to something else
    """
    present = set(inspect(connection).get_table_names())
    if VERSION_TABLE in present:
        _upgrade(connection, connection.scalar(select(version.c.version_num)))
    elif strangers := present & metadata.tables.keys():
        named = ", ".join(sorted(strangers))
        raise StorageError(f"this database has tables of another program ({named}); name an empty or new one")
    else:
        metadata.create_all(connection, checkfirst=False)
        version.create(connection)
        connection.execute(insert(version).values(version_num=REVISIONS[-1]))


def _upgrade(connection: Connection, found: str | None) -> None:
    if found == REVISIONS[-1]:
        return
    if found is not None and found not in REVISIONS:
        raise StorageError(
            f"this database was written by a newer version (its schema is {found}, this one knows {REVISIONS[-1]}); "
            "install that version again, or restore the backup that was made before"
        )
    # Alembic takes 12 MB and 0.3 s, which a start without migrations need not pay.
    from .migrations import upgrade

    upgrade(connection)
