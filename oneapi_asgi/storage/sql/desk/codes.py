"""What is good once and for a while, in the table of challenges: secrets that travel in links, and short codes that
people type, one for each kind and subject.

Nobody guesses a secret. A code could be guessed, if anybody might try for long: each try counts before it is looked at,
and after five the code is gone, whatever is typed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, and_, delete, insert, select, update

from ..channels import lock_revision
from ..ledger import Clock, moment
from ..store import SQLStorage
from .schema import challenges

__all__ = ["SQLCodes", "SQLSecrets"]

_MOST_TRIES = 5
_DIGITS = 6


class _Kept(Struct, frozen=True):
    """``code`` is a digest, salted by the subject."""

    code: str
    data: str


class SQLSecrets:
    """``admin.outside.Challenges``. Of a secret its digest is kept."""

    def __init__(self, storage: SQLStorage) -> None:
        self._storage = storage

    async def make(self, kind: str, subject: str, data: str, seconds: float) -> str:
        """A new secret of 256 bits. Those of its kind that are over go."""
        secret = secrets.token_urlsafe(32)
        row = {"digest": _digest(kind, secret), "kind": kind, "subject": subject, "data": data, "tries": 0}
        await self._storage.write(_put, row, seconds, self._storage.clock)
        return secret

    async def take(self, kind: str, secret: str) -> str | None:
        """The data, once; None if the secret is none of these, or no longer good."""
        return await self._storage.write(_taken, _digest(kind, secret), self._storage.clock)


class SQLCodes:
    """``admin.outside.Codes``."""

    def __init__(self, storage: SQLStorage) -> None:
        self._storage = storage

    async def make_code(self, kind: str, subject: str, data: str, seconds: float) -> str:
        """A new code, in the place of one before it. Those of others that are over go as well."""
        code = f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}}"
        kept = msgspec.json.encode(_Kept(_digest(kind, subject, code), data)).decode()
        await self._storage.write(_make, kind, subject, kept, seconds, self._storage.clock)
        return code

    async def take_code(self, kind: str, subject: str, code: str) -> str | None:
        """The data, once; None if the code is not this one, or no longer good."""
        kept = await self._storage.write(_tried, kind, subject, self._storage.clock)
        if kept is None or not hmac.compare_digest(kept.code, _digest(kind, subject, code)):
            return None
        return kept.data if await self._storage.write(_take, kind, subject, kept) else None


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(("code", *parts)).encode()).hexdigest()


def _put(connection: Connection, row: dict[str, object], seconds: float, clock: Clock) -> None:
    now = moment(connection, clock)
    over = and_(challenges.c.kind == row["kind"], challenges.c.keep_until <= now)
    connection.execute(delete(challenges).where(over))
    connection.execute(insert(challenges).values(**row, keep_until=now + seconds))


def _taken(connection: Connection, digest: str, clock: Clock) -> str | None:
    good = and_(challenges.c.digest == digest, challenges.c.keep_until > moment(connection, clock))
    data = connection.scalar(select(challenges.c.data).where(good))
    # Of those who have read it, one deletes it.
    return data if data is not None and connection.execute(delete(challenges).where(good)).rowcount else None


def _make(connection: Connection, kind: str, subject: str, kept: str, seconds: float, clock: Clock) -> None:
    lock_revision(connection)  # two that make one at once would both find none
    digest = _digest(kind, subject)
    connection.execute(delete(challenges).where(challenges.c.digest == digest))
    row = {"digest": digest, "kind": kind, "subject": subject, "data": kept, "tries": 0}
    _put(connection, row, seconds, clock)


def _tried(connection: Connection, kind: str, subject: str, clock: Clock) -> _Kept | None:
    """What is kept, if there may be one try more."""
    good = and_(
        challenges.c.digest == _digest(kind, subject),
        challenges.c.tries < _MOST_TRIES,
        challenges.c.keep_until > moment(connection, clock),
    )
    if not connection.execute(update(challenges).where(good).values(tries=challenges.c.tries + 1)).rowcount:
        return None
    data = connection.scalar(select(challenges.c.data).where(challenges.c.digest == _digest(kind, subject)))
    return msgspec.json.decode(data, type=_Kept) if data is not None else None


def _take(connection: Connection, kind: str, subject: str, kept: _Kept) -> bool:
    """Whether it was still there, and this one."""
    data = msgspec.json.encode(kept).decode()
    same = and_(challenges.c.digest == _digest(kind, subject), challenges.c.data == data)
    return bool(connection.execute(delete(challenges).where(same)).rowcount)
