"""Users and their tokens."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Insert, and_, bindparam, insert, select, update

from ...models import Token, TokenDraft, TokenStatus, User
from ..declaring import KnownToken, TokenChanges
from ..ledger import check_quota
from .ledger import Circuits, Clock, change_quota, moment, open_account
from .rows import draft_row, known_token_of, token_of
from .schema import accounts, tokens, users

__all__ = [
    "add_token",
    "add_user",
    "change_tokens",
    "find_token",
    "find_user",
    "known_tokens",
    "list_tokens",
    "list_users",
    "set_token_status",
    "set_user",
    "user_id",
]

_cap, _wallet = accounts.alias("cap"), accounts.alias("wallet")
_TOKENS = (
    select(
        tokens,
        users.c.name.label("user_name"),
        users.c.enabled.label("user_enabled"),
        users.c.admin,
        users.c.group,
        _cap.c.id.label("cap"),
        _cap.c.unlimited.label("cap_unlimited"),
        _wallet.c.id.label("wallet"),
        _wallet.c.unlimited.label("wallet_unlimited"),
    )
    .join(users, users.c.id == tokens.c.user_id)
    .join(_cap, and_(_cap.c.kind == "token", _cap.c.owner_id == tokens.c.id))
    .join(_wallet, and_(_wallet.c.kind == "user", _wallet.c.owner_id == users.c.id))
    .order_by(tokens.c.id)
)
_USERS = (
    select(users.c.id, users.c.name, users.c.group, users.c.admin, users.c.enabled, _wallet.c.id.label("wallet"))
    .join(_wallet, and_(_wallet.c.kind == "user", _wallet.c.owner_id == users.c.id))
    .order_by(users.c.id)
)
_BY_DIGEST = _TOKENS.where(tokens.c.digest == bindparam("wanted"))


def add_user(
    connection: Connection, name: str, group: str, admin: bool, wallet: int | None, circuits: Circuits, clock: Clock
) -> int:
    check_quota(wallet)
    if find_user(connection, name) is not None:
        raise ValueError(f"there is a user named {name} already")
    row = {"name": name, "group": group, "admin": admin, "enabled": True, "created_at": moment(connection, clock)}
    number = _insert(connection, insert(users).values(**row))
    open_account(connection, "user", number, wallet, circuits, clock)
    return number


def set_user(connection: Connection, name: str, enabled: bool) -> None:
    if not connection.execute(update(users).where(users.c.name == name).values(enabled=enabled)).rowcount:
        raise KeyError(name)


def list_users(connection: Connection) -> list[User]:
    return [User(**row) for row in connection.execute(_USERS).mappings()]


def find_user(connection: Connection, name: str) -> int | None:
    return connection.scalar(select(users.c.id).where(users.c.name == name))


def user_id(connection: Connection, name: str) -> int:
    """
    :raises ValueError: there is no such user
    """
    number = find_user(connection, name)
    if number is None:
        raise ValueError(f"there is no user named {name}")
    return number


def find_token(connection: Connection, digest: str) -> Token | None:
    row = connection.execute(_BY_DIGEST, {"wanted": digest}).mappings().first()
    return None if row is None else token_of(row)


def list_tokens(connection: Connection) -> list[Token]:
    return [token_of(row) for row in connection.execute(_TOKENS).mappings()]


def known_tokens(connection: Connection) -> list[KnownToken]:
    return [known_token_of(row) for row in connection.execute(_TOKENS).mappings()]


def add_token(
    connection: Connection, draft: TokenDraft, circuits: Circuits, clock: Clock, *, declared: bool = False
) -> Token:
    check_quota(draft.quota)
    owner = user_id(connection, draft.user)
    same_name = and_(tokens.c.user_id == owner, tokens.c.name == draft.name)
    if connection.scalar(select(tokens.c.id).where(same_name)):
        raise ValueError(f"{draft.user} has a token named {draft.name} already")
    if connection.scalar(select(tokens.c.id).where(tokens.c.digest == draft.digest)):
        raise ValueError(f"there is a token with the key of {draft.name} already")
    made = {"user_id": owner, "status": "enabled", "declared": declared, "created_at": moment(connection, clock)}
    row = draft_row(draft) | made
    number = _insert(connection, insert(tokens).values(**row))
    open_account(connection, "token", number, draft.quota, circuits, clock)
    return token_of(connection.execute(_TOKENS.where(tokens.c.id == number)).mappings().one())


def set_token_status(connection: Connection, token_id: int, status: TokenStatus) -> None:
    if not connection.execute(update(tokens).where(tokens.c.id == token_id).values(status=status)).rowcount:
        raise KeyError(token_id)


def change_tokens(connection: Connection, changes: TokenChanges, circuits: Circuits, clock: Clock) -> None:
    for token in changes.disable:
        _set(connection, token.id, status="disabled", declared=False)
    # Keys may move between tokens, so those that leave theirs let go of it first.
    leaving = [before for before, after in changes.change if before.draft.digest != after.draft.digest]
    for token in (*changes.forget, *leaving):
        _set(connection, token.id, digest=f"forgotten:{token.id}")
    for before, after in changes.change:
        _set(connection, after.id, **draft_row(after.draft), status=after.status, declared=True)
        change_quota(connection, after.id, before.draft.quota, after.draft.quota, circuits, clock)
    for draft in changes.add:
        add_token(connection, draft, circuits, clock, declared=True)


def _set(connection: Connection, token_id: int, **values: Any) -> None:
    connection.execute(update(tokens).where(tokens.c.id == token_id).values(**values))


def _insert(connection: Connection, statement: Insert) -> int:
    key = connection.execute(statement).inserted_primary_key
    assert key is not None  # noqa: S101 - one row was inserted; narrows for the type checker
    return int(key[0])
