"""Opening a database: connections, the right schema, and errors that an operator can act on."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from sqlalchemy import URL, Connection, NullPool, create_engine, event, insert, inspect, make_url, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DatabaseError

from .. import StorageError
from .schema import REVISIONS, VERSION_TABLE, metadata, version

__all__ = ["connect_reader", "connect_writer", "explained", "parse", "prepare"]

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
    # Its directory too: SQLite keeps a log and an index beside the file.
    if not all(os.access(place, os.W_OK) for place in (path.parent, path) if place.exists()):
        raise StorageError(f"cannot open {path}: this process may not write there")
    try:
        yield
    except (DatabaseError, sqlite3.DatabaseError) as error:
        raise StorageError(f"cannot open {path}: {getattr(error, 'orig', error)}") from error


def connect_writer(url: URL) -> Connection:
    """Each transaction takes the write lock at once: taken after a first read, it could only fail."""
    pragmas = (f"busy_timeout={_WAIT}", "synchronous=NORMAL", "foreign_keys=ON", "wal_autocheckpoint=4000")
    connection = _connect(url, "BEGIN IMMEDIATE", *pragmas)
    _write_ahead(connection)
    return connection


def connect_reader(url: URL) -> Connection:
    """Each transaction sees the database as it was at its first read."""
    return _connect(url, "BEGIN", f"busy_timeout={_WAIT}", "query_only=ON")


def _connect(url: URL, begin: str, *pragmas: str) -> Connection:
    engine = create_engine(url, poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def set_up(connection: DBAPIConnection, _: Any) -> None:
        # The driver would open transactions by itself, and too late.
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine.connect()


def _write_ahead(connection: Connection) -> None:
    # The one pragma that does not wait for the lock: processes that open a new file at once get in each other's way.
    driver = cast("sqlite3.Connection", connection.connection.dbapi_connection)
    deadline = time.monotonic() + _WAIT / 1000
    while True:
        try:
            return driver.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


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
