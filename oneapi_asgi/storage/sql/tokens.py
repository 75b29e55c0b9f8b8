"""Users and their tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter

from sqlalchemy import Connection, and_, bindparam, func, insert, select, update

from ...desk.roles import Role
from ...models import Token, TokenDraft, TokenStatus, User
from ..declaring import KnownToken, TokenChanges
from ..ledger import check_quota
from .ledger import Circuits, Clock, change_quotas, moment, open_accounts
from .rows import draft_row, known_token_of, token_of
from .schema import accounts, tokens, users
from .statements import Change, Insertion, Lookup, cursor

__all__ = [
    "add_token",
    "add_user",
    "change_tokens",
    "find_tokens",
    "find_user",
    "known_tokens",
    "list_tokens",
    "list_users",
    "set_token_status",
    "set_user",
    "user_id",
    "user_ids",
]

_cap, _wallet = accounts.alias("cap"), accounts.alias("wallet")
_TOKENS = (
    select(
        *[column for column in tokens.columns if column.name != "group"],
        users.c.name.label("user_name"),
        users.c.enabled.label("user_enabled"),
        users.c.admin,
        func.coalesce(tokens.c.group, users.c.group).label("group"),
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
    .where(users.c.deleted_at.is_(None))
    .order_by(users.c.id)
)
_BY_DIGEST = _TOKENS.where(tokens.c.digest.in_(bindparam("wanted", expanding=True)))

_ids_of_digests = Lookup(lambda among: select(tokens.c.digest, tokens.c.id).where(among(tokens.c.digest)))
_ADDED = tuple(column.name for column in tokens.columns if column.name not in ("id", "group", "deleted_at"))
_CHANGED = tuple(name for name in _ADDED if name not in ("user_id", "created_at"))
_added, _changed = itemgetter(*_ADDED), itemgetter(*_CHANGED)
_INSERT_TOKENS = Insertion(tokens, *_ADDED)
_SAVE_TOKENS = Change(tokens, to=_CHANGED, seen=("id",))
_SAVE_STATES = Change(tokens, to=("status", "declared"), seen=("id",))
_SAVE_DIGESTS = Change(tokens, to=("digest",), seen=("id",))


def add_user(
    connection: Connection, name: str, group: str, admin: bool, wallet: int | None, circuits: Circuits, clock: Clock
) -> int:
    check_quota(wallet)
    if find_user(connection, name) is not None:
        raise ValueError(f"there is a user named {name} already")
    role = (Role.ROOT if name == "root" else Role.ADMIN) if admin else Role.COMMON
    now = moment(connection, clock)
    row = {"name": name, "group": group, "admin": admin, "role": int(role), "enabled": True, "created_at": now}
    key = connection.execute(insert(users).values(**row)).inserted_primary_key
    assert key is not None  # noqa: S101 - one row was inserted; narrows for the type checker
    number = int(key[0])
    open_accounts(connection, "user", {number: wallet}, circuits, clock)
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


def user_ids(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """
    :raises ValueError: there is no such user
    """
    return {name: user_id(connection, name) for name in set(names)}


def find_tokens(connection: Connection, digests: Sequence[str]) -> dict[str, Token]:
    """Those that there are, by digest."""
    rows = connection.execute(_BY_DIGEST, {"wanted": [*digests]}).mappings()
    return {row["digest"]: token_of(row) for row in rows}


def list_tokens(connection: Connection) -> list[Token]:
    return [token_of(row) for row in connection.execute(_TOKENS.where(tokens.c.deleted_at.is_(None))).mappings()]


def known_tokens(connection: Connection) -> list[KnownToken]:
    return [known_token_of(row) for row in connection.execute(_TOKENS).mappings()]


def add_token(connection: Connection, draft: TokenDraft, circuits: Circuits, clock: Clock) -> Token:
    check_quota(draft.quota)
    owner = user_id(connection, draft.user)
    same_name = and_(tokens.c.user_id == owner, tokens.c.name == draft.name)
    if connection.scalar(select(tokens.c.id).where(same_name)):
        raise ValueError(f"{draft.user} has a token named {draft.name} already")
    if connection.scalar(select(tokens.c.id).where(tokens.c.digest == draft.digest)):
        raise ValueError(f"there is a token with the key of {draft.name} already")
    _add(connection, [draft], circuits, clock, declared=False)
    return find_tokens(connection, [draft.digest])[draft.digest]


def _add(
    connection: Connection, drafts: Sequence[TokenDraft], circuits: Circuits, clock: Clock, *, declared: bool
) -> None:
    owners = user_ids(connection, [draft.user for draft in drafts])
    made = {"status": "enabled", "declared": declared, "created_at": moment(connection, clock)}
    quotas = {draft.digest: draft.quota for draft in drafts}
    with cursor(connection) as opened:
        rows = [draft_row(draft) | made | {"user_id": owners[draft.user]} for draft in drafts]
        opened.insert(_INSERT_TOKENS, [*map(_added, rows)])
        ids = dict(opened.rows(_ids_of_digests, [*quotas]))
    funds = {ids[digest]: quota for digest, quota in quotas.items()}
    open_accounts(connection, "token", funds, circuits, clock)


def set_token_status(connection: Connection, token_id: int, status: TokenStatus) -> None:
    if not connection.execute(update(tokens).where(tokens.c.id == token_id).values(status=status)).rowcount:
        raise KeyError(token_id)


def change_tokens(connection: Connection, changes: TokenChanges, circuits: Circuits, clock: Clock) -> None:
    # Keys may move between tokens, so those that leave theirs let go of it first.
    leaving = [before for before, after in changes.change if before.draft.digest != after.draft.digest]
    with cursor(connection) as opened:
        opened.change(_SAVE_STATES, [("disabled", False, token.id) for token in changes.disable])
        opened.change(_SAVE_DIGESTS, [(f"forgotten:{token.id}", token.id) for token in (*changes.forget, *leaving)])
        became = [after for _, after in changes.change]
        rows = [draft_row(token.draft) | {"status": token.status, "declared": True} for token in became]
        opened.change(_SAVE_TOKENS, [(*_changed(row), token.id) for row, token in zip(rows, became, strict=True)])
    quotas = {after.id: (before.draft.quota, after.draft.quota) for before, after in changes.change}
    moved = {number: quota for number, quota in quotas.items() if quota[0] != quota[1]}
    change_quotas(connection, moved, circuits, clock)
    _add(connection, changes.add, circuits, clock, declared=True)
