"""Hot statements: described once with Core, so that the schema stays one, and run as plain SQL on a cursor.

``Connection.execute`` of a Core construct costs ten times as much as the statement itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from sqlalchemy import BindParameter, Executable, Select, Table, bindparam, insert
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

__all__ = ["Lookup", "insertion", "param", "sql"]

_DIALECT = sqlite.dialect(paramstyle="qmark")
_SIZES = (1, 8, 32, 128, 512)


def param(name: str) -> BindParameter[Any]:
    """A parameter of a hot statement (SQLAlchemy keeps the names of columns for itself)."""
    return bindparam(f"p_{name}")


def sql(construct: Executable, *names: str) -> str:
    """The SQL text, which takes its parameters in the order of ``names``."""
    compiled = cast("SQLCompiler", cast("ClauseElement", construct).compile(dialect=_DIALECT))
    order = [name.removeprefix("p_") for name in compiled.positiontup or ()]
    if order != list(names):
        raise TypeError(f"the statement takes {order}, not {list(names)}: {compiled}")
    return str(compiled)


def insertion(table: Table, *names: str) -> str:
    return sql(insert(table).values({name: param(name) for name in names}), *names)


class Lookup:
    """``SELECT … WHERE … IN (values)`` for any number of values, in a few sizes of text; the last value fills up.

    ``build`` makes the statement from its parameters.
    """

    def __init__(self, build: Callable[[Sequence[BindParameter[Any]]], Select[Any]]) -> None:
        self._texts = {}
        for size in _SIZES:
            names = [f"v{n}" for n in range(size)]
            self._texts[size] = sql(build([param(name) for name in names]), *names)

    def rows(self, cursor: DBAPICursor, values: Sequence[Any]) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(values), _SIZES[-1]):
            part = values[start : start + _SIZES[-1]]
            size = next(size for size in _SIZES if size >= len(part))
            cursor.execute(self._texts[size], (*part, *[part[-1]] * (size - len(part))))
            found.extend(cursor.fetchall())
        return found
