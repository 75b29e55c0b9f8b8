"""Passwords, hashed with Argon2id (RFC 9106) beside the event loop.

Hashes of bcrypt, with which users of One API move in, are verified too and give way to a new one at the next sign-in.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread
import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from ..errors import BadRequest, Unavailable

__all__ = ["Passwords"]

T = TypeVar("T")

LEAST, MOST_BYTES = 8, 1024
"""Characters of a new password (NIST SP 800-63B, section 3.1.1.2), and bytes of any."""

_AT_ONCE, _WAITING = 2, 100
_BCRYPT_BYTES = 72
"""What bcrypt looks at."""

_LISTED = """
123456 1234567 12345678 123456789 1234567890 87654321 12341234 11223344 12344321 123123123 password password1
password123 passw0rd p@ssw0rd p@ssword qwertyui qwerty123 qwertyuiop 1q2w3e4r 1qaz2wsx abc12345 abcd1234 a1234567
asdfghjk asdfasdf iloveyou princess sunshine football baseball superman trustno1 whatever starwars computer internet
letmein1 welcome1 changeme administrator admin123 admin1234 root1234 rootroot adminadmin test1234 testtest oneapi123
one-api1 new-api1
"""
_KNOWN = frozenset(_LISTED.split())


class Passwords:
    """``hasher`` says how dear a hash is: by default 19 MiB and two passes, as OWASP's cheat sheet on password storage
    has it. Two are made at a time; where a hundred wait already, the next is told to come back."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._limiter = anyio.CapacityLimiter(_AT_ONCE)
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        return await self._beside(partial(self._hasher.hash, password))

    async def verify(self, stored: str, given: str) -> bool:
        return await self._beside(partial(self._matches, stored, given))

    async def verify_nobody(self, given: str) -> None:
        """Take as long as to verify a password, of somebody who has none."""
        if self._nobodys is None:
            self._nobodys = await self.hash("nobody has this password")
        await self.verify(self._nobodys, given)

    def is_outdated(self, stored: str) -> bool:
        """Whether it should be hashed anew, once it is known."""
        try:
            return self._hasher.check_needs_rehash(stored)
        except InvalidHashError:
            return True

    def check_new(self, password: str) -> None:
        if not len(password) >= LEAST or len(password.encode(errors="replace")) > MOST_BYTES:
            raise BadRequest(
                f"A password has {LEAST} characters or more, and {MOST_BYTES} bytes at most.",
                code="invalid_password",
                param="password",
            )
        if self.is_known(password):
            raise BadRequest(
                "This password is the first that others would guess; choose another one.",
                code="invalid_password",
                param="password",
            )

    def is_known(self, password: str) -> bool:
        """Whether it is among the first that anybody would try."""
        return password.lower() in _KNOWN or len(set(password)) == 1

    def _matches(self, stored: str, given: str) -> bool:
        raw = given.encode(errors="replace")
        if len(raw) > MOST_BYTES:
            return False
        if stored.startswith(("$2a$", "$2b$", "$2y$")):
            try:
                return bcrypt.checkpw(raw[:_BCRYPT_BYTES], stored.encode())
            except ValueError:
                return False
        try:
            return self._hasher.verify(stored, raw)
        except (Argon2Error, InvalidHashError):
            return False

    async def _beside(self, work: Callable[[], T]) -> T:
        if self._limiter.statistics().tasks_waiting >= _WAITING:
            raise Unavailable("Too many sign in at this moment; try again.", code="busy", retry_after=5)
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)
