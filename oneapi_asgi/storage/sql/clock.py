"""The database's own clock: it decides when leases run out, since every replica sees the same one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Double, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

__all__ = ["Epoch", "database_time"]


class Epoch(GenericFunction[float]):
    """Unix seconds, with fractions, at the moment of execution (not of the transaction's begin)."""

    type = Double()
    inherit_cache = True


@compiles(Epoch, "sqlite")
def _sqlite(element: Epoch, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ARG001
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(Epoch, "postgresql")
def _postgresql(element: Epoch, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ARG001
    return "extract(epoch from clock_timestamp())::double precision"


@compiles(Epoch, "mysql")
@compiles(Epoch, "mariadb")
def _mysql(element: Epoch, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ARG001
    return "(unix_timestamp(sysdate(6)) + 0e0)"  # a double, not a decimal


_NOW = select(Epoch())


def database_time(connection: Connection) -> float:
    return float(connection.execute(_NOW).scalar_one())
