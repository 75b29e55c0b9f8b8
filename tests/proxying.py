"""A small HTTP proxy: tunnels by CONNECT, and requests with whole URLs; it may want credentials, or misbehave."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

__all__ = ["Proxy", "proxy"]


_AUTHORIZATION = re.compile(rb"\r\nproxy-authorization: (.*?)\r\n", re.IGNORECASE)


class Proxy:
    """``asked``: the heads of requests, as they came. ``wants``: what the header of credentials has to say. ``says``:
    the bytes with which every CONNECT is answered instead of a tunnel."""

    def __init__(self, wants: str = "", says: bytes = b"") -> None:
        self.asked: list[bytes] = []
        self.wants = wants
        self.says = says
        self.connections = 0
        self.port = 0
        self.tls = False

    def url(self, credentials: str = "") -> str:
        return f"http{'s' if self.tls else ''}://{credentials}127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, RuntimeError):  # uvloop's, too
                await self._answer(reader, writer)
                writer.close()  # once everything is sent
                await writer.wait_closed()
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head)
        method, target, _ = head.decode().split(" ", 2)
        shown = _AUTHORIZATION.search(head)
        if self.wants and (shown is None or shown[1].decode() != self.wants):
            writer.write(b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n")
        elif method == "CONNECT" and self.says:
            writer.write(self.says)
        elif method == "CONNECT":
            host, _, port = target.rpartition(":")
            await self._through(reader, writer, host, int(port), b"", b"HTTP/1.1 200 Connected\r\n\r\n")
        else:
            parts = urlsplit(target)
            await self._through(reader, writer, str(parts.hostname), int(parts.port or 80), head, b"")

    async def _through(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int, sent: bytes, said: bytes
    ) -> None:
        try:
            upwards, downwards = await asyncio.open_connection(host, port)
        except OSError:
            writer.write(b"HTTP/1.1 502 Nobody there\r\ncontent-length: 0\r\n\r\n")
            return
        downwards.write(sent)
        writer.write(said)
        ways = [asyncio.create_task(_copy(reader, downwards)), asyncio.create_task(_copy(upwards, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            downwards.transport.abort()  # before anything is waited for, which may be broken off
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


@asynccontextmanager
async def proxy(wants: str = "", says: bytes = b"", *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Proxy]:
    serving = Proxy(wants, says)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serving.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    serving.port, serving.tls = listening.sockets[0].getsockname()[1], tls is not None
    try:
        yield serving
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
