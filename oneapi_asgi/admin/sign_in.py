"""Signing in and out: by a password, a second factor, and for scripts by an access token.

    POST /user/login        a name or an address, and a password
    POST /user/login/2fa    the code that is owed then, if there is a second factor
    POST /user/confirm      the password or a code once more, for what is delicate

No answer tells who has an account here: it is the same for a name that nobody has, and comes at the same beat.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Protocol

import anyio
from msgspec import Meta, Struct

from ..desk.members import Credentials, CredentialStore, Member, MemberAdmin, MemberChange, MemberStore
from ..desk.roles import Role
from ..desk.sessions import SessionDraft
from ..errors import BadRequest, Forbidden, Unauthenticated
from ..keys import key_digest
from ..models import Secret
from .doorkeeper import Cookies, DoorStore, disabled
from .outside import Options
from .passwords import Passwords
from .routes import Nothing, Reply, Route, Visit
from .second_factor import CodeText, Owed, SecondFactor
from .tries import Subjects, Tries, count_all, forgive_all
from .user_rows import UserRow, user_row

__all__ = ["SignIns"]

SECONDS, FRESH_SECONDS, PENDING_SECONDS = 14 * 86_400, 600, 300
"""How long a session lasts, how long it is fresh, and how long a second factor may be owed."""

_BEAT = 0.25
"""Seconds: a refusal is given at a multiple of them, so that its time says nothing."""

_Long = Annotated[str, Meta(max_length=1024)]


class LoginBody(Struct, frozen=True):
    """``username`` may be an address. ``code`` of a second factor may come along."""

    username: Annotated[str, Meta(min_length=1, max_length=254)]
    password: _Long
    code: CodeText = ""


class CodeBody(Struct, frozen=True):
    code: CodeText


class ConfirmBody(Struct, frozen=True):
    """One of them."""

    password: _Long = ""
    code: CodeText = ""


class PeopleStore(MemberStore, MemberAdmin, CredentialStore, Protocol):
    """What is asked of whoever keeps users."""


class SignIns:
    """``oauth.SignIn``, and the routes. ``beat`` is in seconds."""

    def __init__(
        self,
        members: PeopleStore,
        sessions: DoorStore,
        passwords: Passwords,
        factor: SecondFactor,
        tries: Tries,
        cookies: Cookies,
        options: Options,
        *,
        beat: float = _BEAT,
    ) -> None:
        self._members = members
        self._sessions = sessions
        self._passwords = passwords
        self._factor = factor
        self._tries = tries
        self._cookies = cookies
        self._options = options
        self._beat = beat

    def routes(self) -> tuple[Route, ...]:
        guest, common = Role.GUEST, Role.COMMON
        return (
            Route("POST", "/user/login", self.login, role=guest, summary="Sign in", body=LoginBody,
                  data=(UserRow, Owed), action="user.login", kind="system"),
            Route("POST", "/user/login/2fa", self.second, role=guest, summary="Show the second factor that is owed",
                  body=CodeBody, data=UserRow, action="user.login.2fa", kind="system"),
            Route("POST", "/user/logout", self.logout, role=guest, summary="Sign out", also_get=True,
                  quiet="it takes away nothing but what the browser holds"),
            Route("POST", "/user/confirm", self.confirm, role=common, body=ConfirmBody, before_change=True,
                  summary="Show once more that it is you, for the next ten minutes",
                  quiet="it says of a session that it is fresh"),
        )  # fmt: skip

    async def login(self, visit: Visit[Nothing, LoginBody]) -> Reply:
        body, begun = visit.body, anyio.current_time()
        member = await self._named(body.username)
        subjects: Subjects = (
            ("password", str(member.id) if member else f"@{body.username.casefold()}"),
            ("password_from", visit.address),
        )
        await count_all(self._tries, subjects)
        known = await self._members.credentials(member.id if member else 0)
        if not await self._is_right(known, body.password) or member is None or known is None:
            await anyio.sleep(self._beat - (anyio.current_time() - begun) % self._beat)
            raise Forbidden("The user name or the password is wrong.", code="wrong_credentials")
        await forgive_all(self._tries, subjects)
        if not member.enabled:
            raise disabled()
        if member.role < Role.ROOT and not await self._options.flag("PasswordLoginEnabled"):
            raise Forbidden(
                "Nobody but root signs in with a password here (option PasswordLoginEnabled).",
                code="password_login_disabled",
            )
        if body.code and member.has_totp:
            await self._factor.check(member.id, body.code)
        seen = await self._renewed(known, body.password)
        if self._passwords.is_known(body.password):
            member = await self._members.change_member(member.id, MemberChange(must_change_password=True))
        return await self._enter(visit, member, owed=member.has_totp and not body.code, seen=seen)

    async def _named(self, name: str) -> Member | None:
        if "@" in name:
            return await self._members.member_with_email(name.strip())
        return await self._members.member_named(name)

    async def _is_right(self, known: Credentials | None, password: str) -> bool:
        if known is None or known.password is None:
            await self._passwords.verify_nobody(password)
            return False
        return await self._passwords.verify(known.password.reveal(), password)

    async def _renewed(self, known: Credentials, password: str) -> Secret | None:
        """The hash that is kept of the password, as today's hashes are made."""
        before = known.password
        if before is None or not self._passwords.is_outdated(before.reveal()):
            return before
        after = Secret(await self._passwords.hash(password))
        await self._sessions.rehash(known.user_id, before, after)
        return after

    async def sign_in(self, visit: Visit[Any, Any], member: Member) -> Reply:
        """Somebody who has shown who it is elsewhere."""
        return await self._enter(visit, member, owed=member.has_totp)

    async def second(self, visit: Visit[Nothing, CodeBody]) -> Reply:
        digest = self._cookies.digest(visit.scope)
        presence = await self._sessions.find_session(digest) if digest else None
        if presence is None or presence.session is None or not presence.session.pending:
            raise Unauthenticated(
                "Sign in first: POST /api/user/login. A code may be given for five minutes after.",
                code="not_signed_in",
            )
        await self._factor.check(presence.user_id, visit.body.code)
        member = await self._members.member(presence.user_id)
        if member is None or not member.enabled:
            raise disabled()
        return await self._enter(visit, member, owed=False, pending=digest)

    async def _enter(
        self, visit: Visit[Any, Any], member: Member, *, owed: bool, seen: Secret | None = None, pending: str = ""
    ) -> Reply:
        """Open a session: always a new one, so that none is carried into an account by somebody else."""
        secret, seconds = secrets.token_urlsafe(32), PENDING_SECONDS if owed else SECONDS
        draft = SessionDraft(
            digest=key_digest(secret),
            user_id=member.id,
            seconds=seconds,
            fresh_seconds=FRESH_SECONDS,
            address=visit.address,
            agent=visit.header("user-agent"),
            pending=owed,
            instead_of=pending or self._cookies.digest(visit.scope),
            seen=seen,
        )
        if not await self._sessions.open_session(draft):
            raise Unauthenticated("The account was changed at this very moment; sign in again.", code="not_signed_in")
        text = "showed the password; a second factor is owed" if owed else "signed in"
        visit.note(target=f"user {member.id}", text=text, user=(member.id, member.name))
        cookie = self._cookies.header(visit.scope, secret, seconds)
        return Reply(data=Owed() if owed else user_row(member), headers=(cookie,))

    async def logout(self, visit: Visit[Nothing, Nothing]) -> Reply:
        digest = self._cookies.digest(visit.scope)
        presence = await self._sessions.find_session(digest) if digest else None
        if presence is not None:
            await self._sessions.end_sessions(presence.user_id, digest=digest)
        return Reply(headers=(self._cookies.header(visit.scope, "", 0),))

    async def confirm(self, visit: Visit[Nothing, ConfirmBody]) -> None:
        me, body = visit.me, visit.body
        if me.way != "session":
            raise BadRequest("Only a session is confirmed; an access token need not be.", code="no_session")
        if body.code:
            await self._factor.check(me.user_id, body.code)
        else:
            await self._confirm_password(me.user_id, body.password)
        await self._sessions.confirm_session(me.session, FRESH_SECONDS)

    async def _confirm_password(self, user_id: int, password: str) -> None:
        await self._tries.count("password", str(user_id))
        known = await self._members.credentials(user_id)
        if not await self._is_right(known, password):
            raise Forbidden("The password is wrong.", code="wrong_password", param="password")
        await self._tries.forgive("password", str(user_id))
