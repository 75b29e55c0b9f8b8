"""Every adapter, against a fake provider on real sockets: what goes out, what comes back, and how it fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
import pytest
from ports import free_port

from oneapi_asgi.errors import NotStarted
from oneapi_asgi.testing import Answer, FakeUpstream, Journaled
from oneapi_asgi.upstream import AddressGuard, HttpxUpstream, Outgoing, Timeouts, Upstream, UpstreamFault
from oneapi_asgi.upstream.httptools import HttptoolsUpstream

Make = Callable[[AddressGuard], Any]

LOCAL = AddressGuard(["127.0.0.0/8"])
TIMEOUTS = Timeouts(connect=5, first_byte=5, idle=5)
MIB = 1 << 20
EVENTS = (("content-type", "text/event-stream"),)


@asynccontextmanager
async def _injected(library: Any, guard: AddressGuard) -> AsyncIterator[Upstream]:
    async with library.AsyncClient(trust_env=False) as client, HttpxUpstream(client, guard=guard) as upstream:
        yield upstream


MAKERS: dict[str, Make] = {
    "httptools": lambda guard: HttptoolsUpstream(guard=guard),
    "httpx2, own client": lambda guard: HttpxUpstream(guard=guard),
    "httpx2": lambda guard: _injected(httpx2, guard),
    "httpx": lambda guard: _injected(httpx, guard),
}


SLOW = {"httpx"}
"""The client that httpx2 goes on from, and whose adapter is the same."""


@pytest.fixture(
    params=[pytest.param(made, id=name, marks=[pytest.mark.slow] * (name in SLOW)) for name, made in MAKERS.items()]
)
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


@pytest.fixture
async def upstream(make: Make) -> AsyncIterator[Upstream]:
    async with make(LOCAL) as upstream:
        yield upstream


@pytest.fixture
async def fake() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as fake:
        yield fake


def outgoing(
    url: str,
    *,
    path: str = "/chat/completions",
    body: bytes = b"{}",
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),),
    timeouts: Timeouts = TIMEOUTS,
) -> Outgoing:
    return Outgoing("POST", url + path, headers, body, timeouts)


async def whole(upstream: Upstream, request: Outgoing) -> tuple[int, bytes]:
    incoming = await upstream.send(request)
    try:
        return incoming.status, b"".join([chunk async for chunk in incoming.chunks()])
    finally:
        await incoming.close()


async def fault(upstream: Upstream, request: Outgoing) -> tuple[str, bytes]:
    """The kind of fault, and what came before it."""
    came = b""
    try:
        incoming = await upstream.send(request)
    except UpstreamFault as raised:
        return raised.kind, came
    try:
        async for chunk in incoming.chunks():
            came += chunk
    except UpstreamFault as raised:
        return raised.kind, came
    finally:
        await incoming.close()
    return "none", came


async def until(true: Callable[[], bool], within: float = 3.0) -> float:
    """How long it took."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < within
        await asyncio.sleep(0.005)
    return time.monotonic() - started


async def ended(entry: Journaled) -> float:
    """How long it took until the upstream noticed the end."""
    return await until(lambda: entry.ended is not None)


# --- what goes out, what comes back -----------------------------------------------------------------------------------


async def test_headers_and_body_go_out_as_they_are(upstream: Upstream, fake: FakeUpstream) -> None:
    body = bytes(range(256)) * 1000
    headers = (
        ("content-type", "application/octet-stream; x=y"),
        ("authorization", "Bearer sk-up"),
        ("accept", "text/event-stream"),
        ("accept-encoding", "identity"),
        ("user-agent", "gateway/1"),
        ("x-two", "a"),
        ("x-two", "b"),
    )
    fake.script(Answer(content_length=0))
    assert await whole(upstream, outgoing(fake.url, path="/x/%2Fy?a=b%20c&d=%E6", body=body, headers=headers)) == (
        200,
        b"",
    )
    (entry,) = fake.journal
    assert (entry.method, entry.path) == ("POST", "/v1/x/%2Fy?a=b%20c&d=%E6")
    assert entry.body == body
    sent = [(name, value) for name, value in entry.headers if name not in ("connection", "content-length", "host")]
    assert sorted(sent) == sorted(headers)
    assert entry.header("host") == f"127.0.0.1:{fake.port}"
    assert entry.header("content-length") == str(len(body))


