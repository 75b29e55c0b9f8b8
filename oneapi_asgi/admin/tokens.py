"""Tokens: each user's own, and, to administrators, those of others. A key is shown when it is made, and never again."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from ..desk.roles import Actor, Role
from ..desk.tokens import OwnedToken, TokenChange, TokenDeclared, TokenOrder, TokenQuery, TokenStore
from ..errors import BadRequest, Conflict, Forbidden, NotFound
from ..keys import key_digest, key_prefix, new_key
from ..models import Secret, TokenDraft
from .lists import names_of
from .money import MAX_QUOTA, QUOTA_NANO, UNLIMITED_QUOTA, nano_of, quota_of
from .routes import Nothing, PageQuery, Reply, Route, Visit

__all__ = ["Tokens"]

_STATUS = {"enabled": 1, "disabled": 2, "expired": 3, "exhausted": 4}
_NEVER = -1

_Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100)]
_Names: TypeAlias = list[Annotated[str, Meta(max_length=255)]] | Annotated[str, Meta(max_length=20_000)] | None
_Quota: TypeAlias = Annotated[int, Meta(ge=-MAX_QUOTA, le=MAX_QUOTA)]
_Time: TypeAlias = Annotated[int, Meta(ge=-1, le=2**53)]
_Rate: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000_000)]
_Status: TypeAlias = Annotated[int, Meta(ge=1, le=4)]


class TokenRow(Struct, frozen=True, kw_only=True):
    """A token with One API's names. ``key`` is whole where it was just made, and its beginning everywhere else."""

    id: int
    user_id: int
    username: str
    key: str
    status: int
    name: str
    created_time: int
    accessed_time: int
    expired_time: int
    remain_quota: int
    unlimited_quota: bool
    used_quota: int
    models: str
    subnet: str
    requests_per_minute: int | None
    group: str | None


class TokenEdit(Struct, frozen=True, kw_only=True):
    """``expired_time`` is in Unix seconds, -1 for never; ``models`` and ``subnet`` are lists, or texts with commas."""

    id: int | UnsetType = UNSET
    name: _Name | UnsetType = UNSET
    status: _Status | UnsetType = UNSET
    expired_time: _Time | UnsetType = UNSET
    remain_quota: _Quota | UnsetType = UNSET
    unlimited_quota: bool | UnsetType = UNSET
    models: _Names | UnsetType = UNSET
    subnet: _Names | UnsetType = UNSET
    requests_per_minute: _Rate | UnsetType | None = UNSET
    group: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET


class StatusQuery(Struct, frozen=True):
    status_only: Annotated[str, Meta(max_length=8)] = ""


class TokenListQuery(PageQuery, frozen=True, kw_only=True):
    keyword: Annotated[str, Meta(max_length=100)] = ""
    order: TokenOrder = ""


class AllTokensQuery(TokenListQuery, frozen=True, kw_only=True):
    user_id: Annotated[int, Meta(ge=1)] | None = None


_READ_ONLY = frozenset(("user_id", "username", "key", "created_time", "accessed_time", "used_quota"))


class Tokens:
    def __init__(self, store: TokenStore) -> None:
        self._store = store

    def routes(self) -> tuple[Route, ...]:
        own, row = Role.COMMON, TokenRow
        listed, rows = TokenListQuery, list[TokenRow]
        return (
            Route("GET", "/token/all", self.all, role=Role.ADMIN, summary="List everybody's tokens",
                  query=AllTokensQuery, data=rows),
            Route("GET", "/token/search", self.list, role=own, summary="Find own tokens", query=listed, data=rows),
            Route("GET", "/token", self.list, role=own, summary="List own tokens", query=listed, data=rows),
            Route("GET", "/token/{id}", self.show, role=own, summary="Show a token", data=row),
            Route("POST", "/token", self.add, role=own, summary="Make a token; its key is shown once",
                  body=TokenEdit, ignored=_READ_ONLY, data=row, action="token.add"),
            Route("PUT", "/token", self.edit, role=own, summary="Change a token", query=StatusQuery,
                  body=TokenEdit, ignored=_READ_ONLY, data=row, action="token.edit"),
            Route("DELETE", "/token/{id}", self.delete, role=own, summary="Delete a token", action="token.delete"),
            Route("POST", "/token/{id}/rotate", self.rotate, role=own, summary="Give a token another key, shown once",
                  data=row, action="token.rotate"),
        )  # fmt: skip

    async def list(self, visit: Visit[TokenListQuery, Nothing]) -> Reply:
        return await self._listed(visit.query, visit.me.user_id)

    async def all(self, visit: Visit[AllTokensQuery, Nothing]) -> Reply:
        return await self._listed(visit.query, visit.query.user_id)

    async def _listed(self, query: TokenListQuery, user_id: int | None) -> Reply:
        page = await self._store.tokens(
            TokenQuery(
                user_id=user_id, keyword=query.keyword, order=query.order, offset=query.offset, limit=query.page_size
            )
        )
        return Reply(data=[_row(token) for token in page.rows], total=page.total)

    async def show(self, visit: Visit[Nothing, Nothing]) -> TokenRow:
        found = await self._store.find_token_row(visit.id(), visit.me.user_id)
        if found is None:
            raise _missing(visit.id())
        return _row(found)

    async def add(self, visit: Visit[Nothing, TokenEdit]) -> TokenRow:
        body, key = visit.body, new_key()
        if body.name is UNSET:
            raise BadRequest("A token needs a name: send 'name'.", code="name_required", param="name")
        change = _change(body, visit.me, None)
        draft = TokenDraft(
            name=body.name,
            digest=key_digest(key.reveal()),
            prefix=key_prefix(key.reveal()),
            quota=0 if change.left is UNSET else change.left,
            expires_at=None if change.expires_at is UNSET else change.expires_at,
            models=() if change.models is UNSET else change.models,
            subnets=() if change.subnets is UNSET else change.subnets,
            requests_per_minute=None if change.requests_per_minute is UNSET else change.requests_per_minute,
        )
        with _refused(0):
            made = await self._store.make_token(
                visit.me.user_id, draft, None if change.group is UNSET else change.group
            )
        visit.note(target=f"token {made.id}", text=f"made the token {made.name}")
        return _row(made, key)

    async def edit(self, visit: Visit[StatusQuery, TokenEdit]) -> TokenRow:
        body, number = visit.body, visit.body.id
        if number is UNSET:
            raise BadRequest("Which token? Send its 'id'.", code="id_required", param="id")
        if visit.query.status_only:
            body = TokenEdit(status=body.status)
        before = await self._store.find_token_row(number, visit.me.user_id)
        if before is None:
            raise _missing(number)
        with _refused(number):
            token = await self._store.change_token(number, visit.me.user_id, _change(body, visit.me, before))
        visit.note(target=f"token {token.id}", text=f"changed the token {token.name}")
        return _row(token)

    async def delete(self, visit: Visit[Nothing, Nothing]) -> None:
        with _refused(visit.id()):
            gone = await self._store.delete_token(visit.id(), visit.me.user_id)
        visit.note(target=f"token {gone.id}", text=f"deleted the token {gone.name}")

    async def rotate(self, visit: Visit[Nothing, Nothing]) -> TokenRow:
        key = new_key()
        change = TokenChange(digest=key_digest(key.reveal()), prefix=key_prefix(key.reveal()))
        with _refused(visit.id()):
            token = await self._store.change_token(visit.id(), visit.me.user_id, change)
        visit.note(target=f"token {token.id}", text=f"gave the token {token.name} another key")
        return _row(token, key)


