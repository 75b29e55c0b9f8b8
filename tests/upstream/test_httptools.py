"""The adapter on httptools, on real sockets and both event loops: time, connections, requests, TLS."""

from __future__ import annotations

import asyncio
import os
import random
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rawserver import OK, Play, RawServer, raw_server

from oneapi_asgi.upstream import AddressGuard, Incoming, Outgoing, Timeouts, Upstream, UpstreamFault
from oneapi_asgi.upstream.httptools import HttptoolsUpstream

LOCAL = AddressGuard(["127.0.0.0/8"])
TIMEOUTS = Timeouts(connect=5, first_byte=5, idle=5)
QUICK = Timeouts(connect=0.3, first_byte=0.3, idle=0.3)
KEY = "sk-very-secret"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
MIB = 1 << 20


@pytest.fixture(
    params=[pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"), pytest.param(("asyncio", {}), id="asyncio")]
)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
async def upstream() -> AsyncIterator[HttptoolsUpstream]:
    async with HttptoolsUpstream(guard=LOCAL) as upstream:
        yield upstream


def outgoing(
    url: str,
    *,
    method: str = "POST",
    body: bytes = b"{}",
    headers: Sequence[tuple[str, str]] = (("authorization", f"Bearer {KEY}"),),
    timeouts: Timeouts = TIMEOUTS,
) -> Outgoing:
    return Outgoing(method, url, headers, body, timeouts)


async def whole(upstream: Upstream, request: Outgoing) -> tuple[int, bytes]:
    incoming = await upstream.send(request)
    try:
        return incoming.status, b"".join([chunk async for chunk in incoming.chunks()])
    finally:
        await incoming.close()


async def fault(upstream: Upstream, request: Outgoing) -> str:
    with pytest.raises(UpstreamFault) as raised:
        await whole(upstream, request)
    assert KEY not in str(raised.value)
    return raised.value.kind


async def ended(incoming: Incoming) -> tuple[str, bytes]:
    """The fault that ends an answer, and what came before it."""
    came = b""
    try:
        async for chunk in incoming.chunks():
            came += chunk
    except UpstreamFault as raised:
        return raised.kind, came
    return "none", came


async def until(true: Callable[[], bool], within: float = 3.0) -> None:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < within
        await asyncio.sleep(0.005)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


# --- what goes out ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "body", "announced"),
    [
        ("POST", b"", b"content-length: 0\r\n"),
        ("POST", b"{}", b"content-length: 2\r\n"),
        ("PUT", b"", b"content-length: 0\r\n"),
        ("GET", b"", b""),
        ("DELETE", b"", b""),
        ("DELETE", b"{}", b"content-length: 2\r\n"),
    ],
)
async def test_the_request(upstream: Upstream, method: str, body: bytes, announced: bytes) -> None:
    async with raw_server() as server:
        headers = (("X-A", "ä 声"), ("x-a", ""))
        url = f"{server.url}/v1/a%2Fb/ü?q=%20&r#fragment"
        assert await whole(upstream, outgoing(url, method=method, body=body, headers=headers)) == (200, b"ok")
        assert server.requests == [
            f"{method} /v1/a%2Fb/ü?q=%20&r HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\nX-A: ä 声\r\nx-a: \r\n".encode()
            + announced
            + b"\r\n"
            + body
        ]


