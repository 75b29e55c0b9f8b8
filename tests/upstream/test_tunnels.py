"""Proxies on the way to an upstream, on real sockets and both event loops."""

from __future__ import annotations

import asyncio
import base64
import ssl
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from proxying import proxy
from rawserver import raw_server

from oneapi_asgi.models import Secret
from oneapi_asgi.upstream import AddressGuard, HttpxUpstream, Incoming, Outgoing, Timeouts, Upstream, UpstreamFault
from oneapi_asgi.upstream.httptools import HttptoolsUpstream

LOCAL = AddressGuard(["127.0.0.0/8"])
TIMEOUTS = Timeouts(connect=5, first_byte=5, idle=5)
KEY = "sk-very-secret"
PASSWORD = "p@ss:w/rd"
CREDENTIALS = "user:p%40ss%3Aw%2Frd@"
SHOWN = "Basic " + base64.b64encode(f"user:{PASSWORD}".encode()).decode()


@pytest.fixture(
    params=[pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"), pytest.param(("asyncio", {}), id="asyncio")]
)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", path],
        check=True, capture_output=True,
    )  # fmt: skip
    return path


@pytest.fixture
def served_by(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
async def upstream(certificate: Path) -> AsyncIterator[HttptoolsUpstream]:
    async with HttptoolsUpstream(guard=LOCAL, tls=ssl.create_default_context(cafile=str(certificate))) as opened:
        yield opened


def outgoing(url: str, by: str, *, method: str = "POST", timeouts: Timeouts = TIMEOUTS) -> Outgoing:
    return Outgoing(method, url, (("authorization", f"Bearer {KEY}"),), b"{}", timeouts, Secret(by))


async def whole(upstream: Upstream, request: Outgoing) -> tuple[int, bytes]:
    incoming: Incoming = await upstream.send(request)
    try:
        return incoming.status, b"".join([chunk async for chunk in incoming.chunks()])
    finally:
        await incoming.close()


async def fault(upstream: Upstream, request: Outgoing) -> tuple[str, str]:
    with pytest.raises(UpstreamFault) as raised:
        await whole(upstream, request)
    told = str(raised.value)
    assert KEY not in told
    assert PASSWORD not in told
    assert CREDENTIALS not in told
    return raised.value.kind, told


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("by_tls", [False, True], ids=["by http", "by https"])
async def test_through_a_proxy(
    upstream: HttptoolsUpstream, served_by: ssl.SSLContext, *, tls: bool, by_tls: bool
) -> None:
    async with (
        raw_server(tls=served_by if tls else None) as server,
        proxy(SHOWN, tls=served_by if by_tls else None) as by,
    ):
        for _ in range(3):
            assert await whole(upstream, outgoing(f"{server.url}/v1/x?y=z", by.url(CREDENTIALS))) == (200, b"ok")
        assert (server.connections, by.connections) == (1, 1), "it is kept, and used again"
        assert len(server.requests) == 3
        assert all(SHOWN.encode() not in each for each in server.requests if tls)
        (head,) = by.asked
        place = f"127.0.0.1:{server.port}"
        if tls:
            assert head.splitlines()[:2] == [f"CONNECT {place} HTTP/1.1".encode(), f"host: {place}".encode()]
            assert KEY.encode() not in head, "the key is for the upstream alone"
            assert server.requests[0].startswith(b"POST /v1/x?y=z HTTP/1.1\r\n")
        else:
            assert head.startswith(f"POST http://{place}/v1/x?y=z HTTP/1.1\r\nhost: {place}\r\n".encode())


async def test_connections_are_kept_for_each_way_by_itself(upstream: HttptoolsUpstream) -> None:
    async with raw_server() as server, proxy() as one, proxy() as other:
        plain = Outgoing("GET", server.url, (), b"", TIMEOUTS)
        for request in (plain, outgoing(server.url, one.url()), outgoing(server.url, other.url()), plain):
            assert await whole(upstream, request) == (200, b"ok")
        assert await whole(upstream, outgoing(server.url, one.url("a:b@"))) == (200, b"ok")
        assert (server.connections, one.connections, other.connections) == (4, 2, 1)
        assert b"proxy-authorization: Basic YTpi\r\n" in one.asked[1]
        assert b"proxy-authorization" not in one.asked[0]


async def test_a_stream_comes_through_as_it_is_made(upstream: HttptoolsUpstream, served_by: ssl.SSLContext) -> None:
    begun = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n"
    async with raw_server((begun, 30.0), tls=served_by) as server, proxy() as by:
        incoming = await upstream.send(outgoing(server.url, by.url()))
        assert await anext(incoming.chunks()) == b"ab", "what comes after it takes half a minute"
        await incoming.close()


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("credentials", ["", "user:wrong@"])
async def test_a_proxy_that_wants_other_credentials(
    upstream: HttptoolsUpstream, served_by: ssl.SSLContext, *, tls: bool, credentials: str
) -> None:
    async with raw_server(tls=served_by if tls else None) as server, proxy(SHOWN) as by:
        kind, told = await fault(upstream, outgoing(server.url, by.url(credentials)))
        assert kind == "proxy_auth"
        assert f"the proxy 127.0.0.1:{by.port} answers 407" in told
        assert server.connections == 0


@pytest.mark.parametrize(
    ("says", "told"),
    [
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "answers 502 to CONNECT"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "answers 100 to CONNECT"),
        (b"SSH-2.0-x\r\n\r\n", "does not answer as one"),
        (b"HTTP/1.1 200 OK\r\n", "does not answer as one"),
        (b"HTTP/1.1 200 OK\r\n\r\nmore", "does not answer as one"),
        (b"HTTP/1.1 200 " + b"x" * 20_000, "does not answer as one"),
    ],
)
async def test_a_proxy_that_makes_no_tunnel(upstream: HttptoolsUpstream, says: bytes, told: str) -> None:
    async with proxy(says=says) as by:
        kind, found = await fault(upstream, outgoing("https://model.example", by.url()))
        assert (kind, told in found) == ("connect", True)