async def test_an_empty_body(upstream: Upstream, fake: FakeUpstream) -> None:
    status, body = await whole(upstream, Outgoing("GET", fake.url + "/models", (), b"", TIMEOUTS))
    assert (status, b"gpt-4o" in body) == (200, True)
    assert (fake.journal[0].method, fake.journal[0].body) == ("GET", b"")


async def test_the_answer_comes_back_as_it_is(upstream: Upstream, fake: FakeUpstream) -> None:
    sent = bytes(range(256)) * 2000
    headers = (("Content-Type", "application/x-odd"), ("X-A", "1"), ("X-A", "2"), ("Set-Cookie", "a=b; Path=/"))
    fake.script(Answer(status=418, headers=headers, parts=((sent[:7], 0.0), (sent[7:], 0.0))), Answer(content_length=0))
    incoming = await upstream.send(outgoing(fake.url))
    assert incoming.status == 418
    got = [(name, value) for name, value in incoming.headers if name != "transfer-encoding"]
    assert got == [(name.lower(), value) for name, value in headers]
    assert b"".join([chunk async for chunk in incoming.chunks()]) == sent
    await incoming.close()
    await whole(upstream, outgoing(fake.url))
    assert fake.journal[1].header("cookie") is None


async def test_a_compressed_answer_is_not_touched(upstream: Upstream, fake: FakeUpstream) -> None:
    fake.script(Answer(headers=(("content-encoding", "gzip"),), parts=((b"\x1f\x8bnot really", 0.0),)))
    assert await whole(upstream, outgoing(fake.url)) == (200, b"\x1f\x8bnot really")


@pytest.mark.parametrize("status", [204, 304, 500])
async def test_answers_without_a_body(upstream: Upstream, fake: FakeUpstream, status: int) -> None:
    fake.script(Answer(status=status, content_length=0 if status == 500 else None))
    assert await whole(upstream, outgoing(fake.url)) == (status, b"")


async def test_the_first_chunk_arrives_before_the_second_is_sent(upstream: Upstream, fake: FakeUpstream) -> None:
    fake.script(Answer(headers=EVENTS, parts=((b"data: 1\n\n", 0.0), (b"data: 2\n\n", 30.0))))
    incoming = await upstream.send(outgoing(fake.url))
    chunks = incoming.chunks()
    async with asyncio.timeout(3):
        assert await anext(chunks) == b"data: 1\n\n"
    assert fake.journal[0].bytes_sent == len(b"data: 1\n\n")
    await incoming.close()


async def test_a_large_body_comes_in_small_pieces(upstream: Upstream, fake: FakeUpstream) -> None:
    """Each lies in several buffers on its way."""
    body = bytes(8 * MIB)
    fake.script(Answer(parts=[(body, 0.0)], content_length=len(body)))
    incoming = await upstream.send(outgoing(fake.url))
    sizes = [len(chunk) async for chunk in incoming.chunks()]
    await incoming.close()
    assert sum(sizes) == len(body)
    assert max(sizes) <= 64 * 1024


async def stalled(upstream: Any, fake: FakeUpstream) -> Any:
    """An answer of 16 MiB, of which one piece was read, once nothing goes on."""
    fake.script(Answer(parts=[(bytes(MIB), 0.0)] * 16))
    incoming = await upstream.send(outgoing(fake.url))
    await anext(incoming.chunks())
    (entry,) = fake.journal
    sent = -1
    while sent != entry.bytes_sent:
        sent = entry.bytes_sent
        await asyncio.sleep(0.05)
    assert entry.ended is None
    return incoming


async def test_little_is_read_ahead_of_who_does_not_read(fake: FakeUpstream) -> None:
    async with HttptoolsUpstream(guard=LOCAL) as upstream:
        incoming = await stalled(upstream, fake)
        assert len(incoming.connection.get_buffer(-1)) <= 32 * 1024
        assert sum(map(len, incoming.pieces)) <= 48 * 1024
        await incoming.close()


