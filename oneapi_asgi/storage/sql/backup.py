"""All of a database into a backup, as of one moment; and a backup into an empty database, or nothing of it."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    Table,
    delete,
    func,
    insert,
    select,
    true,
)
from sqlalchemy.exc import DBAPIError, StatementError

from ...queries import Difference
from .. import StorageError
from ..backup import SUMS, BackupReader, BackupWriter, Header, Sum, written
from .audit import audit
from .channels import lock_revision
from .faults import is_conflict, is_timeout
from .ledger import Clock, moment
from .portable import Total, next_numbers, set_next_number
from .schema import REVISIONS, SYSTEM, metadata
from .sealing import SEALED, key_here, noted_key
from .store import SQLStorage

__all__ = ["BooksDiffer", "Restored", "back_up", "restore"]

Progress = Callable[[int], None]

_PASSING = {"sessions", "challenges", "tries"}
"""Tables of what ends by itself, and must not come back: who signed out since stays out."""

_EMPTY_DATABASE = {"meta": None, "users": 1, "accounts": len(SYSTEM) + 1}
"""The rows that a database has from the start; None for any number."""

_AT_ONCE = 1_000
_AGED = {"leases", "records"}
"""What the audit says of holds whose lease ran out since, and notes: both are as they were."""


class BooksDiffer(StorageError):
    """The backup is whole, but what is in it does not agree with itself."""

    def __init__(self, differences: Sequence[Difference]) -> None:
        one = differences[0]
        super().__init__(
            f"the books of the backup do not agree ({len(differences)} differences; {one.check}: {one.where}: "
            f"{one.what}), so nothing was restored; --despite-differences restores it as it is"
        )


class Restored(Struct, frozen=True):
    """``key_here``: the key that its secrets are sealed with is one of those of the storage."""

    header: Header
    differences: Sequence[Difference]
    key_here: bool


def _tables() -> list[Table]:
    """Those that others refer to come first."""
    return [table for table in metadata.sorted_tables if table.name not in _PASSING]


# Out


async def back_up(storage: SQLStorage, path: Path, *, version: str, progress: Callable[[int, int], None]) -> Header:
    """Write a backup of what the database holds at this moment, while gateways go on. ``version`` is that of the
    package. ``progress`` is told how many rows are written, of how many.

    :raises StorageError: it cannot be written, or a secret lies in the database in clear
    """
    return await storage.snapshot(_back_up, path, version, storage.clock, progress)


def _back_up(
    connection: Connection, path: Path, version: str, clock: Clock, progress: Callable[[int, int], None]
) -> Header:
    _check_sealed(connection)
    header = Header(
        version=version,
        schema=REVISIONS[-1],
        database=connection.dialect.name,
        made_at=moment(connection, clock),
        key_id=noted_key(connection),
        tables={_plain(table.name): _count(connection, table) for table in _tables()},
        numbers=next_numbers(connection),
        sums=_sums(connection),
    )
    done, total = 0, sum(header.tables.values())
    with written(path) as file:
        backup = BackupWriter(file, header)
        for table in _tables():
            backup.begin(_plain(table.name), [_plain(column.name) for column in table.columns])
            found = connection.execute(
                select(table).order_by(*table.primary_key.columns), execution_options={"yield_per": _AT_ONCE}
            )
            for rows in found.partitions():
                backup.add([tuple(row) for row in rows])
                done += len(rows)
                progress(done, total)
        backup.finish()
    return header


def _plain(name: str) -> str:
    """SQLAlchemy's names are of a class of its own, which JSON does not know."""
    return "".join(name)


def _check_sealed(connection: Connection) -> None:
    clear = [one.table.name for one in SEALED.values() if _count(connection, one.table, one.other_than("v1:"))]
    if clear:
        raise StorageError(
            f"there are secrets in clear in {', '.join(clear)}, which an older version wrote: oneapi-asgi keys rotate "
            "seals them, then back up"
        )


def _count(connection: Connection, table: Table, where: ColumnElement[bool] | None = None) -> int:
    counted = select(func.count()).select_from(table)
    return int(connection.scalar(counted if where is None else counted.where(where)) or 0)


