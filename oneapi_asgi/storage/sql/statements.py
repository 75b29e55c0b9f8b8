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
    Column,
    ColumnClause,
    ColumnElement,
    Connection,
    Dialect,
    Executable,
    Insert,
    LargeBinary,
    Select,
    String,
    Table,
    Update,
    bindparam,
    case,
    column,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy import cast as cast_to
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import TableValuedAlias

__all__ = [
    "LARGEST",
    "Addition",
    "Among",
    "Change",
    "Cursor",
    "Insertion",
    "Lookup",
    "Replacement",
    "Together",
    "cursor",
    "param",
    "text_of",
]

LARGEST = 2**63 - 1
"""Of the whole numbers that a column holds."""

_encode = msgspec.json.Encoder().encode
_ROWS = "rows"
_ROWS_AT_ONCE = 256
"""In one JSON text: PostgreSQL takes arrays of 256 MiB, and a note of 256 KiB is the largest row."""

_COLLATION = " COLLATE utf8mb4_0900_bin"
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


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

    def run(self, cursor: DBAPICursor, dialect: Dialect, rows: Sequence[Sequence[Any]]) -> int:
        text = self._texts.get(dialect.name)
        if text is None:
            order = self.names() if dialect.name == "postgresql" else self._names
            text = self._texts[dialect.name] = text_of(self.construct(dialect), dialect, order)
        if dialect.name == "postgresql":
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                cursor.execute(text, self.given(rows[start : start + _ROWS_AT_ONCE]))
        else:
            cursor.executemany(text, rows)
        return len(rows)

    def names(self) -> list[str]:
        """Of its parameters on PostgreSQL, which ``given`` makes of rows."""
        return [_ROWS]

    def given(self, rows: Sequence[Sequence[Any]]) -> list[Any]:
        return [_encode(rows).decode()]

    def construct(self, dialect: Dialect, part: str = "") -> Insert:
        """``part`` comes before the names of parameters."""
        if dialect.name == "postgresql":
            return postgresql.insert(self._table).from_select(self._names, _elements(self._table, self._names, part))
        return insert(self._table).values({name: param(name) for name in self._names})


class _Upsert(Insertion):
    """``INSERT`` of rows, no two of them with the same ``key``; a row that is there already gets other values."""

    def __init__(self, table: Table, key: Sequence[str], names: Sequence[str]) -> None:
        super().__init__(table, *key, *names)
        self._key = key

    def construct(self, dialect: Dialect, part: str = "") -> Insert:
        if dialect.name == "postgresql":
            rows = postgresql.insert(self._table).from_select(self._names, _elements(self._table, self._names, part))
            return rows.on_conflict_do_update(index_elements=self._key, set_=self._changed(rows.excluded))
        values = {name: param(name) for name in self._names}
        if dialect.name == "sqlite":
            row = sqlite.insert(self._table).values(values)
            return row.on_conflict_do_update(index_elements=self._key, set_=self._changed(row.excluded))
        line = mysql.insert(self._table).values(values)
        return line.on_duplicate_key_update(self._changed(line.inserted))

    def _changed(self, given: ReadOnlyColumnCollection[str, Any]) -> dict[str, ColumnElement[Any]]:
        raise NotImplementedError


class Addition(_Upsert):
    """The numbers ``added`` of a row that is there are added to its own; whole ones stay at the largest that there is,
    where they would pass it."""

    def __init__(self, table: Table, key: Sequence[str], added: Sequence[str]) -> None:
        super().__init__(table, key, added)
        self._added = added

    def _changed(self, given: ReadOnlyColumnCollection[str, Any]) -> dict[str, ColumnElement[Any]]:
        return {name: _sum(self._table.c[name], given[name]) for name in self._added}


