"""Sessions, access tokens and second factors, in the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, or_, select, true, update

from ....desk.members import OutOfReach
from ....desk.roles import Role
from ....desk.sessions import Presence, Session, SessionDraft
from ....models import Secret
from ...gathering import Gathering
from ..ledger import Clock, moment
from ..schema import users
from ..sealing import seal
from ..store import SQLStorage
from .schema import recovery_codes, sessions

__all__ = ["SQLSessions"]

_MOST_SESSIONS = 50
"""Of a user; the oldest go."""

_MOST_OF_AN_AGENT = 255
_THERE = and_(users.c.deleted_at.is_(None), users.c.enabled == true())
_WHO = (
    users.c.id.label("user_id"),
    users.c.name,
    users.c.role,
    users.c.group,
    users.c.enabled,
    users.c.must_change_password,
)
_KEPT = tuple(column for column in sessions.c if column is not sessions.c.user_id)


class SQLSessions:
    """``desk.sessions.SessionStore``, ``AccessTokens`` and ``SecondFactors``."""

    def __init__(self, storage: SQLStorage) -> None:
        self._storage = storage
        # Whatever anybody sends is looked up: a storm of that shall not be a storm of questions.
        self._by_session = Gathering(self._find_sessions)
        self._by_access = Gathering(self._find_accesses)

    async def open_session(self, draft: SessionDraft) -> bool:
        return await self._storage.write(_open, draft, self._storage.clock)

    async def find_session(self, digest: str) -> Presence | None:
        return await self._by_session.find(digest)

    async def _find_sessions(self, digests: Sequence[str]) -> Mapping[str, Presence]:
        return await self._storage.read(_find, digests, self._storage.clock)

    async def confirm_session(self, digest: str, seconds: float) -> None:
        await self._storage.write(_confirm, digest, seconds, self._storage.clock)

    async def list_sessions(self, user_id: int) -> Sequence[Session]:
        return await self._storage.read(_list, user_id, self._storage.clock)

    async def end_sessions(self, user_id: int, *, digest: str = "", keep: str = "") -> int:
        return await self._storage.write(_end, user_id, digest, keep)

    async def rehash(self, user_id: int, before: Secret, after: Secret) -> None:
        await self._storage.write(_rehash, user_id, before, after)

    async def find_access(self, digest: str) -> Presence | None:
        return await self._by_access.find(digest)

    async def _find_accesses(self, digests: Sequence[str]) -> Mapping[str, Presence]:
        return await self._storage.read(_find_accesses, digests)

    async def set_access(self, user_id: int, digest: str | None) -> None:
        await self._storage.write(_set_access, user_id, digest)

    async def enable_totp(self, user_id: int, secret: Secret, step: int, codes: Collection[str]) -> bool:
        return await self._storage.write(_enable_totp, user_id, secret, step, codes)

    async def take_step(self, user_id: int, step: int) -> bool:
        return await self._storage.write(_take_step, user_id, step)

    async def disable_totp(self, user_id: int, *, reach: Role | None = None) -> bool:
        return await self._storage.write(_disable_totp, user_id, reach)

    async def set_recovery_codes(self, user_id: int, codes: Collection[str]) -> None:
        await self._storage.write(_set_codes, user_id, codes)

    async def take_recovery_code(self, user_id: int, digest: str) -> bool:
        return await self._storage.write(_take_code, user_id, digest)

    async def count_recovery_codes(self, user_id: int) -> int:
        return await self._storage.read(_count_codes, user_id)


# Sessions


def _open(connection: Connection, draft: SessionDraft, clock: Clock) -> bool:
    shown = [users.c.password == draft.seen.reveal()] if draft.seen is not None else []
    # The row is locked: whoever ends this user's sessions does so before this one is there, or after.
    found = select(users.c.id).where(users.c.id == draft.user_id, _THERE, *shown).with_for_update()
    if connection.scalar(found) is None:
        return False
    now = moment(connection, clock)
    own = sessions.c.user_id == draft.user_id
    connection.execute(delete(sessions).where(or_(sessions.c.digest == draft.instead_of, sessions.c.expires_at <= now)))
    kept = connection.scalars(select(sessions.c.digest).where(own).order_by(sessions.c.created_at.desc())).all()
    if too_many := kept[_MOST_SESSIONS - 1 :]:
        connection.execute(delete(sessions).where(sessions.c.digest.in_(too_many)))
    row = {
        "digest": draft.digest,
        "user_id": draft.user_id,
        "pending": draft.pending,
        "created_at": now,
        "expires_at": now + draft.seconds,
        "fresh_until": now + draft.fresh_seconds,
        "address": draft.address[:_MOST_OF_AN_AGENT],
        "agent": draft.agent[:_MOST_OF_AN_AGENT],
    }
    connection.execute(insert(sessions).values(row))
    if not draft.pending:
        connection.execute(update(users).where(users.c.id == draft.user_id).values(last_login_at=now))
    return True


def _find(connection: Connection, digests: Sequence[str], clock: Clock) -> dict[str, Presence]:
    wanted = and_(sessions.c.digest.in_(digests), sessions.c.expires_at > moment(connection, clock))
    joined = select(*_WHO, *_KEPT).join(sessions, sessions.c.user_id == users.c.id)
    found = connection.execute(joined.where(wanted, users.c.deleted_at.is_(None))).mappings()
    return {row["digest"]: _presence(row, _session(row)) for row in found}


def _session(row: RowMapping) -> Session:
    facts = {name: row[name] for name in Session.__struct_fields__}
    return Session(**{**facts, "pending": bool(facts["pending"])})


def _presence(row: RowMapping, session: Session | None) -> Presence:
    return Presence(
        user_id=row["user_id"],
        name=row["name"],
        role=Role(row["role"]),
        group=row["group"],
        enabled=bool(row["enabled"]),
        must_change_password=bool(row["must_change_password"]),
        session=session,
    )


def _confirm(connection: Connection, digest: str, seconds: float, clock: Clock) -> None:
    now = moment(connection, clock)
    connection.execute(update(sessions).where(sessions.c.digest == digest).values(fresh_until=now + seconds))


def _list(connection: Connection, user_id: int, clock: Clock) -> list[Session]:
    now = moment(connection, clock)
    own = and_(sessions.c.user_id == user_id, sessions.c.expires_at > now, sessions.c.pending.is_(False))
    found = select(sessions).where(own).order_by(sessions.c.created_at.desc())
    return [_session(row) for row in connection.execute(found).mappings()]


def _end(connection: Connection, user_id: int, digest: str, keep: str) -> int:
    which = [sessions.c.digest == digest] if digest else [sessions.c.digest != keep]
    return connection.execute(delete(sessions).where(sessions.c.user_id == user_id, *which)).rowcount


def _rehash(connection: Connection, user_id: int, before: Secret, after: Secret) -> None:
    same = and_(users.c.id == user_id, users.c.password == before.reveal())
    connection.execute(update(users).where(same).values(password=after.reveal()))


# Access tokens


def _find_accesses(connection: Connection, digests: Sequence[str]) -> dict[str, Presence]:
    wanted = select(users.c.access_digest, *_WHO)
    found = connection.execute(wanted.where(users.c.access_digest.in_(digests), users.c.deleted_at.is_(None)))
    return {row["access_digest"]: _presence(row, None) for row in found.mappings()}


def _set_access(connection: Connection, user_id: int, digest: str | None) -> None:
    there = and_(users.c.id == user_id, users.c.deleted_at.is_(None))
    if connection.scalar(select(users.c.id).where(there).with_for_update()) is None:
        raise KeyError(user_id)
    connection.execute(update(users).where(there).values(access_digest=digest))


# Second factors


def _enable_totp(connection: Connection, user_id: int, secret: Secret, step: int, codes: Collection[str]) -> bool:
    without = and_(users.c.id == user_id, users.c.deleted_at.is_(None), users.c.totp.is_(None))
    values = {"totp": seal(connection, users.c.totp, user_id, secret.reveal()), "totp_step": step}
    if not connection.execute(update(users).where(without).values(values)).rowcount:
        return False
    _set_codes(connection, user_id, codes)
    return True


def _take_step(connection: Connection, user_id: int, step: int) -> bool:
    before = and_(users.c.id == user_id, users.c.totp.is_not(None), users.c.totp_step < step)
    return bool(connection.execute(update(users).where(before).values(totp_step=step)).rowcount)


def _disable_totp(connection: Connection, user_id: int, reach: Role | None) -> bool:
    wanted = select(users.c.role, users.c.totp).where(users.c.id == user_id, users.c.deleted_at.is_(None))
    row = connection.execute(wanted.with_for_update()).first()
    if row is None:
        raise KeyError(user_id)
    if reach is not None and row.role >= reach:
        raise OutOfReach
    connection.execute(update(users).where(users.c.id == user_id).values(totp=None))
    connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    return row.totp is not None


def _set_codes(connection: Connection, user_id: int, codes: Collection[str]) -> None:
    connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    connection.execute(insert(recovery_codes), [{"user_id": user_id, "digest": digest} for digest in codes])


def _take_code(connection: Connection, user_id: int, digest: str) -> bool:
    this = and_(recovery_codes.c.user_id == user_id, recovery_codes.c.digest == digest)
    return bool(connection.execute(delete(recovery_codes).where(this)).rowcount)


def _count_codes(connection: Connection, user_id: int) -> int:
    counted = select(func.count()).select_from(recovery_codes).where(recovery_codes.c.user_id == user_id)
    return int(connection.scalar(counted) or 0)
