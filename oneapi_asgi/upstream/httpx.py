"""The portable adapter: any ``httpx2.AsyncClient``, or ``httpx.AsyncClient``, which has the same interface."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

import anyio
import httpx2

from ..errors import NotStarted
from .guard import AddressGuard, BlockedAddressError
from .seam import Fault, Outgoing, UpstreamFault

__all__ = ["HttpxUpstream"]

_MAX_CONNECTIONS = 1_000


class _Client(Protocol):
    """The part of ``AsyncClient`` that is used; both libraries have it."""

    @property
    def build_request(self) -> Callable[..., Any]: ...
    @property
    def send(self) -> Callable[..., Awaitable[Any]]: ...
    @property
    def aclose(self) -> Callable[[], Awaitable[None]]: ...


class HttpxUpstream:
    """Sends through an httpx client.

    Without a client it makes its own and closes it; an injected one stays its owner's. Names are resolved here, judged
    by ``guard``, and connected to by the address that was judged (with the name kept for TLS and the Host header). Pass
    ``guard=None`` to leave addresses to an injected client, for instance one that goes through a proxy. Proxies of
    channels are beyond it.
    """

    def __init__(self, client: _Client | None = None, *, guard: AddressGuard | None = AddressGuard()) -> None:  # noqa: B008
        if client is None and guard is None:
            raise ValueError("guard=None needs a client of your own that looks after addresses")
        self._owned = client is None
        self._client = client
        self._guard = guard

    async def __aenter__(self) -> Self:
        if self._client is None:
            self._client = httpx2.AsyncClient(
                trust_env=False,
                limits=httpx2.Limits(max_connections=_MAX_CONNECTIONS, max_keepalive_connections=_MAX_CONNECTIONS),
            )
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._owned and self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    async def send(self, request: Outgoing) -> _Incoming:
        if self._client is None:
            raise NotStarted("HttpxUpstream makes its client when entered: use 'async with' in the host's lifespan.")
        if request.proxy is not None:
            raise UpstreamFault("connect", "HttpxUpstream has no way through a channel's proxy: use HttptoolsUpstream")
        timeouts = request.timeouts
        try:
            with anyio.fail_after(timeouts.connect):
                url, extra, extensions = await self._pinned(request.url)
        except TimeoutError as error:
            raise UpstreamFault("connect_timeout", "its name is not resolved in time") from error
        extensions["timeout"] = {
            "connect": timeouts.connect,
            "read": timeouts.first_byte,
            "write": timeouts.idle,
            "pool": timeouts.connect,
        }
        prepared = self._client.build_request(
            request.method, url, headers=[*request.headers, *extra], content=request.body, extensions=extensions
        )
        if not any(name.lower() == "cookie" for name, _ in request.headers):
            prepared.headers.pop("cookie", None)  # what an upstream left in the client's jar is for no other call
        try:
            with anyio.fail_after(timeouts.connect + timeouts.first_byte):
                answer = await self._client.send(prepared, stream=True, follow_redirects=False)
        except TimeoutError as error:
            raise UpstreamFault("first_byte_timeout") from error
        except Exception as error:
            raise _fault(error, begun=False) from error
        extensions["timeout"]["read"] = timeouts.idle  # read anew by the transport when the body is
        return _Incoming(answer)

    async def _pinned(self, url: str) -> tuple[str, list[tuple[str, str]], dict[str, Any]]:
        """The URL with its host replaced by an address that was judged, and what keeps the name in force."""
        if self._guard is None:
            return url, [], {}
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            if self._owned:
                raise UpstreamFault("dns", f"cannot resolve {host}") from error
            return url, [], {}  # an injected client may know names that this host does not
        addresses = [entry[4][0] for entry in found]
        try:
            self._guard.check(host, addresses)
        except BlockedAddressError as error:
            raise UpstreamFault("blocked", str(error)) from error
        address = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
        pinned = parts._replace(netloc=f"{address}:{port}").geturl()
        return pinned, [("host", parts.netloc.rpartition("@")[2])], {"sni_hostname": host}


class _Incoming:
    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self.status: int = answer.status_code

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        return [(name.lower(), value) for name, value in self._answer.headers.multi_items()]

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            if self._answer.is_stream_consumed:  # a mock's answer is there at once
                yield self._answer.content
                return
            async with aclosing(self._answer.aiter_raw()) as chunks:
                async for chunk in chunks:
                    yield chunk
        except Exception as error:
            raise _fault(error, begun=True) from error

    async def close(self) -> None:
        if not self._answer.is_closed:
            await asyncio.shield(self._answer.aclose())  # cut short, it would leave the connection to nobody


_FAULTS: dict[str, Fault] = {
    "ConnectTimeout": "connect_timeout",
    "PoolTimeout": "connect_timeout",
    "ReadTimeout": "idle_timeout",
    "WriteTimeout": "idle_timeout",
    "ConnectError": "connect",
    "ProxyError": "connect",
    "UnsupportedProtocol": "connect",
    "LocalProtocolError": "protocol",
    "DecodingError": "protocol",
}


def _fault(error: Exception, *, begun: bool) -> UpstreamFault:
    """By the name of the class, since httpx and httpx2 have the same tree but not the same classes."""
    name = type(error).__name__
    kind = _FAULTS.get(name, "cut")
    if kind == "connect":
        kind = _unconnected(error)
    return UpstreamFault("first_byte_timeout" if kind == "idle_timeout" and not begun else kind, name)


def _unconnected(error: BaseException | None) -> Fault:
    """Both libraries tell it by the error below their own alone."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return "tls"
        if isinstance(error, socket.gaierror):
            return "dns"
        error = error.__cause__ or error.__context__
    return "connect"
