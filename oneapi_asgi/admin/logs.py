"""The log as One API shows it: pages, sums, search, export, and taking out what is old."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from ..desk.logs import MOST_SKIPPED, LogPage, LogQuery, LogReader, LogRow
from ..desk.roles import Role
from ..errors import BadRequest
from .exports import Format, download
from .money import quota_of
from .routes import MAX_PAGE, Nothing, Reply, Route, Visit

__all__ = ["LogExportQuery", "LogFilters", "LogPageQuery", "LogSearch", "Logs", "Spent"]

_TYPES = frozenset("012345")

_Name = Annotated[str, Meta(max_length=255)]
_Keyword = Annotated[
    str,
    Meta(
        max_length=255,
        description="The id or the model of a call, or the beginning of what else was done; a single digit is a type.",
    ),
]
_Moment = Annotated[int, Meta(ge=0, le=99_999_999_999, description="Unix seconds; 0: any.")]
_Place = Annotated[str, Meta(max_length=64, description="Go on after the page that had this in `before`.")]


class LogFilters(Struct, frozen=True, kw_only=True):
    type: Annotated[int, Meta(ge=0, le=5, description="0 all, 1 top-up, 2 call, 3 manage, 4 system, 5 test.")] = 0
    start_timestamp: _Moment = 0
    end_timestamp: _Moment = 0
    username: _Name = ""
    token_name: _Name = ""
    model_name: _Name = ""
    channel: Annotated[int, Meta(ge=0, le=2**63 - 1, description="0: any.")] = 0


class LogPageQuery(LogFilters, frozen=True, kw_only=True):
    p: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    page_size: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 50
    before: _Place = ""

    @property
    def offset(self) -> int:
        return self.p * self.page_size


class LogSearch(LogPageQuery, frozen=True, kw_only=True):
    page_size: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 100
    keyword: _Keyword = ""


class LogExportQuery(LogFilters, frozen=True, kw_only=True):
    keyword: _Keyword = ""
    format: Format = "csv"


class LogCut(Struct, frozen=True, kw_only=True):
    target_timestamp: Annotated[int, Meta(ge=1, le=99_999_999_999, description="Unix seconds: what is older goes.")]


class Spent(Struct, frozen=True):
    quota: int


class Logs:
    """Whoever is no administrator sees what concerns themselves, and not which channel served."""

    def __init__(self, store: LogReader) -> None:
        self._store = store

    def routes(self) -> tuple[Route, ...]:
        rows = list[LogRow]
        return (
            Route(
                "GET", "/log", self.list, role=Role.ADMIN, summary="List the log", query=LogPageQuery, data=rows
            ),
            Route(
                "GET", "/log/self", self.list_own, role=Role.COMMON, summary="List one's own log",
                query=LogPageQuery, data=rows,
            ),
            Route(
                "GET", "/log/search", self.search, role=Role.ADMIN, summary="Search the log", query=LogSearch,
                data=rows,
            ),
            Route(
                "GET", "/log/self/search", self.search_own, role=Role.COMMON, summary="Search one's own log",
                query=LogSearch, data=rows,
            ),
            Route(
                "GET", "/log/stat", self.spent, role=Role.ADMIN, summary="What calls cost together",
                query=LogFilters, data=Spent,
            ),
            Route(
                "GET", "/log/self/stat", self.spent_own, role=Role.COMMON, summary="What one's own calls cost together",
                query=LogFilters, data=Spent,
            ),
            Route(
                "GET", "/log/export", self.export, role=Role.ADMIN, summary="The log as a file", query=LogExportQuery,
                bare=True,
            ),
            Route(
                "GET", "/log/self/export", self.export_own, role=Role.COMMON, summary="One's own log as a file",
                query=LogExportQuery, bare=True,
            ),
            Route(
                "DELETE", "/log", self.cut, role=Role.ADMIN, summary="Take out the records of old calls",
                query=LogCut, data=int, action="log.delete", fresh=True,
            ),
        )  # fmt: skip

    async def list(self, visit: Visit[LogPageQuery, Nothing]) -> Reply:
        return await self._page(visit.query, _wanted(visit.query), None)

    async def list_own(self, visit: Visit[LogPageQuery, Nothing]) -> Reply:
        return await self._page(visit.query, _wanted(_own(visit.query)), visit.me.user_id)

    async def search(self, visit: Visit[LogSearch, Nothing]) -> Reply:
        return await self._page(visit.query, _wanted(visit.query, visit.query.keyword), None)

    async def search_own(self, visit: Visit[LogSearch, Nothing]) -> Reply:
        wanted = _wanted(_own(visit.query), visit.query.keyword)
        return await self._page(visit.query, wanted, visit.me.user_id)

    async def spent(self, visit: Visit[LogFilters, Nothing]) -> Spent:
        """Of calls alone, whatever ``type`` says, as in One API."""
        return Spent(quota_of(await self._store.spent(replace(_wanted(visit.query), type=0))))

    async def spent_own(self, visit: Visit[LogFilters, Nothing]) -> Spent:
        wanted = replace(_wanted(_own(visit.query)), type=0, user_id=visit.me.user_id)
        return Spent(quota_of(await self._store.spent(wanted)))

    async def export(self, visit: Visit[LogExportQuery, Nothing]) -> object:
        pages = self._pages(_wanted(visit.query, visit.query.keyword), None)
        return download(pages, LogRow, visit.query.format, "log")

    async def export_own(self, visit: Visit[LogExportQuery, Nothing]) -> object:
        pages = self._pages(_wanted(_own(visit.query), visit.query.keyword), visit.me.user_id)
        return download(pages, LogRow, visit.query.format, "log")

    async def cut(self, visit: Visit[LogCut, Nothing]) -> int:
        before = visit.query.target_timestamp
        gone = await self._store.delete_calls(before)
        visit.note(text=f"took out {gone} records of calls from before {before}", count=gone, before=before)
        return gone

    async def _page(self, asked: LogPageQuery, wanted: LogQuery, own: int | None) -> Reply:
        if asked.offset > MOST_SKIPPED:
            raise BadRequest(
                f"So many rows are not skipped: p * page_size may be {MOST_SKIPPED}. Send the `before` of the page "
                "that came last instead, or narrow the time.",
                code="page_too_deep",
                param="p",
            )
        wanted = replace(wanted, user_id=own, before=asked.before or None, offset=asked.offset, limit=asked.page_size)
        page = await self._listed(wanted)
        extra = {"total_capped": page.capped, "before": page.before}
        return Reply(data=_hidden(page.rows) if own is not None else page.rows, total=page.total, extra=extra)

    async def _listed(self, wanted: LogQuery, *, count: bool = True) -> LogPage:
        try:
            return await self._store.list_logs(wanted, count=count)
        except ValueError as error:
            raise BadRequest(f"There is no such page: {error}.", code="invalid_query", param="before") from None

    async def _pages(self, wanted: LogQuery, own: int | None) -> AsyncIterator[Sequence[LogRow]]:
        """All of it, the newest first: what is written meanwhile comes before the first page, and is left out."""
        wanted = replace(wanted, user_id=own, limit=MAX_PAGE)
        while True:
            page = await self._listed(wanted, count=False)
            yield _hidden(page.rows) if own is not None else page.rows
            if page.before is None:
                return
            wanted = replace(wanted, before=page.before)


def _wanted(asked: LogFilters, keyword: str = "") -> LogQuery:
    is_type = keyword in _TYPES
    return LogQuery(
        type=int(keyword) if is_type else asked.type,
        keyword="" if is_type else keyword,
        user_name=asked.username,
        token_name=asked.token_name,
        model=asked.model_name,
        channel_id=asked.channel or None,
        since=asked.start_timestamp or None,
        until=asked.end_timestamp or None,
    )


def _own(asked: LogFilters) -> LogFilters:
    """What is not for members to look for is not heeded, as in One API."""
    return replace(asked, username="", channel=0)


def _hidden(rows: Sequence[LogRow]) -> Sequence[LogRow]:
    return [replace(row, channel=0) for row in rows]
