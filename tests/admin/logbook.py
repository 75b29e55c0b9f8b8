"""Calls and events of a few days, to be looked at in every way the log has."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from sqlalchemy import Connection, insert, text

from oneapi_asgi.desk.events import Event, EventKind
from oneapi_asgi.models import CallRecord, TokenDraft, Usage
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.events import SQLEvents
from oneapi_asgi.storage.sql.desk.schema import events
from oneapi_asgi.storage.sql.rows import RECORD_COLUMNS, record_row
from oneapi_asgi.storage.sql.schema import records

__all__ = ["DAY", "START", "call", "filled", "many"]

DAY = 86_400
START = 20_000 * DAY  # 2024-10-04


def call(
    number: int, at: float, user: int | None, *, model: str = "m", token: str = "t", cost: int = 5_000
) -> CallRecord:
    return CallRecord(
        id=f"{number:032x}",
        at=at,
        operation="chat",
        token_id=1,
        token_name=token,
        user_id=user,
        model=model,
        channel_id=number % 3 or None,
        usage=Usage(input=10, output=3),
        cost=5_000,
        status=200,
        stream=bool(number % 2),
        duration=1.25,
    )


async def filled(storage: SQLStorage) -> tuple[int, int]:
    """The ids of ann and bob: 60 calls, and an event after every third, twenty minutes apart."""
    ann, bob = await storage.add_user("ann"), await storage.add_user("bob")
    await storage.add_token(TokenDraft(user="ann", name="t", digest="d" * 64, prefix="sk-a"))
    calls = [
        call(n, START + n * 1_200, ann if n % 2 else bob, model="big" if n % 5 == 0 else "m", token=f"t{n % 4}")
        for n in range(60)
    ]
    await storage.write_records(calls)
    kinds: tuple[EventKind, ...] = ("topup", "manage", "system", "test")
    log = SQLEvents(storage)
    for n in range(20):
        whom, name = (ann, "ann") if n % 2 else (bob, "bob")
        await log.write_event(
            Event(
                kind=kinds[n % 4], action="a.b", actor_id=1, actor_name="root", user_id=whom, user_name=name,
                target=f"thing {n}", text=f"100%_sure {n}", amount=4_000, detail={"n": n}, request_id=f"r{n}",
            )
        )  # fmt: skip
    await log.write_event(Event(kind="manage", action="option.edit", actor_id=1, actor_name="root", text="hidden"))
    await storage.write(_move, range(20))
    return ann, bob


def _move(connection: Connection, numbers: Iterable[int]) -> None:
    """Events are written at the time it is; these were a while ago."""
    for n in numbers:
        moved = events.update().where(events.c.request_id == f"r{n}").values(at=START + n * 3_600 + 60)
        connection.execute(moved)


async def many(storage: SQLStorage, count: int) -> None:
    """So many calls, as if each had been written."""

    def write(connection: Connection, first: int) -> None:
        made = [
            record_row(call(n, START + n / 4, n % 50, model=f"m{n % 20}", token=f"t{n % 70}"))
            for n in range(first, min(first + 2_000, count))
        ]
        connection.execute(insert(records), [dict(zip(RECORD_COLUMNS, row, strict=True)) for row in made])

    for first in range(0, count, 2_000):
        await storage.write(partial(write, first=first))
    await storage.write(_analyze)


def _analyze(connection: Connection) -> None:
    """What servers do by themselves, soon after."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("ANALYZE"))
    elif connection.dialect.name == "mysql":
        connection.execute(text("ANALYZE TABLE records"))
