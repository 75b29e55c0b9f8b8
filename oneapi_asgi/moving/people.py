"""Users."""

from __future__ import annotations

from contextlib import suppress

import bcrypt

from ..desk.identities import Identity
from ..desk.members import ROOT, check_email, check_name
from ..desk.moving import Person, Remarks
from ..desk.roles import Role
from ..keys import key_digest
from ..models import Secret
from .values import LARGEST, Row, moment, money, text, whole

__all__ = ["person_of"]

_ENABLED, _DELETED = 1, 3
_FIRST_PASSWORD = b"123456"
_SIGN_INS = {
    "github_id": "GitHub (One API kept the login name, which others may come to have)",
    "wechat_id": "WeChat",
    "lark_id": "Lark",
    "oidc_id": "OIDC (the issuer is not in its table)",
    "discord_id": "Discord",
    "telegram_id": "Telegram",
    "linux_do_id": "Linux DO",
}
_TABLE = "users"


def person_of(row: Row, remarks: Remarks) -> Person | None:
    """None: the user is not carried, and the remarks say why."""
    number, name = whole(row, "id"), text(row, "username")
    if whole(row, "status", _ENABLED) == _DELETED or row.get("deleted_at") is not None:
        remarks.add("skipped", _TABLE, "deleted there", f"{number}")
        return None
    role = _role(row)
    is_root = name == ROOT and role == Role.ROOT
    if not is_root:
        name = _name(number, name, remarks)
    left, used = _amounts(row, f"{name} ({number})", remarks)
    return Person(
        id=number,
        name=name,
        left=left,
        used=used,
        password=_password(row, name, remarks),
        must_change_password=is_root and _is_first_password(text(row, "password")),
        display_name=text(row, "display_name"),
        email=_email(row, remarks),
        role=role,
        group=text(row, "group") or "default",
        enabled=whole(row, "status", _ENABLED) == _ENABLED,
        access_digest=key_digest(token) if (token := text(row, "access_token")) else None,
        invite_code=text(row, "aff_code", 64) or None,
        inviter=whole(row, "inviter_id") or None,
        identities=_identities(row, name, remarks),
        created_at=moment(row, "created_at"),
        mark=key_digest(f"{number} {code}") if (code := text(row, "aff_code")) else "",
    )


def _role(row: Row) -> Role:
    number = whole(row, "role", int(Role.COMMON))
    return max((role for role in Role if role <= number), default=Role.GUEST)


def _name(number: int, name: str, remarks: Remarks) -> str:
    try:
        check_name(name)
    except ValueError as error:
        new = f"user-{number}"
        what = f"has another name: {error}"
        remarks.add("changed", _TABLE, what, f"{name!r} is {new}", cure="tell them, or rename them")
        return new
    return name


def _amounts(row: Row, who: str, remarks: Remarks) -> tuple[int, int]:
    left, used = money(row, "quota"), money(row, "used_quota")
    if used < 0:
        remarks.add("changed", _TABLE, "used_quota was less than 0 and is 0 now", who)
        used = 0
    if abs(left) > LARGEST or used > LARGEST:
        what = f"amounts beyond ${LARGEST // 10**9} were cut to that"
        remarks.add("changed", _TABLE, what, who, cure="make the wallet unlimited, if that was meant")
        left, used = max(-LARGEST, min(left, LARGEST)), min(used, LARGEST)
    if left < 0:
        remarks.add("changed", _TABLE, "the balance was below 0: it is an overdraft, which what comes in pays first",
                    f"{who}: {left / 1e9:.6f} USD", cure="credit them, if it is to be forgiven")  # fmt: skip
    if left + used < 0:
        remarks.add("changed", _TABLE, "owes more than was spent: what was spent is raised to that", who)
    return left, used


def _password(row: Row, name: str, remarks: Remarks) -> Secret | None:
    given = text(row, "password")
    if given.startswith(("$2a$", "$2b$", "$2y$")) and len(given) == 60:
        return Secret(given)
    if given:
        remarks.add("lost", _TABLE, "the password is no bcrypt hash", name, cure="have them reset it by e-mail")
    return None


def _is_first_password(given: str) -> bool:
    with suppress(ValueError):
        return bcrypt.checkpw(_FIRST_PASSWORD, given.encode())
    return False


def _email(row: Row, remarks: Remarks) -> str | None:
    given = text(row, "email")
    if not given:
        return None
    try:
        return check_email(given)
    except ValueError as error:
        remarks.add("lost", _TABLE, "the e-mail address is none", f"{error}", cure="have them enter another one")
        return None


def _identities(row: Row, name: str, remarks: Remarks) -> tuple[Identity, ...]:
    for column, what in _SIGN_INS.items():
        if text(row, column):
            cure = "they sign in by their password and bind the account again"
            if not text(row, "password"):
                cure = "they have no password: set one, then they can bind the account again"
            remarks.add("lost", _TABLE, f"the account at {what} is not bound", name, cure=cure)
    return ()