class Replacement(_Upsert):
    """A row that is there gets the values of ``replaced`` instead of its own."""

    def __init__(self, table: Table, key: Sequence[str], replaced: Sequence[str]) -> None:
        super().__init__(table, key, replaced)
        self._replaced = replaced

    def _changed(self, given: ReadOnlyColumnCollection[str, Any]) -> dict[str, ColumnElement[Any]]:
        return {name: given[name] for name in self._replaced}


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
            order = [_ROWS] if dialect.name == "mysql" else self.names()
            text = self._texts[dialect.name] = text_of(self.construct(dialect), dialect, order)
        if dialect.name == "mysql":
            cursor.execute(text, (_encode(rows).decode(),))
        elif dialect.name == "postgresql":
            cursor.execute(text, self.given(rows))
        else:
            cursor.executemany(text, rows)
        return cursor.rowcount

    def names(self) -> list[str]:
        return [*self._to, *[f"seen_{name}" for name in self._seen]]

    def given(self, rows: Sequence[Sequence[Any]]) -> list[Any]:
        return [*map(list, zip(*rows, strict=True))]

    def construct(self, dialect: Dialect, part: str = "") -> Update:
        columns = {name: name for name in self._to} | {f"seen_{name}": name for name in self._seen}
        given: dict[str, ColumnElement[Any]]
        if dialect.name in _TABLES:
            rows = _TABLES[dialect.name](self._table, columns, part)
            given = {name: rows.c[name] for name in columns}
        else:
            given = {name: param(name) for name in columns}
        seen = [self._table.c[name] == given[f"seen_{name}"] for name in self._seen]
        return update(self._table).values({name: given[name] for name in self._to}).where(*seen, *self._where)


class Together:
    """Insertions and changes that do not touch each other's rows. PostgreSQL takes them as one statement, since each
    costs the time and the work of a round trip."""

    def __init__(self, *parts: Insertion | Change) -> None:
        self._parts = parts
        self._texts: dict[tuple[int, ...], str] = {}

    def run(self, cursor: DBAPICursor, dialect: Dialect, rows: Sequence[Sequence[Sequence[Any]]]) -> list[int]:
        """With the rows of each part, none for those that have nothing to do. How many each inserted or changed."""
        if dialect.name != "postgresql":
            return [
                part.run(cursor, dialect, some) if some else 0 for part, some in zip(self._parts, rows, strict=True)
            ]
        numbers = tuple([number for number, some in enumerate(rows) if some])
        if not numbers:
            return [0] * len(rows)
        text = self._texts.get(numbers) or self._text(dialect, numbers)
        cursor.execute(text, [value for number in numbers for value in self._parts[number].given(rows[number])])
        counts = dict(zip(numbers, cursor.fetchall()[0], strict=True))
        return [counts.get(number, 0) for number in range(len(rows))]

    def _text(self, dialect: Dialect, numbers: tuple[int, ...]) -> str:
        counts, names = [], []
        for number in numbers:
            part, name = self._parts[number], f"part_{number}"
            done = part.construct(dialect, name).returning(literal_column("1")).cte(name)
            counts.append(select(func.count()).select_from(done).scalar_subquery())
            names += [f"{name}{parameter}" for parameter in part.names()]
        text = self._texts[numbers] = text_of(select(*counts), dialect, names)
        return text


def _elements(table: Table, names: Sequence[str], part: str) -> Select[Any]:
    """The rows from one JSON text, an array of arrays. Its own arrays would cost PostgreSQL's driver five times as
    much, since it looks long at each element."""
    row = func.jsonb_array_elements(cast_to(param(part + _ROWS), JSONB)).column_valued("given")
    return select(*[_element(row, place, table.c[name]) for place, name in enumerate(names)])


def _element(row: ColumnElement[Any], place: int, column: Column[Any]) -> ColumnElement[Any]:
    text = row.op("->>")(literal_column(str(place)))
    if isinstance(column.type, LargeBinary):
        return func.decode(text, literal_column("'base64'"))
    # Not to a text of a certain length, which would be cut.
    return text if isinstance(column.type, String) else cast_to(text, column.type)


def _arrays(table: Table, columns: dict[str, str], part: str) -> TableValuedAlias:
    """The rows as a table made of one array for each column: one statement, whatever their number."""
    arrays = [bindparam(f"p_{part}{name}", type_=ARRAY(table.c[source].type)) for name, source in columns.items()]
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


def _lines(table: Table, columns: dict[str, str], part: str) -> TableValuedAlias:  # noqa: ARG001  # never together
    """The rows as a table made of one JSON text: the drivers of MySQL would send an ``UPDATE`` for each of them."""
    kinds = [column(name, table.c[source].type) for name, source in columns.items()]
    return _JsonTable(kinds).table_valued(*kinds, name="given")


_TABLES = {"postgresql": _arrays, "mysql": _lines}
"""How many rows are given as one table, where they can be."""


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

    def write(self, together: Together, rows: Sequence[Sequence[Sequence[Any]]]) -> list[int]:
        return together.run(self._cursor, self._dialect, rows)


@contextmanager
def cursor(connection: Connection) -> Iterator[Cursor]:
    with closing(connection.connection.cursor()) as opened:
        yield Cursor(opened, connection.dialect)
