"""An open-loop load generator: requests are due by a schedule, whether or not earlier ones were answered.

Prints one line of JSON. Gaps between requests are exponential, as those of callers who know nothing of each other, from
a fixed seed: every proxy meets the same ones. Time counts from when a request was due, so that one which found no
connection idle, as earlier answers were late, has waited since then. Timers are good for a millisecond, and so are the
times; they err alike for all who are asked at the same rate.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections import deque

import msgspec
import uvloop
from msgspec import Struct

from .asking import Asking, connector
from .load import add_asked, quantile
from .traffic import Caller, Mode

__all__ = ["CONNECTIONS", "OpenLoad", "schedule"]

PATIENCE = 60.0  # seconds after the end of the run for the last answers
TICK = 0.001
CONNECTIONS = 256
SEED = 6


class OpenLoad(Struct, frozen=True):
    """``rate``: requests a second that were due. ``p50`` and ``p99``: from when a request was due to the first byte of
    the answer's body, in seconds. ``busiest``: the largest
    share of connections that had a request at once; with 1, requests had to wait for one."""

    requests: int
    rate: float
    p50: float
    p99: float
    busiest: float


def schedule(rate: float, seconds: float) -> list[float]:
    """When requests are due, in seconds from the start."""
    chance = random.Random(SEED)
    due, moments = chance.expovariate(rate), []
    while due < seconds:
        moments.append(due)
        due += chance.expovariate(rate)
    return moments


class OpenRun:
    def __init__(self, due: list[float], idle: list[Asking]) -> None:
        self.loop = asyncio.get_running_loop()
        self.waiting = deque(due)
        self.left = len(due)
        self.idle = idle
        self.fewest = len(idle)
        self.first_bytes: list[float] = []
        self.done: asyncio.Future[None] = self.loop.create_future()
        self.started = 0.0

    def start(self) -> None:
        self.started = time.perf_counter()
        self.tick()

    def tick(self) -> None:
        self.send_due()
        if self.waiting:
            self.loop.call_later(TICK, self.tick)

    def send_due(self) -> None:
        now = time.perf_counter() - self.started
        while self.waiting and self.idle and self.waiting[0] <= now:
            asking = self.idle.pop()
            asking.due = self.started + self.waiting.popleft()
            asking.ask(self.ended)
        self.fewest = min(self.fewest, len(self.idle))

    def ended(self, asking: Asking) -> None:
        self.first_bytes.append(asking.first_byte - asking.due)
        self.idle.append(asking)
        self.left -= 1
        if not self.left and not self.done.done():
            self.done.set_result(None)
        elif self.fewest == 0:
            self.send_due()

    def fail(self, reason: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(reason))


async def generate(port: int, mode: Mode, caller: Caller, rate: float, seconds: float, connections: int) -> OpenLoad:
    run = OpenRun(schedule(rate, seconds), [])
    connect = connector(port, mode, caller, run.fail)
    run.idle += [await connect() for _ in range(connections)]
    run.fewest = connections
    run.start()
    async with asyncio.timeout(seconds + PATIENCE):
        await run.done
    for asking in run.idle:
        asking.close()
    seen = sorted(run.first_bytes)
    return OpenLoad(len(seen), rate, quantile(seen, 0.5), quantile(seen, 0.99), 1 - run.fewest / connections)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.open_load")
    add_asked(parser)
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="the most requests at once")
    options = parser.parse_args()
    asked = (options.port, options.mode, options.caller)
    load = uvloop.run(generate(*asked, options.rate, options.seconds, options.connections))
    print(msgspec.json.encode(load).decode())


if __name__ == "__main__":
    main()
