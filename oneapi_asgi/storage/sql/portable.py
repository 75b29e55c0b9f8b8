"""What SQLite, PostgreSQL and MySQL say in different words."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import BigInteger, Cast, Column, Connection, Integer, cast, column, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.sql.selectable import TableValuedAlias

__all__ = ["EpochDay", "EpochHour", "Total", "members", "next_numbers", "set_next_number", "take_snapshot"]

_SNAPSHOTS = {
    "postgresql": ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",),
    "mysql": (
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    ),
}


def take_snapshot(connection: Connection) -> None:
    """Have all that a transaction reads be of one moment; to be called before its first statement. On SQLite the
    transaction of a reader is like that anyway."""
    for statement in _SNAPSHOTS.get(connection.dialect.name, ()):
        connection.execute(text(statement))


class Total(GenericFunction[int]):
    """The sum of integers, exact even where sums on the way would not fit an int64. Servers may give a Decimal."""

    type = BigInteger()
    inherit_cache = True


@compiles(Total)
def _total(element: Total, compiler: SQLCompiler, **options: Any) -> str:
    return f"sum({compiler.process(element.clauses, **options)})"


@compiles(Total, "sqlite")
def _total_of_halves(element: Total, compiler: SQLCompiler, **options: Any) -> str:
    number = compiler.process(element.clauses, **options)
    return f"(sum(({number}) >> 32) * 4294967296 + sum(({number}) & 4294967295))"


class _Epoch(GenericFunction[int]):
    """Which span of so many ``seconds`` a moment belongs to, counted since 1970. No moment is before then."""

    type = Integer()
    inherit_cache = True
    seconds: ClassVar[int]


class EpochDay(_Epoch):
    """Which day (UTC) a moment belongs to, in days since 1970."""

    inherit_cache = True
    seconds = 86_400


class EpochHour(_Epoch):
    """Which hour a moment belongs to, in hours since 1970."""

    inherit_cache = True
    seconds = 3_600


@compiles(_Epoch)
def _epoch(element: _Epoch, compiler: SQLCompiler, **options: Any) -> str:
    return f"floor(({compiler.process(element.clauses, **options)}) / {element.seconds})"


@compiles(_Epoch, "sqlite")
def _epoch_of_sqlite(element: _Epoch, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(({compiler.process(element.clauses, **options)}) / {element.seconds} AS INTEGER)"


class _Members(GenericFunction[Any]):
    """Text that is no list has no members."""

    inherit_cache = True


@compiles(_Members, "sqlite")
def _members_of_sqlite(element: _Members, compiler: SQLCompiler, **options: Any) -> str:
    listed = compiler.process(element.clauses, **options)
    return f"json_each(CASE WHEN json_valid({listed}) THEN {listed} ELSE '[]' END)"


@compiles(_Members, "postgresql")
def _members_of_postgresql(element: _Members, compiler: SQLCompiler, **options: Any) -> str:
    listed = compiler.process(element.clauses, **options)
    is_list = rf"{listed} ~ '^\[(\d+(,\d+)*)?\]$'"
    return f"jsonb_array_elements(CASE WHEN {is_list} THEN {listed}::jsonb ELSE '[]'::jsonb END)"


@compiles(_Members, "mysql")
@compiles(_Members, "mariadb")
def _members_of_mysql(element: _Members, compiler: SQLCompiler, **options: Any) -> str:
    listed = compiler.process(element.clauses, **options)
    return f"json_table(IF(JSON_VALID({listed}), {listed}, '[]'), '$[*]' COLUMNS (value BIGINT PATH '$'))"


def members(listed: Column[Any]) -> tuple[TableValuedAlias, Cast[int]]:
    """The numbers in a JSON list as a table with a row each, which joins itself to the row of the list, and the number
    in it."""
    table = _Members(listed).table_valued(column("value", BigInteger), name="member", joins_implicitly=True)
    return table, cast(table.c.value, BigInteger)


def next_numbers(connection: Connection) -> dict[str, int]:
    """The number that the next row of a table gets, for those that number their rows by themselves and have had some:
    numbers of rows that are gone are not used again."""
    name = connection.dialect.name
    if name == "mysql":  # which else may tell what was true a day ago; MariaDB tells the truth
        connection.execute(text("SET SESSION time_zone = '+00:00' /*!80000 , information_schema_stats_expiry = 0 */"))
    return {table: int(number) for table, number in connection.execute(text(_NUMBERS[name]))}


_NUMBERS = {
    "sqlite": "SELECT name, seq + 1 FROM sqlite_sequence",
    "postgresql": """
        SELECT c.relname, s.last_value + 1 FROM pg_sequences s
        JOIN pg_class q ON q.relname = s.sequencename AND q.relnamespace = s.schemaname::regnamespace
        JOIN pg_depend d ON d.objid = q.oid AND d.deptype = 'a'
        JOIN pg_class c ON c.oid = d.refobjid
        WHERE s.schemaname = current_schema() AND s.last_value IS NOT NULL
    """,
    "mysql": """
        SELECT table_name, auto_increment FROM information_schema.tables
        WHERE table_schema = DATABASE() AND auto_increment > 1
    """,
}


def set_next_number(connection: Connection, column: Column[Any], number: int) -> None:
    """The next row of a table gets that number in ``column``, or a higher one. On MySQL this ends a transaction."""
    name, table = connection.dialect.name, column.table.name
    if name == "sqlite":
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :table"), {"table": table})
        row = {"table": table, "last": number - 1}
        connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :last)"), row)
    elif name == "postgresql":
        row = {"table": table, "column": column.name, "number": number}
        numbers = text("SELECT setval(pg_get_serial_sequence(quote_ident(:table), :column), :number, false)")
        connection.execute(numbers, row)
    else:
        quoted = connection.dialect.identifier_preparer.quote(table)
        connection.execute(text(f"ALTER TABLE {quoted} AUTO_INCREMENT = {int(number)}"))
