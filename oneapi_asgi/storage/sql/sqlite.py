"""SQLite: one file, one writer and a few readers in threads, and errors that an operator can act on."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

from sqlalchemy import URL, Connection, NullPool, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError

from .. import StorageError
from .workers import Workers

__all__ = ["connect_reader", "connect_writer", "explained", "runners"]

_WAIT = 10_000  # milliseconds that a connection waits for the write lock of another process
_READERS = 4


def runners(url: URL, options: Mapping[str, object]) -> tuple[Workers, Workers]:
    """Who writes and who reads. ``options`` are the execution options of their connections."""
    return Workers(partial(connect_writer, url, options)), Workers(partial(connect_reader, url, options), _READERS)


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


def connect_writer(url: URL, options: Mapping[str, object]) -> Connection:
    """Each transaction takes the write lock at once: taken after a first read, it could only fail."""
    pragmas = (f"busy_timeout={_WAIT}", "synchronous=NORMAL", "foreign_keys=ON", "wal_autocheckpoint=4000")
    connection = _connect(url, options, "BEGIN IMMEDIATE", *pragmas)
    _write_ahead(connection)
    return connection


def connect_reader(url: URL, options: Mapping[str, object]) -> Connection:
    """Each transaction sees the database as it was at its first read."""
    return _connect(url, options, "BEGIN", f"busy_timeout={_WAIT}", "query_only=ON")


def _connect(url: URL, options: Mapping[str, object], begin: str, *pragmas: str) -> Connection:
    engine = create_engine(
        url,
        poolclass=NullPool,
        execution_options=options,
        hide_parameters=True,  # they may be keys
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: DBAPIConnection, _: Any) -> None:
        # The driver would open transactions by itself, and too late.
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        # As plain as the hot statements: through the engine it would cost as much as a commit.
        _driver(connection).execute(begin).close()

    return engine.connect()


def _driver(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.dbapi_connection)


def _write_ahead(connection: Connection) -> None:
    # The one pragma that does not wait for the lock: processes that open a new file at once get in each other's way.
    driver = _driver(connection)
    deadline = time.monotonic() + _WAIT / 1000
    while True:
        try:
            return driver.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