async def test_the_head_arrives_before_the_body_is_sent(upstream: Upstream, fake: FakeUpstream) -> None:
    fake.script(Answer(headers=EVENTS, parts=((b"late", 30.0),)))
    async with asyncio.timeout(3):
        incoming = await upstream.send(outgoing(fake.url))
    assert incoming.status == 200
    await incoming.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(upstream: Upstream, fake: FakeUpstream, status: int) -> None:
    fake.script(Answer(status=status, headers=(("location", fake.url + "/models"),), content_length=0))
    assert await whole(upstream, outgoing(fake.url)) == (status, b"")
    assert len(fake.journal) == 1


# --- connections ------------------------------------------------------------------------------------------------------


async def test_a_connection_is_used_again_after_a_complete_answer(upstream: Upstream, fake: FakeUpstream) -> None:
    for answer in (Answer(content_length=0), Answer(parts=((b"a", 0.0),)), Answer(status=500, content_length=0)):
        fake.script(answer)
        await whole(upstream, outgoing(fake.url))
    await whole(upstream, outgoing(fake.url, body=b'{"model":"m","messages":[],"stream":true}'))
    assert [entry.connection for entry in fake.journal] == [1, 1, 1, 1]


async def test_a_connection_that_was_closed_meanwhile_is_replaced(upstream: Upstream, fake: FakeUpstream) -> None:
    fake.script(Answer(content_length=0, then="close"), Answer(content_length=0))
    await whole(upstream, outgoing(fake.url))
    await fake.idle()
    await asyncio.sleep(0.05)
    assert await whole(upstream, outgoing(fake.url)) == (200, b"")
    assert [entry.connection for entry in fake.journal] == [1, 2]


async def test_closing_in_mid_stream_ends_the_upstreams_work(upstream: Upstream, fake: FakeUpstream) -> None:
    fake.script(Answer(headers=EVENTS, parts=[(b"data: x\n\n", 0.01)] * 3000))
    incoming = await upstream.send(outgoing(fake.url))
    chunks = incoming.chunks()
    await anext(chunks)
    await incoming.close()
    assert await ended(fake.journal[0]) < 1
    assert fake.journal[0].aborted
    assert await whole(upstream, outgoing(fake.url, path="/models")) != (0, b"")


async def test_closing_without_a_look_at_the_body_ends_the_upstreams_work(
    upstream: Upstream, fake: FakeUpstream
) -> None:
    fake.script(Answer(headers=EVENTS, parts=[(b"data: x\n\n", 0.01)] * 3000))
    await (await upstream.send(outgoing(fake.url))).close()
    assert await ended(fake.journal[0]) < 1
    assert fake.journal[0].aborted


@pytest.mark.parametrize("when", ["before the head", "in mid-stream"])
async def test_cancelling_ends_the_upstreams_work(upstream: Upstream, fake: FakeUpstream, when: str) -> None:
    answer = Answer(wait=30) if when == "before the head" else Answer(headers=EVENTS, parts=((b"x", 0.0), (b"y", 30.0)))
    fake.script(answer)
    task = asyncio.create_task(whole(upstream, outgoing(fake.url)))
    await until(lambda: bool(fake.journal) and (fake.journal[0].bytes_sent > 0 or not answer.parts))
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert await ended(fake.journal[0]) < 1
    assert fake.journal[0].aborted


async def test_many_cancelled_requests_leave_it_usable(make: Make, fake: FakeUpstream) -> None:
    fake.script(*[Answer(wait=0.02, headers=EVENTS, parts=[(b"data: x\n\n", 0.01)] * 5) for _ in range(200)])
    async with make(LOCAL) as upstream:

        async def impatient(number: int) -> None:
            with pytest.raises((TimeoutError, UpstreamFault)):
                async with asyncio.timeout(0.001 + number % 40 / 1000):
                    await whole(upstream, outgoing(fake.url))

        for _ in range(5):
            await asyncio.gather(*[impatient(number) for number in range(40)])
        await fake.idle()
        fake.script(*[Answer(content_length=0) for _ in range(300)])  # whatever of the others was left, comes first
        async with asyncio.timeout(20):
            answers = await asyncio.gather(*[whole(upstream, outgoing(fake.url)) for _ in range(50)])
    assert {status for status, _ in answers} == {200}


