"""People: what is known of a user beyond what a call needs, and what is asked of whoever keeps them.

Names are unique, and those of deleted users are free again. Addresses are kept in lower case.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import UNSET, Struct, UnsetType

from ..globs import is_glob
from ..models import Secret
from .roles import Role

__all__ = [
    "ROOT",
    "CredentialStore",
    "Credentials",
    "FirstPassword",
    "Left",
    "Member",
    "MemberAdmin",
    "MemberChange",
    "MemberDraft",
    "MemberOrder",
    "MemberPage",
    "MemberPages",
    "MemberQuery",
    "MemberStore",
    "OutOfReach",
    "Protected",
    "Taken",
    "check_email",
    "check_name",
    "new_invite_code",
]

ROOT = "root"
"""The name of the user that every storage begins with, who can be neither renamed, demoted, disabled nor deleted."""

MOST_OF_A_NAME, MOST_OF_AN_EMAIL = 64, 254
"""Characters."""

MemberOrder = Literal["id", "quota", "used_quota", "request_count"]

_EMAIL = re.compile(r"[^\s@<>\"(),:;\\\[\]]+@[^\s@<>\"(),:;\\\[\]]+\.[^\s@<>\"(),:;\\\[\]]+")
_INVITE_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"


class Member(Struct, frozen=True, kw_only=True):
    """A user as the administration sees one. ``wallet`` is the account that pays; ``quota`` is what is left in it (less
    than 0: owed) and ``used`` what was spent, in nano-dollars. ``quota`` of an ``unlimited`` wallet says nothing.

    ``identities`` are the subjects of accounts elsewhere, by provider. ``remind_below`` is in nano-dollars, None for
    what holds for all. ``has_password`` and ``has_totp`` say that there are such, not what.
    """

    id: int
    name: str
    wallet: int
    display_name: str = ""
    email: str | None = None
    role: Role = Role.COMMON
    group: str = "default"
    enabled: bool = True
    deleted: bool = False
    quota: int = 0
    used: int = 0
    unlimited: bool = False
    request_count: int = 0
    invite_code: str | None = None
    inviter_id: int | None = None
    remind_below: int | None = None
    has_password: bool = False
    has_totp: bool = False
    must_change_password: bool = False
    identities: dict[str, str] = {}
    created_at: float = 0.0
    last_login_at: float | None = None


class Credentials(Struct, frozen=True, kw_only=True):
    """What somebody shows that it is them with: ``password`` is its hash, None for none."""

    user_id: int
    password: Secret | None = None
    totp: Secret | None = None
    totp_step: int = 0
    must_change_password: bool = False


class MemberDraft(Struct, frozen=True, kw_only=True):
    """A user to be made, with ``wallet`` nano-dollars (None: unlimited). ``password`` is a hash.

    ``invited_by`` is the invite code of another user: if there is such a one, the new user gets ``invitee_gift`` on top
    and the other ``inviter_gift``, in the same transaction. An unknown code gives nothing.
    """

    name: str
    password: Secret | None = None
    must_change_password: bool = False
    display_name: str = ""
    email: str | None = None
    role: Role = Role.COMMON
    group: str = "default"
    wallet: int | None = 0
    invited_by: str = ""
    invitee_gift: int = 0
    inviter_gift: int = 0


class Left(Struct, frozen=True):
    """What a wallet is to have left: ``amount`` nano-dollars, None for no bound. One with less than ``grain`` more than
    that stays as it is."""

    amount: int | None
    grain: int = 1


class MemberChange(Struct, frozen=True, kw_only=True):
    """What is to be different; what is not named stays. A new ``password`` (a hash), ``role`` or ``enabled=False`` ends
    the user's sessions, but for the one whose digest is ``keep_session``.

    Limits that name the user follow a new name. ``keep_limits`` refuses one by which other limits would hold.
    """

    name: str | UnsetType = UNSET
    display_name: str | UnsetType = UNSET
    email: str | UnsetType | None = UNSET
    role: Role | UnsetType = UNSET
    group: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    left: Left | UnsetType = UNSET
    remind_below: int | UnsetType | None = UNSET
    password: Secret | UnsetType = UNSET
    must_change_password: bool | UnsetType = UNSET
    invite_code: str | UnsetType = UNSET
    keep_session: str = ""
    keep_limits: bool = False


class MemberQuery(Struct, frozen=True, kw_only=True):
    """``keyword`` is an id, or a part of a name, display name or address, in any case. ``order`` is from the most to
    the least, by ``id`` the newest first."""

    keyword: str = ""
    role: Role | None = None
    enabled: bool | None = None
    deleted: bool = False
    group: str = ""
    order: MemberOrder = "id"
    offset: int = 0
    limit: int = 10


class MemberPage(Struct, frozen=True):
    """``total`` is how many there are on all pages."""

    members: Sequence[Member]
    total: int


class Taken(ValueError):
    """Somebody else has it: ``field`` says what, as ``MemberDraft`` calls it."""

    def __init__(self, field: str) -> None:
        super().__init__(f"another user has that {field} already")
        self.field = field


class OutOfReach(ValueError):
    """The user has a role that whoever asks may not touch."""

    def __init__(self) -> None:
        super().__init__("the user has a role as high as that of who asks, or higher")


class Protected(ValueError):
    """It would break something else; the text says what, and what to do first."""


class MemberStore(Protocol):
    """Finds users that are not deleted."""

    async def member(self, user_id: int) -> Member | None: ...

    async def member_named(self, name: str) -> Member | None:
        """To the letter, on every database."""
        ...

    async def member_with_email(self, email: str) -> Member | None:
        """In any case."""
        ...


class MemberPages(Protocol):
    async def list_members(self, query: MemberQuery) -> MemberPage: ...


class MemberAdmin(Protocol):
    """``reach``: only users with a role below it are touched; None touches all."""

    async def add_member(self, draft: MemberDraft) -> Member:
        """
        :raises Taken: somebody has the name or the address
        """
        ...

    async def change_member(self, user_id: int, change: MemberChange, *, reach: Role | None = None) -> Member:
        """Carry out all of it in one transaction; gives the user as it is then.

        :raises KeyError: there is no such user
        :raises Taken: somebody else has the name or the address
        :raises OutOfReach: the role is not below ``reach``
        :raises Protected: it may not be done to this user
        :raises ValueError: the wallet does not cover what is to be taken away
        """
        ...

    async def delete_member(self, user_id: int, *, reach: Role | None = None) -> None:
        """The name and all that somebody could sign in with are free at once, and tokens are switched off. The books
        and records stay.

        :raises KeyError: there is no such user
        :raises OutOfReach: the role is not below ``reach``
        :raises Protected: it may not be done to this user
        """
        ...

    async def credit_member(self, user_id: int, amount: int, *, reach: Role | None = None) -> Member:
        """Add nano-dollars to the wallet; what it owes is paid first.

        :raises KeyError: there is no such user
        :raises OutOfReach: the role is not below ``reach``
        """
        ...


class CredentialStore(Protocol):
    async def credentials(self, user_id: int) -> Credentials | None:
        """None: there is no such user, or it is deleted."""
        ...


class FirstPassword(Protocol):
    async def give_first_password(self, password: Secret) -> bool:
        """Give root the hash of a password that has to be changed, if there is none; whether it was given."""
        ...


def check_name(name: str) -> None:
    """
    :raises ValueError: nobody can have this name; the text says why
    """
    if not 1 <= len(name) <= MOST_OF_A_NAME:
        raise ValueError(f"a user name has between 1 and {MOST_OF_A_NAME} characters")
    if name != name.strip() or any(unicodedata.category(letter)[0] in "CZ" and letter != " " for letter in name):
        raise ValueError("a user name has no control characters, and no space at its ends")
    if is_glob(name):
        raise ValueError("a user name has no *, ? or [: limits would take it for a pattern")
    if "@" in name:
        raise ValueError("a user name has no @: it would be taken for an e-mail address")
    if name.startswith("deleted_"):
        raise ValueError("names that begin with deleted_ are for users that were deleted")
    if name.casefold() == ROOT:
        raise ValueError(f"nobody else is called {ROOT}, in whatever case")


def check_email(email: str) -> str:
    """The address as it is kept: in lower case.

    :raises ValueError: it is none
    """
    if len(email) > MOST_OF_AN_EMAIL or not _EMAIL.fullmatch(email) or not email.isprintable():
        raise ValueError(f"{email[:50]!r} is not an e-mail address")
    return email.lower()


def new_invite_code() -> str:
    """Ten letters and digits that are not mistaken for others, by chance: nobody guesses one."""
    return "".join(secrets.choice(_INVITE_LETTERS) for _ in range(10))
