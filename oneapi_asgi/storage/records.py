"""What storages agree on about records: their order, the totals of a day, and which calls count as failed.

The order is that of ``at``, newest first; of one moment the record that was written last comes first. A cursor names a
place in that order, not a page: it stays good while records come and go.
"""

from __future__ import annotations

import binascii
import itertools
import math
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import lru_cache
from heapq import nlargest, nsmallest
from typing import get_args

from ..models import CallRecord, Usage
from ..queries import Dimension, RecordPage, RecordQuery, Total

__all__ = [
    "COLUMNS",
    "FAILURES",
    "KEY",
    "MOST_LISTED",
    "TOTALLED",
    "Key",
    "Place",
    "RecordBook",
    "Sums",
    "add_up",
    "check_by",
    "check_query",
    "cursor_of",
    "day_of",
    "failed",
    "join",
    "place_of",
    "status_range",
    "total_of",
]

MOST_LISTED = 1_000
"""Records in one page."""

KEY = ("day", "user_id", "token_id", "channel_id", "model")
"""What totals are kept apart by; 0 or "" where a call had none."""

TOTALLED = ("input", "output", "cache_read", "cache_write", "reasoning")
"""The counts of ``Usage`` that totals have."""

COLUMNS: dict[Dimension, str] = dict(zip(get_args(Dimension), KEY, strict=True))

FAILURES = frozenset({"upstream_cut", "upstream_failed", "aborted"})
"""The ends of calls that failed whatever their status."""

Place = tuple[float, int]
"""Of a record: ``at``, and a number that grows with every record written."""

Key = tuple[int, int, int, int, str]
Sums = tuple[int, int, int, float, int, int, int, int, int]
"""Calls, failed calls, cost, duration, then the counts of ``TOTALLED``."""

_NO_USAGE = Usage(calls=0)
_PLACE = struct.Struct(">dq")
_EPOCH = date(1970, 1, 1).toordinal()


def failed(record: CallRecord) -> bool:
    """Whether the caller did not get the answer, by no choice of its own: one that hung up is no failure."""
    return record.status >= 400 or record.reason in FAILURES


