"""Whose wallet runs low, each told once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct
from sqlalchemy import BigInteger, Connection, and_, bindparam, false, func, or_, select, true, update

from ....desk.alerts import LowWallet
from ..ledger import Clock, moment
from ..schema import HELD, accounts, reservations, users
from ..store import SQLStorage

__all__ = ["SQLReminders"]

_LATE = 3_600
"""Seconds after the end of its lease when a hold is no call's any more; the index of leases then serves."""

_NET = accounts.c.balance - accounts.c.overdraft
_THRESHOLD = func.coalesce(users.c.remind_below, bindparam("below", type_=BigInteger))
_CANDIDATES = (
    select(
        users.c.id,
        users.c.name,
        users.c.email,
        users.c.reminded,
        accounts.c.id.label("wallet"),
        _NET.label("left"),
        _THRESHOLD.label("threshold"),
    )
    .join(accounts, and_(accounts.c.kind == "user", accounts.c.owner_id == users.c.id))
    .where(
        users.c.id > bindparam("after"),
        users.c.deleted_at.is_(None),
        users.c.enabled == true(),
        or_(
            and_(users.c.reminded == false(), accounts.c.unlimited == false(), accounts.c.used > 0, _NET < _THRESHOLD),
            and_(users.c.reminded == true(), or_(accounts.c.unlimited == true(), _NET >= _THRESHOLD)),
        ),
    )
    .order_by(users.c.id)
    .limit(bindparam("most"))
)
_OPEN = select(reservations.c.accounts, reservations.c.amount).where(
    reservations.c.state == HELD, reservations.c.lease_until > bindparam("since")
)


class SQLReminders:
    """``desk.alerts.ReminderStore``."""

    def __init__(self, storage: SQLStorage) -> None:
        self._storage = storage

    async def low_wallets(self, below: int, limit: int = 500) -> Sequence[LowWallet]:
        crossed = await self._storage.read(_crossed, below, limit, self._storage.clock)
        return await self._storage.write(_mark, crossed) if crossed else ()


class _Crossing(Struct, frozen=True):
    wallet: LowWallet
    was: bool


def _crossed(connection: Connection, below: int, limit: int, clock: Clock) -> Sequence[_Crossing]:
    """Who is on another side than the last time, with what calls hold at the moment counted in: it may come back."""
    held = _held(connection, moment(connection, clock) - _LATE)
    after, crossed = 0, list[_Crossing]()
    while len(crossed) < limit:
        rows = connection.execute(_CANDIDATES, {"below": below, "after": after, "most": limit}).all()
        if not rows:
            break
        after = rows[-1].id
        for row in rows:
            left = int(row.left) + held.get(row.wallet, 0)
            if row.reminded or left < row.threshold:
                low = LowWallet(user_id=row.id, name=row.name, email=row.email, left=left, below=int(row.threshold))
                crossed.append(_Crossing(low, bool(row.reminded)))
    return crossed


def _held(connection: Connection, since: float) -> dict[int, int]:
    """What calls hold of accounts. There are as many rows as calls run."""
    found: dict[int, int] = {}
    for row in connection.execute(_OPEN, {"since": since}):
        for number in msgspec.json.decode(row.accounts, type=list[int]):
            found[number] = found.get(number, 0) + int(row.amount)
    return found


def _mark(connection: Connection, crossed: Sequence[_Crossing]) -> list[LowWallet]:
    """Those that are low and that nobody else has marked meanwhile."""
    low = []
    for one in crossed:
        as_was = and_(users.c.id == one.wallet.user_id, users.c.reminded == (true() if one.was else false()))
        changed = connection.execute(update(users).where(as_was).values(reminded=not one.was)).rowcount
        if changed and not one.was:
            low.append(one.wallet)
    return low
