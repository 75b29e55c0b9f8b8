"""From the command to the first answer of ``/healthz``, with many channels and tokens."""

from __future__ import annotations

import argparse
import os
import resource
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median

import msgspec
from msgspec import Struct

from .growth_config import Size, configure, serving
from .markdown import Column, markdown, number
from .processes import ROOT, free_port

__all__ = ["GOAL", "Row", "Start", "main", "rows_of", "table"]

GOAL = 1.0  # seconds
PATIENCE = 120.0  # seconds
PAUSE = 0.002  # seconds between two looks
ASK = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
NOTHING = Size(tokens=0, channels=0)


class Start(Struct, frozen=True):
    """One start. ``wall`` and ``cpu`` in seconds, ``cpu`` of the process and those that it started."""

    what: str
    round: int
    wall: float
    cpu: float


class Row(Struct, frozen=True):
    """Medians over the starts, in seconds."""

    what: str
    wall: float
    cpu: float
    longest: float


def rows_of(starts: Iterable[Start]) -> list[Row]:
    by_kind: dict[str, list[Start]] = {}
    for start in starts:
        by_kind.setdefault(start.what, []).append(start)
    return [
        Row(
            what=what,
            wall=median(one.wall for one in found),
            cpu=median(one.cpu for one in found),
            longest=max(one.wall for one in found),
        )
        for what, found in by_kind.items()
    ]


COLUMNS: Sequence[Column[Row]] = (
    ("start", lambda row: row.what),
    ("s", lambda row: number(row.wall, 2)),
    ("longest s", lambda row: number(row.longest, 2)),
    ("CPU s", lambda row: number(row.cpu, 2)),
    (f"below {GOAL:g} s", lambda row: "yes" if row.wall < GOAL else "no"),
)


def table(rows: Iterable[Row]) -> str:
    return markdown(COLUMNS, rows)


class Cases:
    """Configurations and databases in a folder, and how to start on each of them."""

    def __init__(self, folder: Path, size: Size) -> None:
        self._folder = folder
        self._size = size

    def all(self) -> Mapping[str, Callable[[], float]]:
        """What each start is called, and what starts so and tells its seconds."""
        many = f"{self._size.channels:,} channels, {self._size.tokens:,} tokens"
        return {
            "import of the library": self.imported,
            "nothing configured": lambda: self.started("nothing"),
            f"{many}, in the file, the first time": self.first,
            f"{many}, in the file, again": lambda: self.started("declared"),
            f"{many}, in the database": lambda: self.started("stored"),
        }

    def prepare(self) -> None:
        """Each case has been started once, so that its database is there, and the bytecode of what it imports."""
        for name, size in (("nothing", NOTHING), ("declared", self._size), ("stored", self._size)):
            self._write(name, size)
            self.started(name)
        with closing(sqlite3.connect(self._database("stored"))) as database, database:
            database.execute("UPDATE channels SET declared = 0")
            database.execute("UPDATE tokens SET declared = 0")
        self._write("stored", NOTHING)

    def first(self) -> float:
        self._write("first", self._size)
        for file in self._folder.glob("first.db*"):
            file.unlink()
        return self.started("first")

    def started(self, name: str) -> float:
        port = free_port()
        with (self._folder / "start.log").open("wb") as log:
            began = time.perf_counter()
            process = subprocess.Popen(
                serving(self._file(name), port), cwd=ROOT, env=self._environ(), stdout=log, stderr=subprocess.STDOUT
            )
        try:
            self._until_it_answers(process, port)
            return time.perf_counter() - began
        finally:
            process.terminate()
            process.wait(30)

    def imported(self) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import oneapi_asgi"], cwd=ROOT, env=self._environ(), check=True)
        return time.perf_counter() - began

    def _until_it_answers(self, process: subprocess.Popen[bytes], port: int) -> None:
        end = time.perf_counter() + PATIENCE
        while time.perf_counter() < end and process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", port), 5) as asking:
                    asking.sendall(ASK)
                    if b" 200 " in asking.recv(64):
                        return
            except OSError:
                pass
            time.sleep(PAUSE)
        raise RuntimeError(f"it did not start:\n{(self._folder / 'start.log').read_text()[-2000:]}")

    def _environ(self) -> dict[str, str]:
        """With bytecode, as whatever is installed has it, but not in the folders of others."""
        own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return own | {"PYTHONPYCACHEPREFIX": str(self._folder / "bytecode")}

    def _write(self, name: str, size: Size) -> None:
        configure(self._file(name), self._database(name), "http://127.0.0.1:9", size)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.toml"

    def _database(self, name: str) -> Path:
        return self._folder / f"{name}.db"


def measure(cases: Cases, rounds: int) -> Iterator[Start]:
    """Round by round, so that a drift of the machine meets every case alike."""
    cases.prepare()
    for turn in range(rounds):
        for what, start in cases.all().items():
            before = _cpu()
            wall = start()
            yield Start(what=what, round=turn, wall=wall, cpu=_cpu() - before)
        print(f"round {turn + 1}: done", file=sys.stderr)


def _cpu() -> float:
    """Of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def parse_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks start", description=__doc__)
    parser.add_argument("--channels", type=int, default=1_000)
    parser.add_argument("--tokens", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single measurement there")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    options = parse_options(arguments)
    size = Size(tokens=options.tokens, channels=options.channels, models=options.channels)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        starts = list(measure(Cases(Path(folder), size), options.rounds))
    print(table(rows_of(starts)))
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(starts)))