def _sums(connection: Connection) -> dict[str, int]:
    return {name: _sum(connection, one) for name, one in SUMS.items()}


def _sum(connection: Connection, one: Sum) -> int:
    table = metadata.tables[one.table]
    where = true() if one.only is None else table.c[one.only[0]] == one.only[1]
    return int(connection.scalar(select(Total(table.c[one.column])).where(where)) or 0)


# In


async def restore(storage: SQLStorage, path: Path, *, despite: bool = False, progress: Progress) -> Restored:
    """Put a backup into a database that holds nothing yet. All of it, or nothing. ``despite``: even if its books do
    not agree.

    :raises BooksDiffer: they do not
    :raises StorageError: the backup is damaged or of another schema, or the database is not empty
    """
    return await storage.transfer(_restore, path, storage.clock, despite, progress)


def _restore(connection: Connection, path: Path, clock: Clock, despite: bool, progress: Progress) -> Restored:
    with BackupReader(path) as backup:
        header = backup.header
        if header.schema != REVISIONS[-1]:
            raise StorageError(
                f"{path} is of the schema {header.schema} (oneapi-asgi {header.version}), and this version has "
                f"{REVISIONS[-1]}: restore it with that version, then start this one on the database"
            )
        _check_empty(connection)
        if connection.dialect.name == "mysql":  # it ends the transaction, so it comes before
            _set_numbers(connection, header.numbers)
        lock_revision(connection)
        for table in reversed(metadata.sorted_tables):
            connection.execute(delete(table))
        _insert_all(connection, backup, progress)
    if connection.dialect.name != "mysql":
        _set_numbers(connection, header.numbers)
    if _sums(connection) != header.sums:
        raise StorageError(f"the money in the database does not add up to what {path} says, so nothing was restored")
    differences = [one for one in audit(connection, clock) if one.check not in _AGED]
    if differences and not despite:
        raise BooksDiffer(differences)
    return Restored(header, differences, key_here=header.key_id is None or key_here(connection, header.key_id))


def _check_empty(connection: Connection) -> None:
    for table in metadata.sorted_tables:
        few = _EMPTY_DATABASE.get(table.name, 0)
        if few is not None and table.name not in _PASSING and _count(connection, table) > few:
            raise StorageError(
                f"the database is not empty ({table.name} has rows): restore into a new one, named in [storage] url"
            )


def _insert_all(connection: Connection, backup: BackupReader, progress: Progress) -> None:
    done = 0
    for name, columns, rows in backup.tables():
        table = metadata.tables.get(name)
        if table is None or not set(columns) <= set(table.columns.keys()):
            raise backup.unfit(f"it has a table or a column that this version does not know: {name}")
        try:
            connection.execute(insert(table), [*_values(table, columns, rows)])
        except (StatementError, ArithmeticError, ValueError) as error:  # what a driver cannot pass on is Python's own
            if _is_of_the_server(error):
                raise
            reason = getattr(error, "orig", None) or error
            raise backup.unfit(f"rows of {name} do not fit into the database: {reason}") from None
        done += len(rows)
        progress(done)


def _is_of_the_server(error: Exception) -> bool:
    """It says nothing of the rows."""
    return isinstance(error, DBAPIError) and (error.connection_invalidated or is_timeout(error) or is_conflict(error))


def _values(table: Table, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[dict[str, Any]]:
    binary = [name for name in columns if isinstance(table.c[name].type, LargeBinary)]
    for row in rows:
        values = dict(zip(columns, row, strict=True))
        yield values | {name: b64decode(str(values[name])) for name in binary if values[name] is not None}


def _set_numbers(connection: Connection, numbers: Mapping[str, int]) -> None:
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is not None and isinstance(column.type, Integer):
            following = int(connection.scalar(select(func.max(column))) or 0) + 1
            number = max(numbers.get(table.name, 1), following)
            if number > 1 and _numbers_itself(connection, column):
                set_next_number(connection, column, number)


def _numbers_itself(connection: Connection, column: Column[Any]) -> bool:
    """SQLite keeps a number for those alone whose numbers must not be used again."""
    return connection.dialect.name != "sqlite" or bool(column.table.dialect_options["sqlite"]["autoincrement"])
