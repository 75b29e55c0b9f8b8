"""What happened to the calls, one row each.

A page is found by walking backwards in one index that ends in ``at``, from the place of the cursor on: what it costs
does not depend on what lies before or behind. Of several filters one has the index, the others are asked of the rows on
the way; should few of them match, the walk ends after ``_WALK`` rows, and the page with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, or_, select

from ...models import CallRecord
from ...queries import RecordPage, RecordQuery
from ..records import Place, check_query, cursor_of, place_of, status_range
from .rows import RECORD_COLUMNS, record_of, record_row
from .schema import UNUSUAL, records
from .statements import Insertion, Lookup, cursor
from .totals import add_totals

__all__ = ["find_records", "list_records", "prune_records", "write_records"]

_WALK = 2_000
_PLACE = (records.c.at, records.c.seq)
_NEWEST = (records.c.at.desc(), records.c.seq.desc())

_INSERT = Insertion(records, *RECORD_COLUMNS)
_written = Lookup(lambda among: select(records.c.id).where(among(records.c.id)))


def write_records(connection: Connection, written: Sequence[CallRecord]) -> None:
    """See ``ports.RecordStore.write_records``. A record that was pruned since is not known any more."""
    with cursor(connection) as opened:
        present = {number for (number,) in opened.rows(_written, [record.id for record in written])}
        missing = {record.id: record for record in reversed(written) if record.id not in present}
        fresh = [*reversed(missing.values())]
        opened.insert(_INSERT, [record_row(record) for record in fresh])
        add_totals(opened, fresh)


def list_records(connection: Connection, limit: int) -> list[CallRecord]:
    """The records that were written last, the newest first."""
    newest = select(records).order_by(records.c.seq.desc()).limit(limit)
    return [record_of(row) for row in connection.execute(newest).mappings()]


def find_records(connection: Connection, query: RecordQuery) -> RecordPage:
    """See ``ports.RecordReader.find_records``."""
    check_query(query)
    filters = _filters(query)
    name = _indexed(filters)
    values = [*_values(connection, name, filters.pop(name, None))]
    start = [*_within(query)]
    rows = max(_WALK // max(len(values), 1), 1)
    found: list[Place] = []
    end: Place | None = None
    for value in values:
        places, last = _walk(connection, (*start, *_where(name, value)), filters, query.limit + 1, rows)
        found += places
        end = max(filter(None, (end, last)), default=None)
    found = sorted([place for place in found if end is None or place >= end], reverse=True)
    page = found[: query.limit]
    before = page[-1] if len(found) > len(page) else end
    return RecordPage(_read(connection, page), before and cursor_of(before))


def _filters(query: RecordQuery) -> dict[str, Any]:
    """By column; a tuple is a range."""
    names = ("token_id", "user_id", "channel_id", "model", "status", "reason")
    filters = {name: value for name in names if (value := getattr(query, name)) is not None}
    if query.status is not None:
        first, last = status_range(query.status)
        filters["status"] = first if first == last else (first, last)
    return filters


def _indexed(filters: Mapping[str, Any]) -> str:
    """The filter that leaves the fewest rows, as far as one can know without looking; "" for none."""
    rare = {name for name, usual in (("status", 200), ("reason", "done")) if not _takes(filters.get(name), usual)}
    order = ("token_id", "status", "reason", "user_id", "model", "channel_id")
    return next((name for name in order if name in filters and (name not in UNUSUAL or name in rare)), "")


def _takes(wanted: Any, value: Any) -> bool:
    return bool(wanted[0] <= value <= wanted[1] if isinstance(wanted, tuple) else wanted == value)


def _values(connection: Connection, name: str, wanted: Any) -> Iterator[Any]:
    """The values to walk along one by one: an index has its rows in the order of time for each single value only."""
    if not isinstance(wanted, tuple):
        yield wanted
        return
    first, last = wanted
    column = records.c[name]
    while True:
        value = connection.scalar(select(func.min(column)).where(column.between(first, last), UNUSUAL[name]))
        if value is None:
            return
        yield value
        first = value + 1


def _where(name: str, value: Any) -> Iterator[ColumnElement[bool]]:
    if name:
        yield records.c[name] == value
    if name in UNUSUAL:
        yield UNUSUAL[name]


def _within(query: RecordQuery) -> Iterator[ColumnElement[bool]]:
    """With one upper bound at most: of two SQLite would take one for the index, not always the lower."""
    if query.since is not None:
        yield records.c.at >= query.since
    before = None if query.before is None else place_of(query.before)
    if query.until is not None and (before is None or query.until <= before[0]):
        yield records.c.at < query.until
    elif before is not None:
        at, seq = before
        yield records.c.at <= at
        yield or_(records.c.at < at, records.c.seq < seq)


def _walk(
    connection: Connection, where: Sequence[ColumnElement[bool]], also: Mapping[str, Any], limit: int, rows: int
) -> tuple[list[Place], Place | None]:
    """The places that were found, and where the walk was given up after so many rows, None if it was not."""
    path = select(*_PLACE).where(*where).order_by(*_NEWEST)
    if not also:
        return _places(connection, path.limit(limit)), None
    walked = path.add_columns(*[records.c[name] for name in also]).limit(rows).subquery()
    matching = [_matches(walked.c[name], wanted) for name, wanted in also.items()]
    newest = (walked.c.at.desc(), walked.c.seq.desc())
    found = _places(connection, select(walked.c.at, walked.c.seq).where(*matching).order_by(*newest).limit(limit))
    if len(found) == limit:
        return found, None
    return found, next(iter(_places(connection, path.offset(rows - 1).limit(1))), None)


def _matches(column: ColumnElement[Any], wanted: Any) -> ColumnElement[bool]:
    return column.between(*wanted) if isinstance(wanted, tuple) else column == wanted


def _places(connection: Connection, places: Select[Any]) -> list[Place]:
    return [(at, seq) for at, seq in connection.execute(places)]


def _read(connection: Connection, page: Sequence[Place]) -> tuple[CallRecord, ...]:
    if not page:
        return ()
    rows = select(records).where(records.c.seq.in_([seq for _, seq in page])).order_by(*_NEWEST)
    return tuple([record_of(row) for row in connection.execute(rows).mappings()])


def prune_records(connection: Connection, before: float, limit: int) -> int:
    """See ``ports.RecordPruner.prune_records``."""
    old: ColumnElement[bool] = records.c.at < before
    path = select(*_PLACE).where(old).order_by(*_PLACE)
    for at, seq in _places(connection, path.offset(limit - 1).limit(1)):
        old = and_(records.c.at <= at, or_(records.c.at < at, records.c.seq <= seq))
    return connection.execute(delete(records).where(old)).rowcount
