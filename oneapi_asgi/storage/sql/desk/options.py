"""Options, one row each; secrets among them are sealed."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, delete, insert, select

from ....desk.options import OPTIONS
from ..channels import lock_revision
from ..ledger import Clock, moment
from ..sealing import sealed, unseal
from ..store import SQLStorage
from .schema import options

__all__ = ["SQLOptions", "add_options"]


class SQLOptions:
    """``desk.options.OptionStore``."""

    def __init__(self, storage: SQLStorage) -> None:
        self._storage = storage

    async def get_options(self) -> Mapping[str, str]:
        return await self._storage.read(_get)

    async def set_options(self, values: Mapping[str, str]) -> None:
        await self._storage.write(_set, values, self._storage.clock)


def _is_secret(name: object) -> bool:
    return name in OPTIONS and OPTIONS[str(name)].kind == "secret"


def _get(connection: Connection) -> dict[str, str]:
    kept = dict(connection.execute(select(options.c.name, options.c.value)).all())
    return {
        name: unseal(connection, options.c.value, name, value) if _is_secret(name) else value
        for name, value in kept.items()
    }


def _set(connection: Connection, values: Mapping[str, str], clock: Clock) -> None:
    if not values:
        return
    lock_revision(connection)
    now = moment(connection, clock)
    connection.execute(delete(options).where(options.c.name.in_([*values])))
    add_options(connection, values, now)


def add_options(connection: Connection, values: Mapping[str, str], now: float) -> None:
    """Those that are not set yet."""
    rows = [{"name": name, "value": value, "changed_at": now} for name, value in values.items()]
    secret = [row for row in rows if _is_secret(row["name"])]
    open_ones = [row for row in rows if not _is_secret(row["name"])]
    if rows:
        connection.execute(insert(options), [*open_ones, *sealed(connection, options, secret)])
