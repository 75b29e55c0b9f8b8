"""Records as busy days leave them, and many more such days."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, func, insert, literal, select, text

from oneapi_asgi.models import Attempt, CallRecord, EndReason, Price, Usage
from oneapi_asgi.storage.sql import opening
from oneapi_asgi.storage.sql.schema import daily_totals, records

__all__ = ["A_DAY", "calls", "copy_first_day", "day_number", "moment"]

A_DAY = 10_000  # records
_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_DAY = 86_400.0  # seconds
_TOKENS, _USERS, _CHANNELS, _MODELS = 200, 40, 6, 10
_ATTEMPTS = (Attempt(1, "first", 0, "model-1-2026-01-01", 200, "", 1.25),)
_PRICE = Price(input=2_500_000_000, output=10_000_000_000)
_ENDS: tuple[tuple[int, EndReason], ...] = (
    (200, "done"),
    (200, "client_gone"),
    (429, "refused"),
    (502, "upstream_failed"),
)
_SHARES = (96, 1, 2, 1)


def moment(day: float) -> float:
    """Unix seconds, so many days after the first record."""
    return _FIRST.timestamp() + _DAY * day


def day_number(day: int) -> int:
    return int((_FIRST + timedelta(day)).strftime("%Y%m%d"))


def calls(count: int) -> Iterator[CallRecord]:
    """In the order of time. Some of two hundred tokens are much used; one record in 5,000 is of the model ``rare``."""
    chance = random.Random(1)
    for number in range(count):
        token = int(_TOKENS * chance.random() ** 2)
        ((status, reason),) = chance.choices(_ENDS, _SHARES)
        day, place = divmod(number, A_DAY)
        yield CallRecord(
            id=f"{day:05}{place:027}",
            at=moment(number / A_DAY),
            operation="chat",
            token_id=token,
            token_name=f"token-{token}",
            user_id=token % _USERS,
            model="rare" if number % 5_000 == 9 else f"model-{chance.randrange(_MODELS)}",
            upstream_model="model-1-2026-01-01",
            channel_id=token % _CHANNELS or None,
            attempts=_ATTEMPTS,
            usage=Usage(input=chance.randrange(9_000), output=chance.randrange(900)),
            price=_PRICE,
            cost=chance.randrange(10**8),
            status=status,
            reason=reason,
            duration=1.5,
            client="10.0.0.1",
            upstream_request_id="req-0123456789abcdef",
        )


async def copy_first_day(url: str, days: range) -> None:
    """The first day's records and totals again, on each of these. Without indexes meanwhile: on servers with little
    memory it would take hours."""
    writer, readers = opening.runners(opening.parse(url), {})
    indexes = list(records.indexes)
    steps: list[Callable[[Connection], Any]] = [
        *[index.drop for index in indexes],
        *[partial(_copy, day=day) for day in days],
        *[index.create for index in indexes],
        _analyze,
    ]
    try:
        await writer.start()
        for step in steps:
            await writer.run(step, long=True)
    finally:
        await writer.close()
        await readers.close()


def _copy(connection: Connection, day: int) -> None:
    columns = [column for column in records.c if column.name not in ("seq", "id", "at")]
    moved = (literal(f"{day:05}") + func.substr(records.c.id, 6), records.c.at + _DAY * day)
    first = select(*moved, *columns).where(records.c.seq <= A_DAY)
    connection.execute(insert(records).from_select(["id", "at", *[column.name for column in columns]], first))
    sums = [column for column in daily_totals.c if column.name != "day"]
    added = select(literal(day_number(day)), *sums).where(daily_totals.c.day == day_number(0))
    connection.execute(insert(daily_totals).from_select(["day", *[column.name for column in sums]], added))


def _analyze(connection: Connection) -> None:
    """What servers do by themselves, soon after."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("ANALYZE"))
    elif connection.dialect.name == "mysql":
        connection.execute(text("ANALYZE TABLE records, daily_totals"))
