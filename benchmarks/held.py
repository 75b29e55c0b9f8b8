"""Opens streams and holds them: prints a line when all have had their first event, and ends with its standard input."""

from __future__ import annotations

import argparse
import asyncio
import sys

import uvloop

from .asking import Asking, connector
from .load import add_asked
from .traffic import Caller, Mode

__all__ = ["OPEN"]

OPEN = "open"
AT_ONCE = 50  # streams that are being opened; more would measure who is in a hurry
PATIENCE = 120.0  # seconds until all are open


class Holding:
    """Streams that do not end before they are closed."""

    def __init__(self) -> None:
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.opened: list[Asking] = []

    def fail(self, reason: str) -> None:
        if not self.failed.done():
            self.failed.set_exception(RuntimeError(reason))

    async def open(self, connect: asyncio.Future[Asking]) -> None:
        asking = await connect
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.opened.append(asking)
        asking.ask(lambda _: self.fail("a stream ended by itself"), lambda _: begun.set_result(None))
        await asyncio.wait((begun, self.failed), return_when=asyncio.FIRST_COMPLETED)
        if self.failed.done():
            self.failed.result()

    async def until(self, end: asyncio.Future[bytes]) -> None:
        await asyncio.wait((end, self.failed), return_when=asyncio.FIRST_COMPLETED)
        if self.failed.done():
            self.failed.result()
        for asking in self.opened:
            asking.close()


async def hold(port: int, mode: Mode, caller: Caller, streams: int) -> None:
    holding = Holding()
    connect = connector(port, mode, caller, holding.fail)
    async with asyncio.timeout(PATIENCE):
        for first in range(0, streams, AT_ONCE):
            await asyncio.gather(*(holding.open(connect()) for _ in range(first, min(first + AT_ONCE, streams))))
    print(OPEN, flush=True)
    loop = asyncio.get_running_loop()
    await holding.until(loop.run_in_executor(None, sys.stdin.buffer.read))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.held")
    add_asked(parser)
    parser.add_argument("--streams", type=int, required=True)
    options = parser.parse_args()
    uvloop.run(hold(options.port, options.mode, options.caller, options.streams))


if __name__ == "__main__":
    main()
