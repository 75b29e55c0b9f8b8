"""What an error of a server says about the transaction that it ended. By codes, never by prose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:  # it needs greenlet, which comes with the drivers of servers: SQLite has none
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["is_conflict", "is_disconnect", "is_timeout", "is_unknown_database", "unfit"]

_CONFLICTS = {"40001", "40P01", 1213, 1020}
"""PostgreSQL's appendix A: serialization failure, deadlock. ER_LOCK_DEADLOCK; ER_CHECKREAD, which MariaDB gives where a
row has changed since it was read."""

_TIMEOUTS = {"55P03", "57014", 1205, 1969, 3024}
"""Lock not available, query canceled. ER_LOCK_WAIT_TIMEOUT, ER_STATEMENT_TIMEOUT (MariaDB), ER_QUERY_TIMEOUT."""


_UNFIT = {1264, 1366, 1406, 1690}
"""ER_WARN_DATA_OUT_OF_RANGE, ER_TRUNCATED_WRONG_VALUE_FOR_FIELD, ER_DATA_TOO_LONG, ER_DATA_OUT_OF_RANGE."""

_DATA = "22"
"""PostgreSQL's class of data exceptions."""

_GONE = ("08", "57P0")
"""Of PostgreSQL's states: connection exceptions, and a server that shuts down or has crashed. Its driver's own errors
do not tell the dialect so much, unless it has the connection at hand."""


def is_conflict(error: BaseException) -> bool:
    """It lost against another transaction, and was rolled back: tried again it may well succeed."""
    return not _CONFLICTS.isdisjoint(_codes(error))


def is_timeout(error: BaseException) -> bool:
    """The server broke it off, as it took too long."""
    return not _TIMEOUTS.isdisjoint(_codes(error))


def unfit(error: BaseException) -> ValueError | None:
    """What is told where no column takes a value that it was given, None where it was something else. Tried again it
    would fail again."""
    states = (code for code in _codes(error) if isinstance(code, str))
    if isinstance(error, OverflowError) or not _UNFIT.isdisjoint(_codes(error)) or any(map(_is_of_data, states)):
        told = ValueError("the database takes no such value")
        told.__cause__ = error
        return told
    return None


def _is_of_data(state: str) -> bool:
    return state.startswith(_DATA)


def is_unknown_database(error: BaseException) -> bool:
    """The server is there, the database is not: invalid catalog name, ER_BAD_DB_ERROR."""
    return not {"3D000", 1049}.isdisjoint(_codes(error))


def _codes(error: BaseException) -> set[object]:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    number = cause.args[0] if cause.args else None
    return {getattr(cause, "sqlstate", None), number if isinstance(number, int) else None}


def is_disconnect(error: BaseException, connection: AsyncConnection | None) -> bool:
    """The connection is gone, or never was."""
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        return True
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    if connection is None:
        return False
    if any(isinstance(code, str) and code.startswith(_GONE) for code in _codes(error)):
        return True
    dialect = connection.dialect
    return isinstance(error, dialect.loaded_dbapi.Error) and dialect.is_disconnect(error, None, None)
