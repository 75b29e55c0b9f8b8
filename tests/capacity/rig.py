"""The gateway as a process of its own before a pacer, and what it takes of the machine."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import msgspec
import psutil
from e2e.processes import configured
from e2e.serving import KEY
from ports import free_port
from serving import COMMAND, serving

from .pacer import Pace, Seen, pacer, seen_of
from .streams import Callers, raise_limit, request_of

__all__ = ["KIB", "MIB", "Rig", "Took", "opened"]

KIB, MIB = 1 << 10, 1 << 20
WATCHED = Path(__file__).with_name("watched.py")


class Took:
    """CPU since it was made, in seconds of CPU a second."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._cpu, self._at = self._spent(), time.monotonic()

    def _spent(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def share(self) -> float:
        return (self._spent() - self._cpu) / (time.monotonic() - self._at)


class Rig:
    """``port`` is the gateway's, ``upstream`` the pacer's URL."""

    def __init__(self, port: int, upstream: str, pid: int) -> None:
        self.port = port
        self.upstream = upstream
        self.process = psutil.Process(pid)
        self.callers = Callers(port)

    def resident(self) -> int:
        """Bytes."""
        return int(self.process.memory_info().rss)

    def took(self) -> Took:
        return Took(self.process)

    async def seen(self) -> Seen:
        return await asyncio.to_thread(seen_of, self.upstream)

    async def lags(self) -> list[float]:
        """Seconds by which the loop of a watched gateway was late, at each look since the last time."""

        def ask() -> list[float]:
            with urlopen(f"http://127.0.0.1:{self.port}/_lag", timeout=20) as answer:
                return msgspec.json.decode(answer.read(), type=list[float])

        return await asyncio.to_thread(ask)

    async def warm(self) -> None:
        """What is loaded and kept with the first calls is no part of what the next ones cost."""
        for _ in range(3):
            await self.callers.open(request_of(KEY, Pace(events=5, every=0.02)), 20)
            assert await self.callers.ended(within=30) == {"done": 20}
            self.callers.leave()
            self.callers.all.clear()
        await asyncio.sleep(0.5)


@contextmanager
def opened(folder: Path, *, server: str = "", more: str = "", watched: bool = False) -> Iterator[Rig]:
    """``server`` are lines of that section, ``more`` are sections of the configuration. ``watched``: it tells how late
    its loop is."""
    raise_limit()
    port = free_port()
    with pacer() as upstream:
        config = configured(folder, f"{upstream}/v1", quota_usd="1000000", server=server, more=more)
        command = [sys.executable, str(WATCHED)] if watched else [*COMMAND, "serve"]
        environ = {"ONEAPI_CONFIG": str(config), "ONEAPI_SERVER__PORT": str(port)}
        with serving(command, port, cwd=folder, environ=environ) as process:
            yield Rig(port, upstream, process.pid)
