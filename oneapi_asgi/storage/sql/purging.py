"""Deletes what need not be kept any longer, some of it at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, Connection, Delete, Dialect, Table, case, delete, select

__all__ = ["purge_due"]

_CHUNK: Final = 500  # keys in one DELETE


def purge_due(connection: Connection, table: Table, due: ColumnElement[bool], limit: int) -> int:
    """Delete up to ``limit`` rows that are ``due``, the longest first. They are found without a lock; one that was
    renewed meanwhile stays."""
    query = select(table.c.key).where(due).order_by(table.c.keep_until).limit(limit)
    keys = sorted(connection.scalars(query))
    chunks = [keys[start : start + _CHUNK] for start in range(0, len(keys), _CHUNK)]
    return sum(connection.execute(_purge(table, due, chunk, connection.dialect)).rowcount for chunk in chunks)


def _purge(table: Table, due: ColumnElement[bool], keys: Sequence[str], dialect: Dialect) -> Delete:
    """Whoever writes such rows locks them in the order of their keys, and this must not meet them from the other side.

    PostgreSQL deletes them as they lie, so that those which are locked are left to the next purge. MySQL takes the
    order of the keys, unless it can go by when they are due: it must not see that it could.
    """
    among = table.c.key.in_(keys)
    if dialect.name == "postgresql":
        free = select(table.c.key).where(among, due).with_for_update(skip_locked=True)
        return delete(table).where(table.c.key.in_(free))
    return delete(table).where(among, case((due, 1), else_=0) == 1)
