"""Redemption codes as administrators manage them, in the database. What changes one that is being redeemed is a guarded
update, as redeeming is: one of the two is first, and the other one sees that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET
from msgspec.structs import asdict
from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from ....desk.redemptions import NewCode, Redemption, RedemptionChange, RedemptionPage
from ....queries import CodeDraft
from ...ledger import LARGEST
from ..codes import add_codes
from ..ledger import Clock, moment
from ..schema import codes, users
from ..store import SQLStorage

__all__ = ["SQLRedemptions"]

_MOST_DIGITS = 18
_CODES = select(
    *[codes.c[name] for name in Redemption.__struct_fields__ if name != "user_name"], users.c.name.label("user_name")
).outerjoin(users, users.c.id == codes.c.user_id)
_THERE = codes.c.deleted_at.is_(None)


class SQLRedemptions:
    """``desk.redemptions.RedemptionStore``."""

    def __init__(self, storage: SQLStorage) -> None:
        self._storage = storage

    async def redemptions(self, keyword: str = "", *, offset: int = 0, limit: int = 10) -> RedemptionPage:
        return await self._storage.read(_page, keyword, offset, limit)

    async def find_redemption(self, code_id: int) -> Redemption | None:
        return await self._storage.read(_find, code_id)

    async def make_redemptions(self, drafts: Sequence[NewCode], creator_id: int) -> None:
        await self._storage.write(_make, drafts, creator_id, self._storage.clock)

    async def change_redemption(self, code_id: int, change: RedemptionChange) -> Redemption:
        return await self._storage.write(_change, code_id, change)

    async def delete_redemption(self, code_id: int) -> Redemption:
        return await self._storage.write(_delete, code_id, self._storage.clock)


def _page(connection: Connection, keyword: str, offset: int, limit: int) -> RedemptionPage:
    which: ColumnElement[bool] = _THERE
    if keyword:
        named = codes.c.name.startswith(keyword, autoescape=True)
        number = keyword.isascii() and keyword.isdecimal() and len(keyword) <= _MOST_DIGITS
        which = and_(which, or_(named, codes.c.id == int(keyword)) if number else named)
    total = connection.scalar(select(func.count()).select_from(codes).where(which)) or 0
    rows = connection.execute(_CODES.where(which).order_by(codes.c.id.desc()).offset(offset).limit(limit)).mappings()
    return RedemptionPage([Redemption(**row) for row in rows], total)


def _find(connection: Connection, code_id: int) -> Redemption | None:
    row = connection.execute(_CODES.where(codes.c.id == code_id, _THERE)).mappings().first()
    return None if row is None else Redemption(**row)


def _known(connection: Connection, code_id: int) -> Redemption:
    found = _find(connection, code_id)
    if found is None:
        raise KeyError(code_id)
    return found


def _make(connection: Connection, drafts: Sequence[NewCode], creator_id: int, clock: Clock) -> None:
    add_codes(connection, [CodeDraft(**asdict(draft)) for draft in drafts], clock)
    made = codes.c.digest.in_([draft.digest for draft in drafts])
    connection.execute(update(codes).where(made).values(creator_id=creator_id))


def _change(connection: Connection, code_id: int, change: RedemptionChange) -> Redemption:
    before = _known(connection, code_id)
    values: dict[str, Any] = {
        name: value
        for name in ("name", "expires_at", "enabled")
        if (value := getattr(change, name)) is not UNSET and value != getattr(before, name)
    }
    if change.amount is not UNSET and not 0 <= before.amount - change.amount < change.grain:
        if not 1 <= change.amount <= LARGEST:
            raise ValueError("a code is worth more than nothing")
        values["amount"] = change.amount
    unused = and_(codes.c.id == code_id, _THERE)
    if values.keys() - {"name"}:
        unused = and_(unused, codes.c.redeemed_at.is_(None))
    if values and not connection.execute(update(codes).where(unused).values(**values)).rowcount:
        raise ValueError("it was redeemed: no more than its name may change")
    return _known(connection, code_id)


def _delete(connection: Connection, code_id: int, clock: Clock) -> Redemption:
    before = _known(connection, code_id)
    gone = {"deleted_at": moment(connection, clock), "enabled": False}
    if not connection.execute(update(codes).where(codes.c.id == code_id, _THERE).values(**gone)).rowcount:
        raise KeyError(code_id)
    return before
