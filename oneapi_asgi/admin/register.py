"""Becoming a user, and becoming one again: registration, codes by mail, forgotten passwords.

No answer here tells whether an address has an account: a letter does, to whoever reads it. Letters are written beside
the request, and what is asked of the database is the same for every address.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Annotated, Protocol
from urllib.parse import urlencode

from msgspec import Meta, Struct

from ..desk.members import (
    CredentialStore,
    MemberAdmin,
    MemberChange,
    MemberDraft,
    MemberStore,
    Taken,
    check_email,
    check_name,
)
from ..desk.roles import Role
from ..errors import BadRequest, Conflict, Forbidden, NotFound
from ..models import Secret
from .mail import Letter, Outbox
from .money import nano_of
from .outside import Challenges, Codes, Options, site_url
from .routes import Nothing, Reply, Route, Visit
from .tries import Subjects, Tries, count_all, forgive_all
from .turnstile import Turnstile
from .user_rows import PasswordKeeper

__all__ = ["Registration"]

_CODE, _RESET, _NOBODY = "email", "reset", "reset_nobody"
_CODE_SECONDS, _RESET_SECONDS = 600, 1_800

Text = Annotated[str, Meta(max_length=254)]
Long = Annotated[str, Meta(max_length=1024)]


class TurnstileQuery(Struct, frozen=True):
    turnstile: Annotated[str, Meta(max_length=2048)] = ""


class AddressBody(Struct, frozen=True):
    email: Text


class RegisterBody(Struct, frozen=True):
    """``email`` and ``verification_code`` count where addresses are verified; an address is kept in no other case."""

    username: Annotated[str, Meta(min_length=1, max_length=64)]
    password: Long
    email: Text = ""
    verification_code: Annotated[str, Meta(max_length=16)] = ""
    aff_code: Annotated[str, Meta(max_length=64)] = ""
    display_name: Annotated[str, Meta(max_length=64)] = ""


class ResetBody(Struct, frozen=True):
    """Without a ``password`` one is made up, and shown in the answer, once."""

    email: Text
    token: Annotated[str, Meta(min_length=1, max_length=200)]
    password: Long = ""


class BindBody(Struct, frozen=True):
    email: Text
    code: Annotated[str, Meta(min_length=1, max_length=16)]


class RegistrationStore(MemberStore, MemberAdmin, CredentialStore, Protocol):
    """What is asked of whoever keeps users."""


class Registration:
    """``tries`` count wrong codes by address, and letters by their reader and by who asks for them."""

    def __init__(
        self,
        members: RegistrationStore,
        passwords: PasswordKeeper,
        challenges: Challenges,
        codes: Codes,
        tries: Tries,
        turnstile: Turnstile,
        outbox: Outbox,
        options: Options,
    ) -> None:
        self._members = members
        self._passwords = passwords
        self._challenges = challenges
        self._codes = codes
        self._tries = tries
        self._turnstile = turnstile
        self._outbox = outbox
        self._options = options

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                "POST",
                "/user/register",
                self.register,
                role=Role.GUEST,
                summary="Register",
                query=TurnstileQuery,
                body=RegisterBody,
                ignored=frozenset(("password2",)),
                action="user.register",
                kind="system",
            ),
            Route(
                "POST",
                "/verification",
                self.verification,
                role=Role.GUEST,
                summary="Send a code to an address, to register it or bind it with",
                query=TurnstileQuery,
                body=AddressBody,
                also_get=True,
                quiet="a code changes nothing until it comes back",
            ),
            Route(
                "POST",
                "/reset_password",
                self.forgotten,
                role=Role.GUEST,
                summary="Send a link by which a forgotten password is set anew",
                query=TurnstileQuery,
                body=AddressBody,
                also_get=True,
                quiet="a link changes nothing until it is followed",
            ),
            Route(
                "POST",
                "/user/reset",
                self.reset,
                role=Role.GUEST,
                summary="Set a password anew with the token of such a link; without one, a new one is in the answer",
                body=ResetBody,
                data=str,
                action="user.password.reset",
                kind="system",
            ),
            Route(
                "POST",
                "/oauth/email/bind",
                self.bind,
                role=Role.COMMON,
                summary="Bind an address with the code that was sent to it",
                body=BindBody,
                also_get=True,
                fresh=True,
                action="user.email.bind",
            ),
        )

    async def register(self, visit: Visit[TurnstileQuery, RegisterBody]) -> Reply:
        body, options = visit.body, self._options
        for flag in ("RegisterEnabled", "PasswordRegisterEnabled"):
            if not await options.flag(flag):
                raise Forbidden(f"Registration is closed (option {flag}).", code="registration_closed")
        await self._turnstile.check(visit.query.turnstile, visit.address)
        try:
            check_name(body.username)
        except ValueError as error:
            raise BadRequest(f"Choose another name: {error}.", code="invalid_name", param="username") from None
        self._passwords.check_new(body.password)
        if await self._members.member_named(body.username) is not None:  # before a code is used up
            raise _taken("name")
        email = await self._confirmed(visit) if await options.flag("EmailVerificationEnabled") else None
        draft = MemberDraft(
            name=body.username,
            password=Secret(await self._passwords.hash(body.password)),
            display_name=body.display_name or body.username,
            email=email,
            wallet=nano_of(await options.number("QuotaForNewUser")),
            invited_by=body.aff_code,
            invitee_gift=nano_of(await options.number("QuotaForInvitee")),
            inviter_gift=nano_of(await options.number("QuotaForInviter")),
        )
        try:
            member = await self._members.add_member(draft)
        except Taken as error:
            raise _taken(error.field) from None
        visit.note(target=f"user {member.id}", user=(member.id, member.name))
        return Reply()

    async def _confirmed(self, visit: Visit[TurnstileQuery, RegisterBody]) -> str:
        """The address of a registration, which its reader has confirmed."""
        email = await self._address(visit.body.email)
        await self._take_code(visit.address, email, visit.body.verification_code, "verification_code")
        return email

    async def _take_code(self, address: str, email: str, code: str, param: str) -> None:
        """
        :raises BadRequest: the code is not good
        :raises RateLimited: too many were not
        """
        guesses: Subjects = (("code", email), ("code_from", address))
        await count_all(self._tries, guesses)
        if await self._codes.take_code(_CODE, email, code) is None:
            raise BadRequest(
                "The code is wrong, or no longer good: ask for a new one with POST /api/verification.",
                code="wrong_code",
                param=param,
            )
        await forgive_all(self._tries, guesses)

    async def verification(self, visit: Visit[TurnstileQuery, AddressBody]) -> Reply:
        await self._turnstile.check(visit.query.turnstile, visit.address)
        email = await self._address(visit.body.email)
        await self._may_write(visit.address, email)
        code = await self._codes.make_code(_CODE, email, "", _CODE_SECONDS)
        if await self._members.member_with_email(email) is None:
            text = (
                f"Your code is {code}. It is good for ten minutes.\n\n"
                "If you did not ask for it, somebody has mistyped an address: do nothing.\n"
            )
        else:
            text = (
                "Somebody, you perhaps, asked for a code to register or bind this address. It belongs to an account "
                "already, so that there is none.\n\nIf you have forgotten your password, have it set anew instead.\n"
            )
        await self._write(email, "Your code", text)
        return Reply()

    async def forgotten(self, visit: Visit[TurnstileQuery, AddressBody]) -> Reply:
        await self._turnstile.check(visit.query.turnstile, visit.address)
        email = _email(visit.body.email)
        site = await site_url(self._options)
        await self._may_write(visit.address, email)
        member = await self._members.member_with_email(email)
        known = member is not None and member.enabled
        # For an address that nobody has there is one as well, which opens nothing: both take as long.
        data = await self._opens(member.id if member is not None and known else 0)
        token = await self._challenges.make(_RESET if known else _NOBODY, email, data, _RESET_SECONDS)
        if known:
            link = f"{site}/user/reset?{urlencode({'email': email, 'token': token})}"
            await self._write(
                email,
                "Set your password anew",
                f"Follow this link within 30 minutes to set your password anew:\n\n{link}\n\n"
                "If you did not ask for it, do nothing: your password stays as it is.\n",
            )
        return Reply()

    async def reset(self, visit: Visit[Nothing, ResetBody]) -> Reply:
        body = visit.body
        email = _email(body.email)
        if body.password:
            self._passwords.check_new(body.password)
        kept = await self._challenges.take(_RESET, body.token)
        member = await self._members.member(int(kept.partition(" ")[0])) if kept else None
        stale = member is None or kept != await self._opens(member.id)
        if member is None or stale or not member.enabled or member.email != email:
            raise BadRequest(
                "The link is not good, or no longer: ask for a new one with POST /api/reset_password.",
                code="wrong_token",
                param="token",
            )
        password = body.password or secrets.token_urlsafe(15)
        change = MemberChange(password=Secret(await self._passwords.hash(password)), must_change_password=False)
        try:
            await self._members.change_member(member.id, change)
        except KeyError:
            raise NotFound("The user was deleted a moment ago.", code="no_such_user") from None
        visit.note(target=f"user {member.id}", user=(member.id, member.name))
        await self._write(
            email,
            "Your password was set anew",
            "Your password was set anew just now, and all sessions have ended. If that was not you, ask whoever runs "
            "this site at once.\n",
        )
        return Reply(data="" if body.password else password)

    async def _opens(self, user_id: int) -> str:
        """What a link is for: a user, as long as the password stays the one that was forgotten."""
        found = await self._members.credentials(user_id)
        password = found.password.reveal() if found is not None and found.password is not None else ""
        return f"{user_id} {hashlib.sha256(password.encode()).hexdigest()}"

    async def bind(self, visit: Visit[Nothing, BindBody]) -> Reply:
        email = await self._address(visit.body.email)
        me = visit.me
        await self._take_code(visit.address, email, visit.body.code, "code")
        before = await self._members.member(me.user_id)
        try:
            await self._members.change_member(me.user_id, MemberChange(email=email))
        except KeyError:
            raise NotFound("This user is not there any longer.", code="no_such_user") from None
        except Taken as error:
            raise _taken(error.field) from None
        visit.note(target=f"user {me.user_id}", user=(me.user_id, me.name))
        if before is not None and before.email and before.email != email:
            text = (
                "Another address was bound to your account. If that was not you, ask whoever runs this site at once.\n"
            )
            await self._write(before.email, "Another address was bound", text)
        return Reply()

    async def _may_write(self, address: str, email: str) -> None:
        """
        :raises Unavailable: no letters can be sent
        :raises RateLimited: too many were asked for, for this address or from there
        """
        await self._outbox.check()
        letters: Subjects = (("letter", email), ("letter_from", address))
        await count_all(self._tries, letters)

    async def _write(self, email: str, subject: str, text: str) -> None:
        name = await self._options.text("SystemName")
        self._outbox.post(Letter(email, f"{name}: {subject}" if name else subject, text))

    async def _address(self, email: str) -> str:
        """An address of a domain that may register."""
        email = _email(email)
        if await self._options.flag("EmailDomainRestrictionEnabled"):
            listed = (await self._options.text("EmailDomainWhitelist")).split(",")
            domains = {domain.strip().lower() for domain in listed if domain.strip()}
            if email.rpartition("@")[2] not in domains:
                raise BadRequest(
                    f"Addresses are taken of these domains alone: {', '.join(sorted(domains))}.",
                    code="email_domain",
                    param="email",
                )
        return email


def _email(email: str) -> str:
    try:
        return check_email(email.strip())
    except ValueError as error:
        raise BadRequest(f"{error}.", code="invalid_email", param="email") from None


def _taken(field: str) -> Conflict:
    param = "username" if field == "name" else field
    return Conflict(f"Another user has this {param} already; choose another one.", code=f"{param}_taken", param=param)
