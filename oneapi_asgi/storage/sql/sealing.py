"""Which columns hold secrets, and how these are sealed and opened by whoever has a connection.

The vault travels with connections, so that no function need be handed it. What was sealed says with which key; the key
that a database is sealed with is noted in ``meta`` as well, so that a process with another one is told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Delete,
    Table,
    Update,
    and_,
    delete,
    insert,
    literal_column,
    or_,
    select,
    text,
    true,
    update,
)

from ...desk.options import OPTIONS
from .. import StorageError
from ..vault import KeyFile, Vault, sealed_by, unknown_key
from .desk.schema import options
from .schema import channels, meta, users

__all__ = [
    "SEALED",
    "Sealed",
    "Seals",
    "adopt_key",
    "drop_lost",
    "key_here",
    "key_to_seal",
    "noted_key",
    "reseal",
    "seal",
    "sealed",
    "secrets_of",
    "unseal",
    "unsealed",
]

_OPTION = "seals"
_KEY = "key"
"""The row of ``meta`` with the id of the key, as a number."""

_EMPTY = ("", "[]", "{}")
"""Texts that keep nothing secret, and are left as they are."""

_MANY = 200
"""Rows of one transaction that seals anew."""


class Sealed(NamedTuple):
    """Columns of a table that are sealed, by its ``key``; in those rows ``where`` it holds."""

    table: Table
    key: str
    columns: tuple[str, ...]
    where: ColumnElement[bool] = true()

    def place(self, key: object, column: str) -> str:
        """What a seal is bound to. Keys of rows are never used twice."""
        return f"{self.table.name}/{key}/{column}"

    def other_than(self, beginning: str) -> ColumnElement[bool]:
        """Rows with a secret that does not begin so."""
        secrets = [self.table.c[name] for name in self.columns]
        wanted = [and_(one.not_in(_EMPTY), ~one.startswith(beginning, autoescape=True)) for one in secrets]
        return and_(self.where, or_(*wanted))


_SECRET_OPTIONS = [name for name, option in OPTIONS.items() if option.kind == "secret"]
SEALED: Mapping[str, Sealed] = {
    one.table.name: one
    for one in (
        Sealed(channels, "id", ("api_keys", "headers", "proxy")),
        Sealed(options, "name", ("value",), options.c.name.in_(_SECRET_OPTIONS)),
        Sealed(users, "id", ("totp",)),
    )
}


class Seals:
    """The vault of a storage. One that it was given has to fit the database from the start on; without, a key file is
    looked for when there is something to open, and made when there is something to seal: who keeps no secrets here
    need not care for a key. Where the database's own key is ``lost`` nothing is looked at before it is asked for."""

    def __init__(self, source: Vault | KeyFile, *, given: bool, lost: bool) -> None:
        self._source = source
        self._given = given
        self._lost = lost
        self._vault = source if isinstance(source, Vault) else None

    @property
    def options(self) -> Mapping[str, object]:
        """The execution options of connections with this vault."""
        return {_OPTION: self}

    def open(self, kept: str, place: str) -> str:
        """
        :raises BrokenSeal: it cannot be opened with the keys that are here
        :raises StorageError: there is no key here at all
        """
        vault = self._vault or self._look()
        if vault is not None:
            return vault.open(kept, place)
        key_id = sealed_by(kept)
        if key_id is None:
            return kept
        raise StorageError(str(unknown_key(key_id, (), self._where)))

    def to_seal(self, connection: Connection) -> Vault:
        """
        :raises StorageError: the database is sealed with a key that is not here
        """
        found = noted_key(connection)
        if found is None:
            _wait_for_turn(connection)
            found = noted_key(connection)
        self._check(found)
        vault = self.newest()
        if found is None:
            connection.execute(insert(meta).values(name=_KEY, value=int(vault.key_id, 16)))
        return vault

    def knows(self, key_id: str) -> bool:
        vault = self._look()
        return vault is not None and key_id in vault.key_ids

    def prepare(self, connection: Connection) -> None:
        """At the start, when the tables are there: see that the key fits, and seal what an older version left in clear.

        :raises StorageError: the database is sealed with a key that is not here
        """
        if self._lost:
            return
        if self._given:
            self.to_seal(connection)
        for one in SEALED.values():
            while one.table is not users and reseal(connection, one, "v1:"):
                pass  # users are many, and no version kept a secret of theirs in clear

    def newest(self) -> Vault:
        """The vault, with a key file that is made if it is missing."""
        vault = self._look()
        if vault is None:
            assert isinstance(self._source, KeyFile)  # noqa: S101 - a vault that was given is there
            vault = self._vault = self._source.make()
        return vault

    def _check(self, key_id: str | None) -> None:
        vault = self._look()
        old = self._source.old_key_ids if isinstance(self._source, KeyFile) else ()
        if key_id is not None and key_id not in (vault.key_ids if vault else old):
            raise unknown_key(key_id, vault.key_ids if vault else old, self._where)

    def _look(self) -> Vault | None:
        if self._vault is None and isinstance(self._source, KeyFile):
            self._vault = self._source.read()
        return self._vault

    @property
    def _where(self) -> str:
        return str(self._source.path) if isinstance(self._source, KeyFile) else ""


