"""Pages and counts of long lists by time, neither of which takes long.

A walk goes backwards in one index that ends in time. Where more is asked of the rows than that index knows, it is
asked of so many rows on the way, and the page ends with them: where, is said, and the next page goes on from there.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Select, func, literal, or_, select

from ....desk.logs import MOST_COUNTED
from ...records import Place

__all__ = ["Count", "Path", "Span", "count", "merged", "walk"]

_WALK = 10_000

Where = ColumnElement[bool]


class Span(Struct, frozen=True):
    """From ``since`` on, up to and without ``until``, and after the row ``before`` of the list; None: no bound."""

    since: float | None = None
    until: float | None = None
    before: Place | None = None


class Path(Struct, frozen=True):
    """A table's columns for the time and the number of a row, what its index knows, and what is asked of the rows.
    In the list a row has twice its number, and ``odd`` ones 1 more, so that two tables make one list."""

    at: ColumnElement[float]
    number: ColumnElement[int]
    odd: bool
    indexed: tuple[Where, ...] = ()
    asked: tuple[Where, ...] = ()

    def rows(self, span: Span) -> Select[float, int]:
        """With one upper bound at most: of two SQLite would take one for the index, not always the lower."""
        where = [*self.indexed]
        if span.since is not None:
            where.append(self.at >= span.since)
        if span.until is not None and (span.before is None or span.until <= span.before[0]):
            where.append(self.at < span.until)
        elif span.before is not None:
            at, place = span.before
            where += [self.at <= at, or_(self.at < at, self.number < (place + 1 - self.odd) // 2)]
        newest = (self.at.desc(), self.number.desc())
        return select(self.at.label("at"), self.number.label("number")).where(*where).order_by(*newest)


class Count(Struct, frozen=True):
    total: int
    capped: bool


def walk(connection: Connection, path: Path, span: Span, most: int) -> tuple[list[Place], Place | None]:
    """At most so many places in the list, and where the walk was given up, None if it was not."""
    rows = path.rows(span)
    if not path.asked:
        return _places(connection, path, rows.limit(most)), None
    found = _places(connection, path, _matching(path, rows).limit(most))
    if len(found) == most:
        return found, None
    return found, next(iter(_places(connection, path, rows.offset(_WALK - 1).limit(1))), None)


def count(connection: Connection, path: Path, span: Span) -> Count:
    rows = path.rows(span)
    if not path.asked:
        total = _counted(connection, rows.limit(MOST_COUNTED + 1))
        return Count(min(total, MOST_COUNTED), total > MOST_COUNTED)
    more = bool(_places(connection, path, rows.offset(_WALK).limit(1)))
    return Count(_counted(connection, _matching(path, rows)), more)


def _matching(path: Path, rows: Select[float, int]) -> Select[float, int]:
    walked = rows.limit(_WALK).subquery()
    found = select(path.at, path.number).join(walked, walked.c.number == path.number).where(*path.asked)
    return found.order_by(path.at.desc(), path.number.desc())


def _counted(connection: Connection, rows: Select[float, int]) -> int:
    counted = rows.with_only_columns(literal(1).label("one"), maintain_column_froms=True).order_by(None).subquery()
    return connection.scalar(select(func.count()).select_from(counted)) or 0


def _places(connection: Connection, path: Path, rows: Select[float, int]) -> list[Place]:
    return [(at, 2 * number + path.odd) for at, number in connection.execute(rows)]


def merged(found: Sequence[tuple[list[Place], Place | None]]) -> tuple[list[Place], Place | None]:
    """Several walks as one: where one was given up, the others are not followed any further."""
    end = max((end for _, end in found if end is not None), default=None)
    places = [place for places, _ in found for place in places if end is None or place >= end]
    return sorted(places, reverse=True), end
