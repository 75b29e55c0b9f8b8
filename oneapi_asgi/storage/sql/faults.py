"""What an error of a server says about the transaction that it ended. By codes, never by prose."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["is_conflict", "is_disconnect", "is_timeout", "is_unknown_database"]

_CONFLICTS = {"40001", "40P01", 1213, 1020}
"""PostgreSQL's appendix A: serialization failure, deadlock. ER_LOCK_DEADLOCK; ER_CHECKREAD, which MariaDB gives where a
row has changed since it was read."""

_TIMEOUTS = {"55P03", "57014", 1205, 1969, 3024}
"""Lock not available, query canceled. ER_LOCK_WAIT_TIMEOUT, ER_STATEMENT_TIMEOUT (MariaDB), ER_QUERY_TIMEOUT."""


_GONE = ("08", "57P0")
"""Of PostgreSQL's states: connection exceptions, and a server that shuts down or has crashed. Its driver's own errors
do not tell the dialect so much, unless it has the connection at hand."""


def is_conflict(error: BaseException) -> bool:
    """It lost against another transaction, and was rolled back: tried again it may well succeed."""
    return not _CONFLICTS.isdisjoint(_codes(error))


def is_timeout(error: BaseException) -> bool:
    """The server broke it off, as it took too long."""
    return not _TIMEOUTS.isdisjoint(_codes(error))


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
