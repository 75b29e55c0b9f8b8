"""How often guesses may fail, and letters be asked for: by each account, and by each address they could come from."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from types import MappingProxyType

from msgspec import Struct

__all__ = ["TRIES", "TryLimit", "network_of"]


class TryLimit(Struct, frozen=True):
    """At most ``count`` in any ``seconds``."""

    count: int
    seconds: float


_QUARTER, _HOUR = 900.0, 3_600.0

TRIES: Mapping[str, TryLimit] = MappingProxyType(
    {
        "password": TryLimit(10, _QUARTER),
        "password_from": TryLimit(50, _QUARTER),
        "second_factor": TryLimit(10, _QUARTER),
        "code": TryLimit(10, _QUARTER),
        "code_from": TryLimit(30, _QUARTER),
        "letter": TryLimit(5, _HOUR),
        "letter_from": TryLimit(20, _HOUR),
        "redeem": TryLimit(10, _QUARTER),
        "redeem_from": TryLimit(50, _QUARTER),
    }
)
"""What ends in ``_from`` is counted by the network of an address."""


def network_of(address: str) -> str:
    """What one caller is taken to be: an IPv4 address, or the /64 of which an IPv6 address is any."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)
