"""Accounts elsewhere by which people sign in.

A person is known by the subject that the provider gives for good, and by nothing that others could come to have: not an
address, not a login name.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

from msgspec import Struct

from .members import Member, MemberDraft

__all__ = ["Identity", "IdentityStore", "LastWay", "oidc_subject"]

_MOST_OF_A_SUBJECT = 255


class Identity(Struct, frozen=True):
    """``subject`` is the number that GitHub has for an account, or what ``oidc_subject`` gives. ``label`` is what the
    account was called when it was bound, for readers alone."""

    provider: str
    subject: str
    label: str = ""


class LastWay(ValueError):
    """Without it the user could not sign in again."""

    def __init__(self) -> None:
        super().__init__("it is the only way in which the user can sign in")


class IdentityStore(Protocol):
    async def find_identity(self, provider: str, subject: str) -> int | None:
        """The user that it is bound to, deleted ones aside."""
        ...

    async def bind_identity(self, user_id: int, identity: Identity) -> None:
        """What is bound to this user already stays so.

        :raises KeyError: there is no such user
        :raises ValueError: it is bound to another user, or the user has another one of this provider
        """
        ...

    async def unbind_identity(self, user_id: int, provider: str) -> None:
        """
        :raises KeyError: the user has none of this provider
        :raises LastWay: the user has no password, and no other identity
        """
        ...

    async def register_identity(self, draft: MemberDraft, identity: Identity) -> Member:
        """Add a user with this identity, or neither.

        :raises Taken: another user has the name or the address
        :raises ValueError: the identity is bound to another user
        """
        ...


def oidc_subject(issuer: str, subject: str) -> str:
    """One name for the two that make an identity: no other issuer can give it to anybody, as a URL has no space. What
    would be too long to keep is told by its digest."""
    joined = f"{issuer} {subject}"
    if len(joined) <= _MOST_OF_A_SUBJECT:
        return joined
    return f"sha256 {hashlib.sha256(joined.encode()).hexdigest()}"
