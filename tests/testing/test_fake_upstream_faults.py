"""The fake fails as it is told, to the byte, and writes down what it saw."""

from __future__ import annotations

import asyncio
import gzip
import signal
import sys
import time
from collections.abc import AsyncIterator

import httpx2
import msgspec
import pytest

from oneapi_asgi.models import Usage
from oneapi_asgi.testing import Answer, FakeUpstream, Journaled, Part

GET = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as upstream:
        yield upstream


async def exchange(upstream: FakeUpstream, sent: bytes = GET) -> bytes:
    """All bytes that come back until the upstream closes or, at latest, for a second."""
    reader, writer = await asyncio.open_connection(upstream.host, upstream.port)
    writer.write(sent)
    received = b""
    try:
        async with asyncio.timeout(0.3):
            while data := await reader.read(65536):
                received += data
    finally:
        writer.close()
    return received


@pytest.mark.parametrize(
    ("answer", "received"),
    [
        (
            Answer(parts=[(b"abc", 0.0)], then="close"),
            HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        ),
        (
            Answer(parts=[(b"abc", 0.0)], content_length=9, then="close"),
            HEAD + b"content-length: 9\r\n\r\nabc",
        ),
        (Answer(parts=[(b"abc", 0.0)], chunked=False), HEAD + b"\r\nabc"),
        (Answer(status=204, headers=[], then="close"), b"HTTP/1.1 204 No Content\r\n\r\n"),
        (
            Answer(status=599, headers=[], content_length=0, then="close"),
            b"HTTP/1.1 599 Unknown\r\ncontent-length: 0\r\n\r\n",
        ),
        (Answer(head=False, chunked=False, parts=[(b"SSH-2.0-x\r\n", 0.0)], then="close"), b"SSH-2.0-x\r\n"),
        (Answer(head=False, then="close"), b""),
    ],
)
async def test_bytes_on_the_wire(upstream: FakeUpstream, answer: Answer, received: bytes) -> None:
    upstream.script(answer)
    assert await exchange(upstream) == received
    assert not upstream.journal[0].aborted


@pytest.mark.parametrize("answer", [Answer(head=False, then="reset"), Answer(parts=[(b"a", 0.0)], then="reset")])
async def test_reset(upstream: FakeUpstream, answer: Answer) -> None:
    upstream.script(answer)
    with pytest.raises(ConnectionResetError):
        await exchange(upstream)
    assert not upstream.journal[0].aborted


@pytest.mark.parametrize("answer", [Answer(head=False, then="hang"), Answer(parts=[(b"a", 0.0)], then="hang")])
async def test_hang_until_the_peer_leaves(upstream: FakeUpstream, answer: Answer) -> None:
    upstream.script(answer)
    with pytest.raises(TimeoutError):
        await exchange(upstream)
    await upstream.idle()
    assert upstream.journal[0].aborted


async def test_slow_bytes_come_one_by_one(upstream: FakeUpstream) -> None:
    upstream.script(Answer(parts=[(b"a", 0.05), (b"b", 0.05)], wait=0.05))
    started, arrivals = time.monotonic(), []
    async with httpx2.AsyncClient() as client, client.stream("GET", upstream.url) as response:
        async for _ in response.aiter_raw():
            arrivals.append(time.monotonic() - started)  # noqa: PERF401 - the time of each is the point
    assert len(arrivals) == 2
    assert arrivals[0] >= 0.1
    assert arrivals[1] - arrivals[0] >= 0.04


async def test_gzip_and_redirect(upstream: FakeUpstream) -> None:
    zipped = gzip.compress(b"hello")
    upstream.script(
        Answer(status=307, headers=[("location", "/elsewhere")], content_length=0),
        Answer(headers=[("content-encoding", "gzip")], parts=[(zipped, 0.0)], content_length=len(zipped)),
    )
    async with httpx2.AsyncClient(follow_redirects=True) as client:
        answer = await client.get(upstream.url)
    assert answer.text == "hello"
    assert [entry.path for entry in upstream.journal] == ["/v1", "/elsewhere"]


async def test_pipelined_requests_on_one_connection(upstream: FakeUpstream) -> None:
    chunked = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n"
    counted = b"POST /b HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nfg"
    received = await exchange(upstream, chunked + counted)
    assert received.count(b"HTTP/1.1 404 Not Found") == 2
    assert [(entry.path, entry.body, entry.connection) for entry in upstream.journal] == [
        ("/a", b"abcde", 1),
        ("/b", b"fg", 1),
    ]


async def test_connections_are_reused(upstream: FakeUpstream) -> None:
    async with httpx2.AsyncClient() as client:
        for _ in range(3):
            await client.get(f"{upstream.url}/models")
    assert [entry.connection for entry in upstream.journal] == [1, 1, 1]


@pytest.mark.parametrize("sent", [b"HELLO\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"])
async def test_malformed_requests_are_refused(upstream: FakeUpstream, sent: bytes) -> None:
    assert b"HTTP/1.1 400 Bad Request" in await exchange(upstream, sent)
    assert upstream.journal == []


