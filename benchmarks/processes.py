"""The processes of a benchmark: started, pinned to cores, measured, ended."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec
import psutil

from .held import OPEN
from .load import Load
from .open_load import CONNECTIONS, OpenLoad
from .traffic import EXACT, Caller, Mode

__all__ = ["Server", "cpu_of", "free_port", "holding", "module", "run_load", "run_open_load", "running"]

Measured = TypeVar("Measured")

PROXY_CORE, OTHER_CORE = 0, 1
START_SECONDS = 30.0
PATIENCE = 120.0  # seconds after the end of a run until a load generator is killed
ROOT = Path(__file__).parent.parent


class Server:
    """A process that listens on ``port``; its children, if it has any, count as it."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.pid = process.pid
        self.port = port
        self._process = psutil.Process(process.pid)

    def cpu(self) -> float:
        """Seconds of CPU so far, user and system."""
        return cpu_of(self._process)

    def resident(self) -> int:
        """Bytes of memory in use."""
        return sum(process.memory_info().rss for process in (self._process, *self._process.children(recursive=True)))


def cpu_of(process: psutil.Process) -> float:
    """Seconds of CPU so far, user and system, of a process and its children, those that have ended too."""
    times = process.cpu_times()
    spent = _own_cpu(process) + times.children_user + times.children_system
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it ends in this moment
            spent += _own_cpu(child)
    return float(spent)


def _own_cpu(process: psutil.Process) -> float:
    """Linux counts in ticks of 10 ms, of threads that have ended too; and in nanoseconds those of each live thread."""
    times = process.cpu_times()
    nanoseconds = 0
    for file in Path(f"/proc/{process.pid}/task").glob("*/schedstat"):
        with suppress(OSError):  # the thread ends in this moment
            nanoseconds += int(file.read_text(encoding="ascii").split()[0])
    return max(float(times.user + times.system), nanoseconds / 1e9)


def module(name: str, **options: object) -> list[str]:
    flags = [text for key, value in options.items() for text in (f"--{key}", str(value))]
    return [sys.executable, "-m", f"benchmarks.{name}", *flags]


def free_port() -> int:
    """Below those that the kernel gives to whoever asks for any."""
    while True:
        port = random.randrange(10_000, 16_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def running(
    command: list[str],
    port: int,
    log: Path,
    *,
    proxy: bool = True,
    environ: Mapping[str, str] | None = None,
    patience: float = START_SECONDS,
) -> Iterator[Server]:
    """Start ``command``, wait until it accepts connections on ``port``, and end it with the block. ``environ`` is added
    to this process's own; ``patience`` in seconds.

    :raises RuntimeError: it ended at once, or never listened; with the end of its output
    """
    with log.open("wb") as output, _pinned(PROXY_CORE if proxy else OTHER_CORE):
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **(environ or {})}, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        if not _listens(process, port, patience):
            raise RuntimeError(f"{' '.join(command)} did not start:\n{log.read_text()[-2000:]}")
        yield Server(process, port)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(process: subprocess.Popen[bytes], port: int, patience: float) -> bool:
    end = time.monotonic() + patience
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


@contextmanager
def _pinned(core: int) -> Iterator[None]:
    """What is started meanwhile is on this core, and so is whatever that starts. Where the system can pin, and there is
    more than one core to pin to."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    if {PROXY_CORE, OTHER_CORE} <= allowed:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def run_load(port: int, mode: Mode, connections: int, seconds: float, caller: Caller = EXACT) -> Load:
    command = module("load", port=port, mode=mode, connections=connections, seconds=seconds, caller=_json(caller))
    return _run(command, seconds, Load)


def run_open_load(
    port: int, mode: Mode, rate: float, seconds: float, caller: Caller = EXACT, connections: int = CONNECTIONS
) -> OpenLoad:
    """With so many requests a second, whatever becomes of them; at most one at a time on each connection."""
    options = {"port": port, "mode": mode, "rate": rate, "seconds": seconds, "connections": connections}
    return _run(module("open_load", **options, caller=_json(caller)), seconds, OpenLoad)


def _json(caller: Caller) -> str:
    return msgspec.json.encode(caller).decode()


def _run(command: list[str], seconds: float, measured: type[Measured]) -> Measured:
    with _pinned(OTHER_CORE):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        output, errors = process.communicate(timeout=seconds + PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{errors.decode()[-2000:]}")
    return msgspec.json.decode(output, type=measured)


@contextmanager
def holding(port: int, streams: int, caller: Caller = EXACT) -> Iterator[None]:
    """So many streams are open within the block, and each has had its first event.

    :raises RuntimeError: one could not be opened
    """
    command = module("held", port=port, mode="held", streams=streams, caller=_json(caller))
    with _pinned(OTHER_CORE):
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    with process:
        if process.stdout is None or process.stdout.readline().strip() != OPEN:
            errors = process.stderr.read() if process.stderr else ""
            raise RuntimeError(f"{' '.join(command)} failed:\n{errors[-2000:]}")
        yield
        process.communicate(timeout=60)
