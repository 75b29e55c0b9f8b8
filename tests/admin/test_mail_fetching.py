"""What the administration reaches outside, and what it never does (G71)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from oneapi_asgi.admin.fetching import FetchError
from oneapi_asgi.upstream import HttpxUpstream
from oneapi_asgi.upstream.httptools import HttptoolsUpstream

from .net import Answer, Asked, fetching, listening

# Whatever these are resolved to, it is this machine, its network, or nothing that the Internet routes.
HOSTS = [
    "127.0.0.1", "127.1", "0177.0.0.1", "0x7f.0.0.1", "2130706433", "0x7f000001", "0.0.0.0", "0", "[::1]", "[::]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "localhost", "LOCALHOST.", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
    "[::127.0.0.1]", "[fec0::1]", "192.0.0.192", "192.88.99.1", "224.0.0.1", "100.64.0.1", "100.100.100.200",
    "169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "198.18.0.1", "240.0.0.1", "255.255.255.255", "[2001:db8::1]",
    "１２７.0.0.1", "127。0。0。1", "ok@127.0.0.1", "127.0.0.1\\@example.com", "[::1%lo]", "127.0.0.1.nip.io",
    "10.0.0.1",
]  # fmt: skip


class Site:
    def __init__(self, *answers: Answer) -> None:
        self.answers = [*answers]
        self.asked: list[Asked] = []

    def __call__(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        return self.answers.pop(0) if self.answers else (200, {}, b'{"a": 1}')


@pytest.mark.parametrize("make", [HttpxUpstream, HttptoolsUpstream])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", HOSTS)
async def test_what_is_not_public_is_never_reached(host: str, scheme: str, make: type[HttpxUpstream]) -> None:
    connections = []

    def canary(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(reader)
        writer.close()

    server = await asyncio.start_server(canary, "127.0.0.1", 0)
    async with server, fetching(allow=(), seconds=2, make=make) as fetcher:
        with pytest.raises(FetchError):
            await fetcher.fetch("GET", f"{scheme}://{host}:{server.sockets[0].getsockname()[1]}/")
    assert connections == []


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "gopher://a.example/", "ftp://a.example/", "unix:/run/a", "//a.example/", "", "https://",
     "https://u:p@a.example/", "https://a.example:0/", "https://a.example/#f", "https://a.example/a b",
     "https://a.example:port/", "https://a.example/\r\nx: y", "https://[::1/", "https://a.example/" + "a" * 5000],
)  # fmt: skip
async def test_what_is_no_address_of_a_site(url: str) -> None:
    async with fetching() as fetcher:
        with pytest.raises(FetchError):
            await fetcher.fetch("GET", url)


async def test_an_allowed_network_is_reached() -> None:
    site = Site((200, {}, b'{"a": 1}'), (200, {}, b"[]"))
    async with listening(site) as url, fetching() as fetcher:
        answer = await fetcher.fetch("POST", f"{url}/x?y=1", headers=(("x-a", "b"),), body=b"hello")
        assert (answer.status, answer.json()) == (200, {"a": 1})
        with pytest.raises(FetchError, match="not a JSON object"):
            (await fetcher.fetch("GET", url)).json()
    first = site.asked[0]
    assert (first.method, first.path, first.body, first.headers["x-a"]) == ("POST", "/x?y=1", b"hello", "b")
    assert first.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("addresses", "reached"),
    [(["127.0.0.1"], True), (["127.0.0.1", "192.0.2.1"], False), (["192.0.2.1"], False), ([], False)],
)
async def test_what_is_not_encrypted_stays_inside(addresses: Sequence[str], reached: bool) -> None:
    async def lookup(host: str) -> Sequence[str]:
        assert host == "127.0.0.1"
        return addresses

    site = Site()
    async with listening(site) as url, fetching(lookup=lookup) as fetcher:
        if reached:
            await fetcher.fetch("GET", url)
        else:
            with pytest.raises(FetchError, match="use https"):
                await fetcher.fetch("GET", url)
    assert len(site.asked) == reached


async def test_a_redirect_is_an_answer() -> None:
    canary = Site()
    async with listening(canary) as secret:
        site = Site((302, {"location": secret}, b""), (307, {"location": secret}, b""))
        async with listening(site) as url, fetching() as fetcher:
            assert (await fetcher.fetch("GET", url)).status == 302
            assert (await fetcher.fetch("POST", url, body=b"x")).status == 307
    assert canary.asked == []


async def test_an_answer_has_an_end() -> None:
    site = Site((200, {}, b"x" * 1001), (200, {}, b"x" * 1000))
    async with listening(site) as url, fetching(max_body=1000) as fetcher:
        with pytest.raises(FetchError, match="more than 1000 bytes"):
            await fetcher.fetch("GET", url)
        assert len((await fetcher.fetch("GET", url)).body) == 1000


async def test_who_does_not_answer_is_left() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the other side leaves
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server, fetching(seconds=0.1) as fetcher:
        with pytest.raises(FetchError, match=r"within 0\.1 s|could not be asked") as caught:
            await fetcher.fetch("GET", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/secret?code=secret")
    assert "secret" not in str(caught.value)


async def test_a_name_that_changes_its_mind() -> None:
    """Judged by an address of the operator's network, resolved to another one when it is connected to."""

    async def lookup(host: str) -> Sequence[str]:
        return ["10.0.0.1"]

    site = Site()
    async with listening(site) as url, fetching(allow=("10.0.0.0/8",), lookup=lookup) as fetcher:
        with pytest.raises(FetchError, match="not a public address"):
            await fetcher.fetch("GET", url.replace("127.0.0.1", "localhost"))
    assert site.asked == []
