"""What calls add up to, with the names of what they are told apart by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

__all__ = ["Statistic", "StatisticKey", "StatisticsReader"]

StatisticKey = Literal["day", "hour", "user", "token", "channel", "model"]


class Statistic(Struct, frozen=True, kw_only=True):
    """Some calls added up. What they were told apart by is set: ``day`` is yyyymmdd (UTC, when calls began), ids are 0
    for calls without one, and names are those of now, "" for what is gone. ``hour`` is in hours since 1970, with its
    ``day``. ``cost`` is in nano-dollars, ``duration`` and ``first_content`` are in seconds; the latter is of
    ``first_contents`` calls together, and known by the hour alone."""

    day: int = 0
    hour: int = 0
    model: str = ""
    user_id: int = 0
    user: str = ""
    token_id: int = 0
    token: str = ""
    channel_id: int = 0
    channel: str = ""
    calls: int
    failed: int
    cost: int
    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int
    duration: float
    first_content: float = 0.0
    first_contents: int = 0


class StatisticsReader(Protocol):
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
        """Of the days from ``since_day`` to ``until_day`` (yyyymmdd), both with them, in the order of ``by``. A
        ``user_name`` that nobody has gives none. By the hour it is of the records that are kept, which takes time by
        how many they are; all else has been added up before.

        :raises ValueError: ``by`` names something twice
        """
        ...
