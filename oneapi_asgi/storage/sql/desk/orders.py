"""Orders, and their payment: a guarded update makes an order paid, and the credit and its event are in that
transaction."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import asdict, replace
from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from ....desk.events import Event
from ....desk.orders import (
    MOST_OPEN,
    NewOrder,
    Order,
    OrderPage,
    OrderQuery,
    Paid,
    Payment,
    PaymentDiffers,
    check_payment,
)
from ..ledger import Circuits, Clock, credit, moment
from ..schema import accounts, users
from ..store import SQLStorage
from .events import append_event
from .schema import orders

__all__ = ["SQLOrders"]

_DAY = 86_400.0
_ORDERS = select(
    *[orders.c[name] for name in Order.__struct_fields__ if name != "user_name"], users.c.name.label("user_name")
).join_from(orders, users, users.c.id == orders.c.user_id)


class SQLOrders:
    """``desk.orders.OrderStore``."""

    def __init__(self, storage: SQLStorage) -> None:
        self._storage = storage

    async def make_order(self, order: NewOrder) -> Order:
        return await self._storage.write(_make, order, self._storage.clock)

    async def find_order(self, order_id: str) -> Order | None:
        return await self._storage.read(_find, order_id)

    async def orders(self, query: OrderQuery) -> OrderPage:
        return await self._storage.read(_page, query)

    async def pay(self, payment: Payment, event: Event) -> Paid:
        return await self._storage.write(_pay, payment, event, self._storage.circuits, self._storage.clock)


def _find(connection: Connection, order_id: str) -> Order | None:
    row = connection.execute(_ORDERS.where(orders.c.id == order_id)).mappings().first()
    return None if row is None else Order(**row)


def _known(connection: Connection, order_id: str) -> Order:
    found = _find(connection, order_id)
    if found is None:
        raise KeyError(order_id)
    return found


def _make(connection: Connection, order: NewOrder, clock: Clock) -> Order:
    there = select(users.c.id).where(users.c.id == order.user_id, users.c.deleted_at.is_(None))
    if connection.scalar(there) is None:
        raise KeyError(order.user_id)
    now = moment(connection, clock)
    waiting = select(func.count()).where(
        orders.c.user_id == order.user_id, orders.c.credited_at.is_(None), orders.c.created_at > now - _DAY
    )
    if (connection.scalar(waiting) or 0) >= MOST_OPEN:
        raise ValueError(f"{MOST_OPEN} orders of the last day wait to be paid: pay one of those")
    connection.execute(insert(orders).values(**asdict(order), created_at=now))
    return _known(connection, order.id)


def _page(connection: Connection, query: OrderQuery) -> OrderPage:
    which = [*_conditions(query)]
    total = connection.scalar(select(func.count()).select_from(orders).where(*which)) or 0
    found = _ORDERS.where(*which).order_by(orders.c.number.desc()).offset(query.offset).limit(query.limit)
    return OrderPage([Order(**row) for row in connection.execute(found).mappings()], total)


def _conditions(query: OrderQuery) -> Iterator[ColumnElement[bool]]:
    if query.user_id is not None:
        yield orders.c.user_id == query.user_id
    if query.paid is not None:
        yield orders.c.credited_at.is_not(None) if query.paid else orders.c.credited_at.is_(None)


def _pay(connection: Connection, payment: Payment, event: Event, circuits: Circuits, clock: Clock) -> Paid:
    order = _known(connection, payment.order_id)
    check_payment(order, payment)
    told = connection.scalar(select(orders.c.id).where(orders.c.event_id == payment.event_id))
    if told not in (None, order.id):
        raise PaymentDiffers("event_id", "is told by an event that is of another order")
    owner = connection.scalar(select(users.c.name).where(users.c.id == order.user_id, users.c.deleted_at.is_(None)))
    if owner is None:
        raise PaymentDiffers("order_id", "is of a user who has been deleted: give the money back")
    unpaid = update(orders).where(orders.c.id == order.id, orders.c.credited_at.is_(None))
    paid = {
        "event_id": payment.event_id,
        "paid_at": payment.paid_at,
        "credited_at": moment(connection, clock),
    }
    if not connection.execute(unpaid.values(**paid)).rowcount:
        return Paid(_known(connection, order.id), credited=False)
    wallet = select(accounts.c.id).where(accounts.c.kind == "user", accounts.c.owner_id == order.user_id)
    credit(connection, connection.scalars(wallet).one(), order.credit, circuits, clock, kind="topup")
    whom = {"user_id": order.user_id, "user_name": owner, "amount": order.credit}
    append_event(connection, replace(event, **whom), clock)
    return Paid(_known(connection, order.id), credited=True)
