"""A closed-loop load generator: each connection asks again as soon as it has its answer. Prints one line of JSON.

An answer that is not right fails the run.
"""

from __future__ import annotations

import argparse
import asyncio
import time

import msgspec
import uvloop
from msgspec import Struct

from .asking import Asking, connector
from .traffic import MODES, Caller, Mode

__all__ = ["Load", "add_asked", "caller_of", "quantile"]

PATIENCE = 60.0  # seconds after the end of the run for the last answers


class Load(Struct, frozen=True):
    """Latencies and times to the first byte of the body are in seconds; ``first_byte`` is the median."""

    requests: int
    seconds: float
    p50: float
    p99: float
    first_byte: float


class Run:
    """What the connections share: when to stop, and what they saw."""

    def __init__(self, connections: int, limit: int) -> None:
        self.left = limit
        self.latencies: list[float] = []
        self.first_bytes: list[float] = []
        self.running = connections
        self.deadline = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def ask(self, asking: Asking) -> None:
        self.left -= 1
        if self.left >= 0 and time.perf_counter() < self.deadline:
            asking.ask(self.ended)
            return
        asking.close()
        self.running -= 1
        if not self.running and not self.done.done():
            self.done.set_result(None)

    def ended(self, asking: Asking) -> None:
        self.latencies.append(asking.finished - asking.started)
        self.first_bytes.append(asking.first_byte - asking.started)
        self.ask(asking)

    def fail(self, reason: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(reason))


def quantile(values: list[float], share: float) -> float:
    """Of values in order."""
    return values[int(len(values) * share)]


async def generate(port: int, mode: Mode, caller: Caller, connections: int, seconds: float, limit: int) -> Load:
    run = Run(connections, limit)
    connect = connector(port, mode, caller, run.fail)
    opened = [await connect() for _ in range(connections)]
    started = time.perf_counter()
    run.deadline = started + seconds
    for asking in opened:
        run.ask(asking)
    async with asyncio.timeout(seconds + PATIENCE):
        await run.done
    took = time.perf_counter() - started
    latencies, first_bytes = sorted(run.latencies), sorted(run.first_bytes)
    return Load(len(latencies), took, quantile(latencies, 0.5), quantile(latencies, 0.99), quantile(first_bytes, 0.5))


def add_asked(parser: argparse.ArgumentParser) -> None:
    """Who is asked for what, and how."""
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mode", choices=MODES, default="plain")
    parser.add_argument("--caller", type=caller_of, default=Caller(), help="a Caller of traffic.py, as JSON")


def caller_of(text: str) -> Caller:
    return msgspec.json.decode(text, type=Caller)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load")
    add_asked(parser)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--requests", type=int, default=1 << 40, help="stop after so many, whatever the time")
    options = parser.parse_args()
    asked = (options.port, options.mode, options.caller)
    load = uvloop.run(generate(*asked, options.connections, options.seconds, options.requests))
    print(msgspec.json.encode(load).decode())


if __name__ == "__main__":
    main()
