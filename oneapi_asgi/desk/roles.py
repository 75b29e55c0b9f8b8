"""Who may do what: four roles, each of which may do what those below it may."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

from msgspec import Struct

__all__ = ["Actor", "Role", "Way"]

Way = Literal["session", "access_token"]


class Role(IntEnum):
    """The numbers are One API's."""

    GUEST = 0
    COMMON = 1
    ADMIN = 10
    ROOT = 100


class Actor(Struct, frozen=True, kw_only=True):
    """Who asks the administration for something, as the database has it now.

    ``way`` is how that was shown; ``session`` is the digest of the session, empty without one. ``fresh_until`` is until
    when (Unix seconds) that was shown lately enough for what is delicate. ``must_change_password`` bars all else.
    """

    user_id: int
    name: str
    role: Role = Role.COMMON
    group: str = "default"
    way: Way = "session"
    session: str = ""
    fresh_until: float = 0.0
    must_change_password: bool = False