def _change(body: TokenEdit, actor: Actor, before: OwnedToken | None) -> TokenChange:
    unlimited = body.unlimited_quota
    if unlimited is UNSET:
        unlimited = before is not None and before.unlimited
    left: int | UnsetType | None = UNSET
    if body.unlimited_quota is True:
        left = None
    elif not unlimited and body.remain_quota is not UNSET:
        shown = None if before is None or before.unlimited else quota_of(before.left)
        left = UNSET if body.remain_quota == shown else nano_of(body.remain_quota)
    elif body.unlimited_quota is False and (before is None or before.unlimited):
        left = 0
    group = body.group
    if group is not UNSET and (before is None or (group or None) != before.group):
        _check_group(group, actor)
    return TokenChange(
        name=body.name,
        enabled=UNSET if body.status is UNSET else body.status != 2,
        expires_at=UNSET if body.expired_time is UNSET else None if body.expired_time < 0 else float(body.expired_time),
        left=left,
        grain=QUOTA_NANO,
        models=UNSET if body.models is UNSET else names_of(body.models),
        subnets=UNSET if body.subnet is UNSET else _subnets(body.subnet),
        requests_per_minute=body.requests_per_minute,
        group=UNSET if group is UNSET else group or None,
    )


def _check_group(group: str | None, actor: Actor) -> None:
    """Groups decide what a call costs and who serves it: nobody gives himself another one."""
    if group and group != actor.group and actor.role < Role.ADMIN:
        raise Forbidden(f"Your group is {actor.group}; ask an administrator.", code="group_forbidden", param="group")


def _subnets(value: list[str] | str | None) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_network(subnet, strict=False)) for subnet in names_of(value))
    except ValueError as error:
        raise BadRequest(f"That is no subnet: {error}.", code="invalid_subnet", param="subnet") from None


def _row(token: OwnedToken, key: Secret | None = None) -> TokenRow:
    return TokenRow(
        id=token.id,
        user_id=token.user_id,
        username=token.user_name,
        key=key.reveal() if key is not None else f"{token.prefix}********",
        status=_STATUS[token.status],
        name=token.name,
        created_time=int(token.created_at),
        accessed_time=int(token.accessed_at or 0),
        expired_time=_NEVER if token.expires_at is None else int(token.expires_at),
        remain_quota=UNLIMITED_QUOTA if token.unlimited else quota_of(token.left),
        unlimited_quota=token.unlimited,
        used_quota=quota_of(token.used),
        models=",".join(token.models),
        subnet=",".join(token.subnets),
        requests_per_minute=token.requests_per_minute,
        group=token.group,
    )


def _missing(token_id: int) -> NotFound:
    return NotFound(f"You have no token {token_id}. GET /api/token/ lists yours.", code="token_not_found", param="id")


@contextmanager
def _refused(token_id: int) -> Iterator[None]:
    try:
        yield
    except KeyError:
        raise _missing(token_id) from None
    except TokenDeclared as error:
        raise Conflict(f"That cannot be: {error}.", code="token_declared", param="id") from None
    except ValueError as error:
        raise Conflict(f"That cannot be: {error}.", code="token_conflict", param="name") from None
