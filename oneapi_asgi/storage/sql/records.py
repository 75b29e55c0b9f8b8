"""What happened to the calls, one row each."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from sqlalchemy import Connection, select

from ...models import CallRecord
from .rows import RECORD_COLUMNS, record_of, record_row
from .schema import records
from .statements import Lookup, insertion

__all__ = ["list_records", "write_records"]

_INSERT = insertion(records, *RECORD_COLUMNS)
_written = Lookup(lambda ids: select(records.c.id).where(records.c.id.in_(ids)))


def write_records(connection: Connection, written: Sequence[CallRecord]) -> None:
    """Append those that are not there yet, so that a write whose answer got lost may be repeated."""
    with closing(connection.connection.cursor()) as cursor:
        present = {number for (number,) in _written.rows(cursor, [record.id for record in written])}
        missing = {record.id: record for record in reversed(written) if record.id not in present}
        cursor.executemany(_INSERT, [record_row(record) for record in reversed(missing.values())])


def list_records(connection: Connection, limit: int) -> list[CallRecord]:
    """The records that were written last, the newest first."""
    newest = select(records).order_by(records.c.seq.desc()).limit(limit)
    return [record_of(row) for row in connection.execute(newest).mappings()]
