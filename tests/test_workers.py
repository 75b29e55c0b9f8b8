"""Several processes under one: which is replaced, what all are told, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

SCRIPT = """
import os, signal, sys, time
from pathlib import Path
from socket import socket
from oneapi_asgi.workers import Supervisor, stop_with_supervisor

def work(folder, listening):
    stop_with_supervisor()
    heard = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: heard.append(1))
    (Path(folder) / str(os.getpid())).touch()
    fails = (Path(folder) / "fails").exists()
    while len(heard) < int({signals}) and not fails:
        time.sleep(0.01)
    sys.exit(3 if fails else 0)

if __name__ == "__main__":
    listening = socket()
    listening.bind(("127.0.0.1", 0))
    sys.exit(Supervisor(work, (sys.argv[1], listening), workers=2, sockets=[listening]).run())
"""


@contextmanager
def supervised(folder: Path, *, signals: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """Two workers that end at so many signals."""
    script = folder / "script.py"
    script.write_text(SCRIPT.format(signals=signals))
    (folder / "up").mkdir()
    process = subprocess.Popen([sys.executable, str(script), str(folder / "up")], start_new_session=True)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def workers(folder: Path, count: int) -> set[int]:
    """That many have come up by and by."""
    deadline = time.monotonic() + 60
    while len(found := {int(path.name) for path in (folder / "up").iterdir() if path.name.isdigit()}) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def ended(pids: set[int]) -> bool:
    psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=20)
    return not any(psutil.pid_exists(pid) for pid in pids)


def test_one_that_dies_is_replaced_and_all_are_stopped(tmp_path: Path) -> None:
    with supervised(tmp_path) as process:
        first = min(workers(tmp_path, 2))
        os.kill(first, signal.SIGKILL)
        pids = workers(tmp_path, 3)
        process.terminate()
        assert process.wait(20) == 0
        assert ended(pids)


@pytest.mark.slow
def test_every_signal_reaches_all(tmp_path: Path) -> None:
    with supervised(tmp_path, signals=2) as process:
        pids = workers(tmp_path, 2)
        process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.terminate()
        assert process.wait(20) == 0
        assert ended(pids)


@pytest.mark.slow
def test_none_outlives_its_supervisor(tmp_path: Path) -> None:
    with supervised(tmp_path) as process:
        pids = workers(tmp_path, 2)
        process.kill()
        process.wait()
        assert ended(pids)


@pytest.mark.slow
def test_when_none_can_start_it_gives_up(tmp_path: Path) -> None:
    with supervised(tmp_path) as process:
        (tmp_path / "up" / "fails").touch()
        assert process.wait(60) == 3
