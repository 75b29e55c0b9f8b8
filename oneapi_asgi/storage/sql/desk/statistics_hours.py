"""What the calls of each hour add up to, out of their records: those of a few days are looked at one by one.

The numbers are those that the totals of days would have: see ``storage.records``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, or_, select

from ....desk.statistics import StatisticKey
from ...records import COLUMNS, FAILURES, TOTALLED, day_of
from ..portable import EpochHour, Total
from ..schema import records
from ..statements import LARGEST

__all__ = ["hours", "in_order", "parts"]

_HOUR, _PART, _DAY = 3_600.0, 21_600.0, 86_400.0
_PLACES: Mapping[str, str] = {"hour": "hour"} | {str(dimension): name for dimension, name in COLUMNS.items()}
_COLUMNS: Mapping[str, ColumnElement[Any]] = {
    "hour": EpochHour(records.c.at),
    "model": records.c.model,
    **{name: func.coalesce(records.c[COLUMNS[name]], 0) for name in ("user", "token", "channel")},
}


def _positive(column: ColumnElement[int]) -> ColumnElement[int]:
    return case((column > 0, column), else_=0)


_FAILED = or_(records.c.status >= 400, records.c.reason.in_(sorted(FAILURES)))
_SUMS: Mapping[str, ColumnElement[Any]] = {
    "calls": func.count(),
    "failed": func.coalesce(func.sum(case((_FAILED, 1), else_=0)), 0),
    "cost": Total(records.c.cost),
    "duration": func.sum(records.c.duration),
    **{name: Total(_positive(records.c[f"usage_{name}"])) for name in TOTALLED},
    "first_content": func.coalesce(func.sum(records.c.first_content), 0.0),
    "first_contents": func.count(records.c.first_content),
}
_BY_TIME = "FORCE INDEX (ix_records_at)"
"""MySQL would rather read the whole table, for each part of the time."""

_SECONDS = ("duration", "first_content")


def parts(since_day: int, until_day: int) -> Iterator[tuple[float, float]]:
    """The time from the first day to the end of the last one (yyyymmdd), in parts that no hour lies across."""
    since = _midnight(since_day)
    while since < _midnight(until_day) + _DAY:
        yield since, since + _PART
        since += _PART


def hours(
    connection: Connection,
    since: float,
    until: float,
    by: Sequence[StatisticKey],
    only: Mapping[str, int | str | None],
) -> list[dict[str, Any]]:
    """Of the calls that began in that time, told apart by ``by``, which has the hour; its day comes with it.

    :raises ValueError: ``by`` names something twice
    """
    if len(set(by)) < len(by):
        raise ValueError(f"totals by {', '.join(by)}: name each once")
    keys = [dimension for dimension in by if dimension != "day"]
    columns = [_COLUMNS[key].label(f"by_{key}") for key in keys]
    wanted = [records.c[name] == value for name, value in only.items() if value is not None]
    sums = [each.label(f"sum_{name}") for name, each in _SUMS.items()]
    query = select(*columns, *sums).where(records.c.at >= since, records.c.at < until, *wanted).group_by(*columns)
    if not wanted:
        query = query.with_hint(records, _BY_TIME, "mysql")
    return [_values(keys, row) for row in connection.execute(query)]


def in_order(found: Iterable[Mapping[str, Any]], by: Sequence[StatisticKey]) -> list[Mapping[str, Any]]:
    """That of ``by``. Databases have orders of their own for text."""
    places = [_PLACES[dimension] for dimension in by]
    return sorted(found, key=lambda values: [values[place] for place in places])


def _midnight(day: int) -> float:
    return datetime(day // 10_000, day // 100 % 100, day % 100, tzinfo=UTC).timestamp()


def _values(keys: Sequence[StatisticKey], row: Sequence[Any]) -> dict[str, Any]:
    values: dict[str, Any] = {_PLACES[key]: value for key, value in zip(keys, row, strict=False)}
    values["hour"] = int(values["hour"])
    values["day"] = day_of(values["hour"] * _HOUR)
    for name, value in zip(_SUMS, row[len(keys) :], strict=True):
        values[name] = float(value) if name in _SECONDS else min(int(value), LARGEST)
    return values
