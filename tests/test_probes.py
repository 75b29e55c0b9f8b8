"""What an orchestrator is told, and how soon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from oneapi_asgi import Channel, Gateway, MemoryStorage
from oneapi_asgi.models import Pulse
from oneapi_asgi.pool import ChannelPool
from oneapi_asgi.probes import Readiness
from oneapi_asgi.revision import Revision
from oneapi_asgi.testing import Response, StreamingClient

CHANNEL = Channel(id=1, name="c", base_url="http://127.0.0.1:9/v1")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Mortal(MemoryStorage):
    """``ails``: it refuses to answer, or does not answer at all."""

    def __init__(self) -> None:
        super().__init__(channels=[CHANNEL])
        self.ails = ""
        self.asked = 0

    async def pulse(self) -> Pulse:
        self.asked += 1
        if self.ails == "refuses":
            raise ConnectionError
        if self.ails == "hangs":
            await asyncio.Event().wait()
        return await super().pulse()


class Bench:
    def __init__(self) -> None:
        self.storage, self.clock, self.started = Mortal(), Clock(), True
        pool = ChannelPool(self.storage, revision=Revision(self.storage, interval=0, clock=self.clock))
        self.readiness = Readiness(
            self.storage, pool, started=lambda: self.started, timeout=0.05, interval=1.0, clock=self.clock
        )


@pytest.fixture
async def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("ails", ["refuses", "hangs"])
async def test_it_flips_with_the_storage(bench: Bench, ails: str) -> None:
    for ailment, lack in (("", None), (ails, "storage"), ("", None)):
        bench.storage.ails = ailment
        bench.clock.now += 1
        async with asyncio.timeout(3):
            assert await bench.readiness.lack() == lack


async def test_it_needs_an_enabled_channel(bench: Bench) -> None:
    assert await bench.readiness.lack() is None
    for enabled, lack in ((False, "channels"), (True, None)):
        await bench.storage.save_channel(replace(CHANNEL, enabled=enabled))
        bench.clock.now += 1
        assert await bench.readiness.lack() == lack
    await bench.storage.delete_channel(1)
    bench.clock.now += 1
    assert await bench.readiness.lack() == "channels"


async def test_it_needs_the_lifespan(bench: Bench) -> None:
    bench.started = False
    assert await bench.readiness.lack() == "lifespan"
    assert bench.storage.asked == 0
    bench.started = True
    assert await bench.readiness.lack() is None


async def test_many_that_ask_ask_the_storage_once(bench: Bench) -> None:
    assert set(await asyncio.gather(*[bench.readiness.lack() for _ in range(50)])) == {None}
    asked = bench.storage.asked
    bench.clock.now += 0.9
    assert (await bench.readiness.lack(), bench.storage.asked) == (None, asked)
    bench.clock.now += 0.2
    bench.storage.ails = "hangs"
    async with asyncio.timeout(2):
        assert set(await asyncio.gather(*[bench.readiness.lack() for _ in range(50)])) == {"storage"}
    assert bench.storage.asked == asked + 1


# --- in the gateway ---------------------------------------------------------------------------------------------------


def gateway() -> Gateway:
    return Gateway(Mortal())


@pytest.fixture
async def client() -> AsyncIterator[StreamingClient]:
    async with StreamingClient(gateway()) as client:
        yield client


def told(answer: Response) -> tuple[int, object]:
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    return answer.status, answer.json()


@pytest.mark.parametrize("root", ["", "/llm"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/readyz/"])
async def test_at_the_mount_without_a_key(client: StreamingClient, root: str, path: str) -> None:
    assert told(await client.request("GET", path, root_path=root)) == (200, {"status": "ok"})
    head = await client.request("HEAD", path, root_path=root)
    assert (head.status, head.body) == (200, b"")
    refused = await client.request("POST", path, root_path=root)
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


async def test_before_the_start() -> None:
    async with StreamingClient(gateway(), lifespan=False) as client:
        assert told(await client.request("GET", "/healthz")) == (200, {"status": "ok"})
        assert told(await client.request("GET", "/readyz")) == (503, {"status": "unavailable", "failed": "lifespan"})


async def test_liveness_outlives_the_storage() -> None:
    storage = Mortal()
    async with StreamingClient(Gateway(storage)) as client:
        storage.ails = "refuses"
        assert told(await client.request("GET", "/readyz")) == (503, {"status": "unavailable", "failed": "storage"})
        assert told(await client.request("GET", "/healthz")) == (200, {"status": "ok"})
