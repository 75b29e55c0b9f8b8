"""Options, one row each; secrets among them are sealed."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from sqlalchemy import Connection, delete, insert, select

from ....desk.options import OPTIONS
from ...vault import BrokenSeal
from ..channels import lock_revision
from ..ledger import Clock, moment
from ..sealing import sealed, unseal
from ..store import SQLStorage
from .schema import options

__all__ = ["SQLOptions", "add_options"]

_log = logging.getLogger(__name__)


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
    for name in filter(_is_secret, [*kept]):
        try:
            kept[name] = unseal(connection, options.c.value, name, kept[name])
        except BrokenSeal as error:  # as if it had not been set: the others go on
            _log.error("the option %s is left out: %s", name, error)
            del kept[name]
    return kept


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
    shown = [row for row in rows if not _is_secret(row["name"])]
    if rows:
        connection.execute(insert(options), [*shown, *sealed(connection, options, secret)])
