"""People, in the database: found, listed, made, changed, and taken out.

Whoever changes something waits for the revision first, so that what was looked up stays true until it is written.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import UNSET
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, delete, func, insert, or_, select, update

from ....desk.members import (
    ROOT,
    Credentials,
    Member,
    MemberChange,
    MemberDraft,
    MemberOrder,
    MemberPage,
    MemberQuery,
    OutOfReach,
    Protected,
    Taken,
    new_invite_code,
)
from ....desk.roles import Role
from ....globs import is_glob, matches
from ....models import Secret
from ...ledger import LARGEST, check_quota
from ..channels import lock_revision
from ..ledger import Circuits, Clock, credit, leave, moment, open_accounts
from ..portable import Total
from ..schema import accounts, daily_totals, limits, tokens, users
from ..sealing import unseal
from ..store import SQLStorage
from .schema import identities, recovery_codes, sessions

__all__ = ["SQLMembers", "add_member"]

_MOST_DIGITS = 18

_NET = accounts.c.balance - accounts.c.overdraft
_FACTS = (
    users.c.id,
    users.c.name,
    users.c.display_name,
    users.c.email,
    users.c.role,
    users.c.group,
    users.c.enabled,
    users.c.deleted_at,
    users.c.password,
    users.c.totp,
    users.c.must_change_password,
    users.c.invite_code,
    users.c.inviter_id,
    users.c.remind_below,
    users.c.created_at,
    users.c.last_login_at,
    accounts.c.id.label("wallet"),
    _NET.label("quota"),
    accounts.c.used,
    accounts.c.unlimited,
)
_WALLET = and_(accounts.c.kind == "user", accounts.c.owner_id == users.c.id)
_MEMBERS = select(*_FACTS).join(accounts, _WALLET)
_THERE = users.c.deleted_at.is_(None)
_CREDENTIALS = select(users.c.id, users.c.password, users.c.totp, users.c.totp_step, users.c.must_change_password)

_PLAIN = ("name", "display_name", "email", "group", "enabled", "remind_below", "must_change_password", "invite_code")
"""What a change writes as it is."""


class SQLMembers:
    """``desk.members.MemberStore``, ``MemberPages``, ``MemberAdmin``, ``CredentialStore`` and ``FirstPassword``."""

    def __init__(self, storage: SQLStorage) -> None:
        self._storage = storage

    async def member(self, user_id: int) -> Member | None:
        return await self._storage.read(_find, users.c.id == user_id)

    async def member_named(self, name: str) -> Member | None:
        return await self._storage.read(_find, users.c.name == name)

    async def member_with_email(self, email: str) -> Member | None:
        return await self._storage.read(_find, users.c.email == email.lower())

    async def list_members(self, query: MemberQuery) -> MemberPage:
        return await self._storage.read(_page, query)

    async def credentials(self, user_id: int) -> Credentials | None:
        return await self._storage.read(_credentials, user_id)

    async def add_member(self, draft: MemberDraft) -> Member:
        return await self._storage.administer(add_member, draft, self._storage.circuits, self._storage.clock)

    async def give_first_password(self, password: Secret) -> bool:
        return await self._storage.write(_give_first_password, password)

    async def change_member(self, user_id: int, change: MemberChange, *, reach: Role | None = None) -> Member:
        circuits, clock = self._storage.circuits, self._storage.clock
        return await self._storage.administer(_change, user_id, change, reach, circuits, clock)

    async def delete_member(self, user_id: int, *, reach: Role | None = None) -> None:
        await self._storage.administer(_delete, user_id, reach, self._storage.clock)

    async def credit_member(self, user_id: int, amount: int, *, reach: Role | None = None) -> Member:
        circuits, clock = self._storage.circuits, self._storage.clock
        return await self._storage.write(_credit, user_id, amount, reach, circuits, clock)


# Looking up


def _find(connection: Connection, which: ColumnElement[bool]) -> Member | None:
    found = connection.execute(_MEMBERS.where(which, _THERE)).mappings().all()
    return next(_members(connection, found), None)


def _members(connection: Connection, rows: Sequence[RowMapping]) -> Iterator[Member]:
    """With what is kept elsewhere: accounts at other sites, and calls."""
    ids = [row["id"] for row in rows]
    elsewhere: dict[int, dict[str, str]] = {}
    found = select(identities.c.user_id, identities.c.provider, identities.c.subject)
    for user_id, provider, subject in connection.execute(found.where(identities.c.user_id.in_(ids))):
        elsewhere.setdefault(user_id, {})[provider] = subject
    counted = connection.execute(_calls().where(daily_totals.c.user_id.in_(ids)))
    calls = {user_id: int(count) for user_id, count in counted}
    for row in rows:
        facts: dict[str, Any] = dict(row)
        password, totp, deleted_at = facts.pop("password"), facts.pop("totp"), facts.pop("deleted_at")
        facts["role"] = Role(facts["role"])
        for name in ("enabled", "unlimited", "must_change_password"):
            facts[name] = bool(facts[name])
        yield Member(
            **facts,
            deleted=deleted_at is not None,
            has_password=bool(password),
            has_totp=bool(totp),
            identities=elsewhere.get(facts["id"], {}),
            request_count=calls.get(facts["id"], 0),
        )


def _calls() -> Select[int, int]:
    return select(daily_totals.c.user_id, Total(daily_totals.c.calls).label("calls")).group_by(daily_totals.c.user_id)


def _credentials(connection: Connection, user_id: int) -> Credentials | None:
    row = connection.execute(_CREDENTIALS.where(users.c.id == user_id, _THERE)).first()
    if row is None:
        return None
    return Credentials(
        user_id=row.id,
        password=Secret(row.password) if row.password else None,
        totp=Secret(unseal(connection, users.c.totp, row.id, row.totp)) if row.totp else None,
        totp_step=int(row.totp_step),
        must_change_password=bool(row.must_change_password),
    )


def _page(connection: Connection, query: MemberQuery) -> MemberPage:
    wanted = [*_conditions(query)]
    ordered = _ordered(query.order).where(*wanted).offset(query.offset).limit(query.limit)
    if query.keyword:  # every row has to be looked at, so the count is taken on the way
        found = connection.execute(ordered.add_columns(func.count().over())).all()
        ids, total = [row[0] for row in found], found[0][1] if found else None
    else:
        ids, total = list(connection.scalars(ordered)), None
    if total is None:
        total = connection.scalar(select(func.count()).select_from(users).where(*wanted)) if query.offset or ids else 0
    rows = {row["id"]: row for row in connection.execute(_MEMBERS.where(users.c.id.in_(ids))).mappings()}
    return MemberPage([*_members(connection, [rows[number] for number in ids])], total or 0)


def _ordered(order: MemberOrder) -> Select[int]:
    """The ids of users in this order."""
    if order == "id":
        return select(users.c.id).order_by(users.c.id.desc())
    if order == "request_count":
        calls = _calls().subquery()
        joined = select(users.c.id).outerjoin(calls, calls.c.user_id == users.c.id)
        return joined.order_by(func.coalesce(calls.c.calls, 0).desc(), users.c.id.desc())
    joined = select(users.c.id).join(accounts, _WALLET)
    if order == "used_quota":
        return joined.order_by(accounts.c.used.desc(), users.c.id.desc())
    return joined.order_by(accounts.c.unlimited.desc(), _NET.desc(), users.c.id.desc())


def _conditions(query: MemberQuery) -> Iterator[ColumnElement[bool]]:
    yield users.c.deleted_at.is_not(None) if query.deleted else _THERE
    if query.keyword:
        part = query.keyword.lower()
        likes = [
            func.lower(column).contains(part, autoescape=True)
            for column in (users.c.name, users.c.display_name, users.c.email)
        ]
        number = [users.c.id == int(part)] if part.isascii() and part.isdigit() and len(part) <= _MOST_DIGITS else []
        yield or_(*likes, *number)
    if query.role is not None:
        yield users.c.role == int(query.role)
    if query.enabled is not None:
        yield users.c.enabled.is_(query.enabled)
    if query.group:
        yield users.c.group == query.group


# Changing


def _give_first_password(connection: Connection, password: Secret) -> bool:
    """Of those who start at one moment, one does it."""
    without = and_(users.c.name == ROOT, users.c.password.is_(None))
    values = {"password": password.reveal(), "must_change_password": True}
    return bool(connection.execute(update(users).where(without).values(values)).rowcount)


def add_member(connection: Connection, draft: MemberDraft, circuits: Circuits, clock: Clock) -> Member:
    check_quota(draft.wallet)
    lock_revision(connection)
    _check_free(connection, None, name=draft.name, email=draft.email)
    inviter = _inviter(connection, draft.invited_by)
    row = {
        "name": draft.name,
        "password": draft.password.reveal() if draft.password else None,
        "must_change_password": draft.must_change_password,
        "display_name": draft.display_name,
        "email": draft.email,
        "role": int(draft.role),
        "admin": draft.role >= Role.ADMIN,
        "group": draft.group,
        "enabled": True,
        "invite_code": new_invite_code(),
        "inviter_id": inviter["id"] if inviter else None,
        "created_at": moment(connection, clock),
    }
    key = connection.execute(insert(users).values(**row)).inserted_primary_key
    assert key is not None  # noqa: S101 - one row was inserted; narrows for the type checker
    number = int(key[0])
    ids = open_accounts(connection, "user", {number: draft.wallet}, circuits, clock)
    if inviter is not None:
        for wallet, gift in ((ids[number], draft.invitee_gift), (inviter["wallet"], draft.inviter_gift)):
            if gift:
                credit(connection, wallet, gift, circuits, clock)
    return _known(connection, number)


def _inviter(connection: Connection, code: str) -> RowMapping | None:
    """Who gets a gift for the invitation: nobody that is switched off."""
    if not code:
        return None
    return connection.execute(_MEMBERS.where(users.c.invite_code == code, _THERE, users.c.enabled)).mappings().first()


def _known(connection: Connection, user_id: int) -> Member:
    found = _find(connection, users.c.id == user_id)
    if found is None:
        raise KeyError(user_id)
    return found


def _reached(connection: Connection, user_id: int, reach: Role | None) -> Member:
    """
    :raises KeyError: there is no such user
    :raises OutOfReach: the role is not below ``reach``
    """
    found = _known(connection, user_id)
    if reach is not None and found.role >= reach:
        raise OutOfReach
    return found


def _check_free(connection: Connection, user_id: int | None, **wanted: str | None) -> None:
    for field, value in wanted.items():
        if value is not None:
            owner = connection.scalar(select(users.c.id).where(users.c[field] == value))
            if owner is not None and owner != user_id:
                raise Taken(field)


def _change(
    connection: Connection, user_id: int, change: MemberChange, reach: Role | None, circuits: Circuits, clock: Clock
) -> Member:
    lock_revision(connection)
    before = _reached(connection, user_id, reach)
    values = {name: value for name in _PLAIN if (value := getattr(change, name)) is not UNSET}
    _check_change(before, change, reach)
    _check_free(connection, user_id, **{name: values.get(name) for name in ("name", "email")})
    if isinstance(change.name, str) and change.name != before.name:
        _rename(connection, before, change.name, keep_limits=change.keep_limits)
    if change.role is not UNSET:
        values |= {"role": int(change.role), "admin": change.role >= Role.ADMIN}
    if change.password is not UNSET:
        values["password"] = change.password.reveal()
    if values:
        connection.execute(update(users).where(users.c.id == user_id).values(**values))
    if change.password is not UNSET or change.enabled is False or change.role not in (UNSET, before.role):
        others = and_(sessions.c.user_id == user_id, sessions.c.digest != change.keep_session)
        connection.execute(delete(sessions).where(others))
    if change.left is not UNSET:
        check_quota(change.left.amount)
        leave(connection, before.wallet, change.left.amount, circuits, clock, grain=change.left.grain)
    return _known(connection, user_id)


def _check_change(before: Member, change: MemberChange, reach: Role | None) -> None:
    if reach is not None and change.role is not UNSET and change.role >= reach:
        raise OutOfReach
    if before.name == ROOT:
        if change.name not in (UNSET, ROOT):
            raise Protected(f"{ROOT} keeps its name: settings and the next start look for it")
        if change.role not in (UNSET, Role.ROOT) or change.enabled is False:
            raise Protected(f"{ROOT} stays what it is, so that there always is one who may do everything")


def _rename(connection: Connection, before: Member, name: str, *, keep_limits: bool) -> None:
    """Have what goes by the name of a user follow it.

    :raises Protected: it cannot
    """
    _check_undeclared(connection, before.id, "renamed")
    of_users = select(limits.c.id, limits.c.name, limits.c.declared).where(limits.c.scope == "user")
    found = connection.execute(of_users).all()
    own = [limit for limit in found if limit.name == before.name and not is_glob(limit.name)]
    if any(limit.declared for limit in own) or (own and any(limit.name == name for limit in found)):
        raise Protected("a limit for this very user cannot follow the name: change it first, in the settings perhaps")
    others = [limit for limit in found if limit not in own]
    if keep_limits and any(matches(name, limit.name) != matches(before.name, limit.name) for limit in others):
        raise Protected("by that name other limits would hold; ask an administrator")
    if own:
        ids = [limit.id for limit in own]
        connection.execute(update(limits).where(limits.c.id.in_(ids)).values(name=name))


def _check_undeclared(connection: Connection, user_id: int, what: str) -> None:
    declared = select(tokens.c.name).where(tokens.c.user_id == user_id, tokens.c.declared, tokens.c.status == "enabled")
    token = connection.scalar(declared.limit(1))
    if token is not None:
        raise Protected(f"the settings declare a token of this user, who can only be {what} once they do not: {token}")


def _delete(connection: Connection, user_id: int, reach: Role | None, clock: Clock) -> None:
    lock_revision(connection)
    before = _reached(connection, user_id, reach)
    if before.name == ROOT:
        raise Protected(f"{ROOT} stays, so that there always is one who may do everything")
    _check_undeclared(connection, user_id, "deleted")
    now = moment(connection, clock)
    gone = {
        "name": f"deleted_{uuid.uuid4()}",
        "display_name": "",
        "role": int(Role.COMMON),
        "admin": False,
        "enabled": False,
        "deleted_at": now,
        **dict.fromkeys(("email", "password", "totp", "access_digest", "invite_code")),
    }
    connection.execute(update(users).where(users.c.id == user_id).values(**gone))
    connection.execute(delete(identities).where(identities.c.user_id == user_id))
    connection.execute(delete(sessions).where(sessions.c.user_id == user_id))
    connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    own = and_(tokens.c.user_id == user_id, tokens.c.deleted_at.is_(None))
    connection.execute(update(tokens).where(own).values(status="disabled", deleted_at=now))


def _credit(
    connection: Connection, user_id: int, amount: int, reach: Role | None, circuits: Circuits, clock: Clock
) -> Member:
    before = _reached(connection, user_id, reach)
    if before.quota + amount > LARGEST:
        raise ValueError(f"a wallet holds no more than {LARGEST} nano-dollars")
    credit(connection, before.wallet, amount, circuits, clock)
    return _known(connection, user_id)
