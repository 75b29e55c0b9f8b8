"""Accounts elsewhere by which users sign in."""

from __future__ import annotations

from sqlalchemy import Connection, and_, delete, func, insert, select

from ....desk.identities import Identity, LastWay
from ....desk.members import Member, MemberDraft
from ..channels import lock_revision
from ..ledger import Circuits, Clock, moment
from ..schema import users
from ..store import SQLStorage
from .members import add_member
from .schema import identities

__all__ = ["SQLIdentities"]


class SQLIdentities:
    """``desk.identities.IdentityStore``."""

    def __init__(self, storage: SQLStorage) -> None:
        self._storage = storage

    async def find_identity(self, provider: str, subject: str) -> int | None:
        return await self._storage.read(_find, provider, subject)

    async def bind_identity(self, user_id: int, identity: Identity) -> None:
        await self._storage.write(_bind, user_id, identity, self._storage.clock)

    async def unbind_identity(self, user_id: int, provider: str) -> None:
        await self._storage.write(_unbind, user_id, provider)

    async def register_identity(self, draft: MemberDraft, identity: Identity) -> Member:
        storage = self._storage
        return await storage.administer(_register, draft, identity, storage.circuits, storage.clock)


def _find(connection: Connection, provider: str, subject: str) -> int | None:
    found = (
        select(identities.c.user_id)
        .join(users, users.c.id == identities.c.user_id)
        .where(identities.c.provider == provider, identities.c.subject == subject, users.c.deleted_at.is_(None))
    )
    return connection.scalar(found)


def _bind(connection: Connection, user_id: int, identity: Identity, clock: Clock) -> None:
    lock_revision(connection)  # nobody deletes the user meanwhile, or binds the same account
    there = select(users.c.id).where(users.c.id == user_id, users.c.deleted_at.is_(None))
    if connection.scalar(there) is None:
        raise KeyError(user_id)
    owner = _find(connection, identity.provider, identity.subject)
    if owner == user_id:
        return
    if owner is not None:
        raise ValueError("another user has bound it")
    other = and_(identities.c.user_id == user_id, identities.c.provider == identity.provider)
    if connection.scalar(select(identities.c.id).where(other)) is not None:
        raise ValueError("the user has bound another account of this provider; it has to be unbound first")
    connection.execute(
        insert(identities).values(
            user_id=user_id,
            provider=identity.provider,
            subject=identity.subject,
            label=identity.label,
            created_at=moment(connection, clock),
        )
    )


def _unbind(connection: Connection, user_id: int, provider: str) -> None:
    lock_revision(connection)
    own = identities.c.user_id == user_id
    bound = and_(own, identities.c.provider == provider)
    if connection.scalar(select(identities.c.id).where(bound)) is None:
        raise KeyError(provider)
    password = connection.scalar(select(users.c.password).where(users.c.id == user_id))
    ways = connection.scalar(select(func.count()).select_from(identities).where(own)) or 0
    if not password and ways == 1:
        raise LastWay
    connection.execute(delete(identities).where(bound))


def _register(
    connection: Connection, draft: MemberDraft, identity: Identity, circuits: Circuits, clock: Clock
) -> Member:
    member = add_member(connection, draft, circuits, clock)
    _bind(connection, member.id, identity, clock)
    return member
