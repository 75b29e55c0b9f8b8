"""The seam to WebSocket clients: what sessions are held over, and the few ways in which that can fail.

``Sockets`` is the protocol, ``AiohttpSockets`` (in ``upstream.aiohttp_sockets``, an extra) the adapter. As with the
seam to HTTP clients addresses are judged at the moment of connecting, and redirects are not followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from ..models import Secret
from .seam import Timeouts

__all__ = ["ABNORMAL", "MAX_MESSAGE", "Closed", "HandshakeRefusedError", "Socket", "Sockets"]

MAX_MESSAGE = 16 * 1024 * 1024
"""Bytes: OpenAI takes 15 MiB of audio at once."""

ABNORMAL = 1006
"""The code of a connection that ended without a close frame (RFC 6455, section 7.1.5)."""


class Closed(Struct, frozen=True):
    """The other side has closed the connection."""

    code: int = ABNORMAL
    reason: str = ""


class HandshakeRefusedError(Exception):
    """The upstream answered, but opened no WebSocket. Names of headers are in lower case."""

    def __init__(self, status: int, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.headers = headers


class Socket(Protocol):
    """One connection. Pings are answered, and sent, by itself."""

    async def receive(self) -> str | bytes | Closed:
        """The next message, whole; or that there are no more."""
        ...

    async def send(self, message: str | bytes) -> None:
        """Waits where the other side does not read.

        :raises UpstreamFault: the connection has ended
        """
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Takes a second at most, and raises nothing."""
        ...


class Sockets(Protocol):
    async def connect(
        self, url: str, headers: Sequence[tuple[str, str]], timeouts: Timeouts, proxy: Secret | None = None
    ) -> Socket:
        """``proxy`` is the URL of one that it is reached through.

        :raises HandshakeRefusedError: the upstream answers with another status than 101
        :raises UpstreamFault: it does not answer, or may not be reached
        """
        ...
