"""Tokens as their owners manage them, in the database. Whoever changes one waits for the revision first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET
from msgspec.structs import asdict
from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, select, update

from ....desk.tokens import OwnedToken, TokenChange, TokenDeclared, TokenOrder, TokenPage, TokenQuery
from ....models import TokenDraft, TokenStatus
from ...ledger import check_quota
from ..channels import lock_revision
from ..ledger import Circuits, Clock, leave, moment
from ..schema import accounts, records, tokens, users
from ..store import SQLStorage
from ..tokens import add_token

__all__ = ["SQLTokens"]

_NET = accounts.c.balance - accounts.c.overdraft
_FACTS = [column for column in tokens.columns if column.name not in ("digest", "quota", "deleted_at")]
_TOKENS = (
    select(
        *_FACTS,
        users.c.name.label("user_name"),
        accounts.c.id.label("cap"),
        _NET.label("left"),
        accounts.c.used,
        accounts.c.unlimited,
    )
    .join(users, users.c.id == tokens.c.user_id)
    .join(accounts, and_(accounts.c.kind == "token", accounts.c.owner_id == tokens.c.id))
)
_THERE = tokens.c.deleted_at.is_(None)
_ORDERS: Mapping[TokenOrder, ColumnElement[Any]] = {
    "": tokens.c.id.desc(),
    "remain_quota": _NET.desc(),
    "used_quota": accounts.c.used.desc(),
    "created_time": tokens.c.created_at.desc(),
    "name": tokens.c.name.asc(),
}
_PLAIN = ("name", "expires_at", "requests_per_minute", "group", "digest", "prefix")


class SQLTokens:
    """``desk.tokens.TokenStore``."""

    def __init__(self, storage: SQLStorage) -> None:
        self._storage = storage

    async def tokens(self, query: TokenQuery) -> TokenPage:
        return await self._storage.read(_page, query, self._storage.clock)

    async def find_token_row(self, token_id: int, user_id: int | None) -> OwnedToken | None:
        return await self._storage.read(_find, token_id, user_id, self._storage.clock)

    async def make_token(self, user_id: int, draft: TokenDraft, group: str | None = None) -> OwnedToken:
        circuits, clock = self._storage.circuits, self._storage.clock
        return await self._storage.administer(_make, user_id, draft, group, circuits, clock)

    async def change_token(self, token_id: int, user_id: int | None, change: TokenChange) -> OwnedToken:
        circuits, clock = self._storage.circuits, self._storage.clock
        return await self._storage.administer(_change, token_id, user_id, change, circuits, clock)

    async def delete_token(self, token_id: int, user_id: int | None) -> OwnedToken:
        return await self._storage.administer(_delete, token_id, user_id, self._storage.clock)


def _which(token_id: int, user_id: int | None) -> ColumnElement[bool]:
    own = and_(tokens.c.id == token_id, _THERE)
    return own if user_id is None else and_(own, tokens.c.user_id == user_id)


def _page(connection: Connection, query: TokenQuery, clock: Clock) -> TokenPage:
    which: ColumnElement[bool] = _THERE
    if query.user_id is not None:
        which = and_(which, tokens.c.user_id == query.user_id)
    if query.keyword:
        which = and_(which, tokens.c.name.startswith(query.keyword, autoescape=True))
    total = connection.scalar(select(func.count()).select_from(tokens).where(which)) or 0
    ordered = _TOKENS.where(which).order_by(_ORDERS[query.order], tokens.c.id.desc())
    found = connection.execute(ordered.offset(query.offset).limit(query.limit)).mappings().all()
    return TokenPage(_owned(connection, found, clock), total)


def _find(connection: Connection, token_id: int, user_id: int | None, clock: Clock) -> OwnedToken | None:
    found = connection.execute(_TOKENS.where(_which(token_id, user_id))).mappings().all()
    return next(iter(_owned(connection, found, clock)), None)


def _known(connection: Connection, token_id: int, user_id: int | None, clock: Clock) -> OwnedToken:
    found = _find(connection, token_id, user_id, clock)
    if found is None:
        raise KeyError(token_id)
    return found


def _owned(connection: Connection, rows: Sequence[RowMapping], clock: Clock) -> list[OwnedToken]:
    now = moment(connection, clock)
    ids = [row["id"] for row in rows]
    newest = select(records.c.token_id, func.max(records.c.at)).where(records.c.token_id.in_(ids))
    seen = {row[0]: row[1] for row in connection.execute(newest.group_by(records.c.token_id))}
    return [_token(row, seen.get(row["id"]), now) for row in rows]


def _token(row: RowMapping, accessed_at: float | None, now: float) -> OwnedToken:
    values = {name: value for name, value in row.items() if name != "cap"}
    values |= {name: tuple(json.loads(row[name])) for name in ("models", "subnets")}
    return OwnedToken(**values | {"status": _status(row, now)}, accessed_at=accessed_at)


def _status(row: RowMapping, now: float) -> TokenStatus:
    if row["status"] != "enabled":
        return row["status"]  # type: ignore[no-any-return]
    if row["expires_at"] is not None and row["expires_at"] <= now:
        return "expired"
    return "exhausted" if not row["unlimited"] and row["left"] <= 0 else "enabled"


def _make(
    connection: Connection, user_id: int, draft: TokenDraft, group: str | None, circuits: Circuits, clock: Clock
) -> OwnedToken:
    lock_revision(connection)
    owner = connection.scalar(select(users.c.name).where(users.c.id == user_id, users.c.deleted_at.is_(None)))
    if owner is None:
        raise KeyError(user_id)
    made = add_token(connection, TokenDraft(**asdict(draft) | {"user": owner}), circuits, clock)
    if group is not None:
        connection.execute(update(tokens).where(tokens.c.id == made.id).values(group=group))
    return _known(connection, made.id, user_id, clock)


def _change(
    connection: Connection, token_id: int, user_id: int | None, change: TokenChange, circuits: Circuits, clock: Clock
) -> OwnedToken:
    lock_revision(connection)
    before = _known(connection, token_id, user_id, clock)
    if before.declared:
        raise TokenDeclared
    _check_name(connection, before, change)
    if change.left is not UNSET:
        check_quota(change.left)
        cap = select(accounts.c.id).where(accounts.c.kind == "token", accounts.c.owner_id == token_id)
        leave(connection, connection.scalars(cap).one(), change.left, circuits, clock, grain=change.grain)
    values: dict[str, Any] = {name: value for name in _PLAIN if (value := getattr(change, name)) is not UNSET}
    values |= {
        name: json.dumps(value) for name in ("models", "subnets") if (value := getattr(change, name)) is not UNSET
    }
    # What has run out is so by its time and its cap: what is on again is on as soon as these allow.
    enabled = before.status != "disabled" if change.enabled is UNSET else change.enabled
    values["status"] = "enabled" if enabled else "disabled"
    if change.left is not UNSET:
        values["quota"] = change.left  # the auditor compares whether there is a bound
    connection.execute(update(tokens).where(tokens.c.id == token_id).values(**values))
    return _known(connection, token_id, user_id, clock)


def _check_name(connection: Connection, before: OwnedToken, change: TokenChange) -> None:
    if change.name is UNSET or change.name == before.name:
        return
    same = and_(tokens.c.user_id == before.user_id, tokens.c.name == change.name, tokens.c.id != before.id)
    if connection.scalar(select(tokens.c.id).where(same)) is not None:
        raise ValueError(f"there is a token named {change.name} already")


def _delete(connection: Connection, token_id: int, user_id: int | None, clock: Clock) -> OwnedToken:
    lock_revision(connection)
    before = _known(connection, token_id, user_id, clock)
    if before.declared:
        raise TokenDeclared
    # Its name and its key may be used again; its row stays, since the books name its cap.
    gone = {
        "status": "disabled",
        "deleted_at": moment(connection, clock),
        "digest": f"deleted:{token_id}",
        "name": f"deleted_{token_id}",
        "prefix": "",
    }
    connection.execute(update(tokens).where(tokens.c.id == token_id).values(**gone))
    return before
