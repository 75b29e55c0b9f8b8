"""Redemption codes: a guarded update makes a code used, and the credit is in its transaction."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import asdict
from sqlalchemy import Connection, and_, bindparam, insert, select, update

from ...queries import Code, CodeDraft
from ..codes import check_drafts, check_redeemable
from .ledger import Circuits, Clock, credit, moment
from .schema import accounts, codes, users
from .tokens import user_id

__all__ = ["add_codes", "list_codes", "redeem"]

_AT_ONCE = 500

_CODES = (
    select(*[codes.c[name] for name in Code.__struct_fields__ if name != "user_name"], users.c.name.label("user_name"))
    .outerjoin(users, users.c.id == codes.c.user_id)
    .order_by(codes.c.id)
)
_FIND = select(codes.c.id, codes.c.amount, codes.c.expires_at, codes.c.redeemed_at, codes.c.enabled).where(
    codes.c.digest == bindparam("wanted"), codes.c.deleted_at.is_(None)
)


def add_codes(connection: Connection, drafts: Sequence[CodeDraft], clock: Clock) -> None:
    """See ``ports.CodeAdmin.add_codes``."""
    check_drafts(drafts)
    now = moment(connection, clock)
    for start in range(0, len(drafts), _AT_ONCE):
        part = drafts[start : start + _AT_ONCE]
        known = select(codes.c.id).where(codes.c.digest.in_([draft.digest for draft in part])).limit(1)
        if connection.scalar(known) is not None:
            raise ValueError("there is such a code already")
        connection.execute(insert(codes), [asdict(draft) | {"created_at": now} for draft in part])


def list_codes(connection: Connection) -> list[Code]:
    """See ``ports.CodeAdmin.list_codes``."""
    return [Code(**row) for row in connection.execute(_CODES.where(codes.c.deleted_at.is_(None))).mappings()]


def redeem(connection: Connection, digest: str, user: str, circuits: Circuits, clock: Clock) -> int:
    """See ``ports.CodeRedeemer.redeem``."""
    owner = user_id(connection, user)
    code = connection.execute(_FIND, {"wanted": digest}).first()
    if code is None:
        raise KeyError(digest)
    now = moment(connection, clock)
    check_redeemable(code.redeemed_at, code.expires_at, now)
    if not code.enabled:
        raise ValueError("this code has been disabled")
    unused = and_(
        codes.c.id == code.id, codes.c.redeemed_at.is_(None), codes.c.enabled, codes.c.deleted_at.is_(None),
        codes.c.amount == code.amount,
    )  # fmt: skip
    if not connection.execute(update(codes).where(unused).values(user_id=owner, redeemed_at=now)).rowcount:
        raise ValueError("this code was redeemed already, or has just been changed")  # another one was faster
    wallet = select(accounts.c.id).where(accounts.c.kind == "user", accounts.c.owner_id == owner)
    credit(connection, connection.scalars(wallet).one(), code.amount, circuits, clock, kind="redemption")
    return int(code.amount)
