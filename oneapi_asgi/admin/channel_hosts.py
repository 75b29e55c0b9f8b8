"""Where channels may lead (server-side request forgery): new hosts are for root to add, and what is asked there goes
over HTTPS, but within networks that the operator allows.

The guard of ``upstream`` judges every address once more at the moment of connecting, since names may resolve otherwise
by then. What is refused here would be refused there, but only once a call has come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit

from ..errors import BadRequest
from ..models import Channel
from ..overrides import Via, via
from ..providers.access import filled
from ..providers.catalog import CATALOG
from ..upstream import AddressGuard, BlockedAddressError
from .fetching import Lookup, addresses_of, check_clear, check_url

__all__ = ["ChannelHosts", "known_origins", "origins_of"]

_HOST_OPTIONS = ("authority",)
"""Options that name a host by themselves."""

_PORTS = {"http": 80, "https": 443}


class ChannelHosts:
    """``allow`` are the operator's private networks, as the guard of ``upstream`` has them."""

    def __init__(self, *, allow: Iterable[str] = (), lookup: Lookup = addresses_of, seconds: float = 5.0) -> None:
        allowed = tuple(allow)
        self._allow: tuple[IPv4Network | IPv6Network, ...] = tuple(ip_network(network) for network in allowed)
        self._guard = AddressGuard(allowed)
        self._lookup = lookup
        self._seconds = seconds

    async def check(self, channel: Channel, before: Channel | None = None) -> None:
        """Look at what it says of hosts, and ``before`` did not.

        :raises BadRequest: it leads where no call may go
        """
        known = set() if before is None else set(_urls(before))
        for param, url in _urls(channel):
            if (param, url) not in known:
                try:
                    await self._check(param, url)
                except (ValueError, BlockedAddressError) as error:
                    raise BadRequest(f"The {param} cannot be: {error}.", code="host_refused", param=param) from None

    async def _check(self, param: str, url: str) -> None:
        scheme, host = check_url(url), urlsplit(url).hostname or ""
        self._guard.check_literal(host)
        addresses = await self._addresses(host)
        self._guard.check(host, addresses)
        if scheme == "http" and param != "proxy":  # what passes a proxy to https passes it whole
            check_clear(addresses, self._allow)

    async def _addresses(self, host: str) -> list[str]:
        """None for a name that is not known now: it may be by the time that it is asked."""
        try:
            return list(await asyncio.wait_for(self._lookup(host), self._seconds))
        except (OSError, TimeoutError, UnicodeError):
            return []


def origins_of(channel: Channel) -> frozenset[str]:
    """Scheme, host and port of everything that the channel names by itself; its provider's own hosts are not among
    them."""
    return frozenset(_origin(url) for _, url in _urls(channel))


def known_origins(channels: Iterable[Channel]) -> frozenset[str]:
    """What administrators may lead a channel to: where others lead, and providers are by themselves."""
    vendors = (url for row in CATALOG.values() for url in (row.base_url, *row.bases.values()) if url)
    return frozenset(_origin(url) for url in vendors).union(*(origins_of(channel) for channel in channels))


def _urls(channel: Channel) -> list[tuple[str, str]]:
    """With options in place of their names: those may stand for a host, or a part of it."""
    hosts = ((option, channel.options.get(option)) for option in _HOST_OPTIONS)
    named = [(f"options.{name}", host if "://" in host else f"https://{host}") for name, host in hosts if host]
    if channel.proxy is not None:
        with suppress(ValueError):  # what is no proxy leads nowhere, and is refused for that
            named.append(("proxy", _origin_of_proxy(via(channel.proxy.reveal()))))
    if not channel.base_url:
        return named
    try:
        return [("base_url", filled(channel.base_url, channel.options)), *named]
    except ValueError:  # one of them is not set: nothing is asked before it is
        return [("base_url", channel.base_url), *named]


def _origin_of_proxy(way: Via) -> str:
    host = f"[{way.host}]" if ":" in way.host else way.host
    return f"{'https' if way.tls else 'http'}://{host}:{way.port}"


def _origin(url: str) -> str:
    """What is no URL leads nowhere, and is refused for that."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}:{parts.port or _PORTS.get(parts.scheme)}"
    except ValueError:
        return url
