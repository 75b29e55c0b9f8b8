"""Answers that no upstream should give, and stores that fail between two calls."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager

import anyio
import psutil
import pytest
from e2e.hangup import asking, read_until
from e2e.serving import Adapter, chat, make_upstream, open_rig

from attack.inside import Caller, Stub, gateway_on, money
from oneapi_asgi import Channel, Ejection, MemoryStorage, Price, Timeouts, Upstream
from oneapi_asgi.models import Pulse
from oneapi_asgi.testing import Answer, FakeUpstream, Part
from oneapi_asgi.testing.upstream.http import Request
from oneapi_asgi.upstream import Outgoing

ADAPTERS: tuple[Adapter, ...] = ("httpx2", "httptools")
OURS = ("oneapi_asgi", "_asyncio", "attack")


class Odd(FakeUpstream):
    given: Answer

    def answer(self, request: Request) -> Answer:
        return self.given


def odd(*parts: bytes, headers: Sequence[tuple[str, str]]) -> Odd:
    upstream = Odd()
    upstream.given = Answer(headers=headers, parts=[Part(part) for part in parts])
    return upstream


@pytest.mark.parametrize(
    "bad",
    [
        b'data: {"choices":[{"delta":{"content":"\xc3"}}]}\n\n',
        b'data: {"type":"\xff"}\n\n',
        b'data: {"error":{"message":"\xff"},"choices":[{"text":"\xfe"}]}\n\n',
        b"\x00\n\n",
        b"data\n\n",
        b"data: " + b"[" * 100_000 + b"\n\n",
    ],
)
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_strange_events_pass_and_are_counted(adapter: Adapter, bad: bytes) -> None:
    first = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
    last = b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":6}}\n\ndata: [DONE]\n\n'
    upstreams = [odd(first, bad, last, headers=[("content-type", "text/event-stream")]), FakeUpstream()]
    async with open_rig(MemoryStorage(), adapter, upstreams=upstreams) as rig:
        got = await rig.post({"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "x"}]})
        assert got.content.startswith(first + bad)
        record = await rig.record()
        assert len(record.attempts) == 1
        assert record.usage is not None
        assert record.cost > 0
        assert await rig.held() == 0


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_a_header_in_another_alphabet_costs_nobody_the_answer(adapter: Adapter) -> None:
    name = 'attachment; filename="声.mp3"'.encode().decode("latin-1")
    async with open_rig(
        MemoryStorage(),
        adapter,
        upstreams=[odd(b"sound", headers=[("content-type", "audio/mpeg"), ("content-disposition", name)])],
    ) as rig:
        got = await rig.post({"model": "gpt-4o", "input": "x", "voice": "y"}, "/audio/speech")
        assert got.status_code == 200
        assert "声.mp3".encode() in dict(got.headers.raw)[b"content-disposition"]
        assert (await rig.record()).reason == "done"


@asynccontextmanager
async def talkative() -> AsyncIterator[str]:
    """A server that says one answer too many, a little later."""
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        while not writer.is_closing():
            try:
                await reader.readuntil(b"\r\n\r\n{}")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            count += 1
            answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n%d"
            writer.write(answer % count)
            await asyncio.sleep(0.02)
            writer.write(answer % 9)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/x"
    finally:
        server.close()


async def ask(upstream: Upstream, url: str) -> bytes:
    incoming = await upstream.send(Outgoing("POST", url, [], b"{}", Timeouts()))
    try:
        return b"".join([chunk async for chunk in incoming.chunks()])
    finally:
        await incoming.close()


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_nobody_gets_an_answer_that_was_left_over(adapter: Adapter) -> None:
    async with talkative() as url, make_upstream(adapter) as upstream:  # type: ignore[attr-defined]
        for number in (b"1", b"2", b"3"):
            assert await ask(upstream, url) == number
            await asyncio.sleep(0.05)


class Failing(MemoryStorage):
    what = ""
    asked = False

    async def list_channels(self) -> Sequence[Channel]:
        await self._unless("channels")
        return await super().list_channels()

    async def list_prices(self) -> Mapping[str, Price]:
        await self._unless("prices")
        return await super().list_prices()

    async def pulse(self) -> Pulse:
        self.asked = True
        await self._unless("revision")
        return await super().pulse()

    async def _unless(self, what: str) -> None:
        if self.what == what:
            self.what = ""
            raise ConnectionError(what)


@pytest.mark.parametrize("what", ["channels", "prices", "revision"])
async def test_a_store_that_fails_once_is_told_as_503(what: str) -> None:
    rng = random.Random(1)
    storage = Failing()
    gateway, accounts = await gateway_on(storage, Stub(rng), health=Ejection(judge=False))
    async with gateway:
        while not storage.asked:  # noqa: ASYNC110  # by the reaper, at its start
            await asyncio.sleep(0)
        storage.what = what
        first = Caller(gateway, rng, stream=False)
        await asyncio.wait([first.task])
        assert first.task.exception() is None
        assert first.status == 503
        assert await money(storage, accounts) == (0, 0)


@pytest.fixture
def afresh() -> Iterator[None]:
    """The collector knows of nothing that was there before."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("afresh")
@pytest.mark.parametrize("rounds", [12, pytest.param(25, marks=pytest.mark.slow)])
async def test_nothing_is_left_of_thousands_of_calls(rounds: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "oneapi_asgi")  # what pytest captures stays, with all that it refers to
    rng = random.Random(2)
    storage = MemoryStorage(keep=100)
    upstream = Stub(rng)
    gateway, _ = await gateway_on(storage, upstream, health=Ejection(judge=False))
    sizes = []
    async with gateway:
        before = len(asyncio.all_tasks())
        for _ in range(rounds):
            callers = [Caller(gateway, rng, stream=rng.random() < 0.5) for _ in range(100)]
            await asyncio.sleep(rng.uniform(0, 0.01))
            for caller in callers:
                draw = rng.random()
                caller.gone.set() if draw < 0.2 else caller.task.cancel() if draw < 0.4 else None
            await asyncio.wait([caller.task for caller in callers])
            del callers, caller
            upstream.answers.clear()
            await gateway.quota.settled()
            await gateway.records.written()
            await asyncio.sleep(0)
            gc.collect()
            sizes.append(sum(str(type(found).__module__).startswith(OURS) for found in gc.get_objects()))
        await anyio.sleep(0.05)
        assert len(asyncio.all_tasks()) == before
    assert sizes[-1] < sizes[5] + 50


@pytest.mark.parametrize("rounds", [1, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_no_socket_is_left_behind(adapter: Adapter, rounds: int) -> None:
    process = psutil.Process()
    async with open_rig(MemoryStorage(), adapter, health=Ejection(judge=False)) as rig:
        await _leave(rig.api, rig.fake)
        before = process.num_fds()
        for _ in range(rounds):
            await _leave(rig.api, rig.fake)
        assert process.num_fds() <= before + 5
        assert await rig.held() == 0


async def _leave(api: str, upstream: FakeUpstream) -> None:
    async def one(reset: bool) -> None:
        async with asking(api, chat(stream=True, tokens=2_000, delay=0.01), reset=reset) as reader:
            await read_until(reader, b'"The"')

    await asyncio.gather(*[one(bool(number % 2)) for number in range(40)])
    await upstream.idle()
    await asyncio.sleep(0.1)
