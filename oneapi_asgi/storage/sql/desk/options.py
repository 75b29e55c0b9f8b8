"""Options, one row each. Secrets among them pass whoever is given to seal them; nobody is, by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, delete, insert, select

from ....desk.options import OPTIONS
from ..channels import lock_revision
from ..ledger import Clock, moment
from ..store import SQLStorage
from .schema import options

__all__ = ["SQLOptions"]

Sealing = Callable[[str, str], str]
"""The name of an option and its value, to what is kept, or back."""


def _as_it_is(_: str, value: str) -> str:
    return value


class SQLOptions:
    """``desk.options.OptionStore``. ``seal`` and ``unseal`` are given secrets alone, with the name of their option."""

    def __init__(self, storage: SQLStorage, *, seal: Sealing = _as_it_is, unseal: Sealing = _as_it_is) -> None:
        self._storage = storage
        self._seal = seal
        self._unseal = unseal

    async def get_options(self) -> Mapping[str, str]:
        kept = await self._storage.read(_get)
        return {name: self._unseal(name, value) if _secret(name, value) else value for name, value in kept.items()}

    async def set_options(self, values: Mapping[str, str]) -> None:
        kept = {name: self._seal(name, value) if _secret(name, value) else value for name, value in values.items()}
        await self._storage.write(_set, kept, self._storage.clock)


def _secret(name: str, value: str) -> bool:
    return value != "" and name in OPTIONS and OPTIONS[name].kind == "secret"


def _get(connection: Connection) -> dict[str, str]:
    return dict(connection.execute(select(options.c.name, options.c.value)).all())


def _set(connection: Connection, values: Mapping[str, str], clock: Clock) -> None:
    if not values:
        return
    lock_revision(connection)
    now = moment(connection, clock)
    connection.execute(delete(options).where(options.c.name.in_([*values])))
    rows = [{"name": name, "value": value, "changed_at": now} for name, value in values.items()]
    connection.execute(insert(options), rows)
