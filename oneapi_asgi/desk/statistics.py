"""What calls add up to, with the names of what they are told apart by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

__all__ = ["Statistic", "StatisticKey", "StatisticsReader"]

StatisticKey = Literal["day", "user", "token", "channel", "model"]


class Statistic(Struct, frozen=True, kw_only=True):
    """Some calls added up. What they were told apart by is set: ``day`` is yyyymmdd (UTC, when calls began), ids are 0
    for calls without one, and names are those of now, "" for what is gone. ``cost`` is in nano-dollars, ``duration`` in
    seconds."""

    day: int = 0
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
        ``user_name`` that nobody has gives none.

        :raises ValueError: ``by`` names something twice
        """
        ...
