"""Where URLs lead to, and what is remembered of heads."""

from __future__ import annotations

import pytest

from oneapi_asgi.upstream import AddressGuard, BlockedAddressError
from oneapi_asgi.upstream.heads import Heads, Origin

PUBLIC = Heads(AddressGuard())


@pytest.mark.parametrize(
    ("url", "origin", "line", "host"),
    [
        ("http://a.example", Origin(False, "a.example", 80), "/", "a.example"),
        ("https://a.example/", Origin(True, "a.example", 443), "/", "a.example"),
        ("HTTPS://A.Example/B", Origin(True, "a.example", 443), "/B", "a.example"),
        ("http://a.example:80/", Origin(False, "a.example", 80), "/", "a.example"),
        ("https://a.example:443/", Origin(True, "a.example", 443), "/", "a.example"),
        ("https://a.example:80/", Origin(True, "a.example", 80), "/", "a.example:80"),
        ("http://a.example:0/", Origin(False, "a.example", 0), "/", "a.example:0"),
        ("http://8.8.8.8:8080/", Origin(False, "8.8.8.8", 8080), "/", "8.8.8.8:8080"),
        ("http://[2620:fe::fe]/", Origin(False, "2620:fe::fe", 80), "/", "[2620:fe::fe]"),
        ("http://[2620:fe::fe]:81/", Origin(False, "2620:fe::fe", 81), "/", "[2620:fe::fe]:81"),
        ("http://bücher.example/", Origin(False, "xn--bcher-kva.example", 80), "/", "xn--bcher-kva.example"),
        ("http://me:pw@a.example/", Origin(False, "a.example", 80), "/", "a.example"),
        ("http://a.example?q", Origin(False, "a.example", 80), "/?q", "a.example"),
        ("http://a.example/x;y/../z?#f", Origin(False, "a.example", 80), "/x;y/../z", "a.example"),
        ("http://a.example//b", Origin(False, "a.example", 80), "//b", "a.example"),
    ],
)
def test_where_a_url_leads_to(url: str, origin: Origin, line: str, host: str) -> None:
    target = PUBLIC.target("GET", url)
    assert target.origin == origin
    assert target.prefix == f"GET {line} HTTP/1.1\r\nhost: {host}\r\n"


@pytest.mark.parametrize(
    "url", ["", "a.example", "//a.example", "ftp://a.example", "http://", "http://:80", "http://a:b", "http://a:99999"]
)
def test_what_is_no_url_of_http(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        PUBLIC.target("GET", url)


def test_addresses_are_judged_each_time() -> None:
    for _ in range(2):
        with pytest.raises(BlockedAddressError):
            PUBLIC.target("GET", "http://127.0.0.1/")


def test_what_is_remembered_is_bounded() -> None:
    heads = Heads(AddressGuard())
    again = heads.target("GET", "http://a.example/")
    assert heads.target("GET", "http://a.example/") is again
    assert heads.target("POST", "http://a.example/").prefix.startswith("POST /")
    long = "http://a.example/" + "x" * 1_000
    assert heads.target("GET", long) is not heads.target("GET", long)
    for number in range(10_000):
        target = heads.target("GET", f"http://a.example/{number}")
        heads.encoded("GET", target, [(f"x-{number}", "y")], 0)
    assert len(heads._targets) <= 4096
    assert len(heads._names) <= 1024
    head = heads.encoded("GET", again, [("x-9999", "y")], 0)
    assert head == b"GET / HTTP/1.1\r\nhost: a.example\r\nx-9999: y\r\n\r\n"
