"""Orders: what users are about to pay for, and what became of it.

An order is made first, so that what is reported as paid has something to agree with. It is credited once, however
often, and by however many events, its payment is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Protocol

from msgspec import Struct

from ..models import NANO
from .events import Event

__all__ = [
    "MOST_OPEN",
    "NewOrder",
    "Order",
    "OrderPage",
    "OrderQuery",
    "OrderStore",
    "Paid",
    "Payment",
    "PaymentDiffers",
    "billionths",
    "check_payment",
    "credit_of",
]

MOST_OPEN = 100
"""Orders of one user in a day that were not paid."""


class NewOrder(Struct, frozen=True, kw_only=True):
    """An order to be made: ``amount`` is to be paid, in billionths of the ``currency``, and ``credit`` comes for it, in
    nano-dollars."""

    id: str
    user_id: int
    amount: int
    currency: str
    credit: int


class Order(NewOrder, frozen=True, kw_only=True):
    """``event_id`` is that of the report by which it was credited, ``paid_at`` when it was paid by that report, and
    ``credited_at`` by our own clock; Unix seconds, None for not yet."""

    user_name: str
    created_at: float
    event_id: str | None = None
    paid_at: float | None = None
    credited_at: float | None = None


class OrderQuery(Struct, frozen=True, kw_only=True):
    """None is any. ``paid`` is whether it was credited."""

    user_id: int | None = None
    paid: bool | None = None
    offset: int = 0
    limit: int = 10


class OrderPage(Struct, frozen=True):
    rows: Sequence[Order]
    total: int


class Payment(Struct, frozen=True, kw_only=True):
    """What is reported as paid, in billionths of the ``currency``. ``user_id`` and ``user_name`` are of whom it is said
    to be, if anything is said."""

    order_id: str
    event_id: str
    amount: int
    currency: str
    paid_at: float
    user_id: int | None = None
    user_name: str | None = None


class Paid(Struct, frozen=True):
    """The order as it is now, and whether this payment is the one that was credited, and was so only now."""

    order: Order
    credited: bool


class PaymentDiffers(ValueError):
    """What was paid is not what was ordered: nothing was credited. ``param`` is in what."""

    def __init__(self, param: str, text: str) -> None:
        super().__init__(text)
        self.param = param


class OrderStore(Protocol):
    async def make_order(self, order: NewOrder) -> Order:
        """
        :raises KeyError: there is no such user
        :raises ValueError: ``MOST_OPEN`` orders of the last day wait to be paid
        """
        ...

    async def find_order(self, order_id: str) -> Order | None: ...

    async def orders(self, query: OrderQuery) -> OrderPage:
        """The newest first."""
        ...

    async def pay(self, payment: Payment, event: Event) -> Paid:
        """Credit the wallet of who ordered, and write the event of it with who and how much, in one transaction: once
        for an order and once for an event, under any number of callers and processes.

        :raises KeyError: there is no such order
        :raises PaymentDiffers: the payment is not the order's, or its event is of another one
        """
        ...


def check_payment(order: Order, payment: Payment) -> None:
    """
    :raises PaymentDiffers: it is not what was ordered
    """
    if payment.currency != order.currency:
        raise PaymentDiffers("currency", f"was paid in {payment.currency[:16]!r}, and ordered in {order.currency}")
    if payment.amount != order.amount:
        raise PaymentDiffers("amount", "was paid with another amount than was ordered")
    if payment.user_id is not None and payment.user_id != order.user_id:
        raise PaymentDiffers("user_id", "was ordered by another user")
    if payment.user_name is not None and payment.user_name != order.user_name:
        raise PaymentDiffers("username", "was ordered by another user")


def credit_of(amount: int, price: Decimal) -> int:
    """Nano-dollars for so many billionths of a currency in which a dollar costs ``price``, rounded down."""
    return int((Decimal(amount) / price).to_integral_value(ROUND_DOWN)) if price != 1 else amount


def billionths(amount: Decimal) -> int | None:
    """None if it has over nine decimals, or is no amount."""
    if not amount.is_finite() or not 0 < amount <= NANO:
        return None
    exact = amount * NANO
    return int(exact) if exact == exact.to_integral_value() else None
