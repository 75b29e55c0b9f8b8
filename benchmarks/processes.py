"""The processes of a benchmark: started, pinned to cores, measured, ended."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import psutil

from .load import Load
from .traffic import Mode

__all__ = ["Server", "cpu_of", "free_port", "module", "run_load", "running"]

PROXY_CORE, OTHER_CORE = 0, 1
START_SECONDS = 30.0
ROOT = Path(__file__).parent.parent


class Server:
    """A process that listens on ``port``; its children, if it has any, count as it."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
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
    spent = times.user + times.system + times.children_user + times.children_system
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it ends in this moment
            times = child.cpu_times()
            spent += times.user + times.system
    return float(spent)


def module(name: str, **options: object) -> list[str]:
    flags = [text for key, value in options.items() for text in (f"--{key}", str(value))]
    return [sys.executable, "-m", f"benchmarks.{name}", *flags]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], port: int, log: Path, *, proxy: bool = True) -> Iterator[Server]:
    """Start ``command``, wait until it accepts connections on ``port``, and end it with the block.

    :raises RuntimeError: it ended at once, or never listened; with the end of its output
    """
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        _pin(process.pid, PROXY_CORE if proxy else OTHER_CORE)
        if not _listens(process, port):
            raise RuntimeError(f"{' '.join(command)} did not start:\n{log.read_text()[-2000:]}")
        yield Server(process, port)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


def _pin(pid: int, core: int) -> None:
    """Where the system can pin, and there is more than one core to pin to."""
    if hasattr(os, "sched_setaffinity") and {PROXY_CORE, OTHER_CORE} <= os.sched_getaffinity(0):
        os.sched_setaffinity(pid, {core})


def run_load(port: int, mode: Mode, connections: int, seconds: float) -> Load:
    command = module("load", port=port, mode=mode, connections=connections, seconds=seconds)
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    _pin(process.pid, OTHER_CORE)
    output, errors = process.communicate(timeout=seconds + 120)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{errors.decode()[-2000:]}")
    return msgspec.json.decode(output, type=Load)
