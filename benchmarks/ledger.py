"""Money: reservations and settlements in groups, beside a transaction for each, beside bare drivers.

Each call holds some money on a token's cap and on the wallet behind it, then settles; callers begin their next one as
soon as they may. After every run the balances must say what its calls cost, to the nano-dollar.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path

import msgspec
import uvloop
from msgspec import Struct

from oneapi_asgi.models import TokenDraft
from oneapi_asgi.ports import Storage
from oneapi_asgi.storage.memory import MemoryStorage
from oneapi_asgi.storage.sql import SQLStorage

from .bare import FUNDS, bare
from .databases import DATABASES, SERVERS, Database, empty, missing
from .ledger_report import Held, rows_of, table
from .options import add_databases, numbers, words
from .payments import COST, WAYS, Accounts, Bare, OneByOne, Payments, Way, grouped

__all__ = ["main"]

MEMORY = "memory"
WARM_UP = 0.2  # seconds


class Opened(Struct, frozen=True):
    """A database with payers in it, and the ways to pay there."""

    database: Database | None
    storage: Storage
    accounts: Accounts
    ways: dict[Way, Payments]

    def server_cpu(self) -> float | None:
        return self.database.server_cpu() if self.database and self.database.server_cpu else None

    async def used(self) -> int:
        balances = await self.storage.balances([number for accounts in self.accounts for number in accounts])
        return sum(balance.used for balance in balances)


@asynccontextmanager
async def opened(name: str, folder: Path, options: argparse.Namespace) -> AsyncIterator[Opened]:
    async with AsyncExitStack() as stack:
        database = None
        if name != MEMORY:
            kind = next(kind for kind in DATABASES if kind == name)
            database = await stack.enter_async_context(empty(kind, folder, getattr(options, name, "")))
        storage: Storage = await stack.enter_async_context(SQLStorage(database.url) if database else MemoryStorage())
        accounts = [await _payer(storage, number) for number in range(options.payers)]
        ways: dict[Way, Payments] = {
            "single": OneByOne(storage, accounts),
            "group": await stack.enter_async_context(grouped(storage, accounts)),
        }
        if database is not None and "bare" in options.only:
            ways["bare"] = Bare(await stack.enter_async_context(bare(database, options.payers)))
        yield Opened(database, storage, accounts, {way: ways[way] for way in options.only if way in ways})


async def _payer(storage: Storage, number: int) -> tuple[int, ...]:
    name = f"payer-{number}"
    await storage.add_user(name, wallet=FUNDS)
    digest = sha256(name.encode()).hexdigest()
    return (await storage.add_token(TokenDraft(name=name, digest=digest, quota=FUNDS, user=name))).accounts


async def load(payments: Payments, payers: int, callers: int, seconds: float) -> list[float]:
    """The seconds that each call waited for its reservation."""
    waits: list[float] = []
    deadline = time.perf_counter() + seconds

    async def call(payer: int) -> None:
        while (began := time.perf_counter()) < deadline:
            call_id = f"{time.time_ns():016x}{random.getrandbits(64):016x}"  # as those of calls are
            await payments.reserve(call_id, payer)
            waits.append(time.perf_counter() - began)
            await payments.settle(call_id, payer)

    await asyncio.gather(*[call(caller % payers) for caller in range(callers)])
    await payments.finish()
    return waits


async def run(name: str, way: Way, there: Opened, callers: int, number: int, seconds: float) -> Held:
    used, server = await there.used(), there.server_cpu()
    began, cpu = time.perf_counter(), time.process_time()
    waits = sorted(await load(there.ways[way], len(there.accounts), callers, seconds))
    took, spent = time.perf_counter() - began, time.process_time() - cpu
    ended = there.server_cpu()
    count = len(waits)
    charged = 0 if way == "bare" else count * COST * len(there.accounts[0])
    if (now := await there.used()) != used + charged:
        raise RuntimeError(f"{count} calls cost {charged}, but the balances say {now - used}")
    return Held(
        database=name,
        way=way,
        callers=callers,
        round=number,
        calls=count,
        seconds=took,
        cpu=spent,
        server_cpu=None if server is None or ended is None else ended - server,
        p50=waits[count // 2],
        p99=waits[count * 99 // 100],
    )


async def measure(options: argparse.Namespace, folder: Path) -> AsyncIterator[Held]:
    """Round by round, so that a drift of the machine meets every way alike."""
    for name in options.databases:
        if name in SERVERS and (reason := await missing(name, getattr(options, name))):
            print(f"{name} is left out: {reason}", file=sys.stderr)
            continue
        async with opened(name, folder, options) as there:
            for callers in options.callers:
                for payments in there.ways.values():
                    await load(payments, options.payers, callers, WARM_UP)
                for number in range(options.rounds):
                    for way in there.ways:
                        yield await run(name, way, there, callers, number, options.seconds)
                print(f"{name}, {callers} callers: done", file=sys.stderr)


def parse_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks ledger", description=__doc__)
    parser.add_argument("--callers", type=numbers, default=[1, 32, 256], help="1,32,256")
    parser.add_argument("--payers", type=int, default=16, help="tokens, each with a wallet of its own")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", type=words(WAYS), default=list(WAYS), help=",".join(WAYS))
    add_databases(parser, (MEMORY, *DATABASES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single measurement there")
    return parser.parse_args(arguments)


async def collect(options: argparse.Namespace, folder: Path) -> list[Held]:
    return [held async for held in measure(options, folder)]


def main(arguments: Sequence[str]) -> None:
    options = parse_options(arguments)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        measured = uvloop.run(collect(options, Path(folder)))
    if not measured:
        sys.exit("there was no database to measure")
    print(table(rows_of(measured)))
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(measured)))
