"""One API's log, out of the records of calls and the events."""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, or_, select

from ....desk.logs import CONSUME, KIND_OF_TYPE, MOST_COUNTED, LogPage, LogQuery, LogRow
from ....models import CallRecord
from ...records import Place, cursor_of, day_of, place_of
from ..portable import Total
from ..records import prune_records
from ..rows import record_of
from ..schema import daily_totals, records, tokens, users
from ..store import SQLStorage
from .logs_walk import Path, Span, count, merged, walk
from .schema import events

__all__ = ["SQLLogs"]

_DAY = 86_400
_AT_ONCE = 5_000
_NANO = 2_000
_TYPE_OF_KIND = {kind: number for number, kind in KIND_OF_TYPE.items()}

# Of what was done by hand, the log has what concerns somebody; the rest is for the audit alone.
_IN_LOG = or_(events.c.kind != "manage", events.c.user_id.is_not(None))

_CALL = (
    records.c.seq,
    records.c.id,
    records.c.at,
    records.c.operation,
    records.c.user_id,
    users.c.name,
    records.c.token_name,
    records.c.model,
    records.c.cost,
    records.c.usage_input,
    records.c.usage_output,
    records.c.channel_id,
    records.c.status,
    records.c.reason,
    records.c.duration,
    records.c.stream,
)


class SQLLogs:
    """``desk.logs.LogReader`` and ``desk.logs.CallReader``."""

    def __init__(self, storage: SQLStorage) -> None:
        self._storage = storage

    async def list_logs(self, query: LogQuery, *, count: bool = True) -> LogPage:
        before = None if query.before is None else place_of(query.before)
        return await self._storage.read(_list, query, before, count)

    async def spent(self, query: LogQuery) -> int:
        return await self._storage.read(_spent, query)

    async def delete_calls(self, before: float) -> int:
        gone = 0
        while some := await self._storage.write(prune_records, before, _AT_ONCE):
            gone += some
        return gone

    async def read_call(self, request_id: str, *, user_id: int | None = None) -> tuple[CallRecord, str] | None:
        return await self._storage.read(_one_call, request_id, user_id)


def _one_call(connection: Connection, request_id: str, user_id: int | None) -> tuple[CallRecord, str] | None:
    found = connection.execute(select(records).where(records.c.id == request_id)).mappings().one_or_none()
    if found is None or user_id not in (None, found["user_id"]):
        return None
    name = connection.scalar(select(users.c.name).where(users.c.id == found["user_id"]))
    return record_of(found), name or ""


def _list(connection: Connection, query: LogQuery, before: Place | None, counting: bool) -> LogPage:
    whole = Span(query.since, None if query.until is None else math.floor(query.until) + 1)
    span = Span(whole.since, whole.until, before)
    paths = _paths(connection, query)
    most = query.offset + query.limit
    places, end = merged([walk(connection, path, span, most + 1) for path in paths])
    page = places[query.offset : most]
    after = page[-1] if page and len(places) > most else end
    counts = [count(connection, path, whole) for path in paths] if counting else []
    total = sum(counted.total for counted in counts)
    return LogPage(
        _read(connection, page),
        min(total, MOST_COUNTED),
        total > MOST_COUNTED or any(counted.capped for counted in counts),
        after and cursor_of(after),
    )


def _paths(connection: Connection, query: LogQuery) -> list[Path]:
    """Through the calls, the events, or both."""
    user = _user(connection, query)
    paths = []
    if query.type in (0, CONSUME):
        paths.append(_calls(connection, query, user))
    of_calls = query.token_name or query.model or query.channel_id is not None
    if query.type != CONSUME and not of_calls:
        paths.append(_events(query, user))
    return paths


def _user(connection: Connection, query: LogQuery) -> int | None:
    """None is anybody, and -1 nobody."""
    if not query.user_name:
        return query.user_id
    found = connection.scalar(select(users.c.id).where(users.c.name == query.user_name))
    return -1 if found is None or query.user_id not in (None, found) else int(found)


def _calls(connection: Connection, query: LogQuery, user: int | None) -> Path:
    wanted: dict[str, Any] = {"user_id": user, "model": query.model or None, "channel_id": query.channel_id}
    if query.keyword:
        seq = connection.scalar(select(records.c.seq).where(records.c.id == query.keyword))
        wanted |= {"model": query.keyword} if seq is None else {"seq": seq}
    filters = [records.c[name] == value for name, value in wanted.items() if value is not None]
    if query.keyword and query.model:
        filters.append(records.c.model == query.model)
    asked = [records.c.token_name == query.token_name] if query.token_name else []
    return Path(records.c.at, records.c.seq, False, tuple(filters[:1]), (*filters[1:], *asked))


