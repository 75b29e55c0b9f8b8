"""What the relay asks of an HTTP client, and the few ways in which that can fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from ..models import Secret

__all__ = ["Fault", "Incoming", "Outgoing", "Timeouts", "Upstream", "UpstreamFault"]

Fault = Literal[
    "blocked",  # the address may not be reached
    "connect",  # no connection: refused, unreachable
    "connect_timeout",
    "dns",  # no such host
    "tls",  # no TLS there, or none to be trusted
    "first_byte_timeout",  # connected, but no answer began
    "idle_timeout",  # the answer began, then nothing came for too long
    "cut",  # the connection ended before the answer did
    "protocol",  # what came is not an HTTP answer that can be passed on
    "proxy_auth",  # the proxy wants other credentials, or any
]


class UpstreamFault(Exception):  # the field's word: an upstream faults
    """The upstream could not be reached, or stopped answering. ``detail`` is for the log: it names no secret."""

    def __init__(self, kind: Fault, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind


class Timeouts(Struct, frozen=True, kw_only=True):
    """Seconds: to connect; then until the answer begins; then between two chunks; of a stream between two pieces of
    content, however many chunks there are; and for all attempts of a call."""

    connect: float = 5.0
    first_byte: float = 60.0
    idle: float = 60.0
    progress: float = 300.0
    total: float = 1800.0


class Outgoing(Struct, frozen=True):
    """One request, straight to its host or by way of ``proxy`` (a URL). Its ``repr`` shows neither key nor prompt."""

    method: str
    url: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    timeouts: Timeouts
    proxy: Secret | None = None

    def __repr__(self) -> str:
        return f"Outgoing({self.method} {self.url})"


class Incoming(Protocol):
    """One answer, whose body is still arriving."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """Lower-case names."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives: no piece is waited for, and none is so large that it would fill the memory.

        :raises UpstreamFault: it ended too early, or nothing came for too long
        """
        ...

    async def close(self) -> None:
        """End the exchange: the connection is kept if the answer was read to its end, closed otherwise."""
        ...


class Upstream(Protocol):
    async def send(self, request: Outgoing) -> Incoming:
        """Send a request and return as soon as status and headers are there.

        :raises UpstreamFault: no answer
        """
        ...
