"""Clients that take their time, and more of them than there is room for: what becomes of them, and of the others."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from lab.figures import Figure
from lab.rig import percentile
from ports import free_port
from rawhttp import answer_to, connected, on_server, statuses
from serving import COMMAND, serving

from oneapi_asgi import Gateway, MemoryStorage, TokenDraft, key_digest
from oneapi_asgi.bounded import Bounds
from oneapi_asgi.testing import FakeUpstream

from .processes import configured
from .serving import CHAT, KEY, eventually

AUTH = {"authorization": f"Bearer {KEY}"}
HEAD = b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: "
BODY = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + KEY.encode() + b"\r\n"
    b"content-type: application/json\r\ncontent-length: 100000\r\n\r\n"
)
PROBE = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


async def drip(url: str, begun: bytes, every: float, part: float) -> tuple[float, int]:
    """Send a request one byte at a time: how long the server lets it, and what it says. Those who do so in turn each
    begin a ``part`` of that time later."""
    await asyncio.sleep(every * part)
    began = time.monotonic()
    async with connected(url) as (reader, writer):
        answered = asyncio.create_task(reader.read())
        with suppress(ConnectionError):
            writer.write(begun)
            while not answered.done():
                writer.write(b"x")
                await asyncio.wait([answered], timeout=every)
        said = b""
        with suppress(ConnectionError):
            said = await answered
    return time.monotonic() - began, next(iter(statuses(said)), 0)


async def all_given_up(url: str, count: int, every: float) -> tuple[float, Counter[int]]:
    """So many partial heads, and as many partial bodies: how long the longest lasts, and what they are told."""
    drips = [drip(url, begun, every, number / count) for begun in (HEAD, BODY) for number in range(count)]
    seen = await asyncio.gather(*drips)
    return max(lasted for lasted, _ in seen), Counter(status for _, status in seen)


async def test_partial_requests_are_given_up() -> None:
    tokens = [TokenDraft(name="ci", digest=key_digest(KEY))]
    gateway = Gateway(MemoryStorage(), tokens=tokens, prices={}, body_timeout=1.0)
    async with on_server(gateway, bounds=Bounds(1_000, header_timeout=1.0)) as url:
        longest, told = await all_given_up(url, 50, 0.1)
        assert longest < 10
        assert told[408] >= 50, "who goes on sending a body may lose what it is told"
        assert set(told) <= {408, 0}
        assert statuses(await answer_to(url, PROBE)) == [200]


@asynccontextmanager
async def timed(url: str, seconds: float) -> AsyncIterator[list[float]]:
    """How long calls of others take meanwhile, ten a second; and once it is over, ``seconds`` of them."""
    taken: list[float] = []

    async def ask(client: httpx2.AsyncClient) -> None:
        while True:
            began = time.monotonic()
            answer = await client.post(f"{url}/v1/chat/completions", json=CHAT, headers=AUTH)
            assert answer.status_code == 200
            taken.append(time.monotonic() - began)
            await asyncio.sleep(0.1)

    async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
        asking = asyncio.create_task(ask(client))
        try:
            await asyncio.wait([asking], timeout=seconds)
            yield taken
        finally:
            asking.cancel()
            await asyncio.wait([asking])


@pytest.mark.slow
@pytest.mark.figures
@pytest.mark.timeout(300)
async def test_a_thousand_of_them_harm_nobody(tmp_path: Path, figure: Figure) -> None:
    async with FakeUpstream() as fake:
        with standalone(configured(tmp_path, fake.url), tmp_path) as url:
            async with timed(url, 10) as usual:
                pass
            async with timed(url, 0) as meanwhile:
                longest, told = await all_given_up(url, 500, 1.0)
    before, during = percentile(usual, 0.99), percentile(meanwhile, 0.99)
    figure("500 partial heads, 500 partial bodies: the last given up after", f"{longest:.1f} s", "≤ 30 s")
    figure("calls of others meanwhile, p99", f"{during * 1e3:.0f} ms, before {before * 1e3:.0f} ms", "< 2 times")
    assert longest < 30
    assert set(told) <= {408, 0}
    assert during < max(2 * before, before + 0.2), "one of a hundred may meet with something else"


# --- more than there is room for --------------------------------------------------------------------------------------


@contextmanager
def standalone(config: Path, folder: Path, *, files: int = 0) -> Iterator[str]:
    """``serve`` in a process that may open so many files; gives the URL. It prints no traceback, and ends with 0."""
    port = free_port()
    command = [*COMMAND, "serve", "--config", str(config), "--port", str(port)]
    limited = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command] if files else command
    with serving(limited, port, cwd=folder) as process:
        yield f"http://127.0.0.1:{port}"
    assert process.returncode == 0


async def crowd(url: str, count: int) -> list[asyncio.StreamWriter]:
    """Connections on which nothing is said."""
    parts = urlsplit(url)
    opened = await asyncio.gather(*[asyncio.open_connection(parts.hostname, parts.port) for _ in range(count)])
    return [writer for _, writer in opened]


async def told(url: str) -> Sequence[int]:
    with suppress(OSError):
        return statuses(await answer_to(url, PROBE, within=2))
    return []


async def stream(client: httpx2.AsyncClient, url: str) -> str:
    body = CHAT | {"stream": True, "metadata": {"fake": '{"tokens": 20, "delay": 0.02}'}}
    return (await client.post(f"{url}/v1/chat/completions", json=body, headers=AUTH)).text


@pytest.mark.parametrize(("files", "room"), [(256, 90), pytest.param(48, 5, marks=pytest.mark.slow)])
async def test_with_few_files_it_refuses_and_recovers(tmp_path: Path, files: int, room: int) -> None:
    """For each client that there is room for there is a file for its upstream as well. With very few files they are
    used up before connections are counted: then nobody is accepted for a while."""
    async with (
        FakeUpstream() as fake,
        httpx2.AsyncClient(verify=False, timeout=30, limits=httpx2.Limits(max_connections=200)) as client,
    ):
        with standalone(configured(tmp_path, fake.url), tmp_path, files=files) as url:
            streams = await asyncio.gather(*[stream(client, url) for _ in range(room)])
            assert all("[DONE]" in text for text in streams)
            writers = await crowd(url, 400)
            seen = [await told(url) for _ in range(5)]
            assert all(statuses in ([], [503]) for statuses in seen), seen
            for writer in writers:
                writer.transport.abort()

            async def recovered() -> bool:
                return await told(url) == [200]

            await eventually(recovered, within=20)
            assert "[DONE]" in await stream(client, url)
