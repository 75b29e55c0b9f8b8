"""Five million records: what a page, the totals of a month and a batch of pruning take.

Where several filters apply, few of the rows that a page has to look at may match; they lie scattered, so that a server
with little memory reads each from its disk. The times asserted are several times what a small machine needs; what was
measured is shown by ``pytest -m slow -s``.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from msgspec.structs import replace
from servers.databases import KINDS, Kind, fresh
from sqlalchemy import Connection, func, insert, literal, select, text

from oneapi_asgi.models import Attempt, CallRecord, EndReason, Price, Usage
from oneapi_asgi.queries import Dimension, RecordQuery
from oneapi_asgi.storage.records import cursor_of
from oneapi_asgi.storage.sql.schema import daily_totals, records

from .opened import Opened

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DAYS = 32
A_DAY = 156_250  # records; 32 days have five millions
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
START = FIRST.timestamp()
DEEP = START + 86_400 * DAYS * 0.02  # behind 4.9 millions

PAGE, WALK, TOTALS, PRUNE = 0.15, 0.6, 0.6, 0.6  # seconds

QUERIES: tuple[dict[str, Any], ...] = (
    {},
    {"token_id": 7},
    {"token_id": 1_000},
    {"token_id": 99_999},
    {"user_id": 3},
    {"channel_id": 2},
    {"channel_id": 99},
    {"model": "model-1"},
    {"model": "rare"},
    {"model": "unknown"},
    {"status": 200},
    {"status": 2},
    {"status": 429},
    {"status": 418},
    {"status": 4},
    {"status": 5},
    {"reason": "done"},
    {"reason": "aborted"},
    {"reason": "upstream_failed"},
)
SPAN = {"since": START + 86_400 * 0.3, "until": START + 86_400 * 20.3}
SEVERAL: tuple[dict[str, Any], ...] = (
    {"token_id": 7, "model": "model-1"},
    {"token_id": 7, "status": 5},
    {"token_id": 7, "status": 418},
    {"user_id": 3, "model": "rare"},
    {"channel_id": 2, "status": 5},
    {"channel_id": 2, "model": "unknown"},
    {"model": "model-1", "reason": "aborted", **SPAN},
)
BY: tuple[tuple[Dimension, ...], ...] = (
    ("day",),
    ("model",),
    ("token",),
    ("channel",),
    ("day", "model"),
    ("day", "user", "channel"),
)

_ENDS: tuple[tuple[int, EndReason, int], ...] = (
    (200, "done", 960),
    (200, "client_gone", 10),
    (429, "refused", 12),
    (400, "refused", 6),
    (401, "refused", 2),
    (502, "upstream_failed", 5),
    (500, "upstream_failed", 4),
    (0, "aborted", 1),
)


def _a_day() -> list[CallRecord]:
    """Two hundred tokens, some of them much used, and what there is of a few calls a day only."""
    chance = random.Random(1)
    tokens = [int(200 * chance.random() ** 2) for _ in range(A_DAY)]
    ends = chance.choices(_ENDS, [share for *_, share in _ENDS], k=A_DAY)
    attempts = (Attempt(1, "first", 0, "model-1-2026-01-01", 200, "", 1.25),)
    price = Price(input=2_500_000_000, output=10_000_000_000)
    return [
        CallRecord(
            id=f"d00{number:029}",
            at=START + 86_400 * number / A_DAY,
            operation="chat",
            token_id=1_000 if number % 50_000 == 7 else token,
            token_name=f"token-{token}",
            user_id=token % 40,
            model="rare" if number % 50_000 == 9 else f"model-{chance.randrange(10)}",
            upstream_model="model-1-2026-01-01",
            channel_id=token % 6 or None,
            attempts=attempts,
            usage=Usage(input=chance.randrange(9_000), output=chance.randrange(900)),
            price=price,
            cost=chance.randrange(10**8),
            status=status,
            reason=reason,
            duration=1.5,
            client="10.0.0.1",
            upstream_request_id="req-0123456789abcdef",
        )
        for number, token, (status, reason, _) in zip(range(A_DAY), tokens, ends, strict=True)
    ]


def _copy(connection: Connection, shift: int) -> None:
    """The first day again, so many days later."""
    columns = [column for column in records.c if column.name not in ("seq", "id", "at")]
    names = ["id", "at", *[column.name for column in columns]]
    moved = (literal(f"d{shift:02}") + func.substr(records.c.id, 4), records.c.at + 86_400.0 * shift)
    day = select(*moved, *columns).where(records.c.at < START + 86_400, records.c.seq <= A_DAY)
    connection.execute(insert(records).from_select(names, day))
    sums = [column for column in daily_totals.c if column.name != "day"]
    first, later = _number(FIRST), _number(FIRST + timedelta(shift))
    added = select(literal(later), *sums).where(daily_totals.c.day == first)
    connection.execute(insert(daily_totals).from_select(["day", *[column.name for column in sums]], added))


def _number(day: datetime) -> int:
    return int(day.strftime("%Y%m%d"))


async def _fill(store: Opened) -> float:
    """Seconds for each record that was written."""
    day = _a_day()
    began = time.perf_counter()
    for start in range(0, A_DAY, 500):
        await store.write_records(day[start : start + 500])
    took = (time.perf_counter() - began) / A_DAY
    indexes = list(records.indexes)
    for index in indexes:
        await store.run(index.drop)
    for shift in range(1, DAYS):
        await store.run(partial(_copy, shift=shift))
    for index in indexes:
        await store.run(index.create)
    await store.run(_analyze)
    return took


def _analyze(connection: Connection) -> None:
    """What servers do by themselves, soon after."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("ANALYZE"))
    elif connection.dialect.name == "mysql":
        connection.execute(text("ANALYZE TABLE records, daily_totals"))


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opened]:
    kind: Kind = request.param
    with fresh(kind, tmp_path) as url:
        try:
            async with Opened(url) as store:
                began = time.perf_counter()
                took = await _fill(store)
                _say(
                    f"{kind}: {took * 1e6:.0f} us a record written, all there after {time.perf_counter() - began:.0f} s"
                )
                yield store
        finally:
            shutil.rmtree(tmp_path)  # pytest would keep it: gigabytes


