"""Gateway processes on one database: started together, killed one by one, ended with the block."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import IO, Any, Self

import aiohttp
import msgspec
from ports import free_port

from oneapi_asgi.testing import FakeUpstream

from .plan import Plan

__all__ = ["Fleet", "Replica", "open_fleet"]

_START_SECONDS = 30.0
_END_SECONDS = 20.0
_TESTS = Path(__file__).parent.parent


class Replica:
    """One process. ``skew`` are the seconds that its wall clock is ahead, and what SIGUSR1 adds to them."""

    def __init__(self, plan: Plan, log: IO[bytes], *, skew: tuple[float, float] | None = None) -> None:
        self.plan = plan
        self._log = log
        self.url = f"http://127.0.0.1:{plan.port}"
        self._program = ["faults.replica"] if skew is None else ["faults.skewed", *map(str, skew)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "it was not started"
        return self._process

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Returns when it is ready to serve calls."""
        self._launch()
        async with aiohttp.ClientSession() as session:
            end = time.monotonic() + _START_SECONDS
            while not await answers(session, f"{self.url}/readyz"):
                if not self.alive or time.monotonic() > end:
                    raise RuntimeError(f"the replica did not start:\n{self.said()}")
                await asyncio.sleep(0.02)

    def _launch(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", *self._program, msgspec.json.encode(self.plan).decode()],
            cwd=_TESTS,
            env={name: value for name, value in os.environ.items() if not name.startswith("ONEAPI_")},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(_END_SECONDS)

    async def stop(self) -> None:
        """As an operator would: it settles what is open, and ends."""
        self.process.terminate()
        await asyncio.to_thread(self.process.wait, _END_SECONDS)

    def said(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            if self.alive:
                await self.stop()
        finally:
            if self.alive:
                self.kill()
            sys.stdout.write(self.said())  # shown by pytest when something fails


async def answers(session: aiohttp.ClientSession, url: str, *, within: float = 5.0) -> bool:
    """Whether it answers 200."""
    with suppress(aiohttp.ClientError, OSError, TimeoutError):
        async with asyncio.timeout(within), session.get(url) as answer:
            return answer.status == 200
    return False


class Fleet:
    """Replicas and the upstream behind them."""

    def __init__(self, database: str, replicas: Sequence[Replica], upstream: FakeUpstream) -> None:
        self.database = database
        self.replicas = replicas
        self.upstream = upstream

    @property
    def urls(self) -> list[str]:
        return [replica.url for replica in self.replicas]

    async def stop(self) -> None:
        """End all in order, so that nothing is left to settle or to write down."""
        await asyncio.gather(*[replica.stop() for replica in self.replicas if replica.alive])


@asynccontextmanager
async def open_fleet(
    database: str,
    count: int = 2,
    *,
    skews: Sequence[tuple[float, float] | None] = (),
    together: bool = False,
    **options: Any,
) -> AsyncIterator[Fleet]:
    """``count`` replicas that serve calls, started after the first or ``together``; ``options`` are those of ``Plan``.

    The first of ``skews`` is that of the first, and so on.
    """
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(FakeUpstream())
        replicas = []
        for skew in (*skews, *[None] * (count - len(skews))):
            plan = Plan(url=database, port=free_port(), upstream=upstream.url, **options)
            log = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - it is closed by the stack
            replicas.append(await stack.enter_async_context(Replica(plan, log, skew=skew)))
        if not together:
            await replicas[0].start()
        await asyncio.gather(*[replica.start() for replica in replicas if not replica.alive])
        yield Fleet(database, replicas, upstream)
