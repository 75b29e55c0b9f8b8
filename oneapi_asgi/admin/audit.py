"""Who did what: every change that was made by way of the administration."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from ..desk.events import EventKind, EventQuery, EventReader, EventRow
from ..desk.logs import MOST_SKIPPED
from ..desk.roles import Role
from ..errors import BadRequest
from .money import quota_of
from .routes import MAX_PAGE, Nothing, PageQuery, Reply, Route, Visit

__all__ = ["Audit", "AuditQuery", "AuditRow"]

_Moment = Annotated[int, Meta(ge=0, le=99_999_999_999, description="Unix seconds; 0: any.")]


class AuditQuery(PageQuery, frozen=True, kw_only=True):
    page_size: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 50
    kind: EventKind | None = None
    action: Annotated[str, Meta(max_length=64, description="Such as channel.edit.")] = ""
    actor: Annotated[str, Meta(max_length=255, description="The name of who did it.")] = ""
    user_id: Annotated[int, Meta(ge=0, le=2**63 - 1, description="Whom it concerns; 0: any.")] = 0
    target: Annotated[str, Meta(max_length=255)] = ""
    start_timestamp: _Moment = 0
    end_timestamp: _Moment = 0
    before: Annotated[str, Meta(max_length=64, description="Go on after the page that had this in `before`.")] = ""


class AuditRow(Struct, frozen=True, kw_only=True):
    """``at`` is in Unix seconds. Without an actor the gateway did it itself."""

    id: int
    at: float
    kind: EventKind
    action: str
    actor_id: int | None
    actor: str
    user_id: int | None
    user: str
    target: str
    text: str
    quota: int | None
    detail: dict[str, Any]
    address: str
    request_id: str


class Audit:
    """Root sees everything, administrators what they have done themselves."""

    def __init__(self, store: EventReader) -> None:
        self._store = store

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                "GET", "/audit", self.list, role=Role.ADMIN, summary="List what was done", query=AuditQuery,
                data=list[AuditRow],
            ),
        )  # fmt: skip

    async def list(self, visit: Visit[AuditQuery, Nothing]) -> Reply:
        asked = visit.query
        if asked.offset > MOST_SKIPPED:
            message = f"So many rows are not skipped: p * page_size may be {MOST_SKIPPED}. Narrow the time instead."
            raise BadRequest(message, code="page_too_deep", param="p")
        query = EventQuery(
            kind=asked.kind,
            action=asked.action,
            actor_id=None if visit.me.role >= Role.ROOT else visit.me.user_id,
            actor_name=asked.actor,
            user_id=asked.user_id or None,
            target=asked.target,
            since=asked.start_timestamp or None,
            until=asked.end_timestamp + 1 if asked.end_timestamp else None,
            before=asked.before or None,
            offset=asked.offset,
            limit=asked.page_size,
        )
        try:
            page = await self._store.list_events(query)
        except ValueError as error:
            raise BadRequest(f"There is no such page: {error}.", code="invalid_query", param="before") from None
        extra = {"total_capped": page.capped, "before": page.before}
        return Reply(data=[_row(event) for event in page.events], total=page.total, extra=extra)


def _row(event: EventRow) -> AuditRow:
    return AuditRow(
        id=event.id,
        at=event.at,
        kind=event.kind,
        action=event.action,
        actor_id=event.actor_id,
        actor=event.actor_name,
        user_id=event.user_id,
        user=event.user_name,
        target=event.target,
        text=event.text,
        quota=None if event.amount is None else quota_of(event.amount),
        detail=event.detail,
        address=event.address,
        request_id=event.request_id,
    )
