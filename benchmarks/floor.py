"""The floor: the least that a proxy on the gateway's server and client library can do.

uvicorn in front, aiohttp behind, bytes handed on as they arrive, ``content-type`` the only header that passes. What the
gateway costs beyond this is what its features cost.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp
import uvicorn

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Floor:
    session: aiohttp.ClientSession

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self.forward(scope["path"], await read_body(receive), send)
        elif scope["type"] == "lifespan":
            await self.live(receive, send)

    async def forward(self, path: str, body: bytes, send: Send) -> None:
        headers = {"content-type": "application/json"}
        async with self.session.post(self.upstream + path, data=body, headers=headers) as answer:
            content_type = answer.headers.get("content-type", "").encode("latin-1")
            fields = [(b"content-type", content_type)]
            await send({"type": "http.response.start", "status": answer.status, "headers": fields})
            async for chunk in answer.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def live(self, receive: Receive, send: Send) -> None:
        await receive()
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as self.session:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


async def read_body(receive: Receive) -> bytes:
    pieces = []
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floor")
    parser.add_argument("--upstream", required=True, help="http://127.0.0.1:PORT")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    app: Any = Floor(options.upstream)
    uvicorn.run(app, port=options.port, loop="uvloop", http="httptools", access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
