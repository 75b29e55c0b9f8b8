"""Several worker processes beside one, and whether the books agree afterwards.

The load generator and the upstream need a core as well. So there are two loads: plain calls, and calls with bodies of
100 KB, which are nearly all work of the gateway: there the rate as measured says what two workers are worth even where
there are but two cores. "On free cores" is what the CPU allows: calls by the seconds of CPU of the busiest worker. It
sees work that is spread unevenly and work that is done twice, but not waiting for each other: the measured rate does.
"""

from __future__ import annotations

import argparse
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import psutil
from msgspec.structs import replace

from .growth_config import Size, configure, serving
from .growth_load import Asked, run_asked
from .options import numbers
from .processes import ROOT, free_port, module
from .traffic import USAGE
from .workers_report import Worked, rows_of, table

__all__ = ["COST", "main"]

TOKENS = 100
COST = USAGE["prompt_tokens"] * 150 + USAGE["completion_tokens"] * 600
"""Nano-dollars of a call."""

LOADS: Mapping[str, Asked] = {
    "plain": Asked(tokens=TOKENS, connections=64, pinned=False),
    "bodies of 100 KB": Asked(tokens=TOKENS, connections=64, body=100_000, pinned=False),
}
PATIENCE = 30.0  # seconds
WARM_UP = 1.0  # seconds
LATER = 2.0  # seconds that further workers may take to be ready, once the first one is
BOOKS: Mapping[str, str] = {
    "the caps": "SELECT sum(used) FROM accounts WHERE kind = 'token'",
    "the wallets": "SELECT sum(used) FROM accounts WHERE kind = 'user'",
    "the records": "SELECT sum(cost) FROM records",
}
WHILE_BUSY = 0.5  # seconds after which connections are counted


class Served:
    """A gateway of so many processes."""

    def __init__(self, process: psutil.Process, port: int, workers: int) -> None:
        self.port = port
        self._process = process
        self._count = workers

    def workers(self) -> list[psutil.Process]:
        """Those that have done most: a helper of the supervisor does next to nothing."""
        if self._count == 1:
            return [self._process]
        children = self._process.children()
        return sorted(children, key=_cpu, reverse=True)[: self._count]

    def cpu(self) -> dict[int, float]:
        return {worker.pid: _cpu(worker) for worker in self.workers()}

    def supervisor(self) -> float:
        return _cpu(self._process) if self._count > 1 else 0.0

    def connections(self) -> dict[int, int]:
        """Open ones of callers, by process."""
        return {worker.pid: _connections(worker, self.port) for worker in self.workers()}


def _connections(process: psutil.Process, port: int) -> int:
    found = [one for one in process.net_connections("tcp") if one.status == psutil.CONN_ESTABLISHED]
    return len([one for one in found if one.laddr.port == port])


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def _started(command: list[str], port: int, log: Path) -> Iterator[psutil.Process]:
    """Not pinned: workers are to have all the cores there are."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        found = psutil.Process(process.pid)
        _wait_for(found, port, log)
        yield found
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait_for(process: psutil.Process, port: int, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.status() != psutil.STATUS_ZOMBIE:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return time.sleep(LATER)
    raise RuntimeError(f"it did not start:\n{log.read_text()[-2000:]}")


def run(served: Served, name: str, number: int, seconds: float) -> Worked:
    before, supervisor = served.cpu(), served.supervisor()
    counted: dict[int, int] = {}
    counting = threading.Timer(WHILE_BUSY, lambda: counted.update(served.connections()))
    counting.start()
    load = run_asked(served.port, replace(LOADS[name], seconds=seconds))
    counting.join()
    after = served.cpu()
    return Worked(
        load=name,
        workers=len(after),
        round=number,
        calls=load.requests,
        seconds=load.seconds,
        p99=load.p99,
        cpu=tuple(after[pid] - before.get(pid, 0.0) for pid in after),
        connections=tuple(counted.get(pid, 0) for pid in after),
        supervisor=served.supervisor() - supervisor,
    )


def measure(folder: Path, options: argparse.Namespace) -> Iterator[Worked]:
    """Round by round, each on a gateway of its own, since two that are idle would not leave the cores free."""
    upstream = free_port()
    with _started(module("growth_upstream", port=upstream), upstream, folder / "upstream.log"):
        for turn in range(options.rounds):
            for workers in options.workers:
                yield from _round(folder / f"{workers}-{turn}", f"http://127.0.0.1:{upstream}", workers, turn, options)
            print(f"round {turn + 1}: done", file=sys.stderr)


def _round(folder: Path, upstream: str, workers: int, turn: int, options: argparse.Namespace) -> Iterator[Worked]:
    folder.mkdir()
    file, database, port = folder / "gateway.toml", folder / "gateway.db", free_port()
    configure(file, database, upstream, Size(tokens=TOKENS))
    calls = 0
    with _started(serving(file, port, workers), port, folder / "gateway.log") as process:
        served = Served(process, port, workers)
        for name, asked in LOADS.items():
            calls += run_asked(port, replace(asked, seconds=WARM_UP)).requests
            worked = run(served, name, turn, options.seconds)
            calls += worked.calls
            yield worked
    check_books(file, database, calls)


def check_books(file: Path, database: Path, calls: int) -> None:
    """
    :raises RuntimeError: the audit finds a difference, or accounts or records do not say what the calls cost
    """
    command = [sys.executable, "-m", "oneapi_asgi", "audit", "--config", str(file)]
    audit = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if audit.returncode:
        raise RuntimeError(f"the audit found:\n{audit.stdout}{audit.stderr}")
    with closing(sqlite3.connect(database)) as connection:
        for what, query in BOOKS.items():
            (found,) = connection.execute(query).fetchone()
            if found != calls * COST:
                raise RuntimeError(f"{what} say {found} nano-dollars; {calls} calls cost {calls * COST}")


def parse_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks workers", description=__doc__)
    parser.add_argument("--workers", type=numbers, default=[1, 2], help="1,2")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single measurement there")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    options = parse_options(arguments)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        worked = list(measure(Path(folder), options))
    print(table(rows_of(worked)))
    print("\nThe books agree, to the nano-dollar, after every run.")
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(worked)))
