"""Top-ups by payment: a user orders, pays elsewhere, and whoever took the money reports it by a signed webhook.

    POST /api/topup/webhook
    X-Signature: t=1767225600,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd

    {"order_id": "…", "event_id": "…", "amount": "10.00", "currency": "USD", "paid_at": 1767225599}

The signature is the HMAC-SHA256 of the time, a dot and the body, by the option ``PaymentWebhookSecret``. What is
reported again is answered as before, and credited no more.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Literal
from urllib.parse import urlencode

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from ..desk.events import Event
from ..desk.orders import (
    NewOrder,
    Order,
    OrderQuery,
    OrderStore,
    Payment,
    PaymentDiffers,
    billionths,
    credit_of,
)
from ..desk.roles import Role
from ..errors import BadRequest, Conflict, Forbidden, NotFound, Unauthenticated
from ..models import NANO
from ..unreadable import UNREADABLE
from .groups import decimal_of
from .money import MAX_QUOTA, nano_of, quota_of
from .options import Options
from .routes import Nothing, PageQuery, Reply, Route, Visit
from .webhooks import verify

__all__ = ["Orders"]

_log = logging.getLogger(__name__)

_CENTS = NANO // 100
_ORDER = re.compile(r"[0-9a-f]{32}")

_Name = Annotated[str, Meta(min_length=1, max_length=255)]
_EventId = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[!-~]+$")]


class OrderRow(Struct, frozen=True, kw_only=True):
    """``amount`` is what is to be paid, and ``quota`` what comes for it; ``url`` is where, until it was paid."""

    id: str
    user_id: int
    username: str
    amount: str
    currency: str
    quota: int
    status: Literal["open", "paid"]
    created_time: int
    paid_time: int
    url: str = ""


class OrderDraft(Struct, frozen=True, kw_only=True):
    """``currency`` is refused if it is not the one that is taken."""

    amount: Annotated[Decimal, Meta(description="In the currency, with at most two decimals.")]
    currency: Annotated[str, Meta(max_length=16)] | UnsetType = UNSET


class OrdersQuery(PageQuery, frozen=True, kw_only=True):
    """``user_id`` is for administrators."""

    user_id: Annotated[int, Meta(ge=0, le=2**62, description="0: any.")] = 0
    status: Literal["", "open", "paid"] = ""


class Report(Struct, frozen=True, kw_only=True):
    """What a webhook says was paid; other fields are not looked at. ``amount`` is in the currency, not in cents."""

    order_id: str
    event_id: _EventId
    amount: Decimal
    currency: Annotated[str, Meta(min_length=3, max_length=16)]
    paid_at: Annotated[float, Meta(ge=0, le=2**40)]
    user_id: int | None = None
    username: _Name | None = None


class Taken(Struct, frozen=True):
    """Whether this report is the one that was credited, and so for the first time."""

    order_id: str
    credited: bool
    quota: int


_decode = msgspec.json.Decoder(Report).decode


class Orders:
    def __init__(self, store: OrderStore, options: Options, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._options = options
        self._clock = clock

    def routes(self) -> tuple[Route, ...]:
        common = Role.COMMON
        return (
            Route("POST", "/topup/order", self.add, role=common, summary="Order quota, to be paid elsewhere",
                  body=OrderDraft, data=OrderRow, action="order.add"),
            Route("GET", "/topup/order", self.list, role=common, query=OrdersQuery, data=list[OrderRow],
                  summary="List one's own orders; administrators see all"),
            Route("GET", "/topup/order/{order}", self.show, role=common, summary="Show an order", data=OrderRow),
            Route("POST", "/topup/webhook", self.pay, role=Role.GUEST, summary="Report a payment, signed", signed=True,
                  data=Taken, quiet="a payment that is credited writes its own event, in the same transaction"),
        )  # fmt: skip

    async def add(self, visit: Visit[Nothing, OrderDraft]) -> OrderRow:
        options, body = await self._options.all(), visit.body
        if not options["PaymentWebhookSecret"]:
            raise Forbidden("Nothing can be paid here: root has not set PaymentWebhookSecret.", code="no_payments")
        currency = options["PaymentCurrency"]
        if body.currency is not UNSET and body.currency.upper() != currency:
            raise BadRequest(f"Orders are in {currency} here.", code="invalid_currency", param="currency")
        least, most = int(options["PaymentMinimum"]), int(options["PaymentMaximum"])
        amount = billionths(body.amount)
        if amount is None or amount % _CENTS or not least <= body.amount <= most:
            raise BadRequest(
                f"An order is of {least} to {most} {currency}, with at most two decimals.",
                code="invalid_amount",
                param="amount",
            )
        credit = credit_of(amount, Decimal(options["PaymentPrice"]))
        if not 0 < credit <= nano_of(MAX_QUOTA):
            raise BadRequest(
                "That much buys nothing, or more than an account can have.", code="invalid_amount", param="amount"
            )
        wanted = NewOrder(
            id=secrets.token_hex(16), user_id=visit.me.user_id, amount=amount, currency=currency, credit=credit
        )
        try:
            order = await self._store.make_order(wanted)
        except KeyError:
            raise NotFound("There is no such user.", code="user_not_found") from None
        except ValueError as error:
            raise Conflict(f"That cannot be: {error}.", code="too_many_orders") from None
        visit.note(target=f"order {order.id}", text="ordered quota", user=(order.user_id, order.user_name))
        return _row(order, options["PaymentLink"])

    async def list(self, visit: Visit[OrdersQuery, Nothing]) -> Reply:
        query, me = visit.query, visit.me
        whose = (query.user_id or None) if me.role >= Role.ADMIN else me.user_id
        paid = None if not query.status else query.status == "paid"
        wanted = OrderQuery(user_id=whose, paid=paid, offset=query.offset, limit=query.page_size)
        page, link = await self._store.orders(wanted), await self._options.text("PaymentLink")
        return Reply(data=[_row(order, link) for order in page.rows], total=page.total)

    async def show(self, visit: Visit[Nothing, Nothing]) -> OrderRow:
        order_id = visit.path["order"]
        order = await self._store.find_order(order_id) if _ORDER.fullmatch(order_id) else None
        if order is None or (visit.me.role < Role.ADMIN and order.user_id != visit.me.user_id):
            raise _missing("order")
        return _row(order, await self._options.text("PaymentLink"))

    async def pay(self, visit: Visit[Nothing, Nothing]) -> Taken:
        secret = await self._options.secret("PaymentWebhookSecret")
        wrong = verify(secret, visit.header("x-signature"), visit.raw, self._clock())
        if wrong:
            _log.warning("a report of a payment from %s was refused: %s", visit.address, wrong)
            raise Unauthenticated(
                f"The signature in X-Signature is not good: {wrong}.", code="invalid_signature", param="x-signature"
            )
        payment = _payment(visit.raw)
        event = Event(
            kind="topup",
            action="order.pay",
            target=f"order {payment.order_id}",
            text="paid an order",
            detail={"event_id": payment.event_id, "currency": payment.currency, "paid": decimal_of(payment.amount)},
            address=visit.address,
            request_id=visit.request_id,
        )
        try:
            paid = await self._store.pay(payment, event)
        except KeyError:
            _log.warning("a payment was reported of the order %.64r, which is not there", payment.order_id)
            raise _missing("order_id") from None
        except PaymentDiffers as error:
            _log.warning("a payment of the order %s was refused: it %s", payment.order_id, error)
            raise Conflict(
                f"The order {error}. Nothing was credited.", code="payment_differs", param=error.param
            ) from None
        if not paid.credited and paid.order.event_id != payment.event_id:
            _log.warning(
                "the order %s was paid once more, by the event %.64r: see whether that has to be given back",
                payment.order_id,
                payment.event_id,
            )
        return Taken(paid.order.id, paid.credited, quota_of(paid.order.credit))


def _payment(raw: bytes) -> Payment:
    """
    :raises BadRequest: it is no report
    """
    try:
        report = _decode(raw)
    except UNREADABLE as error:
        raise BadRequest(f"The report is not as it has to be: {error}.", code="invalid_body") from None
    if not _ORDER.fullmatch(report.order_id):
        raise _missing("order_id")
    amount = billionths(report.amount)
    if amount is None:
        raise BadRequest("The amount is not one above 0, with at most nine decimals.", code="invalid_body",
                         param="amount")  # fmt: skip
    return Payment(
        order_id=report.order_id,
        event_id=report.event_id,
        amount=amount,
        currency=report.currency.upper(),
        paid_at=report.paid_at,
        user_id=report.user_id,
        user_name=report.username,
    )


def _row(order: Order, link: str) -> OrderRow:
    paid = order.credited_at is not None
    amount = decimal_of(order.amount)
    where = {"order_id": order.id, "amount": amount, "currency": order.currency}
    return OrderRow(
        id=order.id,
        user_id=order.user_id,
        username=order.user_name,
        amount=amount,
        currency=order.currency,
        quota=quota_of(order.credit),
        status="paid" if paid else "open",
        created_time=int(order.created_at),
        paid_time=int(order.credited_at or 0),
        url=f"{link}{'&' if '?' in link else '?'}{urlencode(where)}" if link and not paid else "",
    )


def _missing(param: str) -> NotFound:
    return NotFound("There is no such order. GET /api/topup/order lists them.", code="order_not_found", param=param)