async def test_many_streams_at_once(upstream: Upstream, fake: FakeUpstream) -> None:
    fake.script(*[Answer(headers=EVENTS, parts=[(b"data: %d\n\n" % n, 0.001) for n in range(20)]) for _ in range(100)])
    answers = await asyncio.gather(*[whole(upstream, outgoing(fake.url)) for _ in range(100)])
    assert set(answers) == {(200, b"".join(b"data: %d\n\n" % n for n in range(20)))}


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind", "came"),
    [
        (Answer(head=False, then="reset"), "cut", b""),
        (Answer(head=False, then="close"), "cut", b""),
        (Answer(headers=EVENTS, parts=((b"half", 0.0),), then="close"), "cut", b"half"),
        (Answer(headers=EVENTS, parts=((b"half", 0.0),), content_length=9, then="close"), "cut", b"half"),
        (Answer(headers=EVENTS, then="close"), "cut", b""),
        (Answer(head=False, chunked=False, parts=((b"HTTP/1.1 20", 0.0),), then="close"), "cut", b""),
        (Answer(parts=((b"a", 0.0),), content_length=1), "none", b"a"),
        (Answer(chunked=False, parts=((b"until the end", 0.0),)), "none", b"until the end"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_broken_answers(upstream: Upstream, fake: FakeUpstream, answer: Answer, kind: str, came: bytes) -> None:
    fake.script(answer, Answer(content_length=0))
    assert await fault(upstream, outgoing(fake.url)) == (kind, came)
    assert len(fake.journal) == 1, "a request was sent again that may have been served"
    assert await whole(upstream, outgoing(fake.url)) == (200, b"")


async def test_a_reset_in_mid_stream(upstream: Upstream, fake: FakeUpstream) -> None:
    fake.script(Answer(headers=EVENTS, parts=((b"half", 0.0), (b"", 0.1)), then="reset"))
    kind, came = await fault(upstream, outgoing(fake.url))
    assert kind == "cut"
    assert came in (b"half", b"")  # a reset may overtake what was sent


@pytest.mark.parametrize(
    "garbage", [b"SSH-2.0-x\r\n\r\n", b"\x00" * 100, b"HTTP/1.1 abc OK\r\n\r\n", b"<html>\r\n\r\n"]
)
async def test_what_is_no_http(upstream: Upstream, fake: FakeUpstream, garbage: bytes) -> None:
    fake.script(Answer(head=False, chunked=False, parts=((garbage, 0.0),), then="close"))
    kind, came = await fault(upstream, outgoing(fake.url))
    assert kind in ("protocol", "cut")
    assert came == b""


async def test_a_chunked_body_that_makes_no_sense(upstream: Upstream, fake: FakeUpstream) -> None:
    raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n"
    fake.script(Answer(head=False, chunked=False, parts=((raw, 0.0),), then="close"))
    kind, came = await fault(upstream, outgoing(fake.url))
    assert kind in ("cut", "protocol")
    assert came in (b"", b"abc")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(head=False, then="hang"), "first_byte_timeout"),
        (Answer(headers=EVENTS, then="hang"), "idle_timeout"),
        (Answer(headers=EVENTS, parts=((b"data: x\n\n", 0.05),), then="hang"), "idle_timeout"),
    ],
)
@pytest.mark.parametrize("shorter", ["first byte", "idle"])
async def test_each_timeout_has_its_own_kind(
    upstream: Upstream, fake: FakeUpstream, answer: Answer, kind: str, shorter: str
) -> None:
    first_byte, idle = (0.3, 0.8) if shorter == "first byte" else (0.8, 0.3)
    fake.script(answer)
    started = time.monotonic()
    request = outgoing(fake.url, timeouts=Timeouts(connect=1, first_byte=first_byte, idle=idle))
    assert (await fault(upstream, request))[0] == kind
    took = time.monotonic() - started
    wanted = first_byte if kind == "first_byte_timeout" else idle
    assert wanted - 0.05 <= took < (0.8 if wanted == 0.3 else 3)
    assert await ended(fake.journal[0]) < 1


async def test_what_keeps_coming_does_not_time_out(upstream: Upstream, fake: FakeUpstream) -> None:
    fake.script(Answer(headers=EVENTS, wait=0.3, parts=[(b"data: x\n\n", 0.1)] * 6))
    request = outgoing(fake.url, timeouts=Timeouts(connect=1, first_byte=2, idle=0.25))
    assert await whole(upstream, request) == (200, b"data: x\n\n" * 6)