def _seals(connection: Connection) -> Seals:
    found = connection.get_execution_options()[_OPTION]
    assert isinstance(found, Seals)  # noqa: S101 - nobody else sets it; narrows for the type checker
    return found


def noted_key(connection: Connection) -> str | None:
    """The id of the key that a database is sealed with; None as long as nothing is."""
    number = connection.scalar(select(meta.c.value).where(meta.c.name == _KEY))
    return None if number is None else f"{number:012x}"


def _wait_for_turn(connection: Connection) -> None:
    """Of several that would note their key, one does."""
    connection.execute(select(meta.c.value).where(meta.c.name == literal_column("'revision'")).with_for_update())


# Reading and writing rows


def unsealed(connection: Connection, table: Table, rows: Iterable[Mapping[Any, Any]]) -> Iterator[dict[str, Any]]:
    """The rows, with their secrets in clear. They have their key, and any of the table's columns.

    :raises BrokenSeal: a secret cannot be opened
    :raises StorageError: none can, as there is no key here
    """
    one, seals = SEALED[table.name], _seals(connection)
    for row in rows:
        values = dict(row)
        for name in one.columns:
            kept = values.get(name)
            if kept and kept not in _EMPTY:
                values[name] = seals.open(kept, one.place(values[one.key], name))
        yield values


def sealed(connection: Connection, table: Table, rows: Iterable[Mapping[Any, Any]]) -> Iterator[dict[str, Any]]:
    """The rows, with their secrets as they are to be kept. They have their key, and any of the table's columns.

    :raises StorageError: the database is sealed with a key that is not here
    """
    one, vault = SEALED[table.name], None
    for row in rows:
        values = dict(row)
        for name in one.columns:
            clear = values.get(name)
            if clear and clear not in _EMPTY:
                vault = vault or _seals(connection).to_seal(connection)
                values[name] = vault.seal(clear, one.place(values[one.key], name))
        yield values


def unseal(connection: Connection, column: Column[Any], key: object, kept: str) -> str:
    """One secret, in clear."""
    (row,) = unsealed(connection, column.table, [{SEALED[column.table.name].key: key, column.name: kept}])
    return str(row[column.name])


def seal(connection: Connection, column: Column[Any], key: object, clear: str) -> str:
    """One secret, as it is to be kept in that column of the row with that key."""
    (row,) = sealed(connection, column.table, [{SEALED[column.table.name].key: key, column.name: clear}])
    return str(row[column.name])


def secrets_of(table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that are kept sealed: of a new row they have to wait for its key."""
    return {name: values[name] for name in SEALED[table.name].columns if name in values}


# Sealing anew


def reseal(connection: Connection, one: Sealed, beginning: str) -> int:
    """Seal, of some rows, what does not begin as given; how many rows those were.

    :raises StorageError: a secret cannot be opened
    """
    table, key = one.table, one.table.c[one.key]
    wanted = select(key, *[table.c[name] for name in one.columns]).where(one.other_than(beginning))
    rows = connection.execute(wanted.order_by(key).limit(_MANY).with_for_update()).mappings().all()
    if rows and connection.dialect.name == "sqlite":  # which leaves what it deletes in its file, if it is not told
        connection.execute(text("PRAGMA secure_delete=ON"))
    for row in sealed(connection, table, unsealed(connection, table, rows)):
        connection.execute(update(table).where(key == row.pop(one.key)).values(row))
    return len(rows)


def key_to_seal(connection: Connection) -> str:
    """The id of the key that is sealed with from now on.

    :raises StorageError: the database is sealed with a key that is not here
    """
    return _seals(connection).to_seal(connection).key_id


def drop_lost(connection: Connection) -> int:
    """Give up what was sealed with other keys than those that are here, and seal with the newest of these from now on:
    how many rows lost a secret. Channels without their keys are switched off."""
    lost, vault = 0, _seals(connection).newest()
    for one in SEALED.values():
        table, key = one.table, one.table.c[one.key]
        found = connection.execute(select(key, *[table.c[name] for name in one.columns]).where(one.where))
        for row in found.mappings().all():
            gone = [name for name in one.columns if sealed_by(row[name] or "") not in (None, *vault.key_ids)]
            if gone:
                connection.execute(_DROPPED[table.name](gone).where(key == row[one.key]))
                lost += 1
    adopt_key(connection, vault.key_id)
    return lost


def _without_keys(gone: Sequence[str]) -> Update:
    """A channel whose headers or proxy alone are lost would be asked without them: it is off as well."""
    because = {"enabled": False, "disabled_because": "the key that its secrets were sealed with is lost"}
    return update(channels).values({name: "[]" if name == "api_keys" else None for name in gone} | because)


_DROPPED: Mapping[str, Callable[[Sequence[str]], Update | Delete]] = {
    "channels": _without_keys,
    "options": lambda _: delete(options),
    "users": lambda _: update(users).values(totp=None),
}


def key_here(connection: Connection, key_id: str) -> bool:
    return _seals(connection).knows(key_id)


def adopt_key(connection: Connection, key_id: str) -> None:
    """From now on the database is known to be sealed with that key."""
    connection.execute(update(meta).where(meta.c.name == _KEY).values(value=int(key_id, 16)))
