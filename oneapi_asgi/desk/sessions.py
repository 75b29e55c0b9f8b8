"""Who is signed in where, and what a user shows beside a password.

A session is a secret in a cookie, of which the digest is kept. It says nothing itself: who it is of, and what they may,
is read with each request.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from msgspec import Struct

from ..models import Secret
from .roles import Role

__all__ = ["AccessTokens", "Presence", "SecondFactors", "Session", "SessionDraft", "SessionStore"]


class Session(Struct, frozen=True, kw_only=True):
    """Times are Unix seconds. ``agent`` is what the browser calls itself. Of a ``pending`` one a second factor is still
    owed."""

    digest: str
    user_id: int
    created_at: float
    expires_at: float
    fresh_until: float
    address: str
    agent: str
    pending: bool = False


class SessionDraft(Struct, frozen=True, kw_only=True):
    """A session to be opened, for so many ``seconds``, in the place of that whose digest is ``instead_of``. ``seen`` is
    the hash of the password that was shown, None if it was something else."""

    digest: str
    user_id: int
    seconds: float
    fresh_seconds: float = 0.0
    address: str = ""
    agent: str = ""
    pending: bool = False
    instead_of: str = ""
    seen: Secret | None = None


class Presence(Struct, frozen=True, kw_only=True):
    """A user who is there by a session, or, if that is None, by an access token."""

    user_id: int
    name: str
    role: Role
    group: str
    enabled: bool
    must_change_password: bool
    session: Session | None = None


class SessionStore(Protocol):
    async def open_session(self, draft: SessionDraft) -> bool:
        """Whether it was opened: not if the user has been disabled or deleted, or has another password by now."""
        ...

    async def find_session(self, digest: str) -> Presence | None: ...

    async def confirm_session(self, digest: str, seconds: float) -> None:
        """Make it fresh."""
        ...

    async def list_sessions(self, user_id: int) -> Sequence[Session]:
        """Those that are no longer owed anything, the newest first."""
        ...

    async def end_sessions(self, user_id: int, *, digest: str = "", keep: str = "") -> int:
        """All of a user's, or that one alone, or all but one; how many there were."""
        ...

    async def rehash(self, user_id: int, before: Secret, after: Secret) -> None:
        """Keep the same password as another hash, if it still is the same; no session ends."""
        ...


class AccessTokens(Protocol):
    async def find_access(self, digest: str) -> Presence | None: ...

    async def set_access(self, user_id: int, digest: str | None) -> None:
        """
        :raises KeyError: there is no such user
        """
        ...


class SecondFactors(Protocol):
    """One-time passwords by time (RFC 6238), and codes that stand in for them. A step is a time of 30 seconds."""

    async def enable_totp(self, user_id: int, secret: Secret, step: int, codes: Collection[str]) -> bool:
        """Whether it was: not if there is one already. ``codes`` are digests; a code of ``step`` was shown."""
        ...

    async def take_step(self, user_id: int, step: int) -> bool:
        """Whether no code of this step or a later one was taken before."""
        ...

    async def disable_totp(self, user_id: int, *, reach: Role | None = None) -> bool:
        """Whether there was one.

        :raises KeyError: there is no such user
        :raises desk.members.OutOfReach: the role is not below ``reach``
        """
        ...

    async def set_recovery_codes(self, user_id: int, codes: Collection[str]) -> None:
        """In the place of those there were."""
        ...

    async def take_recovery_code(self, user_id: int, digest: str) -> bool: ...

    async def count_recovery_codes(self, user_id: int) -> int: ...