async def test_a_refused_connection(upstream: Upstream) -> None:
    assert (await fault(upstream, outgoing(f"http://127.0.0.1:{free_port()}")))[0] == "connect"


async def test_a_port_without_tls(upstream: Upstream, fake: FakeUpstream) -> None:
    request = outgoing(fake.url.replace("http:", "https:"), timeouts=Timeouts(connect=0.2, first_byte=0.2))
    assert (await fault(upstream, request))[0] in ("tls", "connect_timeout")


@pytest.mark.parametrize("host", ["name.invalid", "a" * 64 + ".example", "x..y", "."])
async def test_a_host_that_cannot_be(upstream: Upstream, host: str) -> None:
    assert (await fault(upstream, outgoing(f"http://{host}")))[0] in ("dns", "protocol")


# --- addresses --------------------------------------------------------------------------------------------------------

HOSTS = ["127.0.0.1", "127.1", "0177.0.0.1", "0x7f.0.0.1", "2130706433", "0x7f000001", "0.0.0.0", "0", "localhost"]
HOSTS += ["LOCALHOST", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "１２７.0.0.1", "127。0。0。1"]
HOSTS += ["169.254.169.254", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "10.0.0.1", "ok@127.0.0.1", "ok:pw@localhost"]


@pytest.mark.parametrize("host", HOSTS)
async def test_blocked_addresses_are_never_reached(make: Make, fake: FakeUpstream, host: str) -> None:
    async with make(AddressGuard()) as upstream:
        assert (await fault(upstream, outgoing(f"http://{host}:{fake.port}/v1")))[0] == "blocked"
    assert fake.journal == []


@pytest.mark.parametrize("host", ["LOCALHOST.", "127.0.0.1.", "[::1%25lo]", "127.0.0.1\\@example.com", ""])
async def test_odd_hosts_are_never_reached(make: Make, fake: FakeUpstream, host: str) -> None:
    async with make(AddressGuard()) as upstream:
        assert (await fault(upstream, outgoing(f"http://{host}:{fake.port}/v1")))[0] in (
            "blocked",
            "connect",
            "dns",
            "protocol",
        )
    assert fake.journal == []


@pytest.mark.parametrize("scheme", ["file", "gopher", "ftp", "unix", ""])
async def test_other_schemes_are_refused(upstream: Upstream, fake: FakeUpstream, scheme: str) -> None:
    assert (await fault(upstream, outgoing(f"{scheme}://127.0.0.1:{fake.port}/v1")))[0] in (
        "connect",
        "dns",
        "protocol",
    )
    assert fake.journal == []


async def test_an_allowed_name_is_reached_under_its_own_name(upstream: Upstream, fake: FakeUpstream) -> None:
    assert (await whole(upstream, outgoing(f"http://localhost:{fake.port}/v1", path="/models")))[0] != 0
    assert fake.journal[0].header("host") == f"localhost:{fake.port}"


# --- life cycle -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("adapter", [HttptoolsUpstream, HttpxUpstream])
async def test_it_has_to_be_entered(adapter: type[HttptoolsUpstream | HttpxUpstream]) -> None:
    with pytest.raises(NotStarted, match="async with"):
        await adapter().send(outgoing("http://127.0.0.1"))
    upstream = adapter()
    async with upstream:
        pass
    with pytest.raises(NotStarted, match="async with"):
        await upstream.send(outgoing("http://127.0.0.1"))


async def test_an_injected_client_stays_its_owners(fake: FakeUpstream) -> None:
    async with httpx2.AsyncClient() as client:
        async with HttpxUpstream(client, guard=None) as upstream:
            await whole(upstream, outgoing(fake.url))
        assert not client.is_closed


def test_no_guard_needs_a_client() -> None:
    with pytest.raises(ValueError, match="client of your own"):
        HttpxUpstream(guard=None)


@pytest.mark.parametrize("library", [httpx, httpx2])
async def test_an_injected_client_without_sockets(library: Any) -> None:
    """Such as tests inject, or a client that goes through a proxy: its names need not resolve here."""
    transport = library.MockTransport(lambda request: library.Response(200, content=str(request.url).encode()))
    async with library.AsyncClient(transport=transport) as client:
        upstream = HttpxUpstream(client)
        assert await whole(upstream, outgoing("http://name.invalid")) == (200, b"http://name.invalid/chat/completions")