async def test_an_answer_to_head(upstream: Upstream) -> None:
    async with raw_server((b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n",)) as server:
        assert await whole(upstream, outgoing(server.url, method="HEAD", body=b"")) == (200, b"")
        assert await whole(upstream, outgoing(server.url)) == (200, b"ok")


async def test_a_large_body_arrives_whole(upstream: Upstream) -> None:
    body = os.urandom(MIB) * 8
    async with raw_server((0.1, OK)) as server:
        for _ in range(2):
            assert await whole(upstream, outgoing(server.url, body=body)) == (200, b"ok")
        assert [request.partition(b"\r\n\r\n")[2] == body for request in server.requests] == [True, True]
        assert server.connections == 1


SMUGGLED = [
    ("x", "a\r\nx-b: c"),
    ("x", "a\nx-b: c"),
    ("x", "a\rx-b: c"),
    ("x", "a\0b"),
    ("x", "a\r\n\r\nGET / HTTP/1.1"),
    ("x", "\udcff"),
    ("x\r\ny", "a"),
    ("x:", "a"),
    ("x y", "a"),
    ("", "a"),
    ("ü", "a"),
    ("Content-Length", "1"),
    ("transfer-encoding", "chunked"),
    ("Host", "elsewhere"),
    ("connection", "close"),
]


@pytest.mark.parametrize("header", SMUGGLED)
async def test_what_would_be_another_request_is_not_sent(upstream: Upstream, header: tuple[str, str]) -> None:
    async with raw_server() as server:
        headers = [("authorization", KEY), (header[0], header[1] + KEY)]
        assert await fault(upstream, outgoing(server.url, headers=headers)) == "protocol"
        assert server.connections == 0


@pytest.mark.parametrize("url", ["/a b", "/a\r\nx: y", "/a\tb", "/a\0b", "/\\b", "/a\x7f"])
@pytest.mark.parametrize("method", ["POST"])
async def test_a_url_that_would_be_another_request_is_not_sent(upstream: Upstream, url: str, method: str) -> None:
    async with raw_server() as server:
        assert await fault(upstream, outgoing(server.url + url, method=method)) == "protocol"
        assert server.connections == 0


@pytest.mark.parametrize("method", ["", "GET /", "G\r\nT", "PÖST"])
async def test_no_method(upstream: Upstream, method: str) -> None:
    assert await fault(upstream, outgoing("http://127.0.0.1", method=method)) == "protocol"


# --- time -------------------------------------------------------------------------------------------------------------


async def test_a_head_that_drips_is_not_waited_for(upstream: Upstream) -> None:
    play = [step for byte in OK for step in (bytes([byte]), 0.05)]
    async with raw_server(play) as server:
        began = time.monotonic()
        assert await fault(upstream, outgoing(server.url, timeouts=QUICK)) == "first_byte_timeout"
        assert 0.25 <= time.monotonic() - began < 1.5


async def test_a_body_that_is_not_taken_is_not_waited_for(upstream: Upstream) -> None:
    async with raw_server(("unread", 5.0)) as server:
        began = time.monotonic()
        request = outgoing(server.url, body=bytes(64 * MIB), timeouts=Timeouts(first_byte=5, idle=0.3))
        assert await fault(upstream, request) == "first_byte_timeout"
        assert 0.25 <= time.monotonic() - began < 2
        await until(lambda: server.open == 0, within=8)


async def test_a_slow_reader_is_no_silence(upstream: Upstream) -> None:
    body = bytes(8 * MIB)
    async with raw_server((b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body), body)) as server:
        incoming = await upstream.send(outgoing(server.url, timeouts=Timeouts(idle=0.2)))
        chunks = incoming.chunks()
        first = await anext(chunks)
        await asyncio.sleep(0.5)
        assert len(first) + sum([len(chunk) async for chunk in chunks]) == len(body)
        await incoming.close()


async def test_silence_after_slow_reading_is_noticed(upstream: Upstream) -> None:
    body = bytes(100_000)
    async with raw_server((b"HTTP/1.1 200 OK\r\ncontent-length: 100001\r\n\r\n", body, 5.0)) as server:
        incoming = await upstream.send(outgoing(server.url, timeouts=Timeouts(idle=0.2)))
        await asyncio.sleep(0.4)
        began = time.monotonic()
        assert await ended(incoming) == ("idle_timeout", body)
        assert 0.15 <= time.monotonic() - began < 1.5


@pytest.mark.parametrize(("first", "pause", "late"), [(10, 0.6, 0.0), (40_000, 0.0, 0.6)], ids=["silent", "unread"])
async def test_an_answer_that_begins_before_the_body_was_sent(
    upstream: Upstream, first: int, pause: float, late: float
) -> None:
    """What may pass before it begins says nothing of what may pass within."""
    size = 9 * MIB

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (first + 2) + bytes(first))
        await reader.readexactly(size)
        await asyncio.sleep(pause)
        writer.write(b"ok")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(early, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        request = outgoing(f"http://127.0.0.1:{port}", body=bytes(size), timeouts=Timeouts(first_byte=0.3, idle=5))
        incoming = await upstream.send(request)
        await asyncio.sleep(late)
        assert len(b"".join([chunk async for chunk in incoming.chunks()])) == first + 2
        await incoming.close()


async def test_one_call_after_another_each_has_its_own_time(upstream: Upstream) -> None:
    """What was set for one, does not end the next."""
    async with raw_server((OK,), (0.5, OK), (0.5, OK)) as server:
        assert await whole(upstream, outgoing(server.url, timeouts=QUICK)) == (200, b"ok")
        assert await whole(upstream, outgoing(server.url)) == (200, b"ok")
        assert await fault(upstream, outgoing(server.url, timeouts=QUICK)) == "first_byte_timeout"
        assert server.connections == 1


# --- connections ------------------------------------------------------------------------------------------------------


async def test_a_connection_serves_again_once_the_answer_is_there(upstream: Upstream) -> None:
    """Also when it has not been read yet."""
    async with raw_server() as server:
        first = await upstream.send(outgoing(server.url))
        second = await upstream.send(outgoing(server.url))
        for incoming in (first, second):
            assert [chunk async for chunk in incoming.chunks()] == [b"ok"]
            await incoming.close()
        assert server.connections == 1


@pytest.mark.parametrize(
    "play",
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",),
        (OK + b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n",),
        (OK, 0.02, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"),
        (OK, 0.02, b"\r\n"),
        (OK, "fin"),
        (OK, 0.02, "reset"),
        (OK, 0.02, "half"),
        (b"HTTP/1.1 200 OK\r\n\r\nok", "fin"),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",),
    ],
)
async def test_a_connection_that_is_not_clean_serves_nobody(upstream: Upstream, play: Any) -> None:
    async with raw_server(play) as server:
        assert await whole(upstream, outgoing(server.url)) == (200, b"ok")
        await asyncio.sleep(0.08)
        assert await whole(upstream, outgoing(server.url)) == (200, b"ok")
        assert server.connections == 2
        await until(lambda: server.open == 1)


@pytest.mark.parametrize(("method", "served"), [("GET", True), ("POST", False), ("DELETE", False)])
async def test_only_what_may_be_asked_twice_is(upstream: Upstream, method: str, *, served: bool) -> None:
    async with raw_server((OK,), ("fin",), (OK,)) as server:
        assert await whole(upstream, outgoing(server.url)) == (200, b"ok")
        request = outgoing(server.url, method=method, body=b"")
        if served:
            assert await whole(upstream, request) == (200, b"ok")
        else:
            assert await fault(upstream, request) == "cut"
        assert len(server.requests) == 2 + served


async def test_a_new_connection_that_is_cut_is_not_tried_again(upstream: Upstream) -> None:
    async with raw_server(("fin",)) as server:
        assert await fault(upstream, outgoing(server.url, method="GET", body=b"")) == "cut"
        assert len(server.requests) == 1


async def test_a_refusal_that_comes_before_the_body_was_sent(upstream: Upstream) -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno"
    async with raw_server(("unread", refusal, 1.0)) as server:
        request = outgoing(server.url, body=bytes(64 * MIB), timeouts=Timeouts(first_byte=3, idle=3))
        assert await whole(upstream, request) == (413, b"no")
        assert await whole(upstream, outgoing(server.url)) == (200, b"ok")
        assert server.connections == 2


async def test_closing_the_client_ends_what_still_runs() -> None:
    before = descriptors()
    async with raw_server((CHUNKED + b"1\r\na\r\n",), (OK,)) as server:
        async with HttptoolsUpstream(guard=LOCAL) as upstream:
            running = await upstream.send(outgoing(server.url))
            assert await whole(upstream, outgoing(server.url)) == (200, b"ok")
            assert server.open == 2
        assert await ended(running) == ("cut", b"a")
        await until(lambda: server.open == 0)
    await until(lambda: descriptors() <= before + 2)  # the loop's own


async def test_it_can_be_entered_again() -> None:
    upstream = HttptoolsUpstream(guard=LOCAL)
    async with raw_server() as server:
        for _ in range(2):
            async with upstream:
                assert await whole(upstream, outgoing(server.url)) == (200, b"ok")
        assert server.connections == 2


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 127.0.0.1, signed by itself, with its key."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=nobody"
    told = [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run(told, check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.fixture
def served_by(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


@pytest.fixture
def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=f"{certificate}.crt")


async def test_over_tls(served_by: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    body = os.urandom(MIB)
    stream = CHUNKED + b"100000\r\n" + body + b"\r\n0\r\n\r\n"
    async with raw_server((OK,), (stream,), tls=served_by) as server:
        async with HttptoolsUpstream(guard=LOCAL, tls=trusting) as upstream:
            assert await whole(upstream, outgoing(server.url)) == (200, b"ok")
            assert await whole(upstream, outgoing(server.url, body=body * 4)) == (200, body)
            assert await whole(upstream, outgoing(server.url)) == (200, b"ok")
            assert server.connections == 1
            assert server.requests[1].endswith(body)
        await until(lambda: server.open == 0)


async def test_an_end_over_tls_has_to_be_said(served_by: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    """Anybody on the way can close a connection; that this is all, only the other side can say (RFC 9112, section
    9.8)."""
    until_the_end = b"HTTP/1.1 200 OK\r\n\r\nok"
    async with (
        raw_server((until_the_end, "fin"), (until_the_end, 0.05, "reset"), tls=served_by) as server,
        HttptoolsUpstream(guard=LOCAL, tls=trusting) as upstream,
    ):
        assert await whole(upstream, outgoing(server.url)) == (200, b"ok")
        assert await fault(upstream, outgoing(server.url)) == "cut"


async def test_who_is_not_trusted(upstream: Upstream, served_by: ssl.SSLContext) -> None:
    async with raw_server(tls=served_by) as server:
        assert await fault(upstream, outgoing(server.url)) == "tls"
        assert server.requests == []


async def test_a_certificate_of_somebody_else(served_by: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    async with raw_server(tls=served_by) as server, HttptoolsUpstream(guard=LOCAL, tls=trusting) as upstream:
        assert await fault(upstream, outgoing(server.url.replace("127.0.0.1", "localhost"))) == "tls"
        assert server.requests == []


async def silent() -> tuple[asyncio.Server, RawServer]:
    """Accepts, and says nothing."""
    told = RawServer([])

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.connections += 1
        told.open += 1
        try:
            while await reader.read(1024):
                pass
        except ConnectionError:
            pass
        finally:
            told.open -= 1
            writer.transport.abort()

    listening = await asyncio.start_server(hold, "127.0.0.1", 0)
    told.port, told.tls = listening.sockets[0].getsockname()[1], True
    return listening, told


async def test_a_handshake_that_is_not_answered(upstream: Upstream) -> None:
    listening, server = await silent()
    async with listening:
        assert await fault(upstream, outgoing(server.url, timeouts=QUICK)) == "connect_timeout"
        await until(lambda: server.connections == 1 and server.open == 0)


async def test_leaving_within_the_handshake(upstream: Upstream) -> None:
    listening, server = await silent()
    async with listening:
        tasks = [asyncio.create_task(whole(upstream, outgoing(server.url))) for _ in range(20)]
        await until(lambda: server.open == 20, within=5)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)
        await until(lambda: server.open == 0)


PATIENCE = 0.02
"""Seconds that a caller stays at most: an answer takes half of it, a handshake some of it."""


class Slow(RawServer):
    """Its answers come in pieces."""

    def __init__(self, plays: Sequence[Play]) -> None:
        super().__init__([(0.003, CHUNKED, 0.002, b"1\r\na\r\n", 0.003, b"1\r\nb\r\n0\r\n\r\n")] * 100_000)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
async def test_callers_who_leave_at_any_moment(
    served_by: ssl.SSLContext, trusting: ssl.SSLContext, *, tls: bool
) -> None:
    """Also while a connection is being made: loops then tell of it in their own ways, or not at all."""
    rng, before = random.Random(11), descriptors()
    async with raw_server(tls=served_by if tls else None, kind=Slow) as server:
        async with HttptoolsUpstream(guard=LOCAL, tls=trusting) as upstream:

            async def impatient() -> None:
                leaves = time.monotonic() + 1
                while time.monotonic() < leaves:
                    task = asyncio.create_task(whole(upstream, outgoing(server.url)))
                    await asyncio.wait([task], timeout=rng.uniform(0, PATIENCE))
                    task.cancel()
                    await asyncio.wait([task])
                    assert task.cancelled() or task.result() == (200, b"ab")

            await asyncio.gather(*[impatient() for _ in range(20)])
            pool: Any = upstream._connections
            await until(lambda: all(c in pool._idle[c.origin] for c in pool._open))
            answers = await asyncio.gather(*[whole(upstream, outgoing(server.url)) for _ in range(100)])
            assert answers == [(200, b"ab")] * 100
        assert pool._open == set()
        await until(lambda: server.open == 0)
    await until(lambda: descriptors() <= before + 2)