@pytest.mark.parametrize(
    "rest",
    [
        b"content-length: 3\r\n\r\nabc",
        b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
    ],
)
async def test_a_request_arriving_byte_by_byte(upstream: FakeUpstream, rest: bytes) -> None:
    reader, writer = await asyncio.open_connection(upstream.host, upstream.port)
    for byte in b"POST /v1/x HTTP/1.1\r\n" + rest:
        writer.write(bytes([byte]))
        await asyncio.sleep(0)
    assert (await reader.readline()).startswith(b"HTTP/1.1 404")
    writer.close()
    assert upstream.journal[0].body == b"abc"


async def test_leaving_a_stream_is_seen_at_once_and_costs_what_was_written(upstream: FakeUpstream) -> None:
    asked = {"messages": [{"content": "one two"}], "stream": True, "metadata": {"fake": {"tokens": 50, "delay": 0.02}}}
    async with (
        httpx2.AsyncClient() as client,
        client.stream("POST", f"{upstream.url}/chat/completions", json=asked) as response,
    ):
        chunks = response.aiter_bytes()
        for _ in range(4):
            await anext(chunks)
    left = time.monotonic()
    await upstream.idle()
    entry = upstream.journal[0]
    assert entry.aborted
    assert entry.ended is not None
    assert abs(entry.ended - left) < 0.1
    assert entry.usage
    assert entry.usage.input == 2
    assert 3 <= entry.usage.output < 10


async def test_leaving_before_a_plain_answer_costs_the_prompt(upstream: FakeUpstream) -> None:
    asked = {"messages": [{"content": "one two"}], "metadata": {"fake": {"wait": 30}}}
    async with httpx2.AsyncClient(timeout=httpx2.Timeout(5, read=0.1)) as client:
        with pytest.raises(httpx2.ReadTimeout):
            await client.post(f"{upstream.url}/chat/completions", json=asked)
    await upstream.idle()
    entry = upstream.journal[0]
    assert (entry.aborted, entry.status, entry.usage, entry.bytes_sent) == (True, None, Usage(input=2), 0)


async def test_a_reader_that_stalls_holds_the_upstream_back(upstream: FakeUpstream) -> None:
    upstream.script(Answer(parts=[Part(b"x" * 65536)] * 1000))
    reader, writer = await asyncio.open_connection(upstream.host, upstream.port)
    writer.write(GET)
    await reader.readline()
    await asyncio.sleep(0.1)
    assert upstream.journal[0].bytes_sent < 40_000_000
    writer.transport.abort()
    await upstream.idle()
    assert upstream.journal[0].aborted


async def test_scripted_usage_counts_the_parts(upstream: FakeUpstream) -> None:
    upstream.script(Answer(parts=[Part(b"a", 0.0, 2), Part(b"b", 0.0, 3)], usage=Usage(input=7), then="close"))
    await exchange(upstream)
    assert upstream.journal[0].usage == Usage(input=7, output=5)
    assert upstream.journal[0].bytes_sent == 2


async def test_a_request_tells_where_to_break_off(upstream: FakeUpstream) -> None:
    asked = {"stream": True, "metadata": {"fake": {"then": "close", "after": 3}}}
    async with httpx2.AsyncClient() as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.post(f"{upstream.url}/chat/completions", json=asked)
    assert upstream.journal[0].usage == Usage(output=2)
    assert not upstream.journal[0].aborted


async def test_leaving_the_upstream_ends_what_hangs() -> None:
    async with FakeUpstream() as upstream:
        upstream.script(Answer(then="hang"))
        reader, writer = await asyncio.open_connection(upstream.host, upstream.port)
        writer.write(GET)
        await reader.readline()
    assert await reader.read() is not None
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(upstream.host, upstream.port)


async def test_the_journal_over_http_is_the_journal(upstream: FakeUpstream) -> None:
    url = f"http://{upstream.host}:{upstream.port}/_journal"
    async with httpx2.AsyncClient() as client:
        await client.post(f"{upstream.url}/embeddings", content=b"\xff\x00")
        told = msgspec.json.decode((await client.get(url)).content, type=list[Journaled])
        assert told == upstream.journal
        assert told[0].body == b"\xff\x00"
        await client.delete(url)
    assert upstream.journal == []


async def test_as_a_process() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "oneapi_asgi.testing.upstream", "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout
        url = (await asyncio.wait_for(process.stdout.readline(), 10)).decode().strip()
        journal = url.removesuffix("/v1") + "/_journal"
        async with httpx2.AsyncClient() as client:
            await client.post(f"{url}/moderations", json={"input": "\u2028"})
            entries = msgspec.json.decode((await client.get(journal)).content, type=list[Journaled])
            assert [(entry.path, entry.status) for entry in entries] == [("/v1/moderations", 200)]
            assert (await client.delete(journal)).json() == []
            assert (await client.get(journal)).json() == []
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 5) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
