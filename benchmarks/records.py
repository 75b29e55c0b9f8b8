"""Records of calls: what it takes to write them, and to read pages and totals of many.

Those of ten days are written, 200 at a time; all further days are copied inside the database. Each has 10,000 records,
so that 500 days are five millions: these take minutes, and gigabytes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import uvloop

from oneapi_asgi.queries import Dimension, RecordQuery
from oneapi_asgi.storage.records import cursor_of
from oneapi_asgi.storage.sql import SQLStorage

from .databases import DATABASES, Database, Kind, empty, missing
from .options import add_databases
from .recorded import A_DAY, calls, copy_first_day, day_number, moment
from .records_report import Read, Written, reads_table, writes_table

__all__ = ["main"]

BATCH = 200  # what a writer finds waiting under load
PAGE = 50
WRITTEN_DAYS = 10

Ask = Callable[[], Awaitable[object]]

PAGES: dict[str, dict[str, Any]] = {
    "the newest": {},
    "of one token": {"token_id": 7},
    "of a rare model": {"model": "rare"},
    "of failures (5xx)": {"status": 5},
    "of one token, failures": {"token_id": 7, "status": 5},
    "of one model, in a week": {"model": "model-1", "since": moment(1), "until": moment(8)},
}
TOTALS: dict[str, tuple[tuple[Dimension, ...], dict[str, Any]]] = {
    "by day": (("day",), {}),
    "by day and model": (("day", "model"), {}),
    "by token": (("token",), {}),
    "of one token, by day and model": (("day", "model"), {"token_id": 7}),
}
MOST_DAYS = 31


def asked(storage: SQLStorage, days: int) -> Iterator[tuple[str, Ask]]:
    """Pages from the newest record and from behind nearly all of them, and the totals of a month."""
    deep = cursor_of((moment(days * 0.02), 0))
    for name, query in PAGES.items():
        yield f"page {name}", partial(storage.find_records, RecordQuery(**query, limit=PAGE))
    yield "page behind 98 %", partial(storage.find_records, RecordQuery(limit=PAGE, before=deep))
    first, last = day_number(max(days - MOST_DAYS, 0)), day_number(days)
    for name, (by, only) in TOTALS.items():
        yield f"totals {name}", partial(storage.totals, first, last, by, **only)


async def write(storage: SQLStorage, database: Database, count: int) -> Written:
    source = calls(count)
    waits: list[float] = []
    cpu = 0.0
    server = database.server_cpu() if database.server_cpu else 0.0
    while batch := [*islice(source, BATCH)]:
        began, spent = time.perf_counter(), time.process_time()
        await storage.write_records(batch)
        waits.append(time.perf_counter() - began)
        cpu += time.process_time() - spent
    return Written(
        database=database.kind,
        records=count,
        seconds=sum(waits),
        cpu=cpu,
        server_cpu=database.server_cpu() - server if database.server_cpu else None,
        batch=median(waits),
        longest=max(waits),
    )


async def read(database: Kind, rows: int, name: str, ask: Ask, seconds: float) -> Read:
    """Again and again for so long, and three times at least."""
    waits: list[float] = []
    while len(waits) < 3 or sum(waits) < seconds:
        began = time.perf_counter()
        await ask()
        waits.append(time.perf_counter() - began)
    return Read(database=database, rows=rows, what=name, wait=median(waits), longest=max(waits))


async def measure(database: Database, options: argparse.Namespace) -> list[Written | Read]:
    days = min(options.days, WRITTEN_DAYS)
    async with SQLStorage(database.url) as storage:
        written = await write(storage, database, days * A_DAY)
        if options.days > days:
            await copy_first_day(database.url, range(days, options.days))
        rows = options.days * A_DAY
        wanted = asked(storage, options.days)
        return [written, *[await read(database.kind, rows, name, ask, options.seconds) for name, ask in wanted]]


async def collect(options: argparse.Namespace, folder: Path) -> list[Written | Read]:
    measured: list[Written | Read] = []
    for kind in options.databases:
        server = getattr(options, kind, "")
        if reason := await missing(kind, server):
            print(f"{kind} is left out: {reason}", file=sys.stderr)
            continue
        async with empty(kind, folder, server) as database:
            measured += await measure(database, options)
        print(f"{kind}: done", file=sys.stderr)
    return measured


def parse_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks records", description=__doc__)
    parser.add_argument("--days", type=int, default=WRITTEN_DAYS, help="of 10,000 records each; 500 are five millions")
    parser.add_argument("--seconds", type=float, default=0.3, help="for each kind of reading")
    add_databases(parser, DATABASES)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single measurement there")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    options = parse_options(arguments)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        measured = uvloop.run(collect(options, Path(folder)))
    if not measured:
        sys.exit("there was no database to measure")
    print(writes_table([one for one in measured if isinstance(one, Written)]), end="\n\n")
    print(reads_table([one for one in measured if isinstance(one, Read)]))
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(measured)))
