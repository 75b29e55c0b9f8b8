"""Which addresses may be reached. The table is pinned here since the standard library's flags differ between patch
releases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.upstream import AddressGuard, BlockedAddressError

BLOCKED = [
    # loopback and unspecified, in every spelling
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "::1", "::", "::1%lo"),
    *("::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:0.0.0.0", "::ffff:10.0.0.1"),
    # carrying an address inside: NAT64, 6to4, Teredo, IPv4-compatible
    *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:53aa:64c::1", "::127.0.0.1"),
    # private, link-local, site-local
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fd00::1", "fc00::1", "fe80::1", "fe80::1%eth0"),
    "fec0::1",
    # where clouds keep their metadata
    *("169.254.169.254", "::ffff:169.254.169.254", "100.100.100.200", "192.0.0.192", "fd00:ec2::254"),
    # carrier-grade NAT, relays, benchmarks, documentation, multicast, reserved, broadcast
    *("100.64.0.1", "100.127.255.255", "192.88.99.1", "198.18.0.1", "198.19.255.255", "192.0.2.1", "198.51.100.1"),
    *("203.0.113.1", "2001:db8::1", "224.0.0.1", "239.255.255.255", "ff02::1", "240.0.0.1", "255.255.255.255"),
]
PERMITTED = [
    *("8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "198.17.255.255"),
    *("192.169.0.1", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e", "::ffff:8.8.8.8", "2620:fe::fe"),
]


@pytest.mark.parametrize("address", BLOCKED)
def test_blocked(address: str) -> None:
    guard = AddressGuard()
    assert not guard.permits(address)
    with pytest.raises(BlockedAddressError, match=r"\[outbound\] allow"):
        guard.check("host.example", [address])
    with pytest.raises(BlockedAddressError):
        guard.check_literal(address)
    with pytest.raises(BlockedAddressError):
        guard.check_literal(f"[{address}]")


@pytest.mark.parametrize("address", PERMITTED)
def test_permitted(address: str) -> None:
    guard = AddressGuard()
    assert guard.permits(address)
    guard.check("host.example", [address])
    guard.check_literal(address)


@pytest.mark.parametrize("address", BLOCKED)
def test_one_bad_address_among_good_ones_is_enough(address: str) -> None:
    with pytest.raises(BlockedAddressError, match="host"):
        AddressGuard().check("host.example", ["8.8.8.8", address, "1.1.1.1"])


@pytest.mark.parametrize(
    "host", ["127.1", "0177.0.0.1", "2130706433", "0", "017700000001", "１２７.0.0.1", "127.0.0.1.", "1.2.3.4.5"]
)
def test_numbers_that_only_a_resolver_takes_for_an_address_are_refused(host: str) -> None:
    with pytest.raises(BlockedAddressError):
        AddressGuard(["127.0.0.0/8"]).check_literal(host)


@pytest.mark.parametrize(
    "host", ["localhost", "api.openai.com", "0x7f.0.0.1", "0x7f000001", "127。0。0。1", "127.0.0.1.nip.io", "a.1", ""]
)
def test_names_are_left_for_the_moment_of_connecting(host: str) -> None:
    AddressGuard().check_literal(host)


@pytest.mark.parametrize(
    ("allow", "address", "permitted"),
    [
        ("127.0.0.0/8", "127.0.0.1", True),
        ("127.0.0.0/8", "::ffff:127.0.0.1", True),
        ("127.0.0.0/8", "::1", False),
        ("127.0.0.0/8", "10.0.0.1", False),
        ("::1/128", "::1", True),
        ("::1/128", "127.0.0.1", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.4", False),
        ("fd00::/8", "fd00:ec2::254", True),
        ("fd00::/8", "fd00::1%eth0", True),
        ("64:ff9b::/96", "64:ff9b::7f00:1", True),
        ("0.0.0.0/0", "169.254.169.254", True),
        ("0.0.0.0/0", "fe80::1", False),
    ],
)
def test_the_allow_list(allow: str, address: str, *, permitted: bool) -> None:
    assert AddressGuard([allow]).permits(address) is permitted
    assert AddressGuard(["192.0.2.0/24", allow]).permits("8.8.8.8")


@pytest.mark.parametrize("network", ["10.0.0.1/8", "localhost", "10.0.0.0/33"])
def test_an_allow_list_that_makes_no_sense_is_refused(network: str) -> None:
    with pytest.raises(ValueError, match=network):
        AddressGuard([network])


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_in_every_coat(address: object) -> None:
    guard = AddressGuard()
    assert guard.permits(f"::ffff:{address}") is guard.permits(str(address))
    packed = int(str(address).split(".")[0]) << 8 | int(str(address).split(".")[1])
    assert not guard.permits(f"2002:{packed:x}::1")
    assert not guard.permits(f"64:ff9b::{address}")
