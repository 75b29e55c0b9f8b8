"""Which database a URL names, and bringing it to the newest schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType

from sqlalchemy import URL, Connection, insert, inspect, make_url, select, text, update
from sqlalchemy.exc import ArgumentError

from .. import StorageError
from . import sqlite
from .desk import schema as _desk  # noqa: F401 - its tables belong to the metadata
from .runner import Runner
from .schema import REVISIONS, VERSION_TABLE, metadata, version

__all__ = ["explained", "key_file", "parse", "prepare", "runners"]

_SERVERS = {"postgresql": "postgresql", "postgres": "postgresql", "mysql": "mysql", "mariadb": "mysql"}
_EXAMPLES = "sqlite:///path/to/file.db, postgresql://user:password@host/database or mysql://user:password@host/database"

_KEY_FILE = "oneapi.key"

_LOCK = 0x6F6E65617069  # of PostgreSQL's advisory ones: "oneapi"
_LOCK_SECONDS = 300
_BEGUN = "begun"
"""What stands for a revision while tables are made where the server commits each of them by itself."""


def parse(url: str) -> URL:
    """The address of a database. Its messages never show the URL, which may hold a password.

    :raises ValueError: it names none that this storage speaks to
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(f"that is no database URL; write {_EXAMPLES}") from None
    kind = parsed.drivername.partition("+")[0]
    if kind in _SERVERS:
        if not parsed.database:
            raise ValueError(f"the URL of a {kind} server names a database: {kind}://user:password@host/database")
        return parsed.set(drivername=_SERVERS[kind])
    if kind != "sqlite":
        raise ValueError(f"this storage does not speak {kind}; write {_EXAMPLES}")
    if parsed.database in {None, "", ":memory:"}:
        raise ValueError("an SQLite URL names a file (sqlite:///path/to/file.db); MemoryStorage needs none")
    return parsed.set(drivername="sqlite")


def _kind(url: URL) -> ModuleType:
    """How such databases are reached: what knows ``runners`` and ``explained``.

    :raises ModuleNotFoundError: the driver is not installed
    """
    if url.drivername == "sqlite":
        return sqlite
    from . import servers  # its drivers are extras

    return servers


def key_file(url: str) -> Path:
    """Where the key of a database is that was given none: beside the file of SQLite, else in the working directory.

    :raises ValueError: that is no URL of a database
    """
    parsed = parse(url)
    return (Path(parsed.database or "").absolute().parent if parsed.drivername == "sqlite" else Path.cwd()) / _KEY_FILE


def runners(url: URL, options: Mapping[str, object]) -> tuple[Runner, Runner]:
    """Who writes and who reads. ``options`` are the execution options of their connections."""
    found: tuple[Runner, Runner] = _kind(url).runners(url, options)
    return found


def explained(url: URL) -> AbstractContextManager[None]:
    """Turn what can be wrong when it is opened into one message that names it.

    :raises StorageError:
    """
    found: AbstractContextManager[None] = _kind(url).explained(url)
    return found


def prepare(connection: Connection) -> None:
    """Bring the tables to the newest revision. A lock is held meanwhile, so that one of several starters does it (that
    of SQLite is the transaction's).

    :raises StorageError: the database belongs to a newer version, or to something else
    """
    if connection.dialect.name == "mysql":
        with _lock_of_mysql(connection):
            _bring_up(connection)
        return
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    _bring_up(connection)


@contextmanager
def _lock_of_mysql(connection: Connection) -> Iterator[None]:
    """Of the session, as every change of a table ends the transaction there."""
    # It would warn of every name that it has no use for, and the driver log that.
    connection.execute(text("SET SESSION max_error_count = 0"))
    name = f"oneapi_asgi:{connection.engine.url.database}"[:64]
    if connection.scalar(text("SELECT GET_LOCK(:name, :wait)"), {"name": name, "wait": _LOCK_SECONDS}) != 1:
        raise StorageError(f"another process has been changing the tables for {_LOCK_SECONDS} s; look after it")
    yield
    connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": name})  # else it goes with the connection


def _bring_up(connection: Connection) -> None:
    present = set(inspect(connection).get_table_names())
    found = connection.scalar(select(version.c.version_num)) if VERSION_TABLE in present else None
    if found == _BEGUN or not present & {VERSION_TABLE, *metadata.tables}:
        _create(connection, resumed=found == _BEGUN)
    elif VERSION_TABLE in present:
        _upgrade(connection, found)
    else:
        named = ", ".join(sorted(present & metadata.tables.keys()))
        raise StorageError(f"this database has tables of another program ({named}); name an empty or new one")


def _create(connection: Connection, *, resumed: bool) -> None:
    """All tables at once; the rest of them after a start that broke off, where that leaves some."""
    _collate(connection)
    if not resumed:
        version.create(connection)
        connection.execute(insert(version).values(version_num=_BEGUN))
    metadata.create_all(connection, checkfirst=resumed)
    connection.execute(update(version).values(version_num=REVISIONS[-1]))


def _collate(connection: Connection) -> None:
    """Names are told apart to the letter and the last space, as by the other databases."""
    if connection.dialect.name == "mysql":
        collation = "utf8mb4_nopad_bin" if connection.dialect.is_mariadb else "utf8mb4_0900_bin"  # type: ignore[attr-defined]
        connection.execute(text(f"ALTER DATABASE CHARACTER SET utf8mb4 COLLATE {collation}"))


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

    _collate(connection)
    upgrade(connection)
