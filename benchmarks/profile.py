"""Where a call's time goes, by component of the gateway: sampled by py-spy, and counted by cProfile."""

from __future__ import annotations

import argparse
import os
import pstats
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec
import psutil
from msgspec import Struct

from .components import component_of
from .gateway import gateway_command, write_config
from .markdown import Column, markdown, number
from .processes import free_port, module, run_load, running
from .traffic import Mode

__all__ = ["Component", "Samples", "Times", "components_of", "count_calls", "main", "read_samples", "times_of"]

MODES: tuple[Mode, ...] = ("plain", "large", "stream", "long", "singly", "paced", "translated", "translated-paced")
WARM_UP = 0.5  # seconds
RATE = 500  # samples a second
COUNTED = 1.0  # seconds under cProfile

Samples: TypeAlias = dict[tuple[int, str, str], int]
"""How often a thread was seen in a function of a file."""

Times: TypeAlias = dict[tuple[str, str], float]
"""Seconds of CPU that a function of a file took."""


class Component(Struct, frozen=True):
    """``share`` of the time in functions of its own, and of the C code that they call; ``micros`` of CPU for a request;
    ``calls`` of Python functions for a request. None where it was not measured."""

    name: str
    share: float | None
    micros: float | None
    calls: float | None


def read_samples(text: str) -> Samples:
    """py-spy's raw format: ``thread (number): name;function (file:line);…``, the innermost last, and how often it saw
    this."""
    samples: Samples = {}
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        thread, *frames = stack.split(";")
        if frames:
            function, _, place = frames[-1].partition(" (")
            leaf = (int(thread.partition("(")[2].partition(")")[0]), function, place.rpartition(":")[0])
            samples[leaf] = samples.get(leaf, 0) + int(count)
    return samples


def times_of(samples: Samples, cpu: Mapping[int, float]) -> Times:
    """Share out the CPU that each thread took, in seconds, by where it was seen. Samples alone say too much of threads
    that wait for others: they are seen as well."""
    seen: dict[int, int] = {}
    for (thread, _, _), count in samples.items():
        seen[thread] = seen.get(thread, 0) + count
    times: Times = {}
    for (thread, function, file), count in samples.items():
        spent = cpu.get(thread, 0.0) * count / seen[thread]
        times[function, file] = times.get((function, file), 0.0) + spent
    return times


def count_calls(stats: Mapping[tuple[str, int, str], tuple[int, int, float, float, object]]) -> dict[str, int]:
    """Calls of Python functions by component, of what pstats holds. Built-in ones are not in a file, nor counted."""
    counts: dict[str, int] = {}
    for (file, _, _), (_, calls, *_) in stats.items():
        if file != "~":
            counts[component_of(file)] = counts.get(component_of(file), 0) + calls
    return counts


def components_of(times: Times | None, cpu: float, counts: Mapping[str, int], requests: int) -> list[Component]:
    """``cpu`` in seconds for a request; ``requests`` are those that calls were counted of. The dearest first."""
    seen: dict[str, float] = {}
    for (_, file), spent in (times or {}).items():
        seen[component_of(file)] = seen.get(component_of(file), 0.0) + spent
    total = sum(seen.values())
    found = [
        Component(
            name=name,
            share=seen.get(name, 0) / total if total else None,
            micros=seen.get(name, 0) / total * cpu * 1e6 if total else None,
            calls=counts.get(name, 0) / requests,
        )
        for name in dict.fromkeys([*seen, *counts])
    ]
    return sorted(found, key=lambda one: (one.share or 0, one.calls or 0), reverse=True)


def sample(folder: Path, upstream: str, mode: Mode, options: argparse.Namespace) -> tuple[Times | None, float]:
    """What took the time, None without py-spy; and seconds of CPU for a request."""
    port, output = free_port(), folder / "samples.txt"
    with running(gateway_command(folder, upstream, port), port, folder / "gateway.log") as server:
        run_load(port, mode, options.connections, WARM_UP)
        spying = _spy(server.pid, output, options.seconds)
        before = _cpu_of_threads(server.pid)
        load = run_load(port, mode, options.connections, options.seconds)
        spent = {thread: cpu - before.get(thread, 0.0) for thread, cpu in _cpu_of_threads(server.pid).items()}
        cpu = sum(spent.values()) / load.requests
        if spying is None:
            return None, cpu
        if spying.wait(timeout=60):
            print("py-spy failed: it needs leave to look at other processes", file=sys.stderr)
            return None, cpu
    return times_of(read_samples(output.read_text(encoding="utf-8")), spent), cpu


def _cpu_of_threads(pid: int) -> dict[int, float]:
    """Seconds so far, user and system."""
    return {thread.id: thread.user_time + thread.system_time for thread in psutil.Process(pid).threads()}


def _spy(pid: int, output: Path, seconds: float) -> subprocess.Popen[bytes] | None:
    program = shutil.which("py-spy", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        print("py-spy is not installed (the extra bench): calls are counted, time is not sampled", file=sys.stderr)
        return None
    words = ["record", "--pid", str(pid), "--duration", str(round(seconds)), "--rate", str(RATE)]
    words += ["--format", "raw", "--full-filenames", "--nonblocking", "--threads", "--output", str(output)]
    return subprocess.Popen([program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def count(folder: Path, upstream: str, mode: Mode, connections: int) -> tuple[dict[str, int], int]:
    """Calls by component, and the requests they were for."""
    port, output = free_port(), folder / "counted"
    config = write_config(folder, upstream, f"sqlite:///{folder}/counted.db")
    command = module("profiled", config=config, port=port, output=output)
    with running(command, port, folder / "profiled.log") as server:
        run_load(port, mode, connections, WARM_UP)
        os.kill(server.pid, signal.SIGUSR1)
        load = run_load(port, mode, connections, COUNTED)
        os.kill(server.pid, signal.SIGUSR2)
    return count_calls(vars(pstats.Stats(str(output)))["stats"]), load.requests


COLUMNS: Sequence[Column[Component]] = (
    ("component", lambda one: one.name),
    ("time %", lambda one: number(one.share and one.share * 100, 1)),
    ("CPU µs/req", lambda one: number(one.micros, 1)),
    ("Python calls/req", lambda one: number(one.calls, 1)),
)


def functions_table(times: Times, most: int) -> str:
    total = sum(times.values())
    columns: Sequence[Column[tuple[str, str]]] = (
        ("function", lambda leaf: leaf[0]),
        ("file", lambda leaf: "/".join(Path(leaf[1]).parts[-2:])),
        ("component", lambda leaf: component_of(leaf[1])),
        ("time %", lambda leaf: number(times[leaf] / total * 100, 1)),
    )
    return markdown(columns, sorted(times, key=lambda leaf: -times[leaf])[:most])


def parse_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks profile", description=__doc__)
    parser.add_argument("--mode", choices=MODES, default="plain")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0, help="of sampling")
    parser.add_argument("--top", type=int, default=20, metavar="N", help="functions that take the most time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the components there")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    options = parse_options(arguments)
    port = free_port()
    upstream = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        with running(module("upstream", port=port), port, folder / "upstream.log", proxy=False):
            times, cpu = sample(folder, upstream, options.mode, options)
            counts, requests = count(folder, upstream, options.mode, options.connections)
    components = components_of(times, cpu, counts, requests)
    print(f"{options.mode}: {cpu * 1e6:,.0f} µs of CPU for a request\n\n{markdown(COLUMNS, components)}")
    if times:
        print(f"\n{functions_table(times, options.top)}")
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(components)))
