"""How the CPU of a call grows with tokens, channels, records, open streams, and the size of bodies.

The real gateway with everything on. The largest database of the axis ``records`` has ten million of them: that takes
minutes, and ten gigabytes in the folder for temporary files. ``--quick`` leaves it out.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import msgspec
from msgspec.structs import replace

from .growth_config import Size, configure, serving
from .growth_curves import AXES, Axis, Point, curves_of
from .growth_load import Asked, run_asked
from .growth_records import fill
from .growth_report import summary, write_report
from .options import words
from .processes import Server, free_port, holding, module, running

__all__ = ["main"]

KNOWN, UNKNOWN = 3_600.0, 0.001  # seconds for which a token is kept
ONE = Size()
QUIET = 0.1  # of a core
PATIENCE = 60.0  # seconds
SETTLING = 1.5  # seconds, after streams were opened
BYTES_A_RECORD = 1_200  # with its indexes, its entries and the file's log

TOKENS = (10, 100, 1_000, 10_000)
CHANNELS = (10, 100, 1_000)
RECORDS = (1, 10_000, 1_000_000, 10_000_000)
STREAMS = (1, 100, 1_000, 5_000)
BODIES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)


class Bench:
    """Gateways of several sizes in one folder, in front of one upstream, and loads on them."""

    def __init__(self, stack: ExitStack, folder: Path, options: argparse.Namespace) -> None:
        self.folder = folder
        self.rounds: int = options.rounds
        self.seconds: float = options.seconds
        self.quick: bool = options.quick
        port = free_port()
        command = module("growth_upstream", port=port)
        stack.enter_context(running(command, port, folder / "upstream.log", proxy=False))
        self._upstream = f"http://127.0.0.1:{port}"

    def sizes(self, all_of_them: Sequence[int]) -> Sequence[int]:
        """The first and the last one will do for a quick look, but for one that takes minutes."""
        return (all_of_them[0], all_of_them[-2 if all_of_them is RECORDS else -1]) if self.quick else all_of_them

    @contextmanager
    def gateway(self, name: str, size: Size = ONE) -> Iterator[Server]:
        file, port = self.folder / f"{name}.toml", free_port()
        configure(file, self.database(name), self._upstream, size)
        with running(serving(file, port), port, self.folder / f"{name}.log") as server:
            yield server

    def database(self, name: str) -> Path:
        return self.folder / f"{name}.db"

    def load(self, server: Server, asked: Asked) -> tuple[int, float]:
        """How many calls there were, and the seconds of CPU that they took of the gateway."""
        before = server.cpu()
        found = run_asked(server.port, asked)
        return found.requests, server.cpu() - before

    def in_turn(self, axis: Axis, loads: Mapping[tuple[str, int], tuple[Server, Asked]]) -> Iterator[Point]:
        """Round by round, so that a drift of the machine meets every size alike; each is warmed up first."""
        for server, asked in loads.values():
            run_asked(server.port, replace(asked, seconds=60.0, calls=max(asked.tokens, asked.models, 16)))
        for number in range(self.rounds):
            for (curve, at), (server, asked) in loads.items():
                count, cpu = self.load(server, replace(asked, seconds=self.seconds))
                yield Point(axis=axis, curve=curve, at=at, round=number, count=count, cpu=cpu)
            print(f"{axis}, round {number + 1}: done", file=sys.stderr)


def tokens(bench: Bench) -> Iterator[Point]:
    curves = {"tokens that are known": KNOWN, "tokens that are looked up": UNKNOWN}
    with ExitStack() as stack:
        loads = {}
        for curve, kept in curves.items():
            for count in bench.sizes(TOKENS):
                size = Size(tokens=count, token_ttl=kept)
                server = stack.enter_context(bench.gateway(f"tokens-{count}-{kept}", size))
                loads[curve, count] = (server, Asked(tokens=count))
        yield from bench.in_turn("tokens", loads)


def channels(bench: Bench) -> Iterator[Point]:
    with ExitStack() as stack:
        loads = {}
        for count in bench.sizes(CHANNELS):
            for curve, models in (("all of one model", 1), ("a model each", count)):
                size = Size(channels=count, models=models)
                server = stack.enter_context(bench.gateway(f"channels-{count}-{models}", size))
                loads[curve, count] = (server, Asked(models=models))
        yield from bench.in_turn("channels", loads)


def records(bench: Bench) -> Iterator[Point]:
    with ExitStack() as stack:
        loads = {}
        for count in bench.sizes(RECORDS):
            free = shutil.disk_usage(bench.folder).free
            if free < 2 * count * BYTES_A_RECORD:
                print(f"{count:,} records are left out: the disk has only {free >> 30} GiB", file=sys.stderr)
                continue
            name = f"records-{count}"
            with bench.gateway(name) as server:  # makes the tables, and one record
                run_asked(server.port, Asked(connections=1, calls=1))
            fill(bench.database(name), count)
            print(f"{count:,} records are there", file=sys.stderr)
            loads["calls", count] = (stack.enter_context(bench.gateway(name)), Asked())
        yield from bench.in_turn("records", loads)


def streams(bench: Bench) -> Iterator[Point]:
    with bench.gateway("streams") as server:
        run_asked(server.port, Asked(calls=2_000, seconds=30.0))
        for number in range(bench.rounds):
            for count in bench.sizes(STREAMS):
                _until_quiet(server)
                with holding(server.port, count):
                    time.sleep(SETTLING)
                    yield from _among(bench, server, count, number)
            print(f"streams, round {number + 1}: done", file=sys.stderr)


def _until_quiet(server: Server) -> None:
    """Thousands of streams that were left at one moment are work for a while, which belongs to none of the sizes."""
    end = time.monotonic() + PATIENCE
    before = server.cpu()
    while time.monotonic() < end:
        time.sleep(SETTLING)
        now = server.cpu()
        if now - before < QUIET * SETTLING:
            return
        before = now
    raise RuntimeError(f"the gateway was still busy {PATIENCE:.0f} s after its callers had left")


def _among(bench: Bench, server: Server, count: int, number: int) -> Iterator[Point]:
    """Plain calls among streams; what the streams alone take in that time is not theirs."""
    point = partial(Point, axis="streams", at=count, round=number)
    before, began = server.cpu(), time.perf_counter()
    time.sleep(bench.seconds)
    alone, took = server.cpu() - before, time.perf_counter() - began
    if count >= 1_000:  # what fewer take is too little to be measured
        yield point(curve="events", count=int(count * took), cpu=alone)
    before, began = server.cpu(), time.perf_counter()
    found = run_asked(server.port, Asked(seconds=bench.seconds))
    spent = server.cpu() - before - alone / took * (time.perf_counter() - began)
    yield point(curve="plain calls", count=found.requests, cpu=spent)


def bodies(bench: Bench) -> Iterator[Point]:
    with bench.gateway("bodies") as server:
        loads = {}
        for size in bench.sizes(BODIES):
            connections = 8 if size < 1_000_000 else 2
            loads["request", size] = (server, Asked(body=size, connections=connections))
            loads["answer", size] = (server, Asked(answer=size, connections=connections))
        yield from bench.in_turn("bodies", loads)


MEASURES: Mapping[Axis, Callable[[Bench], Iterator[Point]]] = {
    "tokens": tokens,
    "channels": channels,
    "records": records,
    "streams": streams,
    "bodies": bodies,
}


def parse_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks growth", description=__doc__)
    parser.add_argument("--axis", type=words(AXES), default=list(AXES), help=",".join(AXES))
    parser.add_argument("--quick", action="store_true", help="the first and the last place of each curve only")
    parser.add_argument("--seconds", type=float, default=1.5, help="length of one run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single measurement there")
    parser.add_argument("--report", type=Path, metavar="FILE.md", help="write a report there, and a plot beside it")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    options = parse_options(arguments)
    points: list[Point] = []
    for axis in options.axis:
        # One folder for each axis: what was large is gone before the next one begins.
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, ExitStack() as stack:
            points += MEASURES[axis](Bench(stack, Path(folder), options))
    curves = curves_of(points)
    print(summary(curves))
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(points)))
    if options.report:
        write_report(options.report, curves)
