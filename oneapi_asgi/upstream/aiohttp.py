"""The fast adapter, on aiohttp's own interface: bodies as they arrive, one pool, clean under cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from socket import AddressFamily
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.resolver import ThreadedResolver
from aiohttp.tracing import Trace
from cachetools import LRUCache
from yarl import URL

from ..errors import NotStarted
from .guard import AddressGuard, BlockedAddressError
from .seam import Outgoing, Timeouts, UpstreamFault

__all__ = ["AiohttpUpstream"]

_BUFFER = 256 * 1024
_DNS_SECONDS = 10
_CACHED_URL = 512


class AiohttpUpstream:
    """Sends through one ``aiohttp.ClientSession`` of its own, opened and closed as an async context manager."""

    def __init__(self, *, guard: AddressGuard | None = None) -> None:
        self._guard = guard or AddressGuard()
        self._session: aiohttp.ClientSession | None = None
        self._urls: LRUCache[str, URL] = LRUCache(4096)
        self._timeouts: LRUCache[Timeouts, aiohttp.ClientTimeout] = LRUCache(64)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=_Connector(limit=0, resolver=_GuardedResolver(self._guard), ttl_dns_cache=_DNS_SECONDS),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            read_bufsize=_BUFFER,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(self, request: Outgoing) -> _Incoming:
        if self._session is None:
            raise NotStarted("AiohttpUpstream opens its session when entered: use 'async with' in the host's lifespan.")
        timeouts = request.timeouts
        try:
            url = self._checked(request.url)
            answer = await self._session.request(
                request.method,
                url,
                headers=request.headers,
                data=request.body,
                allow_redirects=False,
                timeout=self._clocks(timeouts),
            )
        except (TimeoutError, aiohttp.ClientError, BlockedAddressError, OSError, ValueError) as error:
            raise _fault(error, begun=False) from error
        if answer.connection is not None and answer.connection.protocol is not None:
            answer.connection.protocol.read_timeout = timeouts.idle
            answer.connection.protocol.start_timeout()  # what runs is still the one for the first byte
        return _Incoming(answer)

    def _checked(self, address: str) -> URL:
        """The URL, if its host is a name or an address that may be reached. Channels have few, and use them often."""
        url = self._urls.get(address)
        if url is None:
            url = URL(address, encoded=True)
            self._guard.check_literal(url.host or "")
            if len(address) < _CACHED_URL:  # queries are the callers', and may be long
                self._urls[address] = url
        return url

    def _clocks(self, timeouts: Timeouts) -> aiohttp.ClientTimeout:
        found = self._timeouts.get(timeouts)
        if found is None:
            found = self._timeouts[timeouts] = aiohttp.ClientTimeout(
                total=None, sock_connect=timeouts.connect, sock_read=timeouts.first_byte
            )
        return found


class _Incoming:
    __slots__ = ("_answer", "status")

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self.status = answer.status

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        return [(name.lower(), value) for name, value in self._answer.headers.items()]

    async def chunks(self) -> AsyncIterator[bytes]:
        read = self._answer.content.readany
        try:
            while chunk := await read():
                yield chunk
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise _fault(error, begun=True) from error

    async def close(self) -> None:
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()


class _Connector(aiohttp.TCPConnector):
    """Keeps no connection on which something came that nobody had asked for: the next call would take it for its
    answer, and the one after that would get what was meant for the next."""

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        while (connection := await super()._get(key, traces)) is not None:
            if connection.protocol is not None and not connection.protocol.should_close:
                return connection
            connection.close()
        return None


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


def _fault(error: BaseException, *, begun: bool) -> UpstreamFault:
    name = type(error).__name__
    match error:
        case BlockedAddressError():
            return UpstreamFault("blocked", str(error))
        case aiohttp.ConnectionTimeoutError():
            return UpstreamFault("connect_timeout", name)
        case asyncio.TimeoutError():
            return UpstreamFault("idle_timeout" if begun else "first_byte_timeout", name)
        case aiohttp.ClientConnectorError():
            return UpstreamFault("connect", name)
        case aiohttp.ClientResponseError() | aiohttp.NonHttpUrlClientError() | ValueError():
            return UpstreamFault("protocol", name)
        case _:
            return UpstreamFault("cut", name)
