"""A caller that hangs up: one request on a bare socket, read as far as wanted, then closed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import msgspec

from .serving import KEY

__all__ = ["asking", "read_until"]

_PART = 0.1


@asynccontextmanager
async def asking(
    api: str,
    body: object,
    *,
    key: str = KEY,
    path: str = "/chat/completions",
    reset: bool = False,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[asyncio.StreamReader]:
    """Ask, and hang up with the end of the block: by FIN, or by RST."""
    parts = urlsplit(api)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=tls)
    content = msgspec.json.encode(body)
    head = (
        f"POST {parts.path}{path} HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    writer.write(head.encode() + content)
    try:
        yield reader
    finally:
        if reset:
            writer.transport.abort()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def read_until(reader: asyncio.StreamReader, text: bytes, *, within: float = 5.0) -> bytes:
    """What came up to ``text``, and whatever came with it. ``within`` is of the seconds that the loop lives through: a
    machine that stands still makes nobody late."""
    got, time = b"", asyncio.get_running_loop().time
    while text not in got:
        if within <= 0:
            raise TimeoutError(got)
        began = time()
        with suppress(TimeoutError):
            async with asyncio.timeout(_PART):
                chunk = await reader.read(65_536)
                if not chunk:
                    raise EOFError(got)
                got += chunk
        within -= min(time() - began, _PART)
    return got
