"""The floor: the least that a proxy in Python can do. uvicorn in front, a small client on ``httptools`` behind.

No features: no time-outs, no bound to what waits for a client that does not read, no second try, and only the headers
that name and frame the body pass. What the gateway costs beyond this is what its features cost.
"""

from __future__ import annotations

import asyncio
from typing import cast
from urllib.parse import urlsplit

import httptools

from .bare_proxy import Send, serve

HEAD = b"POST %b HTTP/1.1\r\nhost: %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
PASSED = frozenset((b"content-type", b"content-length"))


class Connection(asyncio.Protocol):
    """One request at a time. ``arrived`` is what nobody has taken yet of the answer's body."""

    transport: asyncio.Transport
    parser: httptools.HttpResponseParser

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own class is none of asyncio's
        self.parser = httptools.HttpResponseParser(self)
        self.waiter: asyncio.Future[None] | None = None
        self.lost = False

    def ask(self, request: bytes) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.arrived: list[bytes] = []
        self.begun = self.done = False
        self.transport.write(request)

    async def news(self) -> None:
        """Wait until something has been read.

        :raises ConnectionError: the upstream has closed the connection
        """
        if self.lost:
            raise ConnectionError("the upstream closed the connection within an answer")
        self.waiter = asyncio.get_running_loop().create_future()
        await self.waiter

    def take(self) -> bytes:
        body = self.arrived[0] if len(self.arrived) == 1 else b"".join(self.arrived)
        self.arrived.clear()
        return body

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)
        self.wake()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self.lost = True
        self.wake()

    def wake(self) -> None:
        if self.waiter and not self.waiter.done():
            self.waiter.set_result(None)

    def on_header(self, name: bytes, value: bytes) -> None:
        lowered = name.lower()
        if lowered in PASSED:
            self.headers.append((lowered, value))

    def on_headers_complete(self) -> None:
        self.begun = True

    def on_body(self, body: bytes) -> None:
        self.arrived.append(body)

    def on_message_complete(self) -> None:
        self.done = True


class FloorClient:
    """Keeps every connection whose answer came to its end."""

    def __init__(self, upstream: str) -> None:
        address = urlsplit(upstream)
        self.host, self.port = address.hostname or "", address.port or 80
        self.authority = address.netloc.encode()
        self.idle: list[Connection] = []

    async def __aenter__(self) -> None:
        self.loop = asyncio.get_running_loop()

    async def __aexit__(self, *exc_info: object) -> None:
        for connection in self.idle:
            connection.transport.close()

    async def forward(self, path: str, body: bytes, send: Send) -> None:
        connection = await self.connection()
        connection.ask(HEAD % (path.encode(), self.authority, len(body)) + body)
        try:
            while not connection.begun:
                await connection.news()
            status = connection.parser.get_status_code()
            await send({"type": "http.response.start", "status": status, "headers": connection.headers})
            while not connection.done:
                if connection.arrived:
                    await send({"type": "http.response.body", "body": connection.take(), "more_body": True})
                else:
                    await connection.news()
            await send({"type": "http.response.body", "body": connection.take()})
        except BaseException:
            connection.transport.abort()
            raise
        self.idle.append(connection)

    async def connection(self) -> Connection:
        while self.idle:
            connection = self.idle.pop()
            if not connection.lost:
                return connection
        _, opened = await self.loop.create_connection(Connection, self.host, self.port)
        return opened


if __name__ == "__main__":
    serve("floor", FloorClient)
