"""Deletes what need not be kept any longer, some of it at once."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Table, delete, select

__all__ = ["purge_due"]

_CHUNK = 500  # keys in one DELETE


def purge_due(connection: Connection, table: Table, due: ColumnElement[bool], limit: int) -> int:
    """Delete up to ``limit`` rows that are ``due``, the longest first. They are found without a lock, and locked in the
    order of their ``key``, as everybody does; one that was renewed meanwhile stays."""
    query = select(table.c.key).where(due).order_by(table.c.keep_until).limit(limit)
    keys = sorted(connection.scalars(query))
    chunks = [keys[start : start + _CHUNK] for start in range(0, len(keys), _CHUNK)]
    return sum(connection.execute(delete(table).where(table.c.key.in_(chunk), due)).rowcount for chunk in chunks)
