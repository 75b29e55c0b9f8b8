"""Several processes that serve the same sockets: kept alive while they shall run, and stopped as one.

    code = Supervisor(work, (socket, settings), workers=4, sockets=[socket]).run()

Each signal to stop is passed on at once, the second like the first; the sockets are closed here, so that connections
are refused as soon as the last worker does not take them. A worker whose supervisor has died is told to stop as well.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from socket import socket
from threading import Thread
from types import FrameType
from typing import Any

__all__ = ["STARTUP_FAILURE", "Supervisor", "stop_with_supervisor"]

_log = logging.getLogger(__name__)

STARTUP_FAILURE = 3
"""The exit code of a process whose app could not start, as uvicorn has it: in another it could not either."""

_LOOK = 0.2
_REST = 1.0
"""Seconds: between two looks whether to stop; that a worker has to live before the next in its place starts at once."""


class Supervisor:
    """``work`` is called in each of ``workers`` fresh processes with ``arguments``, which have to be picklable."""

    def __init__(
        self, work: Callable[..., object], arguments: Sequence[Any], *, workers: int, sockets: Sequence[socket]
    ) -> None:
        self._work = work
        self._arguments = tuple(arguments)
        self._workers = workers
        self._sockets = sockets
        self._running: dict[SpawnProcess, float] = {}
        self._stopping = False

    def run(self) -> int:
        """Until told to stop; gives the exit code. In the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        code = 0
        while self._running or not self._stopping:
            while len(self._running) < self._workers and not self._stopping:
                self._start()
            for process in self._ended():
                lived = time.monotonic() - self._running.pop(process)
                if not self._stopping:
                    code = self._judge(process, lived)
            if self._stopping:
                self._close()
        return code

    def _stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  # signals are told so
        self._stopping = True
        for process in [*self._running]:
            process.terminate()

    def _close(self) -> None:
        for each in self._sockets:
            each.close()

    def _start(self) -> None:
        process = multiprocessing.get_context("spawn").Process(target=self._work, args=self._arguments)
        process.start()
        self._running[process] = time.monotonic()
        if self._stopping:  # told meanwhile
            process.terminate()

    def _ended(self) -> list[SpawnProcess]:
        ended = wait([process.sentinel for process in self._running], _LOOK)
        found = [process for process in self._running if process.sentinel in ended]
        for process in found:
            process.join()
        return found

    def _judge(self, process: SpawnProcess, lived: float) -> int:
        """Whether a worker that ended unasked may be followed by another; gives the exit code if not."""
        if process.exitcode == STARTUP_FAILURE:
            self._stop(signal.SIGTERM, None)
            return STARTUP_FAILURE
        _log.error("worker %s ended with code %s, another takes its place", process.pid, process.exitcode)
        time.sleep(max(0.0, _REST - lived))
        return 0


def stop_with_supervisor() -> None:
    """In a worker: be told to stop should the supervisor die, since nobody else would."""
    supervisor = multiprocessing.parent_process()
    if supervisor is None:
        return

    def watch() -> None:
        supervisor.join()
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=watch, name="supervisor", daemon=True).start()
