"""The totals of days and hours, with names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Table, select

from ....desk.statistics import Statistic, StatisticKey
from ..schema import channels, tokens, users
from ..store import SQLStorage
from ..totals import totals
from .statistics_hours import hours, in_order, parts

__all__ = ["SQLStatistics"]

_AT_ONCE = 500

_Only = Mapping[str, int | str | None]
_Values = Mapping[str, Any]


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
        wanted = await self._storage.read(_wanted, only, user_name)
        if wanted is None:
            return []
        if "hour" in by:
            return await self._storage.read(_named, await self._by_hour(since_day, until_day, by, wanted))
        return await self._storage.read(_totalled, since_day, until_day, by, wanted)

    async def _by_hour(self, since_day: int, until_day: int, by: Sequence[StatisticKey], only: _Only) -> list[_Values]:
        """Part by part, so that others get their turn, and no statement takes long."""
        found: list[_Values] = []
        for since, until in parts(since_day, until_day):
            found += await self._storage.read(hours, since, until, by, only)
        return in_order(found, by)


def _wanted(connection: Connection, only: _Only, user_name: str) -> _Only | None:
    """With the id of a user who was named; None for nobody."""
    if not user_name:
        return only
    found = connection.scalar(select(users.c.id).where(users.c.name == user_name))
    return {**only, "user_id": found} if found is not None and only["user_id"] in (None, found) else None


def _totalled(
    connection: Connection, since_day: int, until_day: int, by: Sequence[StatisticKey], only: _Only
) -> list[Statistic]:
    kept = [dimension for dimension in by if dimension != "hour"]
    return _named(connection, [_values(total) for total in totals(connection, since_day, until_day, kept, only)])


def _named(connection: Connection, summed: Sequence[_Values]) -> list[Statistic]:
    called = {name: _names(connection, table, f"{name}_id", summed) for name, table in _NAMED.items()}
    return [_named_one(each, called) for each in summed]


_NAMED = {"user": users, "token": tokens, "channel": channels}


def _values(total: Struct) -> dict[str, Any]:
    """What it is told apart by, and the sums."""
    values = {name: getattr(total, name) for name in total.__struct_fields__}
    return {name: value for name, value in values.items() if value is not None}


def _names(connection: Connection, table: Table, column: str, summed: Iterable[_Values]) -> dict[int, str]:
    wanted = sorted({each.get(column, 0) for each in summed} - {0})
    names: dict[int, str] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        part = select(table.c.id, table.c.name).where(table.c.id.in_(wanted[start : start + _AT_ONCE]))
        names |= dict(connection.execute(part).all())
    return names


def _named_one(values: _Values, called: Mapping[str, Mapping[int, str]]) -> Statistic:
    names: dict[str, Any] = {name: known.get(values.get(f"{name}_id", 0), "") for name, known in called.items()}
    return Statistic(**values, **names)
