"""Tokens as their owners manage them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import UNSET, Struct, UnsetType

from ..models import TokenDraft, TokenStatus

__all__ = ["OwnedToken", "TokenChange", "TokenDeclared", "TokenOrder", "TokenPage", "TokenQuery", "TokenStore"]

TokenOrder = Literal["", "remain_quota", "used_quota", "created_time", "name"]


class OwnedToken(Struct, frozen=True, kw_only=True):
    """``left`` and ``used`` are nano-dollars of its own cap; of an ``unlimited`` one ``left`` says nothing. ``status``
    is as it holds now. ``group`` is in place of the owner's, None for that. Times are Unix seconds, None for never."""

    id: int
    user_id: int
    user_name: str
    name: str
    prefix: str
    status: TokenStatus
    created_at: float
    accessed_at: float | None = None
    expires_at: float | None = None
    left: int
    used: int
    unlimited: bool
    models: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    requests_per_minute: int | None = None
    group: str | None = None
    declared: bool = False


class TokenQuery(Struct, frozen=True, kw_only=True):
    """``user_id`` None is everybody; ``keyword`` is the beginning of names."""

    user_id: int | None = None
    keyword: str = ""
    order: TokenOrder = ""
    offset: int = 0
    limit: int = 10


class TokenPage(Struct, frozen=True):
    rows: Sequence[OwnedToken]
    total: int


class TokenChange(Struct, frozen=True, kw_only=True):
    """What is set is changed. ``left`` is what is to be in the cap, None for no bound; where there is less than
    ``grain`` more in it, it stays."""

    name: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    expires_at: float | UnsetType | None = UNSET
    left: int | UnsetType | None = UNSET
    grain: int = 1
    models: tuple[str, ...] | UnsetType = UNSET
    subnets: tuple[str, ...] | UnsetType = UNSET
    requests_per_minute: int | UnsetType | None = UNSET
    group: str | UnsetType | None = UNSET
    digest: str | UnsetType = UNSET
    prefix: str | UnsetType = UNSET


class TokenDeclared(ValueError):
    """The token is declared in the settings, and changed there."""

    def __init__(self) -> None:
        super().__init__("the token is declared in the settings: change it there")


class TokenStore(Protocol):
    """``user_id`` None reaches the tokens of everybody; deleted ones are not there."""

    async def tokens(self, query: TokenQuery) -> TokenPage: ...

    async def make_token(self, user_id: int, draft: TokenDraft, group: str | None = None) -> OwnedToken:
        """
        :raises KeyError: there is no such user
        :raises ValueError: the name or the key is taken, or the quota cannot be
        """
        ...

    async def change_token(self, token_id: int, user_id: int | None, change: TokenChange) -> OwnedToken:
        """
        :raises KeyError: there is no such token of this user
        :raises ValueError: the name or the key is taken, the quota cannot be, or it is declared
        """
        ...

    async def delete_token(self, token_id: int, user_id: int | None) -> OwnedToken:
        """Its key is good for nothing from now on; what it spent stays in the books.

        :raises KeyError: there is no such token of this user
        :raises TokenDeclared: the settings have it
        """
        ...

    async def find_token_row(self, token_id: int, user_id: int | None) -> OwnedToken | None: ...
