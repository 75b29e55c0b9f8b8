"""One call of the log in detail: who, when, whom it was put to, and how its cost comes about.

What it costs is said exactly, as decimals of dollars: sums of the lines are the cost before it is rounded.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from ..desk.logs import CallReader
from ..desk.roles import Role
from ..errors import NotFound
from ..models import Attempt, CallRecord, EndReason, Usage
from ..pricing import Bill, Line, Unit, bill
from .money import dollars, quota_of
from .routes import Nothing, Route, Visit

__all__ = ["BillLine", "BillRow", "CallAttempt", "CallDetail", "LogCalls"]


class BillLine(Struct, frozen=True, kw_only=True):
    """``price`` is in nano-dollars for a ``unit``, ``price_usd`` the same in dollars; ``amount_usd`` is exact, before
    the ratio. Minutes are counted in seconds. ``input`` and ``output`` are what has no price apart."""

    part: str
    count: int
    unit: Unit
    price: int
    price_usd: str
    amount_usd: str


class BillRow(Struct, frozen=True, kw_only=True):
    """``sum_usd`` is that of the lines, ``exact_usd`` what the ``ratio`` of the group makes of it; ``cost`` is that in
    nano-dollars, rounded up once. ``tier`` is the number of input tokens above which these prices apply, null where
    there are no others."""

    lines: Sequence[BillLine]
    sum_usd: str
    ratio: str
    exact_usd: str
    cost: int
    quota: int
    tier: int | None


class CallAttempt(Struct, frozen=True, kw_only=True):
    """``channel`` is 0 and ``key`` null for those who may not know; ``status`` null where there was no answer."""

    channel: int
    channel_name: str
    key: int | None
    upstream_model: str
    status: int | None
    failure: str
    duration: float


class CallDetail(Struct, frozen=True, kw_only=True):
    """``at`` is in Unix seconds, ``first_content`` and ``duration`` in seconds from then. ``cost`` is in nano-dollars.
    ``bill`` is null where the usage or the price is not known."""

    request_id: str
    at: float
    operation: str
    model: str
    upstream_model: str
    user_id: int
    username: str
    token_id: int
    token_name: str
    client: str
    channel: int
    channel_name: str
    upstream_request_id: str
    status: int
    reason: EndReason
    stream: bool
    first_content: float | None
    duration: float
    cost: int
    quota: int
    usage: Usage | None
    attempts: Sequence[CallAttempt]
    bill: BillRow | None


class LogCalls:
    """Whoever is no administrator sees their own calls, and not which channels were asked."""

    def __init__(self, store: CallReader) -> None:
        self._store = store

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                "GET", "/log/call/{request}", self.show, role=Role.COMMON, summary="One call in detail, with its price",
                data=CallDetail,
            ),
        )  # fmt: skip

    async def show(self, visit: Visit[Nothing, Nothing]) -> CallDetail:
        own = visit.me.role < Role.ADMIN
        found = await self._store.read_call(visit.path["request"], user_id=visit.me.user_id if own else None)
        if found is None:
            raise NotFound("There is no record of such a call.", code="call_not_found")
        record, user = found
        return _detail(record, user, hidden=own)


def _detail(record: CallRecord, user: str, *, hidden: bool) -> CallDetail:
    served = next((each for each in reversed(record.attempts) if each.channel_id == record.channel_id), None)
    usage, price = record.usage, record.price
    return CallDetail(
        request_id=record.id,
        at=record.at,
        operation=record.operation,
        model=record.model,
        upstream_model=record.upstream_model,
        user_id=record.user_id or 0,
        username=user,
        token_id=record.token_id or 0,
        token_name=record.token_name,
        client=record.client,
        channel=0 if hidden else record.channel_id or 0,
        channel_name="" if hidden or served is None else served.channel,
        upstream_request_id="" if hidden else record.upstream_request_id,
        status=record.status,
        reason=record.reason,
        stream=record.stream,
        first_content=record.first_content,
        duration=record.duration,
        cost=record.cost,
        quota=quota_of(record.cost),
        usage=usage,
        attempts=[_attempt(each, hidden=hidden) for each in record.attempts],
        bill=_bill(bill(usage, price)) if usage is not None and price is not None else None,
    )


def _attempt(attempt: Attempt, *, hidden: bool) -> CallAttempt:
    return CallAttempt(
        channel=0 if hidden else attempt.channel_id,
        channel_name="" if hidden else attempt.channel,
        key=None if hidden else attempt.key,
        upstream_model=attempt.upstream_model,
        status=attempt.status,
        failure=attempt.failure,
        duration=attempt.duration,
    )


def _bill(made: Bill) -> BillRow:
    return BillRow(
        lines=[_line(line) for line in made.lines],
        sum_usd=dollars(made.sum),
        ratio=dollars(made.ratio),
        exact_usd=dollars(made.exact),
        cost=made.cost,
        quota=quota_of(made.cost),
        tier=made.above,
    )


def _line(line: Line) -> BillLine:
    return BillLine(
        part=line.part,
        count=line.count,
        unit=line.unit,
        price=line.price,
        price_usd=dollars(line.price),
        amount_usd=dollars(line.amount),
    )
