"""How users are written in JSON, with the names of One API's table, and what a refusal to change one is called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal, Protocol, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from ..desk.members import (
    Left,
    Member,
    MemberOrder,
    OutOfReach,
    Protected,
    Taken,
    check_email,
    check_name,
)
from ..desk.roles import Actor, Role
from ..errors import BadRequest, Conflict, Forbidden, NotFound
from .money import MAX_QUOTA, QUOTA_NANO, UNLIMITED_QUOTA, nano_of, quota_of
from .routes import PageQuery

__all__ = [
    "DELETED",
    "DISABLED",
    "ENABLED",
    "READ_ONLY",
    "PasswordKeeper",
    "Quota",
    "RoleNumber",
    "SelfEdit",
    "UserDraft",
    "UserEdit",
    "UserQuery",
    "UserRow",
    "email_of",
    "left_of",
    "name_of",
    "reach_of",
    "refusals",
    "shown_quota",
    "user_row",
]

ENABLED, DISABLED, DELETED = 1, 2, 3
"""One API's numbers for the status of a user."""

Name: TypeAlias = Annotated[str, Meta(max_length=64)]
Password: TypeAlias = Annotated[str, Meta(max_length=1024)]
Email: TypeAlias = Annotated[str, Meta(max_length=254)]
Group: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
Quota: TypeAlias = Annotated[int, Meta(ge=-MAX_QUOTA, le=MAX_QUOTA)]
RoleNumber: TypeAlias = Literal[1, 10, 100]

_FIELDS = {"name": "username", "email": "email"}


