"""WebSockets by aiohttp: guarded addresses, no redirects, bounded messages."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from socket import AddressFamily
from types import SimpleNamespace, TracebackType
from typing import Self, TypedDict

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from ..errors import NotStarted
from ..models import Secret
from ..overrides import via
from .guard import AddressGuard, BlockedAddressError
from .seam import Timeouts, UpstreamFault
from .sockets import ABNORMAL, MAX_MESSAGE, Closed, HandshakeRefusedError
from .tunnel import PROXY_AUTH

__all__ = ["AiohttpSockets"]

_DNS_SECONDS = 10
_HEARTBEAT = 20.0
"""Seconds between pings; an upstream that leaves one unanswered for half of that is gone."""

_GOODBYE = 0.4
"""Seconds that the other side has to answer a close frame."""

_NO_STATUS = 1005


class _Way(TypedDict, total=False):
    """How ``ws_connect`` is told of a proxy."""

    proxy: URL
    proxy_headers: Mapping[str, str]


class AiohttpSockets:
    """Connects through one ``aiohttp.ClientSession`` of its own, opened and closed as an async context manager."""

    def __init__(self, *, guard: AddressGuard | None = None, max_message: int = MAX_MESSAGE) -> None:
        self._guard = guard or AddressGuard()
        self._max_message = max_message
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # ``ws_connect`` follows redirects, and cannot be told not to: a key would be shown to whom they lead to, at an
        # address that nobody has judged.
        tracing = aiohttp.TraceConfig()
        tracing.on_request_redirect.append(_refuse_redirect)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, resolver=_GuardedResolver(self._guard), ttl_dns_cache=_DNS_SECONDS, force_close=True
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            timeout=aiohttp.ClientTimeout(total=None),
            trace_configs=[tracing],
        )
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def connect(
        self, url: str, headers: Sequence[tuple[str, str]], timeouts: Timeouts, proxy: Secret | None = None
    ) -> _Socket:
        if self._session is None:
            raise NotStarted("AiohttpSockets opens its session when entered: use 'async with' in the host's lifespan.")
        try:
            target = URL(url, encoded=True)
            self._guard.check_literal(target.host or "")
            way = self._way(proxy) if proxy is not None else {}
            async with asyncio.timeout(timeouts.connect + timeouts.first_byte):
                tunnels = target.scheme in ("wss", "https")  # else the proxy reads the request itself
                socket = await self._session.ws_connect(
                    target,
                    headers=headers if tunnels else [*headers, *way.get("proxy_headers", {}).items()],
                    autoclose=False,
                    heartbeat=_HEARTBEAT,
                    max_msg_size=self._max_message,
                    timeout=aiohttp.ClientWSTimeout(ws_receive=None, ws_close=_GOODBYE),
                    **way,
                )
        except aiohttp.WSServerHandshakeError as error:
            if proxy is not None and error.status == PROXY_AUTH:
                raise UpstreamFault("proxy_auth", "the proxy answers 407") from None
            named = [(name.lower(), value) for name, value in (error.headers or {}).items()]
            raise HandshakeRefusedError(error.status, named) from None  # its message has the headers that were sent
        except (TimeoutError, aiohttp.ClientError, BlockedAddressError, OSError, ValueError) as error:
            raise _fault_of(error) from error
        return _Socket(socket)

    def _way(self, proxy: Secret) -> _Way:
        """aiohttp asks its resolver of names alone, so addresses are judged here.

        :raises BlockedAddressError: the proxy is at one that is refused
        :raises ValueError: the URL is that of no proxy
        """
        found = via(proxy.reveal())
        self._guard.check_literal(found.host)
        url = URL.build(scheme="https" if found.tls else "http", host=found.host, port=found.port)
        shown = found.authorization
        return {"proxy": url, "proxy_headers": {"Proxy-Authorization": shown.reveal()} if shown is not None else {}}


async def _refuse_redirect(
    session: aiohttp.ClientSession,  # noqa: ARG001
    context: SimpleNamespace,  # noqa: ARG001
    params: aiohttp.TraceRequestRedirectParams,
) -> None:
    params.response.close()
    raise HandshakeRefusedError(params.response.status)


class _Socket:
    __slots__ = ("_socket",)

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def receive(self) -> str | bytes | Closed:
        message = await self._socket.receive()
        match message.type:
            case aiohttp.WSMsgType.TEXT | aiohttp.WSMsgType.BINARY:
                data: str | bytes = message.data
                return data
            case aiohttp.WSMsgType.CLOSE:
                return Closed(message.data or _NO_STATUS, message.extra or "")
            case aiohttp.WSMsgType.ERROR:  # of the protocol; the upstream was told
                return Closed(self._socket.close_code or ABNORMAL)
            case _:
                return Closed()

    async def send(self, message: str | bytes) -> None:
        try:
            await (self._socket.send_str(message) if isinstance(message, str) else self._socket.send_bytes(message))
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            raise UpstreamFault("cut", type(error).__name__) from error

    async def close(self, code: int = 1000, reason: str = "") -> None:
        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with asyncio.timeout(2 * _GOODBYE):
                await self._socket.close(code=code, message=reason.encode())


class _GuardedResolver(AbstractResolver):
    """Resolves as aiohttp does, and lets only judged addresses through to the connector."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        results = await self._resolver.resolve(host, port, family)
        self._guard.check(host, (result["host"] for result in results))
        return results

    async def close(self) -> None:
        await self._resolver.close()


def _fault_of(error: BaseException) -> UpstreamFault:
    name = type(error).__name__
    match error:
        case BlockedAddressError():
            return UpstreamFault("blocked", str(error))
        case aiohttp.ConnectionTimeoutError():
            return UpstreamFault("connect_timeout", name)
        case asyncio.TimeoutError():
            return UpstreamFault("first_byte_timeout", name)
        case aiohttp.ClientConnectorDNSError():
            return UpstreamFault("dns", f"cannot resolve {error.host}")
        case aiohttp.ClientSSLError():
            return UpstreamFault("tls", f"{error.host}:{error.port}: no TLS, or none to be trusted ({name})")
        case aiohttp.ClientConnectorError():
            reason = os.strerror(error.os_error.errno) if error.os_error.errno else name
            return UpstreamFault("connect", f"{error.host}:{error.port}: {reason}")
        case aiohttp.ClientHttpProxyError():
            told = f"the proxy answers {error.status} to CONNECT"
            return UpstreamFault("proxy_auth" if error.status == PROXY_AUTH else "connect", told)
        case aiohttp.ClientResponseError() | aiohttp.NonHttpUrlClientError() | ValueError():
            return UpstreamFault("protocol", name)
        case _:
            return UpstreamFault("cut", name)
