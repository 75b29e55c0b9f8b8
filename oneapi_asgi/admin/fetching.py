"""How the administration reaches the net: for issuers of identities, webhooks and whoever tells people from machines.

One request at a time over the gateway's own seam, so that the same guard judges every address at the moment of
connecting. HTTPS alone, but for hosts whose every address the operator's allow-list names. A redirect is an answer like
any other: nothing follows it. An answer is read to its end, if that is not too far, and within one deadline.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from ..models import Secret
from ..unreadable import UNREADABLE
from ..upstream import Outgoing, Timeouts, Upstream, UpstreamFault

__all__ = ["FetchError", "Fetched", "Fetcher", "Lookup", "addresses_of", "check_clear", "check_url"]

_UNSENDABLE = re.compile(r"[^\x21-\x7e]|\\")
_MAX_URL = 4096
_OWN = (("accept-encoding", "identity"), ("user-agent", "oneapi-asgi"))

Lookup: TypeAlias = Callable[[str], Awaitable[Sequence[str]]]
"""The addresses of a host."""


class FetchError(Exception):
    """Nothing came, or not what was asked for. The text is for whoever runs the gateway, and names no secret."""


class Fetched(Struct, frozen=True):
    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        """
        :raises FetchError: it is not an object
        """
        try:
            return msgspec.json.decode(self.body, type=dict[str, Any])
        except UNREADABLE:
            raise FetchError(f"the answer (status {self.status}) is not a JSON object") from None


class Fetcher:
    """``allow`` are the operator's private networks, as the guard of ``upstream`` has them. ``max_body`` is in bytes,
    ``seconds`` is for all of an exchange."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        allow: Iterable[str] = (),
        max_body: int = 1 << 20,
        seconds: float = 10.0,
        lookup: Lookup | None = None,
    ) -> None:
        self._upstream = upstream
        self._allow: tuple[IPv4Network | IPv6Network, ...] = tuple(ip_network(network) for network in allow)
        self._max_body = max_body
        self._seconds = seconds
        self._timeouts = Timeouts(connect=seconds, first_byte=seconds, idle=seconds, total=seconds)
        self._lookup = lookup or addresses_of

    async def fetch(
        self,
        method: str,
        url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        proxy: Secret | None = None,
    ) -> Fetched:
        """``proxy`` is the URL of one that the way leads through.

        :raises FetchError: the URL may not be asked, nobody answered, or with too much
        """
        try:
            if check_url(url) == "http":
                await self._check_clear(urlsplit(url).hostname or "")
            async with asyncio.timeout(self._seconds):
                return await self._exchange(Outgoing(method, url, (*_OWN, *headers), body, self._timeouts, proxy))
        except TimeoutError:
            raise FetchError(f"{_host(url)} did not answer within {self._seconds:g} s") from None
        except UpstreamFault as fault:
            raise FetchError(f"{_host(url)} could not be asked: {fault}") from fault
        except ValueError as error:
            raise FetchError(f"{_host(url)} cannot be asked: {error}") from error

    async def _exchange(self, outgoing: Outgoing) -> Fetched:
        answer = await self._upstream.send(outgoing)
        try:
            said = bytearray()
            async for chunk in answer.chunks():
                said += chunk
                if len(said) > self._max_body:
                    raise FetchError(f"{_host(outgoing.url)} answered with more than {self._max_body} bytes")
            return Fetched(answer.status, bytes(said))
        finally:
            await answer.close()

    async def _check_clear(self, host: str) -> None:
        """What goes unencrypted stays within the operator's networks.

        :raises ValueError: it would not
        """
        try:
            addresses = await asyncio.wait_for(self._lookup(host), self._seconds)
        except OSError:
            raise ValueError("there is no such host") from None
        check_clear(addresses, self._allow)


def check_clear(addresses: Iterable[str], allow: Collection[IPv4Network | IPv6Network]) -> None:
    """
    :raises ValueError: one of the addresses that a host has is not within the operator's networks, or it has none
    """
    inside = [any(ip_address(one.partition("%")[0]) in network for network in allow) for one in addresses]
    if not inside or not all(inside):
        raise ValueError(
            "http is for addresses that [outbound] allow names; use https, or allow the network of this host"
        )


def check_url(url: str) -> str:
    """Its scheme. Where it leads is judged when it is asked.

    :raises ValueError: it is none of HTTP, or readers of URLs could disagree about where it leads
    """
    if _UNSENDABLE.search(url) or len(url) > _MAX_URL:
        raise ValueError("a URL is printable ASCII, without spaces and backslashes")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("a URL here begins with https:// and a host")
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("a URL here has neither a user nor a fragment")
    if parts.port == 0:
        raise ValueError("no port has the number 0")
    return parts.scheme


def _host(url: str) -> str:
    """Of a URL what may be logged: its path and query may hold secrets."""
    try:
        return (urlsplit(url).hostname or "the URL")[:100]
    except ValueError:
        return "the URL"


async def addresses_of(host: str) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]
