"""Ends a server whose test can no longer do so, and removes what it leaves behind.

Run as a process of its own, in a session of its own: ``guard.py FOLDER``. Each line that it reads is the number of the
process that is to be ended from then on, an empty one says that there is none. It acts when its standard input ends,
which happens however the test's process ends, by SIGKILL too.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

__all__ = ["is_gone", "kill_tree", "release_memory", "send_tree"]

_SECONDS = 10.0


def send_tree(process: psutil.Process, number: signal.Signals) -> list[psutil.Process]:
    """Sends a signal to a stopped or running process and all below it, and says which these are.

    The parent is stopped before its children are listed, so that it cannot start another one meanwhile. Process groups
    would not do: PostgreSQL gives each of its processes one of its own.
    """
    process.send_signal(signal.SIGSTOP)
    family = [process, *process.children(recursive=True)]
    for member in reversed(family):
        with contextlib.suppress(psutil.NoSuchProcess):
            member.send_signal(number)
    return family


def kill_tree(process: psutil.Process) -> list[psutil.Process]:
    return send_tree(process, signal.SIGKILL)


def is_gone(process: psutil.Process) -> bool:
    """A zombie holds nothing any more, and its new parent may be one that asks for it late or never."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def release_memory(folder: Path) -> None:
    """Returns the bit of shared memory that outlives a PostgreSQL that was killed; its file is there only then."""
    with contextlib.suppress(OSError, IndexError):
        _key, number = (folder / "data" / "postmaster.pid").read_text().splitlines()[6].split()
        subprocess.run(["ipcrm", "-m", number], check=False, capture_output=True)


def main(folder: str) -> None:
    process: psutil.Process | None = None
    for line in sys.stdin:
        process = None
        with contextlib.suppress(ValueError, psutil.NoSuchProcess):
            process = psutil.Process(int(line))
    if process is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            family, end = kill_tree(process), time.monotonic() + _SECONDS
            while not all(map(is_gone, family)) and time.monotonic() < end:
                time.sleep(0.005)
    release_memory(Path(folder))
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
