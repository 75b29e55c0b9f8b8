"""The gateway of the lab as a process of its own, which tells how much memory it has and how long its loop stood still.

``python -m lab.process DATABASE ROOT PORT``. ``GET /_lab`` answers with ``Told``, and begins to measure anew.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2
import msgspec
import uvicorn
from e2e.serving import make_storage
from msgspec import Struct
from ports import free_port
from serving import serving
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from oneapi_asgi import Gateway

from .audit import Audit, Lag, descriptors, resident
from .rig import Lab, Named, add_caller, gateway_of
from .upstream import ScriptedUpstream

__all__ = ["Told", "open_process"]

_TESTS = Path(__file__).parent.parent


class Told(Struct):
    """Since the last time it was asked: the ``most`` bytes of memory, the ``longest`` that the event loop did not come
    to its turn, in seconds. Now: bytes of memory, tasks, open files."""

    most: int
    longest: float
    resident: int
    tasks: int
    files: int


class _Telling:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._lag = Lag()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            async with self._lag:
                await self.app(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == "/_lab":
            told = Told(self._lag.resident, self._lag.longest, resident(), len(asyncio.all_tasks()), len(descriptors()))
            self._lag.forget()
            await Response(msgspec.json.encode(told))(scope, receive, send)
        else:
            await self.app(scope, receive, send)


class Remote(Lab):
    """A lab whose gateway is another process: what concerns its inside cannot be asked."""

    async def told(self) -> Told:
        async with httpx2.AsyncClient(verify=False, trust_env=False) as client:
            answer = await client.get(f"{self.url}/_lab")
            return msgspec.json.decode(answer.content, type=Told)


@asynccontextmanager
async def open_process(folder: Path, audit: Audit) -> AsyncIterator[Remote]:
    async with AsyncExitStack() as stack:
        make_storage("sqlite", folder)
        database = f"sqlite:///{folder}/gateway.db"
        await add_caller(database)
        upstream = await stack.enter_async_context(ScriptedUpstream())
        port = free_port()
        command = [sys.executable, "-W", "error", "-m", "lab.process", database, upstream.root, str(port)]
        running = serving(command, port, cwd=_TESTS)
        await asyncio.to_thread(running.__enter__)
        try:
            remote = Remote(f"http://127.0.0.1:{port}", database, upstream)
            await remote.told()
            yield remote
            await remote.quiet()
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)
        asked = len(upstream.seen)
        upstream.forget()  # pytest keeps what a test was given
    audit.books(database, asked=asked)


def app_of(database: str, root: str) -> ASGIApp:
    gateway: Gateway = gateway_of(database, root)
    return _Telling(Named(gateway))


if __name__ == "__main__":
    _, told_database, told_root, told_port = sys.argv
    uvicorn.run(
        app_of(told_database, told_root),
        port=int(told_port),
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
