"""What calls add up to: One API's dashboard of a week, and sums by day, model, user, token and channel."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct
from starlette.responses import Response

from ..desk.roles import Role
from ..desk.statistics import Statistic, StatisticKey, StatisticsReader
from ..errors import BadRequest, Forbidden
from .exports import csv_text
from .money import quota_of
from .routes import Nothing, Route, Visit

__all__ = ["DashboardRow", "StatisticRow", "Statistics", "StatisticsQuery"]

MOST_ROWS, MOST_DAYS, MOST_DAYS_BY_HOUR = 20_000, 366, 8

_Name = Annotated[str, Meta(max_length=255)]
_Day = Annotated[str, Meta(max_length=10, description="yyyy-mm-dd, in UTC.")]
_Id = Annotated[int, Meta(ge=0, le=2**63 - 1, description="0: any.")]


class DashboardRow(Struct, frozen=True, rename="pascal"):
    day: str
    model_name: str
    request_count: int
    quota: int
    prompt_tokens: int
    completion_tokens: int


class StatisticsQuery(Struct, frozen=True, kw_only=True):
    by: Annotated[
        str,
        Meta(
            max_length=64,
            description="Some of day, hour, model, user, token, channel, with commas; hour for up to 8 days.",
        ),
    ] = "day"
    since: _Day = ""
    until: _Day = ""
    username: _Name = ""
    model_name: _Name = ""
    token_id: _Id = 0
    channel: _Id = 0
    format: Literal["json", "csv"] = "json"


class StatisticRow(Struct, frozen=True, kw_only=True):
    """``cost`` is in nano-dollars and ``duration`` in seconds. What it is not told apart by is empty, or 0. ``hour``
    is such as 2026-01-31T13, in UTC; by it alone there are ``first_contents``, the calls of which it is known when
    their first content came, and ``first_content``, the seconds that it took on average, null where there are none."""

    day: str
    hour: str
    model: str
    user_id: int
    user: str
    token_id: int
    token: str
    channel_id: int
    channel: str
    calls: int
    failed: int
    quota: int
    cost: int
    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int
    duration: float
    first_content: float | None
    first_contents: int


class Statistics:
    def __init__(self, store: StatisticsReader, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                "GET", "/user/dashboard", self.dashboard, role=Role.COMMON, summary="One's own calls of seven days",
                data=list[DashboardRow],
            ),
            Route(
                "GET", "/statistics", self.list, role=Role.COMMON, summary="What calls add up to",
                query=StatisticsQuery, data=list[StatisticRow], files=("text/csv",),
            ),
        )  # fmt: skip

    async def dashboard(self, visit: Visit[Nothing, Nothing]) -> list[DashboardRow]:
        today = self._today()
        week = _number(today - timedelta(days=6)), _number(today)
        found = await self._store.statistics(*week, ("day", "model"), user_id=visit.me.user_id)
        return [
            DashboardRow(_day(sums.day), sums.model, sums.calls, quota_of(sums.cost), sums.input, sums.output)
            for sums in found
        ]

    async def list(self, visit: Visit[StatisticsQuery, Nothing]) -> object:
        """Of everybody for administrators, otherwise one's own."""
        asked = visit.query
        own = visit.me.role < Role.ADMIN
        by = _dimensions(asked.by)
        if own and ("channel" in by or asked.channel):
            raise Forbidden("Which channel served is for administrators.", code="role_too_low", param="by")
        since, until = self._days(asked, MOST_DAYS_BY_HOUR if "hour" in by else MOST_DAYS)
        found = await self._store.statistics(
            _number(since),
            _number(until),
            by,
            user_id=visit.me.user_id if own else None,
            user_name="" if own else asked.username,
            token_id=asked.token_id or None,
            channel_id=asked.channel or None,
            model=asked.model_name or None,
        )
        if len(found) > MOST_ROWS:
            message = f"That makes {len(found)} rows; {MOST_ROWS} are possible. Ask for fewer days, or by less."
            raise BadRequest(message, code="too_many_rows", param="by")
        rows = [_row(entry) for entry in found]
        return _csv(rows) if asked.format == "csv" else rows

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock(), UTC).date()

    def _days(self, asked: StatisticsQuery, most: int) -> tuple[date, date]:
        until = _date(asked.until, "until") if asked.until else self._today()
        since = _date(asked.since, "since") if asked.since else until - timedelta(days=min(6, until.toordinal() - 1))
        if not 0 <= (until - since).days < most:
            message = f"since is up to {most - 1} days before until; ask for {most} days at a time."
            raise BadRequest(message, code="invalid_query", param="since")
        return since, until


def _dimensions(by: str) -> tuple[StatisticKey, ...]:
    known: dict[str, StatisticKey] = {name: name for name in get_args(StatisticKey)}
    names = by.split(",")
    if any(name not in known for name in names) or len(set(names)) < len(names):
        message = f"by has some of {', '.join(known)}, each once, with commas between."
        raise BadRequest(message, code="invalid_query", param="by")
    return tuple([known[name] for name in names])


def _date(text: str, param: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise BadRequest(f"{param} is a day, such as 2026-01-31.", code="invalid_query", param=param) from None


def _number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def _day(number: int) -> str:
    return f"{number // 10_000:04}-{number // 100 % 100:02}-{number % 100:02}" if number else ""


def _hour(number: int) -> str:
    return f"{datetime.fromtimestamp(number * 3_600, UTC):%Y-%m-%dT%H}" if number else ""


_SAME = tuple(name for name in Statistic.__struct_fields__ if name not in ("day", "hour", "first_content"))


def _row(sums: Statistic) -> StatisticRow:
    return StatisticRow(
        day=_day(sums.day),
        hour=_hour(sums.hour),
        quota=quota_of(sums.cost),
        first_content=sums.first_content / sums.first_contents if sums.first_contents else None,
        **{name: getattr(sums, name) for name in _SAME},
    )


def _csv(rows: list[StatisticRow]) -> Response:
    head = ",".join(StatisticRow.__struct_fields__).encode() + b"\r\n"
    headers = {"content-disposition": 'attachment; filename="statistics.csv"', "cache-control": "no-store"}
    return Response(head + csv_text(rows), media_type="text/csv", headers=headers)
