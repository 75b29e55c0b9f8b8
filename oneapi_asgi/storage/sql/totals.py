"""What the calls of each day add up to.

The sums are kept up with every batch of records, in its transaction, so that asking for them never walks through the
records, and pruning those changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, func, select

from ...models import CallRecord
from ...queries import Dimension, Total
from ..records import COLUMNS, KEY, TOTALLED, add_up, check_by, total_of
from .rows import fitting_name
from .schema import daily_totals
from .statements import LARGEST, Addition, Cursor

__all__ = ["add_totals", "totals"]

_SUMS = ("calls", "failed", "cost", "duration", *TOTALLED)
_ADD = Addition(daily_totals, KEY, _SUMS)


def add_totals(cursor: Cursor, written: Sequence[CallRecord]) -> None:
    """In the order of their keys, so that transactions that meet wait for one another and not in a circle."""
    sums = add_up(written, fitting_name)
    cursor.insert(_ADD, [(*key, *[min(number, LARGEST) for number in sums[key]]) for key in sorted(sums)])


def totals(
    connection: Connection,
    since_day: int,
    until_day: int,
    by: Sequence[Dimension],
    only: Mapping[str, int | str | None],
) -> list[Total]:
    """See ``ports.RecordReader.totals``. Sorted here: databases have orders of their own for text."""
    check_by(by)
    columns = [daily_totals.c[COLUMNS[dimension]] for dimension in by]
    wanted = [daily_totals.c[name] == value for name, value in only.items() if value is not None]
    sums = [func.sum(daily_totals.c[name]) for name in _SUMS]
    query = select(*columns, *sums).where(daily_totals.c.day.between(since_day, until_day), *wanted)
    rows = connection.execute(query.group_by(*columns)).all()
    found = [(tuple(row[: len(by)]), row[len(by) :]) for row in rows if row[len(by)] is not None]
    return [total_of(by, group, numbers) for group, numbers in sorted(found, key=lambda entry: entry[0])]
