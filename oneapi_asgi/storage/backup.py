"""The file of a backup: gzip of JSON lines, the same for every kind of database.

::

    {"format": "oneapi-asgi backup 1", "tables": {"users": 2, …}, "sums": {…}, …}   the header
    {"table": "users", "columns": ["id", "name", …]}                               for each table, then
    [1, "root", …]                                                                  its rows
    {"sha256": "…"}                                                                 of all lines before

Nothing of it is kept in memory but a few hundred rows. Secrets are as the database has them: sealed. The file tells
how many rows of each table there are, and what the money adds up to; both are held against what is found.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import secrets
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec
from msgspec import Struct

from ..unreadable import UNREADABLE
from . import StorageError

__all__ = ["SUMS", "BackupReader", "BackupWriter", "Header", "Sum", "Tally", "written"]

T = TypeVar("T")
Rows = Sequence[Sequence[object]]

FORMAT = "oneapi-asgi backup 1"

_AT_ONCE = 500
_LONGEST = 64 << 20
"""Bytes of a line. The largest value is an answer of 16 MiB, in base64."""


class Header(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``version`` is that of the package, ``schema`` that of the tables, ``database`` the kind that it was made of.
    ``made_at`` is in Unix seconds. ``key_id`` names the key that secrets are sealed with. ``tables`` has rows by table,
    ``numbers`` the number that the next row of a table gets, ``sums`` nano-dollars by ``SUMS``."""

    format: str = FORMAT
    version: str
    schema: str
    database: str
    made_at: float
    key_id: str | None
    tables: dict[str, int]
    numbers: dict[str, int]
    sums: dict[str, int]


class _Table(Struct, frozen=True, forbid_unknown_fields=True):
    table: str
    columns: list[str]


class _End(Struct, frozen=True, forbid_unknown_fields=True):
    sha256: str


class Sum(Struct, frozen=True):
    """Of a column; ``only`` of rows where another column has that value."""

    table: str
    column: str
    only: tuple[str, str] | None = None


SUMS: Mapping[str, Sum] = {
    "balances": Sum("accounts", "balance"),
    "overdrafts": Sum("accounts", "overdraft"),
    "used": Sum("accounts", "used"),
    "held": Sum("reservations", "amount", ("state", "held")),
    "transfers": Sum("transfers", "amount"),
}


class Tally:
    """Rows and money, counted as they pass."""

    def __init__(self) -> None:
        self.tables: dict[str, int] = {}
        self.sums = dict.fromkeys(SUMS, 0)

    def begin(self, table: str, columns: Sequence[str]) -> None:
        self.tables[table] = 0
        self._table = table
        self._added = [
            (name, columns.index(one.column), one.only and (columns.index(one.only[0]), one.only[1]))
            for name, one in SUMS.items()
            if one.table == table
        ]

    def add(self, rows: Rows) -> None:
        self.tables[self._table] += len(rows)
        for name, index, only in self._added:
            self.sums[name] += sum(int(str(row[index])) for row in rows if not only or row[only[0]] == only[1])

    def faults(self, header: Header) -> list[str]:
        """What the header says otherwise."""
        counts = [
            f"{table}: {self.tables.get(table, 0)} rows, not {header.tables.get(table, 0)}"
            for table in sorted(self.tables.keys() | header.tables.keys())
            if self.tables.get(table, 0) != header.tables.get(table, 0)
        ]
        return counts + [
            f"{name}: {self.sums[name]} nano-dollars, not {header.sums.get(name)}"
            for name in SUMS
            if self.sums[name] != header.sums.get(name)
        ]


# Writing


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file that is there whole or not at all, for its owner alone. One that has its name is replaced.

    :raises StorageError: it cannot be written
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        draft.unlink(missing_ok=True)


