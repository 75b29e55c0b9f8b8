"""The database dies, or hangs, while calls come in and streams are open; then it is back.

Nobody is served who could not be charged, nobody waits for long, what is open goes on, and in the end every call is
settled once.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
from e2e.serving import eventually
from servers.databases import Kind, fresh, rows
from servers.own import OwnMariaDB, OwnPostgres, OwnServer

from oneapi_asgi.storage import StorageError
from oneapi_asgi.storage.sql import SQLStorage

from .auditor import complaints, read_books, unmatched
from .fleet import Fleet, answers, open_fleet
from .load import Answered, Callers, add_callers, open_session

READY_SECONDS = 5.0
SETTLED_SECONDS = 30.0
POOL_SECONDS = 1.0
CROWD_SECONDS = 1.5
"""Those who waited when it came back are served all at once, which takes its time on a small machine."""


class Outage(NamedTuple):
    """``hangs``: it is there, and silent. Otherwise it is killed. ``rate`` is in calls a second."""

    seconds: float
    hangs: bool
    rate: float = 200.0
    streams: int = 100

    @property
    def longest_wait(self) -> float:
        """Seconds until a call that cannot be charged is refused. One that hangs takes its time-out."""
        return 2.5 if self.hangs else 1.5


SHORT = [
    pytest.param(OwnPostgres, Outage(2, hangs=False, rate=100, streams=30), id="postgres-killed-2s"),
    pytest.param(OwnPostgres, Outage(3, hangs=True, rate=100, streams=30), id="postgres-hung-3s"),
]
LONG = [
    pytest.param(server, outage, id=f"{name}-{what}", marks=[pytest.mark.slow, pytest.mark.timeout(300)])
    for server, name in ((OwnPostgres, "postgres"), (OwnMariaDB, "mariadb"))
    for outage, what in ((Outage(20, hangs=False), "killed-20s"), (Outage(30, hangs=True), "hung-30s"))
]


class Times(NamedTuple):
    """When it went down and when it was back, by the monotonic clock."""

    down: float
    up: float


class Seen(NamedTuple):
    """What the probes of a replica had answered by then."""

    at: float
    replica: str
    ready: bool
    live: bool


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[OwnServer]:
    make: Callable[[], OwnServer] = request.param
    with make() as own:
        yield own


@pytest.mark.parametrize(("server", "outage"), [*SHORT, *LONG], indirect=["server"])
async def test_an_outage(server: OwnServer, outage: Outage, tmp_path: Path) -> None:
    with fresh(kind_of(server), tmp_path, server.url) as url:
        await add_callers(url, wallet=10**12, quotas=[10**12])
        async with open_fleet(url) as fleet, open_session() as session:
            plain, streams = Callers(session, "plain"), Callers(session, "stream")
            async with probing(fleet, session) as seen:
                times = await _live_through(server, outage, fleet, plain, streams)
                await _ready_again(seen, times)
                await _settled(url)
                settled = time.monotonic()
            await fleet.stop()
            books = await read_books(url)
            assert complaints(books) == []
            assert unmatched(books, fleet.upstream.journal) == []
            assert [answered for answered in streams.answered if not answered.whole] == []
            _check_refusals(plain.answered, outage, times)
            _check_probes(seen, times)
            assert settled - times.up <= SETTLED_SECONDS


@pytest.mark.parametrize("server", [OwnPostgres, OwnMariaDB], ids=["postgres", "mariadb"], indirect=True)
async def test_nobody_waits_long_for_a_connection(server: OwnServer, tmp_path: Path) -> None:
    """While the server is silent, and more want something of it than there are connections."""
    with fresh(kind_of(server), tmp_path, server.url) as url:
        async with SQLStorage(url) as storage:
            await asyncio.gather(*[storage.pulse() for _ in range(20)])
            await asyncio.to_thread(server.stop)
            asked = [asyncio.create_task(storage.pulse()) for _ in range(20)]
            began = time.monotonic()
            waited, _ = await asyncio.wait(asked, timeout=POOL_SECONDS + 0.3)
            assert time.monotonic() - began <= POOL_SECONDS + 0.5
            assert len(waited) >= 10
            assert {type(each.exception()) for each in waited} == {StorageError}
            await asyncio.to_thread(server.resume)
            answered = await asyncio.gather(*set(asked) - waited)
            assert {pulse.revision for pulse in answered} == {1}


def kind_of(server: OwnServer) -> Kind:
    return "postgres" if isinstance(server, OwnPostgres) else "mysql"


async def _live_through(server: OwnServer, outage: Outage, fleet: Fleet, plain: Callers, streams: Callers) -> Times:
    """Streams that are open when it begins and end before, in or after it; calls all the time."""
    chance = random.Random(7)
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for number in range(outage.streams):
            tokens = int(chance.uniform(0.5, outage.seconds + 2) / 0.1)
            tasks.create_task(streams.stream(fleet.urls[number % 2], tokens=tokens, delay=0.1))
        tasks.create_task(_calling(plain, fleet, outage.rate, over, tasks))
        await asyncio.sleep(1.0)
        down = time.monotonic()
        await loop.run_in_executor(None, server.stop if outage.hangs else server.kill)
        await asyncio.sleep(outage.seconds)
        await loop.run_in_executor(None, server.resume if outage.hangs else server.start)
        up = time.monotonic()
        await asyncio.sleep(1.5)
        over.set()
    return Times(down, up)


async def _calling(plain: Callers, fleet: Fleet, rate: float, over: asyncio.Event, tasks: asyncio.TaskGroup) -> None:
    """So many calls a second, however long each takes."""
    began, number = time.monotonic(), 0
    while not over.is_set():
        tasks.create_task(plain.ask(fleet.urls[number % 2], tokens=1))
        number += 1
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))


@asynccontextmanager
async def probing(fleet: Fleet, session: aiohttp.ClientSession) -> AsyncIterator[list[Seen]]:
    """What the probes say, twenty times a second."""
    seen: list[Seen] = []

    async def probe(url: str) -> None:
        while True:
            ready, live = await asyncio.gather(
                answers(session, f"{url}/readyz", within=2.0), answers(session, f"{url}/healthz", within=2.0)
            )
            seen.append(Seen(time.monotonic(), url, ready, live))
            await asyncio.sleep(0.05)

    tasks = [asyncio.create_task(probe(url)) for url in fleet.urls]
    try:
        yield seen
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _ready_again(seen: list[Seen], times: Times) -> None:
    async def ready() -> bool:
        return seen[-1].at > times.up and all(look.ready for look in seen[-2:])

    await eventually(ready, within=READY_SECONDS)


async def _settled(url: str) -> None:
    """Returns when nothing is held any more."""

    async def none_held() -> bool:
        held = "SELECT count(*) FROM reservations WHERE state = 'held'"
        return await asyncio.to_thread(rows, url, held) == [(0,)]

    await eventually(none_held, within=SETTLED_SECONDS, every=0.1)


def _check_refusals(answered: list[Answered], outage: Outage, times: Times) -> None:
    hopeless = [call for call in answered if times.down + 0.1 < call.began < times.up - outage.longest_wait]
    assert len(hopeless) >= outage.rate * (outage.seconds - outage.longest_wait - 0.2) * 0.5
    assert {call.status for call in hopeless} == {503}
    assert all(call.retry_after is not None for call in hopeless)
    assert [call for call in answered if call.status != 200 and call.took > outage.longest_wait] == []
    assert [call for call in answered if call.took > outage.longest_wait + CROWD_SECONDS] == []
    late = [call for call in answered if call.began > times.up + 1.0]
    assert late
    assert {call.status for call in late} == {200}


def _check_probes(seen: list[Seen], times: Times) -> None:
    assert all(look.live for look in seen)
    for replica in {look.replica for look in seen}:
        looks = [look for look in seen if look.replica == replica]
        assert all(look.ready for look in looks if look.at < times.down - 0.5)
        unready = next(look.at for look in looks if not look.ready)
        assert 0 <= unready - times.down <= READY_SECONDS
        ready = next(look.at for look in looks if look.ready and look.at > times.up)
        assert ready - times.up <= READY_SECONDS
        assert all(look.ready for look in looks if look.at > ready)
