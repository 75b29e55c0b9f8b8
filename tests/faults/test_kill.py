"""Processes that are killed while they stream: what they held is given back, what they relayed is charged once."""

from __future__ import annotations

import asyncio
import random
from typing import NamedTuple

import pytest
from e2e.serving import eventually
from servers.databases import KINDS, Kind, rows

from .auditor import Books, complaints, name_of, read_books, unmatched
from .fleet import Fleet, Replica, open_fleet
from .load import Callers, add_callers, open_session
from .plan import PER_TOKEN

LEASE, CHECKPOINT = 3.0, 0.5
OPEN = 40
TOKEN = 7  # nano-dollars


class Killing(NamedTuple):
    kills: int
    streams: int


FEW = pytest.param("sqlite", Killing(2, 50), id="sqlite-2")
MANY = [
    pytest.param(kind, Killing(100, 500), id=f"{kind}-100", marks=[pytest.mark.slow, pytest.mark.timeout(600)])
    for kind in KINDS
]


@pytest.mark.parametrize(("kind", "killing"), [FEW, *MANY])
async def test_killed_at_any_moment(kind: Kind, database: str, killing: Killing) -> None:
    await add_callers(database, wallet=10**12, quotas=[10**12])
    fleets = open_fleet(database, 2, lease=LEASE, checkpoint=CHECKPOINT, reap=0.5, price=PER_TOKEN)
    async with fleets as fleet, open_session() as session:
        callers = Callers(session)
        await _stream_and_kill(fleet, callers, killing)
        await _nothing_held(database, within=2 * LEASE)
        await fleet.stop()
        books = await read_books(database)
        assert complaints(books, all_recorded=False) == []
        assert unmatched(books, fleet.upstream.journal) == []
        assert books.states()["expired"] > killing.kills
        assert len(callers.answered) >= killing.streams
        assert sum(answered.whole for answered in callers.answered) > killing.streams // 4
        _check_costs(books, fleet, callers)


async def _stream_and_kill(fleet: Fleet, callers: Callers, killing: Killing) -> None:
    """Streams without a pause, until all kills are done and there were enough of them."""
    chance = random.Random(7)
    killed = 0
    over = False

    async def stream() -> None:
        while not over or len(callers.answered) < killing.streams:
            answered = await callers.stream(chance.choice(fleet.urls), tokens=chance.randint(5, 60), delay=0.03)
            if not answered.status:  # nobody is there at the moment
                await asyncio.sleep(0.05)

    async def kill(replica: Replica) -> None:
        nonlocal killed
        while killed < killing.kills:
            killed += 1
            await asyncio.sleep(chance.uniform(0.05, 1.0))
            replica.kill()
            await replica.start()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(OPEN):
            tasks.create_task(stream())
        await asyncio.gather(*map(kill, fleet.replicas))
        over = True


async def _nothing_held(url: str, *, within: float) -> None:
    async def nothing() -> bool:
        return await asyncio.to_thread(rows, url, "SELECT count(*) FROM reservations WHERE state = 'held'") == [(0,)]

    await eventually(nothing, within=within, every=0.1)


def _check_costs(books: Books, fleet: Fleet, callers: Callers) -> None:
    """What a caller has whole is charged whole; nobody pays for more than was made for him."""
    made = {name_of(entry): entry.usage.output for entry in fleet.upstream.journal if entry.usage}
    for answered in callers.answered:
        reservation = books.reservations.get(answered.name)
        if answered.whole and answered.status == 200:
            assert reservation is not None
            if reservation.state == "settled":
                assert reservation.cost == made[answered.name] * TOKEN
        if reservation is not None:
            assert reservation.cost <= made.get(answered.name, 0) * TOKEN