class BackupWriter:
    """``finish`` ends it. A backup that is not what its header says is none."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        self._header = header
        self._tally = Tally()
        self._digest = hashlib.sha256()
        self._encoder = msgspec.json.Encoder()
        self._gzip = gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0)
        self._write([header])

    def begin(self, table: str, columns: Sequence[str]) -> None:
        self._tally.begin(table, columns)
        self._write([_Table(table, list(columns))])

    def add(self, rows: Rows) -> None:
        self._tally.add(rows)
        self._write(rows)

    def finish(self) -> None:
        """
        :raises StorageError: what was read is not what the database said before
        """
        faults = self._tally.faults(self._header)
        if faults:
            raise StorageError(f"the database changed while it was read, so this is no backup: {'; '.join(faults)}")
        self._gzip.write(self._encoder.encode(_End(self._digest.hexdigest())) + b"\n")
        self._gzip.close()

    def _write(self, lines: Sequence[object]) -> None:
        text = self._encoder.encode_lines(lines)
        self._digest.update(text)
        self._gzip.write(text)


# Reading


class BackupReader:
    """A backup, from its first line to its last. ``with BackupReader(path) as backup`` reads the header.

    :raises StorageError: it is none, or damaged
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest = hashlib.sha256()

    def __enter__(self) -> BackupReader:
        try:
            self._file = gzip.open(self._path, "rb")
        except OSError as error:
            raise StorageError(f"{self._path} cannot be read: {error.strerror}") from None
        try:
            self.header = self._first()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def check(self, progress: Callable[[int], None]) -> None:
        """Read all of it. ``progress`` is told how many rows there were.

        :raises StorageError: something is missing, or is not what it was
        """
        done = 0
        for _, _, rows in self.tables():
            done += len(rows)
            progress(done)

    def tables(self) -> Iterator[tuple[str, list[str], list[list[object]]]]:
        """Some rows of a table at a time, with the names of their columns. What is there is judged at the end.

        :raises StorageError: something is missing, or is not what it was
        """
        tally, table, rows = Tally(), None, list[list[object]]()
        while (line := self._line()).startswith((b"[", b'{"table"')):
            self._digest.update(line)
            if line.startswith(b"["):
                rows.append(self._decoded(line, list[object]))
            if table is not None and rows and (len(rows) >= _AT_ONCE or line.startswith(b"{")):
                yield table.table, table.columns, self._counted(tally, table, rows)
                rows = []
            if line.startswith(b"{"):
                table = self._begun(tally, line)
        if table is not None and rows:
            yield table.table, table.columns, self._counted(tally, table, rows)
        self._end(line, tally)

    def unfit(self, why: str) -> StorageError:
        """To be raised by whoever finds that it cannot be restored."""
        return StorageError(f"{self._path} is no backup that can be restored: {why}")

    def _begun(self, tally: Tally, line: bytes) -> _Table:
        table = self._decoded(line, _Table)
        try:
            tally.begin(table.table, table.columns)
        except ValueError:
            raise self.unfit(f"{table.table} has not the columns that hold its money") from None
        return table

    def _counted(self, tally: Tally, table: _Table, rows: list[list[object]]) -> list[list[object]]:
        fault = f"the values of a row of {table.table} are not those of its columns"
        if any(len(row) != len(table.columns) for row in rows):
            raise self.unfit(fault)
        try:
            tally.add(rows)
        except ValueError:
            raise self.unfit(fault) from None
        return rows

    def _end(self, line: bytes, tally: Tally) -> None:
        if self._decoded(line, _End).sha256 != self._digest.hexdigest():
            raise self.unfit("its checksum is not that of its content")
        if self._line():
            raise self.unfit("something follows its end")
        faults = tally.faults(self.header)
        if faults:
            raise self.unfit("; ".join(faults))

    def _first(self) -> Header:
        line = self._line()
        self._digest.update(line)
        header = self._decoded(line, Header)
        if header.format != FORMAT:
            raise self.unfit(f'it is "{header.format}", and this version reads "{FORMAT}"')
        return header

    def _line(self) -> bytes:
        try:
            return self._file.readline(_LONGEST)
        except gzip.BadGzipFile:
            raise self.unfit("it is not gzip, or broken") from None
        except (OSError, EOFError, zlib.error) as error:
            raise self.unfit(f"it cannot be read to its end ({error})") from None

    def _decoded(self, line: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(line, type=kind)
        except UNREADABLE:
            raise self.unfit("a line of it cannot be read" if line else "its end is missing") from None
