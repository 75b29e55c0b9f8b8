"""A way through a proxy: the request for one, and the head of what the proxy says to it (RFC 9110, section 9.3.6)."""

from __future__ import annotations

import asyncio
import re

from ..overrides import Via
from .seam import Fault, UpstreamFault

__all__ = ["PROXY_AUTH", "proxy_auth", "through"]

PROXY_AUTH = 407
"""The status of a proxy that wants to be shown other credentials (RFC 9110, section 15.5.8)."""

_MOST = 16 * 1024
"""Bytes of a head."""

_END = b"\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r]")


class _Head(asyncio.Protocol):
    """``come`` is all that came up to the end of a head, or to the end of the connection."""

    def __init__(self) -> None:
        self._held = bytearray()
        self.come: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self._held += data
        if _END in self._held or len(self._held) > _MOST:
            self._tell()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - that it is lost is enough
        self._tell()

    def _tell(self) -> None:
        if not self.come.done():
            self.come.set_result(bytes(self._held))


async def through(transport: asyncio.Transport, via: Via, host: str, port: int) -> None:
    """Have the proxy at the other end of a connection connect to a host. It ends with whoever waits for it.

    :raises UpstreamFault: the proxy does not
    """
    head = _Head()
    transport.set_protocol(head)
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    transport.write(f"CONNECT {shown} HTTP/1.1\r\nhost: {shown}\r\n{proxy_auth(via)}\r\n".encode())
    try:
        said, end, rest = (await head.come).partition(_END)
    except BaseException:
        transport.abort()
        raise
    status = _STATUS.match(said) if end else None
    if status is not None and status[1].startswith(b"2") and not rest:
        return
    transport.abort()
    where = f"the proxy {via.host}:{via.port}"
    if status is None or rest:
        raise UpstreamFault("connect", f"{where} does not answer as one")
    kind: Fault = "proxy_auth" if int(status[1]) == PROXY_AUTH else "connect"
    raise UpstreamFault(kind, f"{where} answers {int(status[1])} to CONNECT {shown}")


def proxy_auth(via: Via) -> str:
    """The line of a head that shows the credentials; empty where there are none."""
    return "" if via.authorization is None else f"proxy-authorization: {via.authorization.reveal()}\r\n"
