"""A caller on a bare socket: one request, its answer read as far as wanted, and an end by FIN, by RST, or none."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Literal, Self
from urllib.parse import urlsplit

import msgspec

__all__ = ["Answered", "Asking", "Leave", "asking"]

Leave = Literal["fin", "rst"]


class Answered:
    """An answer as its bytes say it. ``whole``: it ended as its framing says, not just with the connection."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, *, whole: bool) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.whole = whole


class Asking:
    """An answer on its way. ``body`` is what has come of it, without its framing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._rest = b""
        self._left: int | None = None
        self._chunked = False
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.whole = False

    async def begun(self) -> Self:
        """With status and headers."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split(" ")[1])
        pairs = (line.partition(":") for line in lines if line)
        self.headers = {name.lower(): value.strip() for name, _, value in pairs}
        self._chunked = self.headers.get("transfer-encoding") == "chunked"
        self._left = None if self._chunked else int(self.headers.get("content-length", "0"))
        return self

    async def piece(self) -> bytes:
        """More of the body, empty at its end."""
        if self.whole:
            return b""
        data = await (self._chunk() if self._chunked else self._counted())
        self.body += data
        return data

    async def until(self, text: bytes, *, count: int = 1) -> None:
        """Until that is in the body, so many times.

        :raises EOFError: the body ended before
        """
        while self.body.count(text) < count:
            if not await self.piece():
                raise EOFError(bytes(self.body[-500:]))

    async def answered(self) -> Answered:
        """Read to the end."""
        if not self.status:
            await self.begun()
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self.piece():
                pass
        return Answered(self.status, self.headers, bytes(self.body), whole=self.whole)

    async def _chunk(self) -> bytes:
        size = int((await self._reader.readuntil(b"\r\n"))[:-2], 16)
        data = (await self._reader.readexactly(size + 2))[:-2]
        self.whole = not size
        return data

    async def _counted(self) -> bytes:
        assert self._left is not None
        data = await self._reader.read(min(self._left, 65_536))
        if not data and self._left:
            raise ConnectionResetError
        self._left -= len(data)
        self.whole = not self._left
        return data

    def leave(self, how: Leave = "fin") -> None:
        """Now."""
        if how == "rst":
            connection: socket.socket = self._writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()
        self._writer.close()


@asynccontextmanager
async def asking(
    url: str,
    path: str,
    body: object,
    *,
    key: str,
    name: str = "",
    leave: Leave = "fin",
    limit: int = 65_536,
) -> AsyncIterator[Asking]:
    """Ask, and leave with the end of the block. ``name`` is what the call is to be called in the books; ``limit`` is
    what is read ahead, twice at most."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=limit)
    content = msgspec.json.encode(body)
    lines = [
        f"POST {path} HTTP/1.1",
        f"host: {parts.netloc}",
        f"authorization: Bearer {key}",
        "content-type: application/json",
        f"content-length: {len(content)}",
        *([f"x-name: {name}"] if name else []),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + content)
    asked = Asking(reader, writer)
    try:
        yield asked
    finally:
        asked.leave(leave)
        with suppress(ConnectionError):
            await writer.wait_closed()
