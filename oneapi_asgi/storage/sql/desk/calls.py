"""Calls in flight: the reservations that are held, with whose accounts they are on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, and_, select

from ....desk.calls import MOST_HELD, HeldCall
from ..ledger import Clock, moment
from ..schema import HELD, accounts, reservations, tokens, users
from ..store import SQLStorage

__all__ = ["SQLHeldCalls"]

_AT_ONCE = 500
_NOBODY = (0, "")

_Owner = tuple[int, str]


class SQLHeldCalls:
    """``desk.calls.HeldReader``."""

    def __init__(self, storage: SQLStorage) -> None:
        self._storage = storage

    async def held_calls(self, *, user_id: int | None = None) -> Sequence[HeldCall]:
        return await self._storage.read(_held, user_id, self._storage.clock)


def _held(connection: Connection, user_id: int | None, clock: Clock) -> list[HeldCall]:
    """By the index of leases: what has ended long ago is not walked through, on any server."""
    now = moment(connection, clock)
    row = reservations.c
    query: Select[Any] = select(row.id, row.created_at, row.amount, row.accounts)
    held = query.where(row.state == HELD, row.lease_until > now)
    found = connection.execute(held.order_by(row.created_at.desc(), row.id).limit(MOST_HELD)).all()
    charged = [(each, msgspec.json.decode(each.accounts, type=tuple[int, ...])) for each in found]
    if user_id is not None:
        wallet = connection.scalar(_wallet(user_id))
        charged = [(each, among) for each, among in charged if wallet in among]
    named = {number for _, among in charged for number in among}
    holders, caps = _users(connection, named), _tokens(connection, named)
    return [_call(each, _owner(among, holders), _owner(among, caps)) for each, among in charged]


def _wallet(user_id: int) -> Select[Any]:
    return select(accounts.c.id).where(accounts.c.kind == "user", accounts.c.owner_id == user_id)


def _users(connection: Connection, among: Iterable[int]) -> dict[int, _Owner]:
    theirs = and_(accounts.c.kind == "user", accounts.c.owner_id == users.c.id)
    return _owners(connection, select(accounts.c.id, users.c.id, users.c.name).join(users, theirs), among)


def _tokens(connection: Connection, among: Iterable[int]) -> dict[int, _Owner]:
    theirs = and_(accounts.c.kind == "token", accounts.c.owner_id == tokens.c.id)
    return _owners(connection, select(accounts.c.id, tokens.c.id, tokens.c.name).join(tokens, theirs), among)


def _owners(connection: Connection, query: Select[Any], among: Iterable[int]) -> dict[int, _Owner]:
    """Who has these accounts, by the account."""
    wanted, owners = sorted(among), dict[int, _Owner]()
    for start in range(0, len(wanted), _AT_ONCE):
        part = query.where(accounts.c.id.in_(wanted[start : start + _AT_ONCE]))
        owners |= {account: (number, name) for account, number, name in connection.execute(part)}
    return owners


def _owner(among: Iterable[int], owners: Mapping[int, _Owner]) -> _Owner:
    return next((owners[account] for account in among if account in owners), _NOBODY)


def _call(row: Row[Any], user: _Owner, token: _Owner) -> HeldCall:
    return HeldCall(
        id=row.id,
        since=row.created_at,
        amount=row.amount,
        user_id=user[0],
        user=user[1],
        token_id=token[0],
        token=token[1],
    )