def day_of(at: float) -> int:
    """The day (UTC) of a moment, as the number yyyymmdd."""
    return _number_of(int(at // 86_400))


@lru_cache(16)
def _number_of(days: int) -> int:
    day = date.fromordinal(min(max(_EPOCH + days, 1), date.max.toordinal()))
    return day.year * 10_000 + day.month * 100 + day.day


def add_up(records: Iterable[CallRecord], name: Callable[[str], str] = str) -> dict[Key, Sums]:
    """``name`` makes names of models fit. Counts come from upstreams: those below 0 count as 0."""
    numbers: dict[Key, list[Sums]] = {}
    for record in records:
        key = (day_of(record.at), record.user_id or 0, record.token_id or 0, record.channel_id or 0, name(record.model))
        numbers.setdefault(key, []).append(_sums_of(record))
    return {key: _sum(lines) for key, lines in numbers.items()}


def _sums_of(record: CallRecord) -> Sums:
    usage = record.usage or _NO_USAGE
    counts = (usage.input, usage.output, usage.cache_read, usage.cache_write, usage.reasoning)
    if min(counts) < 0:
        counts = tuple([max(count, 0) for count in counts])  # type: ignore[assignment]
    return (1, failed(record), record.cost, record.duration, *counts)


def _sum(lines: Iterable[Sums]) -> Sums:
    return tuple(map(sum, zip(*lines, strict=True)))  # type: ignore[return-value]


def join(one: Sums, other: Sums) -> Sums:
    return _sum((one, other))


def total_of(by: Sequence[Dimension], values: Sequence[int | str], sums: Sequence[int | float]) -> Total:
    parts = dict(zip([COLUMNS[dimension] for dimension in by], values, strict=True))
    calls, bad, cost, duration, *counts = sums
    numbers = {name: int(count) for name, count in zip(TOTALLED, counts, strict=True)}
    numbers |= {"calls": int(calls), "failed": int(bad), "cost": int(cost)}
    return Total(**parts, **numbers, duration=float(duration))  # type: ignore[arg-type]


def check_by(by: Sequence[Dimension]) -> None:
    """
    :raises ValueError: totals are not kept apart by one of these, or one is named twice
    """
    if unknown := [name for name in by if name not in COLUMNS]:
        raise ValueError(f"totals are not kept by {unknown[0]!r}, only by {', '.join(COLUMNS)}")
    if len(set(by)) < len(by):
        raise ValueError(f"totals by {', '.join(by)}: name each once")


def check_query(query: RecordQuery) -> None:
    """
    :raises ValueError: the limit or the status cannot be
    """
    if not 1 <= query.limit <= MOST_LISTED:
        raise ValueError(f"a page has 1 to {MOST_LISTED} records, not {query.limit}")
    if query.status is not None and not 0 <= query.status <= 999:
        raise ValueError(f"a status is 0 to 999 (or 1 to 9, for a class of a hundred), not {query.status}")


def status_range(status: int) -> tuple[int, int]:
    """The first and the last status that a query's ``status`` stands for."""
    return (status * 100, status * 100 + 99) if 1 <= status <= 9 else (status, status)


def cursor_of(place: Place) -> str:
    return urlsafe_b64encode(_PLACE.pack(*place)).rstrip(b"=").decode()


def place_of(cursor: str) -> Place:
    """
    :raises ValueError: it is none of ours
    """
    try:
        at, number = _PLACE.unpack(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, struct.error, binascii.Error) as error:
        raise ValueError(f"{cursor!r} is no cursor: take the one that the page before it came with") from error
    if not math.isfinite(at):
        raise ValueError(f"{cursor!r} is no cursor: it names no moment")
    return at, number


class RecordBook:
    """The records and totals of a storage in memory: the last ``keep`` of each that were new."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._numbers = itertools.count(1)
        self._records: dict[str, tuple[Place, CallRecord]] = {}
        self._totals: dict[Key, Sums] = {}

    def write(self, records: Iterable[CallRecord]) -> None:
        fresh = []
        for record in records:
            if record.id not in self._records:
                self._records[record.id] = ((record.at, next(self._numbers)), record)
                fresh.append(record)
        for key, sums in add_up(fresh).items():
            known = self._totals.get(key)
            self._totals[key] = sums if known is None else join(known, sums)
        for kept in (self._records, self._totals):
            _shorten(kept, self._keep)

    def last(self, limit: int) -> list[CallRecord]:
        return [record for _, record in itertools.islice(reversed(self._records.values()), limit)]

    def find(self, query: RecordQuery) -> RecordPage:
        check_query(query)
        before = place_of(query.before) if query.before is not None else (float("inf"), 0)
        matching = (
            (place, record) for place, record in self._records.values() if place < before and _matches(record, query)
        )
        found = nlargest(query.limit + 1, matching, key=lambda entry: entry[0])
        page = found[: query.limit]
        return RecordPage(
            tuple([record for _, record in page]), cursor_of(page[-1][0]) if len(found) > len(page) else None
        )

    def totals(
        self, since_day: int, until_day: int, by: Sequence[Dimension], only: dict[str, int | str | None]
    ) -> list[Total]:
        check_by(by)
        wanted = [(KEY.index(name), value) for name, value in only.items() if value is not None]
        columns = [KEY.index(COLUMNS[dimension]) for dimension in by]
        sums: dict[tuple[int | str, ...], Sums] = {}
        for key, added in self._totals.items():
            if since_day <= key[0] <= until_day and all(key[column] == value for column, value in wanted):
                group = tuple(key[column] for column in columns)
                known = sums.get(group)
                sums[group] = added if known is None else join(known, added)
        return [total_of(by, group, sums[group]) for group in sorted(sums)]

    def prune(self, before: float, limit: int) -> int:
        old = ((place, number) for number, (place, _) in self._records.items() if place[0] < before)
        oldest = nsmallest(limit, old)
        for _, number in oldest:
            del self._records[number]
        return len(oldest)


def _shorten(kept: dict[str, tuple[Place, CallRecord]] | dict[Key, Sums], most: int) -> None:
    for key in [*itertools.islice(kept, max(len(kept) - most, 0))]:
        del kept[key]  # type: ignore[arg-type]


def _matches(record: CallRecord, query: RecordQuery) -> bool:
    same = ("token_id", "user_id", "channel_id", "model", "reason")
    if any((value := getattr(query, name)) is not None and value != getattr(record, name) for name in same):
        return False
    if query.status is not None:
        first, last = status_range(query.status)
        if not first <= record.status <= last:
            return False
    return (query.since is None or query.since <= record.at) and (query.until is None or record.at < query.until)
