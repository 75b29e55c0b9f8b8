"""Another key for what is sealed, while gateways go on."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from sqlalchemy import Connection, func, select

from .sealing import SEALED, Sealed, adopt_key, key_to_seal, reseal
from .store import SQLStorage

__all__ = ["Rotated", "rotate_keys"]


class Rotated(Struct, frozen=True):
    """``key_id`` is that of the key that everything is sealed with now; ``rows`` are those that were sealed anew."""

    key_id: str
    rows: int


async def rotate_keys(
    storage: SQLStorage, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Rotated:
    """Seal with the newest key whatever is sealed with another one, some rows in each transaction. Gateways that know
    both keys go on meanwhile. May be run again at any time.

    ``progress`` is told how many rows are done, of how many.

    :raises StorageError: a secret was sealed with a key that is not here
    """
    key_id = await storage.write(key_to_seal)
    total, done = await storage.read(_left, key_id), 0
    for one in SEALED.values():
        while some := await storage.write(reseal, one, _beginning(key_id)):
            done += some
            progress(done, max(total, done))
    await storage.write(_finish, key_id)
    return Rotated(key_id, done)


def _beginning(key_id: str) -> str:
    return f"v1:{key_id}:"


def _left(connection: Connection, key_id: str) -> int:
    return sum(_count(connection, one, key_id) for one in SEALED.values())


def _count(connection: Connection, one: Sealed, key_id: str) -> int:
    counted = select(func.count()).select_from(one.table).where(one.other_than(_beginning(key_id)))
    return int(connection.scalar(counted) or 0)


def _finish(connection: Connection, key_id: str) -> None:
    """What somebody sealed with an old key meanwhile, who knows only that, is sealed anew as well."""
    for one in SEALED.values():
        while reseal(connection, one, _beginning(key_id)):
            pass
    adopt_key(connection, key_id)
