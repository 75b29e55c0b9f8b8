"""Hot statements: described once with Core, so that the schema stays one, and run as plain SQL on a cursor.

``Connection.execute`` of a Core construct costs ten times as much as the statement itself. The text is compiled for
each dialect when it is first used there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, TypeAlias, cast

import msgspec
from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    ColumnClause,
    ColumnElement,
    Connection,
    Dialect,
    Executable,
    Select,
    String,
    Table,
    bindparam,
    case,
    column,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import TableValuedAlias

__all__ = ["LARGEST", "Addition", "Among", "Change", "Cursor", "Insertion", "Lookup", "cursor", "param", "text_of"]

LARGEST = 2**63 - 1
"""Of the whole numbers that a column holds."""

_encode = msgspec.json.Encoder().encode
_ROWS = "rows"
_COLLATION = " COLLATE utf8mb4_0900_bin"
_SIZES = (1, 8, 32, 128, 512)


def param(name: str) -> BindParameter[Any]:
    """A parameter of a hot statement (SQLAlchemy keeps the names of columns for itself)."""
    return bindparam(f"p_{name}")


def text_of(construct: Executable, dialect: Dialect, names: Sequence[str]) -> str:
    """The SQL text, which takes its parameters in the order of ``names``."""
    compiled = cast("SQLCompiler", cast("ClauseElement", construct).compile(dialect=dialect))
    order = [name.removeprefix("p_") for name in compiled.positiontup or ()]
    if order != list(names):
        raise TypeError(f"the statement takes {order}, not {list(names)}: {compiled}")
    return str(compiled)


class Insertion:
    """``INSERT`` of any number of rows, each with the values of these columns."""

    def __init__(self, table: Table, *names: str) -> None:
        self._table = table
        self._names = names
        self._texts: dict[str, str] = {}

    def run(self, cursor: DBAPICursor, dialect: Dialect, rows: Sequence[Sequence[Any]]) -> None:
        text = self._texts.get(dialect.name)
        if text is None:
            text = self._texts[dialect.name] = text_of(self._construct(dialect), dialect, self._names)
        _run(cursor, dialect, text, rows)

    def _construct(self, dialect: Dialect) -> Executable:
        if dialect.name == "postgresql":
            given = _arrays(self._table, {name: name for name in self._names})
            return insert(self._table).from_select(self._names, select(*[given.c[name] for name in self._names]))
        return insert(self._table).values({name: param(name) for name in self._names})


class Addition(Insertion):
    """``INSERT`` of rows, no two of them with the same ``key``. Where there is a row with that key already, the numbers
    ``added`` are added to its own; whole ones stay at the largest that there is, where they would pass it."""

    def __init__(self, table: Table, key: Sequence[str], added: Sequence[str]) -> None:
        super().__init__(table, *key, *added)
        self._key = key
        self._added = added

    def _construct(self, dialect: Dialect) -> Executable:
        if dialect.name == "postgresql":
            given = _arrays(self._table, {name: name for name in self._names})
            rows = postgresql.insert(self._table).from_select(
                self._names, select(*[given.c[name] for name in self._names])
            )
            return rows.on_conflict_do_update(index_elements=self._key, set_=self._sums(rows.excluded))
        values = {name: param(name) for name in self._names}
        if dialect.name == "sqlite":
            row = sqlite.insert(self._table).values(values)
            return row.on_conflict_do_update(index_elements=self._key, set_=self._sums(row.excluded))
        line = mysql.insert(self._table).values(values)
        return line.on_duplicate_key_update(self._sums(line.inserted))

    def _sums(self, given: ReadOnlyColumnCollection[str, Any]) -> dict[str, ColumnElement[Any]]:
        return {name: _sum(self._table.c[name], given[name]) for name in self._added}


def _sum(there: ColumnElement[Any], given: ColumnElement[Any]) -> ColumnElement[Any]:
    if not isinstance(there.type, BigInteger):
        return there + given
    largest: ColumnElement[int] = literal_column(str(LARGEST))
    return case((there > largest - given, largest), else_=there + given)


class Change:
    """``UPDATE`` of any number of rows: the columns ``to`` get new values where the columns ``seen`` still have those
    that were seen, and ``where`` holds. A row of parameters has the new values, then the seen ones."""

    def __init__(
        self, table: Table, *, to: Sequence[str], seen: Sequence[str], where: ColumnElement[bool] | None = None
    ) -> None:
        self._table = table
        self._to = to
        self._seen = seen
        self._where = () if where is None else (where,)
        self._texts: dict[str, str] = {}

    def run(self, cursor: DBAPICursor, dialect: Dialect, rows: Sequence[Sequence[Any]]) -> int:
        """How many rows were as they had been seen."""
        text = self._texts.get(dialect.name)
        if text is None:
            names = [*self._to, *(f"seen_{name}" for name in self._seen)]
            order = [_ROWS] if dialect.name == "mysql" else names
            text = self._texts[dialect.name] = text_of(self._construct(dialect), dialect, order)
        if dialect.name == "mysql":
            cursor.execute(text, (_encode(rows).decode(),))
        else:
            _run(cursor, dialect, text, rows)
        return cursor.rowcount

    def _construct(self, dialect: Dialect) -> Executable:
        columns = {name: name for name in self._to} | {f"seen_{name}": name for name in self._seen}
        given: dict[str, ColumnElement[Any]]
        if dialect.name in _TABLES:
            rows = _TABLES[dialect.name](self._table, columns)
            given = {name: rows.c[name] for name in columns}
        else:
            given = {name: param(name) for name in columns}
        seen = [self._table.c[name] == given[f"seen_{name}"] for name in self._seen]
        return update(self._table).values({name: given[name] for name in self._to}).where(*seen, *self._where)


def _arrays(table: Table, columns: dict[str, str]) -> TableValuedAlias:
    """The rows as a table made of one array for each column: one statement, whatever their number."""
    arrays = [bindparam(f"p_{name}", type_=ARRAY(table.c[source].type)) for name, source in columns.items()]
    kinds = [column(name, table.c[source].type) for name, source in columns.items()]
    return func.unnest(*arrays).table_valued(*kinds, name="given").render_derived()


class _JsonTable(FunctionElement[Any]):
    """An array of rows, each an array of values in the order of ``kinds``."""

    inherit_cache = False

    def __init__(self, kinds: Sequence[ColumnClause[Any]]) -> None:
        super().__init__(param(_ROWS))
        self.kinds = kinds


@compiles(_JsonTable, "mysql", "mariadb")
def _json_table(element: _JsonTable, compiler: SQLCompiler, **options: Any) -> str:
    process = compiler.dialect.type_compiler_instance.process
    # MySQL would compare names by another collation than that of the tables, or not at all; MariaDB takes the tables'.
    mysql_only = not getattr(compiler.dialect, "is_mariadb", False)
    columns = [
        f"{kind.name} {process(kind.type)}{_COLLATION if mysql_only and isinstance(kind.type, String) else ''} "
        f"PATH '$[{place}]'"
        for place, kind in enumerate(element.kinds)
    ]
    return f"JSON_TABLE({compiler.process(element.clauses, **options)}, '$[*]' COLUMNS ({', '.join(columns)}))"


def _lines(table: Table, columns: dict[str, str]) -> TableValuedAlias:
    """The rows as a table made of one JSON text: the drivers of MySQL would send an ``UPDATE`` for each of them."""
    kinds = [column(name, table.c[source].type) for name, source in columns.items()]
    return _JsonTable(kinds).table_valued(*kinds, name="given")


_TABLES = {"postgresql": _arrays, "mysql": _lines}
"""How many rows are given as one table, where they can be."""


def _run(cursor: DBAPICursor, dialect: Dialect, text: str, rows: Sequence[Sequence[Any]]) -> None:
    if dialect.name == "postgresql":
        cursor.execute(text, [*map(list, zip(*rows, strict=True))])
    else:
        cursor.executemany(text, rows)


Among: TypeAlias = Callable[[ColumnElement[Any]], ColumnElement[bool]]
"""The condition that a column has one of the values."""


class Lookup:
    """``SELECT`` of the rows that have one of any number of values; ``build`` makes it from that condition.

    PostgreSQL takes the values as one array, which it plans at once. Others take them one by one, in a few sizes of
    text; the last value fills up.
    """

    def __init__(self, build: Callable[[Among], Select[Any]]) -> None:
        self._build = build
        self._texts: dict[tuple[str, int], str] = {}

    def rows(self, cursor: DBAPICursor, dialect: Dialect, values: Sequence[Any]) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(values), _SIZES[-1]):
            part = values[start : start + _SIZES[-1]]
            if dialect.name == "postgresql":
                cursor.execute(self._text(dialect, 1), ([*part],))
            else:
                size = next(size for size in _SIZES if size >= len(part))
                cursor.execute(self._text(dialect, size), (*part, *[part[-1]] * (size - len(part))))
            found.extend(cursor.fetchall())
        return found

    def _text(self, dialect: Dialect, size: int) -> str:
        text = self._texts.get((dialect.name, size))
        if text is None:
            names = [f"v{n}" for n in range(size)]
            among = _in_array if dialect.name == "postgresql" else partial(_in_list, names=names)
            text = self._texts[dialect.name, size] = text_of(self._build(among), dialect, names)
        return text


def _in_array(column: ColumnElement[Any]) -> ColumnElement[bool]:
    return column == func.any(bindparam("p_v0", type_=ARRAY(column.type)))


def _in_list(column: ColumnElement[Any], names: Sequence[str]) -> ColumnElement[bool]:
    return column.in_([param(name) for name in names])


class Cursor:
    """A cursor of the driver, for hot statements within the transaction of its connection."""

    def __init__(self, cursor: DBAPICursor, dialect: Dialect) -> None:
        self._cursor = cursor
        self._dialect = dialect

    def rows(self, lookup: Lookup, values: Sequence[Any]) -> list[Any]:
        return lookup.rows(self._cursor, self._dialect, values)

    def insert(self, insertion: Insertion, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            insertion.run(self._cursor, self._dialect, rows)

    def change(self, change: Change, rows: Sequence[Sequence[Any]]) -> int:
        return change.run(self._cursor, self._dialect, rows) if rows else 0


@contextmanager
def cursor(connection: Connection) -> Iterator[Cursor]:
    with closing(connection.connection.cursor()) as opened:
        yield Cursor(opened, connection.dialect)
