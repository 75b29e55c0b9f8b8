"""What the administration meets outside, on loopback: sites, and a mail server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

from msgspec import Struct

from oneapi_asgi.admin.fetching import Fetcher, Lookup
from oneapi_asgi.upstream import AddressGuard, HttpxUpstream
from oneapi_asgi.upstream.httptools import HttptoolsUpstream

LOOPBACK = ("127.0.0.0/8", "::1/128")


class Told:
    """Options that say what a test has set; a table of them may be changed at any time."""

    def __init__(self, **values: str | int | bool) -> None:
        self.values: dict[str, str | int | bool] = values

    async def text(self, name: str) -> str:
        return str(self.values.get(name, ""))

    async def number(self, name: str) -> int:
        return int(self.values.get(name, 0))

    async def flag(self, name: str) -> bool:
        return bool(self.values.get(name, False))

    async def secret(self, name: str) -> str:
        return str(self.values.get(name, ""))


class Asked(Struct):
    """A request that came to a site."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answer: TypeAlias = tuple[int, Mapping[str, str], bytes]
Site: TypeAlias = Callable[[Asked], Answer]


@asynccontextmanager
async def listening(site: Site) -> AsyncIterator[str]:
    """The URL of a site that answers one request on each connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            status, more, said = site(Asked(method, path, headers, body))
            lines = "".join(f"{name}: {value}\r\n" for name, value in more.items())
            writer.write(f"HTTP/1.1 {status} Said\r\ncontent-length: {len(said)}\r\n{lines}\r\n".encode() + said)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def fetching(
    allow: tuple[str, ...] = LOOPBACK,
    *,
    seconds: float = 10.0,
    max_body: int = 1 << 20,
    lookup: Lookup | None = None,
    make: type[HttpxUpstream] | type[HttptoolsUpstream] = HttptoolsUpstream,
) -> AsyncIterator[Fetcher]:
    async with make(guard=AddressGuard(allow)) as upstream:
        yield Fetcher(upstream, allow=allow, seconds=seconds, max_body=max_body, lookup=lookup)


class Post:
    """An SMTP server. ``letters`` are what it took, as they came; ``said`` are the commands. ``tls`` is offered if
    there is one, ``code`` is what it says to a letter."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, code: int = 250) -> None:
        self.letters: list[bytes] = []
        self.said: list[str] = []
        self.port = 0
        self._tls = tls
        self._code = code

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            writer.write(b"220 here\r\n")
            while line := (await reader.readline()).decode().strip():
                self.said.append(line)
                await self._answer(line.split(" ")[0].upper(), reader, writer)
        writer.close()

    async def _answer(self, verb: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if verb == "EHLO":
            secure = writer.get_extra_info("ssl_object") is not None
            writer.write(b"250-here\r\n" + (b"250-STARTTLS\r\n" if self._tls and not secure else b""))
            writer.write(b"250 AUTH PLAIN\r\n")
        elif verb == "STARTTLS" and self._tls:
            writer.write(b"220 go\r\n")
            await writer.drain()
            await writer.start_tls(self._tls)
        elif verb == "DATA":
            writer.write(b"354 go\r\n")
            letter = await reader.readuntil(b"\r\n.\r\n")
            if self._code == 250:
                self.letters.append(letter)
            writer.write(f"{self._code} said\r\n".encode())
        elif verb == "AUTH":
            writer.write(b"235 welcome\r\n")
        else:
            writer.write(b"221 bye\r\n" if verb == "QUIT" else b"250 ok\r\n")
        await writer.drain()


@asynccontextmanager
async def posting(post: Post, tls: ssl.SSLContext | None = None) -> AsyncIterator[Post]:
    """With ``tls`` it speaks that from the start."""
    server = await asyncio.start_server(post.serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        post.port = server.sockets[0].getsockname()[1]
        yield post