def _events(query: LogQuery, user: int | None) -> Path:
    filters: list[ColumnElement[bool]] = []
    if user is not None:
        filters.append(events.c.user_id == user)
    if query.type:
        filters.append(events.c.kind == KIND_OF_TYPE[query.type])
    asked = [_IN_LOG]
    if query.keyword:
        asked.append(events.c.text.startswith(query.keyword, autoescape=True))
    return Path(events.c.at, events.c.id, True, tuple(filters[:1]), (*filters[1:], *asked))


def _read(connection: Connection, page: list[Place]) -> list[LogRow]:
    calls = [number // 2 for _, number in page if not number % 2]
    others = [number // 2 for _, number in page if number % 2]
    rows: dict[int, LogRow] = {}
    if calls:
        found = select(*_CALL).outerjoin(users, users.c.id == records.c.user_id).where(records.c.seq.in_(calls))
        rows |= {row["seq"] * 2: _call(row) for row in connection.execute(found).mappings()}
    if others:
        written = connection.execute(select(events).where(events.c.id.in_(others))).mappings()
        rows |= {row["id"] * 2 + 1: _event(row) for row in written}
    return [rows[number] for _, number in page if number in rows]  # those of a moment ago may have been pruned


def _call(row: RowMapping) -> LogRow:
    return LogRow(
        id=row["seq"] * 2,
        user_id=row["user_id"] or 0,
        created_at=int(row["at"]),
        type=CONSUME,
        content=f"{row['operation']}: status {row['status']}, {row['reason']}",
        username=row["name"] or "",
        token_name=row["token_name"],
        model_name=row["model"],
        quota=row["cost"] // _NANO,
        prompt_tokens=row["usage_input"] or 0,
        completion_tokens=row["usage_output"] or 0,
        channel=row["channel_id"] or 0,
        request_id=row["id"],
        elapsed_time=round(row["duration"] * 1000),
        is_stream=row["stream"],
        status=row["status"],
        reason=row["reason"],
    )


def _event(row: RowMapping) -> LogRow:
    return LogRow(
        id=row["id"] * 2 + 1,
        user_id=row["user_id"] or 0,
        created_at=int(row["at"]),
        type=_TYPE_OF_KIND[row["kind"]],
        content=row["text"] or f"{row['action']} {row['target']}".rstrip(),
        username=row["user_name"],
        quota=(row["amount"] or 0) // _NANO,
        request_id=row["request_id"],
    )


def _spent(connection: Connection, query: LogQuery) -> int:
    """Whole days from their totals, and what is left at both ends from the records."""
    if query.type not in (0, CONSUME):
        return 0
    user = _user(connection, query)
    since = 0.0 if query.since is None else max(query.since, 0.0)
    until = math.inf if query.until is None else math.floor(query.until) + 1.0
    first = math.ceil(since / _DAY) * _DAY
    last = until if until == math.inf else until // _DAY * _DAY
    if first >= last:
        return _of_records(connection, query, user, since, until)
    spent = _of_days(connection, query, user, first, last)
    spent += _of_records(connection, query, user, since, first)
    return spent + (0 if until == math.inf else _of_records(connection, query, user, last, until))


def _of_days(connection: Connection, query: LogQuery, user: int | None, first: float, last: float) -> int:
    where = [daily_totals.c.day >= day_of(first)]
    if last != math.inf:
        where.append(daily_totals.c.day < day_of(last))
    wanted = {"user_id": user, "model": query.model or None, "channel_id": query.channel_id}
    where += [daily_totals.c[name] == value for name, value in wanted.items() if value is not None]
    if query.token_name:
        named = select(tokens.c.id).where(tokens.c.name == query.token_name)
        where.append(daily_totals.c.token_id.in_(named))
    return int(connection.scalar(select(Total(daily_totals.c.cost)).where(*where)) or 0)


def _of_records(connection: Connection, query: LogQuery, user: int | None, since: float, until: float) -> int:
    if since >= until:
        return 0
    wanted = {
        "user_id": user,
        "model": query.model or None,
        "channel_id": query.channel_id,
        "token_name": query.token_name or None,
    }
    where = [records.c[name] == value for name, value in wanted.items() if value is not None]
    where += [records.c.at >= since, records.c.at < until]
    return int(connection.scalar(select(Total(records.c.cost)).where(*where)) or 0)
