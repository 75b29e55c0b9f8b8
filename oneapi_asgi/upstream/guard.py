"""Which addresses the gateway may reach (server-side request forgery, OWASP SSRF).

Only what the Internet routes is reached, unless the operator names a network. Names are judged by the addresses they
resolve to, all of them, at the moment of connecting: ``127.1``, ``2130706433``, full-width digits and rebinding names
are then no different from ``127.0.0.1``. Addresses that carry another one inside (mapped, NAT64, 6to4, Teredo) are
refused whole, since the standard library calls several of them global.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

__all__ = ["AddressGuard", "BlockedAddressError"]

_REFUSED = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, where some clouds keep their metadata
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "::/96",  # IPv4-compatible
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "fec0::/10",  # site-local
    )
)


class BlockedAddressError(Exception):
    """The address is not one that the gateway may reach."""


class AddressGuard:
    """Judges addresses. ``allow`` are CIDR blocks that may be reached although they are private."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._allow: tuple[IPv4Network | IPv6Network, ...] = tuple(ip_network(network) for network in allow)

    def permits(self, address: str) -> bool:
        """Whether this literal address may be connected to; a zone is no part of the question."""
        ip = ip_address(address.partition("%")[0])
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return any(ip in network for network in self._allow) or _global(ip)

    def check(self, host: str, addresses: Iterable[str]) -> None:
        """
        :raises BlockedAddressError: any of the addresses that a host resolved to is refused
        """
        for address in addresses:
            if not self.permits(address):
                found = host if host.strip("[]") == address else f"{host} resolves to {address}, which"
                raise BlockedAddressError(
                    f"{found} is not a public address; to reach it name its network in the guard's allow-list, "
                    f'as [outbound] allow = ["{address}"] or ONEAPI_OUTBOUND__ALLOW=\'["{address}"]\''
                )

    def check_literal(self, host: str) -> None:
        """Check a host that is an address already; names are left for the moment of connecting.

        :raises BlockedAddressError: it is refused, or is a number that only resolvers take for an address (``127.1``):
            some clients hand those to the socket without resolving them
        """
        bare = host.strip("[]")
        try:
            ip_address(bare.partition("%")[0])
        except ValueError:
            if bare.replace(".", "").isdigit():
                raise BlockedAddressError(f"{host} is not an address in its usual form; write it as one") from None
            return
        self.check(host, (bare,))


def _global(ip: IPv4Address | IPv6Address) -> bool:
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _REFUSED)
