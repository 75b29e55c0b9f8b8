"""A server that answers each request with the bytes that it is told, over TCP or TLS."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Literal, TypeAlias

__all__ = ["OK", "Play", "RawServer", "raw_server"]

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

Play: TypeAlias = Sequence[bytes | float | Literal["fin", "reset", "half", "unread"]]
"""What is done about one request: bytes are sent, seconds waited. "half" ends what is sent and reads on; with "unread"
the body is not read."""

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class RawServer:
    """``requests``: what came, as it was. ``connections`` have been made, ``open`` of them still are."""

    def __init__(self, plays: Sequence[Play]) -> None:
        self.plays = list(plays)
        self.requests: list[bytes] = []
        self.connections = 0
        self.open = 0
        self.port = 0
        self.tls = False

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            with suppress(
                asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, RuntimeError
            ):  # the last: uvloop's
                while await self._answered(reader, writer):
                    pass
        finally:
            self.open -= 1
            writer.transport.abort()

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether another request may come."""
        head = await reader.readuntil(b"\r\n\r\n")
        play = self.plays.pop(0) if self.plays else (OK,)
        found = _LENGTH.search(head)
        if "unread" not in play:
            head += await reader.readexactly(int(found[1]) if found else 0)
        self.requests.append(head)
        for step in play:
            match step:
                case bytes():
                    writer.write(step)
                    await writer.drain()
                case float():
                    await asyncio.sleep(step)
                case "half":
                    writer.write_eof()
                case "reset":
                    sock: socket.socket = writer.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return False
                case "fin":
                    writer.close()
                    await writer.wait_closed()
                    return False
        return "unread" not in play


@asynccontextmanager
async def raw_server(
    *plays: Play, tls: ssl.SSLContext | None = None, kind: type[RawServer] = RawServer
) -> AsyncIterator[RawServer]:
    """One play for each request, then ``OK``."""
    server = kind(plays)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(server.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    server.port, server.tls = listening.sockets[0].getsockname()[1], tls is not None
    try:
        yield server
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