async def test_a_proxy_that_is_not_there(upstream: HttptoolsUpstream) -> None:
    async with proxy() as by:
        gone = by.url(CREDENTIALS)
    kind, told = await fault(upstream, outgoing("http://model.example", gone))
    assert (kind, "the proxy cannot be reached" in told) == ("connect", True)
    kind, told = await fault(upstream, outgoing("https://model.example", "http://no-such-proxy.invalid:1"))
    assert (kind, "cannot resolve no-such-proxy.invalid" in told) == ("connect", True)


async def test_a_proxy_that_says_nothing_is_waited_for_no_longer_than_a_host(upstream: HttptoolsUpstream) -> None:
    left = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read()
        left.set()
        writer.transport.abort()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as silent:
        by = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
        request = outgoing("https://model.example", by, timeouts=Timeouts(connect=0.2))
        assert (await fault(upstream, request))[0] == "connect_timeout"
        async with asyncio.timeout(5):
            await left.wait()


async def test_the_upstream_has_to_be_trusted_through_a_proxy_too(served_by: ssl.SSLContext) -> None:
    async with HttptoolsUpstream(guard=LOCAL) as strict, raw_server(tls=served_by) as server, proxy() as by:
        kind, told = await fault(strict, outgoing(server.url, by.url()))
        assert (kind, str(server.port) in told) == ("tls", True)
        assert server.requests == []


REFUSED: Sequence[tuple[str, str, Sequence[str]]] = (
    ("https://model.example", "http://127.0.0.1:{port}", ()),
    ("https://model.example", "http://localhost:{port}", ()),
    ("https://model.example", "http://127.1:{port}", ()),
    ("https://model.example", "http://2130706433:{port}", ()),
    ("https://model.example", "http://[::ffff:127.0.0.1]:{port}", ()),
    ("https://169.254.169.254", "http://127.0.0.1:{port}", ("127.0.0.0/8",)),
    ("http://10.0.0.1", "http://127.0.0.1:{port}", ("127.0.0.0/8",)),
    ("http://127.1", "http://127.0.0.1:{port}", ("127.0.0.0/8",)),
    ("https://[fd00:ec2::254]/", "http://127.0.0.1:{port}", ("127.0.0.0/8",)),
)


@pytest.mark.parametrize(("url", "by", "allow"), REFUSED, ids=[f"{url} by {by}" for url, by, _ in REFUSED])
async def test_addresses_are_judged_of_the_proxy_and_of_who_is_behind_it(
    url: str, by: str, allow: Sequence[str]
) -> None:
    async with proxy() as canary, HttptoolsUpstream(guard=AddressGuard(allow)) as upstream:
        kind, _ = await fault(upstream, outgoing(url, by.format(port=canary.port)))
        assert (kind, canary.connections) == ("blocked", 0)


@pytest.mark.parametrize("by", ["socks5://127.0.0.1:1", "http://", "http://a b", "ftp://a", "http://a/b", "http://a:0"])
async def test_what_is_no_proxy_is_not_asked(upstream: HttptoolsUpstream, by: str) -> None:
    assert (await fault(upstream, outgoing("http://model.example", by)))[0] == "protocol"


async def test_credentials_cannot_become_lines_of_the_head(upstream: HttptoolsUpstream) -> None:
    async with raw_server() as server, proxy() as by:
        assert await whole(upstream, outgoing(server.url, by.url("a%0d%0ax-b:c@"))) == (200, b"ok")
        assert b"x-b" not in by.asked[0]


async def test_the_portable_adapter_says_that_it_has_no_way_through() -> None:
    async with HttpxUpstream(guard=LOCAL) as upstream, proxy() as by:
        kind, told = await fault(upstream, outgoing("http://model.example", by.url()))
        assert (kind, "HttptoolsUpstream" in told, by.connections) == ("connect", True, 0)


def test_a_request_does_not_show_its_proxy() -> None:
    assert PASSWORD not in repr(outgoing("http://a", f"http://user:{PASSWORD}@b"))
