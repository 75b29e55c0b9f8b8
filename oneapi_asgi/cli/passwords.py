"""Passwords that are set by whoever has the machine."""

from __future__ import annotations

import secrets

from ..admin.passwords import Passwords
from ..errors import BadRequest
from ..models import Secret
from ..ports import Storage
from ..storage.sql import SQLStorage
from ..storage.sql.desk.members import SQLMembers

__all__ = ["check_password", "give_first_password", "hash_password", "made_up"]


def made_up() -> str:
    """A password of 120 random bits."""
    return secrets.token_urlsafe(15)


async def give_first_password(storage: Storage, given: str) -> str | None:
    """The password that root has from now on, which is ``given`` or made up; None if there was one before."""
    if not isinstance(storage, SQLStorage):
        return None
    members = SQLMembers(storage)
    root = await members.member_named("root")
    if root is None or root.has_password:
        return None
    password = given or made_up()
    return password if await members.give_first_password(await hash_password(password)) else None


async def hash_password(password: str) -> Secret:
    return Secret(await Passwords().hash(password))


def check_password(password: str) -> None:
    """
    :raises ValueError: it is too short, too long, or known to everybody
    """
    try:
        Passwords().check_new(password)
    except BadRequest as error:
        raise ValueError(error.message) from None