async def _timed(work: Callable[[], Awaitable[object]], times: int = 5) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await work()
        taken.append(time.perf_counter() - began)
    return median(taken)


async def test_five_million_records(store: Opened) -> None:
    slow = [*await _slow_pages(store), *await _slow_totals(store), *await _slow_pruning(store)]
    assert slow == []


async def _slow_pages(store: Opened) -> list[str]:
    pages = await _pages(store, (*QUERIES, *({**query, **SPAN} for query in QUERIES)))
    return [*_told("page", pages, PAGE), *_told("walk", await _pages(store, SEVERAL), WALK)]


async def _pages(store: Opened, queries: Sequence[dict[str, Any]]) -> dict[str, float]:
    taken = {}
    for query in queries:
        for depth, before in (("0", None), ("4.9 million", cursor_of((DEEP, 0)))):
            asked = RecordQuery(**query, limit=50, before=before)
            taken[f"{query} at depth {depth}"] = await _timed(partial(store.find_records, asked))
    return taken


async def _slow_totals(store: Opened) -> list[str]:
    taken = {}
    last = _number(FIRST + timedelta(30))
    for by in BY:
        taken[f"by {', '.join(by)}"] = await _timed(partial(store.totals, _number(FIRST), last, by))
    taken["of one token"] = await _timed(partial(store.totals, _number(FIRST), last, ("day", "model"), token_id=7))
    return _told("totals", taken, TOTALS)


async def _slow_pruning(store: Opened) -> list[str]:
    fresh_one = CallRecord(id="", at=START + 86_400 * DAYS, operation="chat", token_id=7, model="model-1", status=200)
    stop = asyncio.Event()
    waits: list[float] = []

    async def write() -> None:
        while not stop.is_set():
            batch = [replace(fresh_one, id=f"new-{len(waits)}-{n}") for n in range(20)]
            began = time.perf_counter()
            await store.write_records(batch)
            waits.append(time.perf_counter() - began)

    taken = {}
    writer = asyncio.create_task(write())
    try:
        for limit in (1_000, 5_000):
            batches = []
            for _ in range(8):
                began = time.perf_counter()
                assert await store.prune_records(START + 86_400 * 10, limit) == limit
                batches.append(time.perf_counter() - began)
            taken[f"{limit} records"] = median(batches)
    finally:
        stop.set()
        await writer
    taken["a write meanwhile"] = median(waits)
    taken["the longest write meanwhile"] = max(waits)
    return _told("prune", taken, PRUNE)


def _say(line: str) -> None:
    sys.stdout.write(f"\n{line}")


def _told(what: str, taken: dict[str, float], most: float) -> list[str]:
    for name, seconds in taken.items():
        _say(f"{seconds * 1000:8.1f} ms  {what} {name}")
    return [f"{what} {name} took {seconds:.3f} s" for name, seconds in taken.items() if seconds > most]
