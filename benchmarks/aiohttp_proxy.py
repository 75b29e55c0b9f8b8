"""The baseline ``aiohttp``: a proxy without features on the client library that most of Python uses."""

from __future__ import annotations

import aiohttp

from .bare_proxy import Send, serve

HEADERS = {"content-type": "application/json"}


class AiohttpClient:
    session: aiohttp.ClientSession

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream

    async def __aenter__(self) -> None:
        connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=None)
        self.session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)

    async def __aexit__(self, *exc_info: object) -> None:
        await self.session.close()

    async def forward(self, path: str, body: bytes, send: Send) -> None:
        async with self.session.post(self.upstream + path, data=body, headers=HEADERS) as answer:
            content_type = answer.headers.get("content-type", "").encode("latin-1")
            fields = [(b"content-type", content_type)]
            await send({"type": "http.response.start", "status": answer.status, "headers": fields})
            async for chunk in answer.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    serve("aiohttp_proxy", AiohttpClient)
