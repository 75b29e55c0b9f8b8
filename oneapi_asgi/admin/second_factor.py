"""A second factor: one-time passwords by time (RFC 6238), and recovery codes that stand in for them.

    POST /user/2fa/setup    a new secret, for an authenticator app
    POST /user/2fa/enable   that secret and a code of it: from now on signing in takes a code; ten recovery codes, once

Each code is good once, as is each recovery code.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from collections.abc import Callable
from typing import Annotated

import pyotp
from msgspec import Meta, Struct

from ..desk.members import CredentialStore
from ..desk.roles import Role
from ..desk.sessions import SecondFactors
from ..errors import BadRequest, Conflict, Forbidden
from ..keys import key_digest
from ..models import Secret
from .outside import Options
from .routes import Nothing, Route, Visit
from .tries import Tries
from .user_rows import reach_of, refusals

__all__ = ["CodeText", "Owed", "SecondFactor", "TwoFactor"]

CodeText = Annotated[str, Meta(max_length=64)]

_STEP, _DIGITS = 30, 6
"""Seconds, and of a code (RFC 6238, section 5.2)."""

_LEAST_BYTES, _MOST_LETTERS = 16, 256
"""Of a secret (RFC 4226, section 4, R6)."""

_RECOVERY_CODES = 10
_RECOVERY_BYTES = 10
"""Of chance in each, four groups of four letters."""


class Owed(Struct, frozen=True):
    """In place of a user, where the second factor is still to be shown."""

    require_2fa: bool = True


class SecondFactor:
    """Judges codes. ``clock`` gives the Unix time that codes are of; one of a step before or after is taken too."""

    def __init__(
        self,
        store: SecondFactors,
        members: CredentialStore,
        tries: Tries,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._members = members
        self._tries = tries
        self._clock = clock

    async def check(self, user_id: int, code: str) -> None:
        """
        :raises Forbidden: it is not good, or was used
        :raises RateLimited: too many were not
        """
        await self._tries.count("second_factor", str(user_id))
        if not await self._is_good(user_id, code):
            raise wrong_code()
        await self._tries.forgive("second_factor", str(user_id))

    async def _is_good(self, user_id: int, code: str) -> bool:
        written = "".join(code.split()).replace("-", "").lower()
        if len(written) > _DIGITS:
            return await self._store.take_recovery_code(user_id, _recovery_digest(user_id, written))
        secret = await self.secret(user_id)
        step = self.step_of(secret, written) if secret is not None else None
        return step is not None and await self._store.take_step(user_id, step)

    async def secret(self, user_id: int) -> Secret | None:
        """None: the user has no second factor."""
        known = await self._members.credentials(user_id)
        return known.totp if known is not None else None

    def step_of(self, secret: Secret, code: str) -> int | None:
        """Which step the code is of, None if of none that counts now."""
        totp, now = pyotp.TOTP(secret.reveal()), int(self._clock()) // _STEP
        wanted = {step: totp.generate_otp(step).encode() for step in (now - 1, now, now + 1)}
        given = code.encode(errors="replace")
        return max((step for step in wanted if secrets.compare_digest(wanted[step], given)), default=None)


class Setup(Struct, frozen=True):
    """``uri`` is what authenticator apps read as a QR code."""

    secret: str
    uri: str


class EnableBody(Struct, frozen=True):
    secret: Annotated[str, Meta(max_length=_MOST_LETTERS)]
    code: CodeText


class Factors(Struct, frozen=True):
    enabled: bool
    recovery_codes_left: int


class TwoFactor:
    """The routes."""

    def __init__(self, factor: SecondFactor, store: SecondFactors, options: Options) -> None:
        self._factor = factor
        self._store = store
        self._options = options

    def routes(self) -> tuple[Route, ...]:
        common = Role.COMMON
        return (
            Route("GET", "/user/2fa/status", self.status, role=common, summary="Whether you have a second factor",
                  data=Factors),
            Route("POST", "/user/2fa/setup", self.setup, role=common, summary="A new secret, to be enabled",
                  data=Setup, fresh=True, quiet="nothing is kept of it"),
            Route("POST", "/user/2fa/enable", self.enable, role=common, body=EnableBody, data=list[str], fresh=True,
                  summary="Have sign-ins ask for codes of this secret; gives recovery codes, once",
                  action="user.2fa.enable"),
            Route("POST", "/user/2fa/backup_codes", self.renew, role=common, data=list[str], fresh=True,
                  summary="New recovery codes, in the place of those there were", action="user.2fa.codes"),
            Route("POST", "/user/2fa/disable", self.disable, role=common, fresh=True,
                  summary="Sign in without a second factor again", action="user.2fa.disable"),
            Route("DELETE", "/user/{id}/2fa", self.reset, role=Role.ADMIN, fresh=True,
                  summary="Take the second factor from a user who has lost it", action="user.2fa.reset"),
        )  # fmt: skip

    async def status(self, visit: Visit[Nothing, Nothing]) -> Factors:
        enabled = await self._factor.secret(visit.me.user_id) is not None
        return Factors(enabled, await self._store.count_recovery_codes(visit.me.user_id))

    async def setup(self, visit: Visit[Nothing, Nothing]) -> Setup:
        secret = pyotp.random_base32()
        issuer = await self._options.text("SystemName") or "oneapi-asgi"
        return Setup(secret, pyotp.TOTP(secret).provisioning_uri(name=visit.me.name, issuer_name=issuer))

    async def enable(self, visit: Visit[Nothing, EnableBody]) -> list[str]:
        me, secret = visit.me, Secret(visit.body.secret.replace(" ", "").upper())
        _check_secret(secret)
        step = self._factor.step_of(secret, "".join(visit.body.code.split()))
        if step is None:
            raise BadRequest(
                "The code is not of this secret and of now: is the clock of your device right?",
                code="wrong_code",
                param="code",
            )
        codes = _new_codes()
        digests = [_recovery_digest(me.user_id, code) for code in codes]
        if not await self._store.enable_totp(me.user_id, secret, step, digests):
            raise Conflict("There is a second factor already; disable it first.", code="second_factor_exists")
        visit.note(target=f"user {me.user_id}", text="enabled a second factor", user=(me.user_id, me.name))
        return [*map(_grouped, codes)]

    async def renew(self, visit: Visit[Nothing, Nothing]) -> list[str]:
        me = visit.me
        if await self._factor.secret(me.user_id) is None:
            raise Conflict("There is no second factor that codes could stand in for.", code="no_second_factor")
        codes = _new_codes()
        await self._store.set_recovery_codes(me.user_id, [_recovery_digest(me.user_id, code) for code in codes])
        visit.note(target=f"user {me.user_id}", text="made new recovery codes", user=(me.user_id, me.name))
        return [*map(_grouped, codes)]

    async def disable(self, visit: Visit[Nothing, Nothing]) -> None:
        me = visit.me
        with refusals():
            await self._store.disable_totp(me.user_id)
        visit.note(target=f"user {me.user_id}", text="disabled the second factor", user=(me.user_id, me.name))

    async def reset(self, visit: Visit[Nothing, Nothing]) -> None:
        with refusals():
            await self._store.disable_totp(visit.id(), reach=reach_of(visit.me))
        visit.note(target=f"user {visit.id()}", text="took the second factor away")


def wrong_code() -> Forbidden:
    return Forbidden("The code is wrong, or was used.", code="wrong_code", param="code")


def _check_secret(secret: Secret) -> None:
    letters = secret.reveal()
    try:
        long = len(base64.b32decode(letters + "=" * (-len(letters) % 8))) >= _LEAST_BYTES
    except (binascii.Error, ValueError):
        long = False
    if not long:
        raise BadRequest(
            "The secret is one in base32 of 16 bytes or more, such as POST /api/user/2fa/setup gives.",
            code="invalid_secret",
            param="secret",
        )


def _new_codes() -> list[str]:
    return [base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower() for _ in range(_RECOVERY_CODES)]


def _grouped(code: str) -> str:
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))


def _recovery_digest(user_id: int, code: str) -> str:
    return key_digest(f"recovery {user_id} {code}")