class PasswordKeeper(Protocol):
    """Hashes passwords, away from the event loop."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, stored: str, given: str) -> bool: ...

    def check_new(self, password: str) -> None:
        """
        :raises BadRequest: it is too short, too long, or known to everybody
        """
        ...


class UserRow(Struct, frozen=True, kw_only=True):
    """A user. ``quota`` and ``used_quota`` are in units of which 500,000 are a dollar; of an unlimited wallet the first
    says nothing. ``remind_quota`` is below which quota a mail is sent, null for what holds for all. Times are Unix
    seconds, 0 for never. ``password`` is always empty."""

    id: int
    username: str
    password: str = ""
    display_name: str
    role: int
    status: int
    email: str
    github_id: str
    wechat_id: str
    lark_id: str
    oidc_id: str
    quota: int
    used_quota: int
    unlimited_quota: bool
    request_count: int
    group: str
    aff_code: str
    inviter_id: int
    remind_quota: int | None
    has_password: bool
    has_totp: bool
    must_change_password: bool
    created_time: int
    last_login_time: int


READ_ONLY = frozenset((*UserRow.__struct_fields__, "access_token", "verification_code"))
"""What front ends send back of a user that they read; each route declares which of it can be written."""


class UserQuery(PageQuery, frozen=True, kw_only=True):
    """``keyword`` is an id, or a part of a name, display name or address. ``status`` 3 has those that were deleted."""

    keyword: Annotated[str, Meta(max_length=255)] = ""
    role: RoleNumber | None = None
    status: Literal[1, 2, 3] | None = None
    group: Annotated[str, Meta(max_length=64)] = ""
    order: MemberOrder = "id"


class UserDraft(Struct, frozen=True, kw_only=True):
    """Without a ``password`` the user signs in elsewhere, or not at all. Without a ``quota``: what new users get."""

    username: Name
    password: Password = ""
    display_name: Name = ""
    email: Email = ""
    role: RoleNumber = 1
    group: Group = "default"
    quota: Annotated[int, Meta(ge=0, le=MAX_QUOTA)] | UnsetType = UNSET
    unlimited_quota: bool = False


class UserEdit(Struct, frozen=True, kw_only=True):
    """What is not named stays; an empty ``password`` stays as well. ``quota`` is what is to be left: the difference to
    what is there is credited, or taken away."""

    id: Annotated[int, Meta(ge=1, le=2**62)]
    username: Name | UnsetType = UNSET
    password: Password = ""
    display_name: Name | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    role: RoleNumber | UnsetType = UNSET
    status: Literal[1, 2] | UnsetType = UNSET
    group: Group | UnsetType = UNSET
    quota: Quota | UnsetType = UNSET
    unlimited_quota: bool | UnsetType = UNSET
    remind_quota: Annotated[int, Meta(ge=0, le=MAX_QUOTA)] | UnsetType | None = UNSET


class SelfEdit(Struct, frozen=True, kw_only=True):
    """``original_password`` comes along with a new ``password``; scripts with an access token need none."""

    username: Name | UnsetType = UNSET
    display_name: Name | UnsetType = UNSET
    password: Password = ""
    original_password: Password = ""
    remind_quota: Annotated[int, Meta(ge=0, le=MAX_QUOTA)] | UnsetType | None = UNSET


def user_row(member: Member) -> UserRow:
    elsewhere = member.identities
    return UserRow(
        id=member.id,
        username=member.name,
        display_name=member.display_name,
        role=int(member.role),
        status=DELETED if member.deleted else ENABLED if member.enabled else DISABLED,
        email=member.email or "",
        github_id=elsewhere.get("github", ""),
        wechat_id=elsewhere.get("wechat", ""),
        lark_id=elsewhere.get("lark", ""),
        oidc_id=elsewhere.get("oidc", ""),
        quota=shown_quota(member),
        used_quota=quota_of(member.used),
        unlimited_quota=member.unlimited,
        request_count=member.request_count,
        group=member.group,
        aff_code=member.invite_code or "",
        inviter_id=member.inviter_id or 0,
        remind_quota=None if member.remind_below is None else quota_of(member.remind_below),
        has_password=member.has_password,
        has_totp=member.has_totp,
        must_change_password=member.must_change_password,
        created_time=int(member.created_at),
        last_login_time=int(member.last_login_at or 0),
    )


def shown_quota(member: Member) -> int:
    return UNLIMITED_QUOTA if member.unlimited else quota_of(member.quota)


def left_of(member: Member, quota: int | UnsetType, unlimited: bool | UnsetType) -> Left | UnsetType:
    """What the wallet is to have left, ``UNSET`` for what it has. The quota that is shown changes nothing; another one
    bounds a wallet that is without, unless that is said again.

    :raises BadRequest: there cannot be less than nothing left
    """
    if unlimited is True or (member.unlimited and unlimited is UNSET and quota in (UNSET, UNLIMITED_QUOTA)):
        return UNSET if member.unlimited else Left(None)
    if quota is UNSET:
        return Left(0) if member.unlimited else UNSET
    if not member.unlimited and quota == quota_of(member.quota):
        return UNSET
    if quota < 0:
        raise BadRequest("A quota is at least 0.", code="invalid_quota", param="quota")
    return Left(nano_of(quota), QUOTA_NANO)


def name_of(name: str) -> str:
    """
    :raises BadRequest: nobody can have it
    """
    try:
        check_name(name)
    except ValueError as error:
        raise BadRequest(f"The name cannot be: {error}.", code="invalid_username", param="username") from None
    return name


def email_of(email: str) -> str | None:
    """The address as it is kept, None for an empty one.

    :raises BadRequest: it is none
    """
    try:
        return check_email(email) if email else None
    except ValueError as error:
        raise BadRequest(f"The e-mail address cannot be: {error}.", code="invalid_email", param="email") from None


def reach_of(actor: Actor) -> Role | None:
    """The role below which this one may touch others; None: any."""
    return None if actor.role >= Role.ROOT else actor.role


@contextmanager
def refusals() -> Iterator[None]:
    """Says to a client what whoever keeps users says."""
    try:
        yield
    except KeyError:
        raise NotFound("There is no such user.", code="user_not_found") from None
    except Taken as error:
        param = _FIELDS[error.field]
        raise Conflict(f"Another user has this {param} already.", code=f"{param}_taken", param=param) from None
    except OutOfReach:
        raise Forbidden(
            "The user has, or would get, a role that is not below your own.", code="role_not_below_own"
        ) from None
    except Protected as error:
        raise Conflict(f"That cannot be done to this user: {error}.", code="user_protected") from None
    except ValueError as error:
        raise BadRequest(f"That cannot be: {error}.", code="invalid_user") from None
