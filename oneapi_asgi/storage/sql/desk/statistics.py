"""The totals of days, with names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, select

from ....desk.statistics import Statistic, StatisticKey
from ....queries import Total
from ..schema import channels, tokens, users
from ..store import SQLStorage
from ..totals import totals

__all__ = ["SQLStatistics"]

_AT_ONCE = 500


class SQLStatistics:
    """``desk.statistics.StatisticsReader``."""

    def __init__(self, storage: SQLStorage) -> None:
        self._storage = storage

    async def statistics(
        self,
        since_day: int,
        until_day: int,
        by: Sequence[StatisticKey],
        *,
        user_id: int | None = None,
        user_name: str = "",
        token_id: int | None = None,
        channel_id: int | None = None,
        model: str | None = None,
    ) -> Sequence[Statistic]:
        only = {"user_id": user_id, "token_id": token_id, "channel_id": channel_id, "model": model}
        return await self._storage.read(_named, since_day, until_day, by, only, user_name)


def _named(
    connection: Connection,
    since_day: int,
    until_day: int,
    by: Sequence[StatisticKey],
    only: Mapping[str, int | str | None],
    user_name: str,
) -> list[Statistic]:
    if user_name:
        found = connection.scalar(select(users.c.id).where(users.c.name == user_name))
        if found is None or only["user_id"] not in (None, found):
            return []
        only = {**only, "user_id": found}
    summed = totals(connection, since_day, until_day, by, only)
    called = {name: _names(connection, table, f"{name}_id", summed) for name, table in _NAMED.items()}
    return [_named_one(total, called) for total in summed]


_NAMED = {"user": users, "token": tokens, "channel": channels}
_SUMS = ("calls", "failed", "cost", "input", "output", "cache_read", "cache_write", "reasoning", "duration")


def _names(connection: Connection, table: Table, column: str, summed: Iterable[Total]) -> dict[int, str]:
    wanted = sorted({_id(total, column) for total in summed} - {0})
    names: dict[int, str] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        part = select(table.c.id, table.c.name).where(table.c.id.in_(wanted[start : start + _AT_ONCE]))
        names |= dict(connection.execute(part).all())
    return names


def _named_one(total: Total, called: Mapping[str, Mapping[int, str]]) -> Statistic:
    values: dict[str, Any] = {name: getattr(total, name) for name in _SUMS}
    for name, known in called.items():
        number = _id(total, f"{name}_id")
        values |= {f"{name}_id": number, name: known.get(number, "")}
    return Statistic(day=total.day or 0, model=total.model or "", **values)


def _id(total: Total, column: str) -> int:
    return getattr(total, column) or 0
