"""HTTP as bytes on a socket, and the servers that have to make sense of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Literal
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp

from oneapi_asgi.bounded import BoundedConfig, Bounds
from oneapi_asgi.serving import Server

__all__ = ["ServerKind", "answer_to", "connected", "on_server", "statuses"]

ServerKind = Literal["standalone", "h11"]


class _Own(Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:  # signals are the test run's
        yield


class _Plain(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def on_server(
    app: ASGIApp,
    kind: ServerKind = "standalone",
    *,
    bounds: Bounds | None = None,
    lifespan: Literal["on", "off"] = "on",
) -> AsyncIterator[str]:
    """The app on the server that ``serve`` runs, or on uvicorn as others run it; gives the URL."""
    server: uvicorn.Server
    if kind == "standalone":
        server = _Own(
            BoundedConfig(
                app,
                bounds=bounds or Bounds(1_000),
                port=0,
                ws="websockets-sansio",
                lifespan=lifespan,
                log_config=None,
                access_log=False,
                proxy_headers=False,
                timeout_graceful_shutdown=2,
            )
        )
    else:
        server = _Plain(
            uvicorn.Config(
                app,
                port=0,
                http=kind,
                lifespan=lifespan,
                log_config=None,
                access_log=False,
                proxy_headers=False,
                timeout_graceful_shutdown=2,
            )
        )
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if task.done():
                raise RuntimeError("uvicorn did not start")
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def answer_to(url: str, *pieces: bytes, within: float = 10.0, finish: bool = False) -> bytes:
    """All that comes back on one connection until it is closed, or nothing more has come for a moment.

    ``finish``: nothing more is sent, and said so.
    """
    async with connected(url) as (reader, writer):
        with suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if finish:
                writer.write_eof()
        return await _all_of(reader, within)


async def _all_of(reader: asyncio.StreamReader, within: float) -> bytes:
    got = b""
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(within):
            while True:
                async with AsyncExitStack() as stack:
                    if got:
                        await stack.enter_async_context(asyncio.timeout(_QUIET))
                    chunk = await reader.read(65_536)
                if not chunk:
                    return got
                got += chunk
    return got


_QUIET = 0.3
"""Seconds: a second answer would have come by then."""


def statuses(answer: bytes) -> Sequence[int]:
    """Of each answer in what came."""
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]
