"""Events: appended at the database's time, and never changed."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, insert, select

from ....desk.events import Event, EventPage, EventQuery, EventRow
from ...records import cursor_of, place_of
from ..ledger import Clock, moment
from ..rows import fitting_name
from ..store import SQLStorage
from .logs_walk import Path, Span, count, walk
from .schema import events

__all__ = ["SQLEvents", "append_event", "event_of"]

_NAMES = ("actor_name", "user_name", "target", "address")
_MOST_TEXT, _MOST_NUMBER = 10_000, 64


class SQLEvents:
    """``desk.events.EventLog`` and ``EventReader``."""

    def __init__(self, storage: SQLStorage) -> None:
        self._storage = storage

    async def write_event(self, event: Event) -> None:
        await self._storage.write(append_event, event, self._storage.clock)

    async def list_events(self, query: EventQuery) -> EventPage:
        before = None if query.before is None else place_of(query.before)
        return await self._storage.read(_list, query, Span(query.since, query.until, before))


def append_event(connection: Connection, event: Event, clock: Clock) -> None:
    """Names are made to fit: an event is not lost for one."""
    row: dict[str, Any] = {name: getattr(event, name) for name in Event.__struct_fields__}
    row |= {name: fitting_name(row[name]) for name in _NAMES}
    row |= {name: fitting_name(row[name])[:_MOST_NUMBER] for name in ("action", "request_id")}
    row["text"] = event.text[:_MOST_TEXT].encode(errors="replace").decode().replace("\0", "")
    row["detail"] = msgspec.json.encode(event.detail).decode()
    row["at"] = moment(connection, clock)
    connection.execute(insert(events), [row])


def _list(connection: Connection, query: EventQuery, span: Span) -> EventPage:
    path = _path(query)
    places, end = walk(connection, path, span, query.offset + query.limit + 1)
    page = places[query.offset : query.offset + query.limit]
    more = len(places) > query.offset + query.limit
    before = page[-1] if more and page else end
    counted = count(connection, path, Span(span.since, span.until))
    numbers = [number // 2 for _, number in page]
    found = select(events).where(events.c.id.in_(numbers)).order_by(events.c.at.desc(), events.c.id.desc())
    rows = [event_of(row) for row in connection.execute(found).mappings()] if numbers else []
    return EventPage(rows, counted.total, counted.capped, before and cursor_of(before))


def _path(query: EventQuery) -> Path:
    wanted: dict[str, Any] = {
        "user_id": query.user_id,
        "kind": query.kind,
        "actor_id": query.actor_id,
        "actor_name": query.actor_name or None,
        "action": query.action or None,
        "target": query.target or None,
    }
    filters: list[tuple[str, ColumnElement[bool]]] = [
        (name, events.c[name] == value) for name, value in wanted.items() if value is not None
    ]
    first = [filters.pop(0)[1]] if filters and filters[0][0] in ("user_id", "kind") else []
    return Path(events.c.at, events.c.id, True, tuple(first), tuple([where for _, where in filters]))


def event_of(row: RowMapping) -> EventRow:
    values = {name: row[name] for name in EventRow.__struct_fields__}
    values["detail"] = msgspec.json.decode(row["detail"], type=dict[str, object])
    return EventRow(**values)
