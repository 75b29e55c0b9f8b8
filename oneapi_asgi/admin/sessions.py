"""Where users are signed in, and the access tokens by which their scripts are."""

from __future__ import annotations

import secrets

from msgspec import Struct

from ..desk.members import MemberStore
from ..desk.roles import Role
from ..desk.sessions import Session
from ..errors import Forbidden, NotFound
from ..keys import key_digest
from .doorkeeper import DoorStore
from .routes import Nothing, Route, Visit
from .user_rows import reach_of, refusals

__all__ = ["Sessions"]


class SessionRow(Struct, frozen=True, kw_only=True):
    """``key`` names the session, and opens nothing. Times are Unix seconds."""

    key: str
    current: bool
    created_time: int
    expired_time: int
    address: str
    agent: str


class Sessions:
    """The routes."""

    def __init__(self, store: DoorStore, members: MemberStore) -> None:
        self._store = store
        self._members = members

    def routes(self) -> tuple[Route, ...]:
        common = Role.COMMON
        return (
            Route("GET", "/user/session", self.list, role=common, summary="Where you are signed in",
                  data=list[SessionRow]),
            Route("DELETE", "/user/session", self.end_others, role=common, data=int,
                  summary="Sign out everywhere else; how many there were", action="user.session.end"),
            Route("DELETE", "/user/session/{key}", self.end, role=common, summary="Sign out one of them",
                  action="user.session.end"),
            Route("DELETE", "/user/{id}/session", self.end_of_user, role=Role.ADMIN, data=int,
                  summary="Sign a user out everywhere; how many sessions there were", action="user.session.end"),
            Route("POST", "/user/token", self.new_token, role=common, data=str, fresh=True, also_get=True,
                  summary="A new access token for scripts, shown once, in the place of the one before",
                  action="user.access_token"),
            Route("DELETE", "/user/token", self.no_token, role=common, summary="Have no access token any more",
                  action="user.access_token"),
        )  # fmt: skip

    async def list(self, visit: Visit[Nothing, Nothing]) -> list[SessionRow]:
        return [_row(one, visit.me.session) for one in await self._store.list_sessions(visit.me.user_id)]

    async def end_others(self, visit: Visit[Nothing, Nothing]) -> int:
        me = visit.me
        visit.note(target=f"user {me.user_id}", text="signed out elsewhere", user=(me.user_id, me.name))
        return await self._store.end_sessions(me.user_id, keep=me.session)

    async def end(self, visit: Visit[Nothing, Nothing]) -> None:
        me = visit.me
        if not await self._store.end_sessions(me.user_id, digest=visit.path["key"]):
            raise NotFound("You have no such session.", code="session_not_found")
        visit.note(target=f"user {me.user_id}", text="signed out a session", user=(me.user_id, me.name))

    async def end_of_user(self, visit: Visit[Nothing, Nothing]) -> int:
        member = await self._members.member(visit.id())
        with refusals():
            if member is None:
                raise KeyError(visit.id())
        reach = reach_of(visit.me)
        if reach is not None and member.role >= reach:
            raise Forbidden("The user has a role that is not below your own.", code="role_not_below_own")
        visit.note(target=f"user {member.id}", text="signed out everywhere", user=(member.id, member.name))
        return await self._store.end_sessions(member.id)

    async def new_token(self, visit: Visit[Nothing, Nothing]) -> str:
        token, me = secrets.token_urlsafe(32), visit.me
        with refusals():
            await self._store.set_access(me.user_id, key_digest(token))
        visit.note(target=f"user {me.user_id}", text="made a new access token", user=(me.user_id, me.name))
        return token

    async def no_token(self, visit: Visit[Nothing, Nothing]) -> None:
        me = visit.me
        with refusals():
            await self._store.set_access(me.user_id, None)
        visit.note(target=f"user {me.user_id}", text="took the access token back", user=(me.user_id, me.name))


def _row(session: Session, current: str) -> SessionRow:
    return SessionRow(
        key=session.digest,
        current=session.digest == current,
        created_time=int(session.created_at),
        expired_time=int(session.expires_at),
        address=session.address,
        agent=session.agent,
    )
