"""A proxy without features on uvicorn, for whichever client: what the baselines ``floor`` and ``aiohttp`` share."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeAlias

import uvicorn

__all__ = ["Client", "Send", "serve"]

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class Client(AbstractAsyncContextManager[Any], Protocol):
    """Open for as long as the server runs."""

    async def forward(self, path: str, body: bytes, send: Send) -> None:
        """Have the upstream answer, and send on what arrives as it arrives."""


class BareProxy:
    def __init__(self, client: Client) -> None:
        self.client = client

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self.client.forward(scope["path"], await read_body(receive), send)
        elif scope["type"] == "lifespan":
            await receive()
            async with self.client:
                await send({"type": "lifespan.startup.complete"})
                await receive()
            await send({"type": "lifespan.shutdown.complete"})


async def read_body(receive: Receive) -> bytes:
    message = await receive()
    pieces = [message.get("body", b"")]
    while message.get("more_body"):
        message = await receive()
        pieces.append(message.get("body", b""))
    return b"".join(pieces)


def serve(name: str, client: Callable[[str], Client]) -> None:
    """As the command ``python -m benchmarks.NAME``, with a client of what listens on 127.0.0.1:PORT."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}")
    parser.add_argument("--upstream", required=True, help="http://127.0.0.1:PORT")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    app: Any = BareProxy(client(options.upstream))
    uvicorn.run(app, port=options.port, loop="uvloop", http="httptools", access_log=False, log_level="warning")
