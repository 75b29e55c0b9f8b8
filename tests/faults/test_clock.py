"""A replica whose wall clock is wrong: leases, budgets and the end of a token follow the clock of the database."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from servers.databases import KINDS, Kind, rows

from oneapi_asgi.keys import key_digest
from oneapi_asgi.models import Limit, TokenDraft
from oneapi_asgi.storage.sql import SQLStorage

from .auditor import complaints, read_books, unmatched
from .fleet import open_fleet
from .load import Answered, Callers, add_callers, open_session
from .plan import PER_TOKEN

LEASE, CHECKPOINT = 2.0, 0.4
HOUR, DAY = 3_600.0, 86_400.0
EXPIRING, LIMITED = "sk-expiring" + "e" * 37, "sk-limited" + "l" * 38
LIFE = 2.5  # seconds until the one expires
PER_MINUTE = 5
EXACT = 1.0  # second


class Skew(NamedTuple):
    """Seconds that the clock is ahead, and those by which somebody sets it while calls are open."""

    ahead: float
    jump: float


SKEWS = {
    "a day ahead": Skew(DAY, 0),
    "5 s back at once": Skew(0, -5),
    "an hour ahead": Skew(HOUR, 0),
    "an hour late": Skew(-HOUR, 0),
    "a day late": Skew(-DAY, 0),
    "an hour ahead at once": Skew(0, HOUR),
}
SHORT = [pytest.param("sqlite", Skew(DAY, -5), id="sqlite, a day ahead and 5 s back at once")]
LONG = [
    pytest.param(kind, skew, id=f"{kind}, {name}!", marks=pytest.mark.slow)
    for kind in KINDS
    for name, skew in SKEWS.items()
]


class Look(NamedTuple):
    at: float
    status: int


@pytest.mark.parametrize(("kind", "skew"), [*SHORT, *LONG])
async def test_one_replica_has_a_wrong_clock(kind: Kind, database: str, skew: Skew) -> None:
    await add_callers(database, wallet=10**12)
    fleets = open_fleet(database, 2, skews=[skew], lease=LEASE, checkpoint=CHECKPOINT, reap=0.2, price=PER_TOKEN)
    async with fleets as fleet, open_session() as session:
        began = time.time()
        expires_at = await _prepare(database)
        streams, limited, expiring = Callers(session, "s"), Callers(session, "l"), Callers(session, "e")
        async with asyncio.TaskGroup() as tasks:
            for number in range(20):
                tasks.create_task(streams.stream(fleet.urls[number % 2], tokens=35, delay=0.1))
            for url in fleet.urls:
                tasks.create_task(_use_up(limited, url))
            looking = [tasks.create_task(_look(expiring, url, expires_at)) for url in fleet.urls]
            await asyncio.sleep(1.0)
            if skew.jump:
                fleet.replicas[0].process.send_signal(signal.SIGUSR1)
        for url in fleet.urls:
            assert (await limited.ask(url, LIMITED, tokens=1)).status == 429
        await fleet.stop()
        books = await read_books(database)
        assert complaints(books) == []
        assert unmatched(books, fleet.upstream.journal) == []
        assert books.states()["expired"] == 0
        assert all(answered.whole for answered in streams.answered)
        for looks in looking:
            _check_expiry(looks.result(), expires_at)
        _check_limited(limited.answered)
        await _check_times(database, began)
        await _check_it_was_wrong(database, skew)


async def _prepare(url: str) -> float:
    """Two more tokens, and a budget of the day for each; when the first of them expires, by the database's clock."""
    async with SQLStorage(url) as storage:
        expires_at = (await storage.pulse()).now + LIFE
        drafts = [
            TokenDraft(name="expiring", digest=key_digest(EXPIRING), user="bob", expires_at=expires_at),
            TokenDraft(name="limited", digest=key_digest(LIMITED), user="bob", requests_per_minute=PER_MINUTE),
        ]
        for draft in drafts:
            await storage.add_token(draft)
        await storage.save_limit(Limit(scope="token", budget=10**9, period="day"))
    return expires_at


async def _use_up(callers: Callers, url: str) -> None:
    for _ in range(PER_MINUTE + 5):
        await callers.ask(url, LIMITED, tokens=1)


async def _look(callers: Callers, url: str, expires_at: float) -> list[Look]:
    """Use a token again and again, until it is long expired, and was used then."""
    looks = list[Look]()
    while time.time() < expires_at + EXACT + 0.5 or looks[-1].at <= expires_at + EXACT:
        at = time.time()
        looks.append(Look(at, (await callers.ask(url, EXPIRING, tokens=1)).status))
        await asyncio.sleep(0.05)
    return looks


def _check_expiry(looks: list[Look], expires_at: float) -> None:
    assert {look.status for look in looks if look.at < expires_at - EXACT} == {200}
    assert {look.status for look in looks if look.at > expires_at + EXACT} == {401}


def _check_limited(answered: list[Answered]) -> None:
    """Each replica counts for itself."""
    assert Counter(each.status for each in answered) == {200: 2 * PER_MINUTE, 429: 2 * 6}
    assert all(each.retry_after and 0 < float(each.retry_after) <= 60 for each in answered if each.status == 429)


async def _check_times(url: str, began: float) -> None:
    """Those of the ledger are true, whoever wrote them down."""
    times = await asyncio.to_thread(rows, url, "SELECT created_at, ended_at, lease_until FROM reservations")
    for created_at, ended_at, lease_until in times:
        assert began - EXACT <= created_at <= ended_at <= time.time() + EXACT
        assert ended_at <= lease_until + EXACT
    midnights = {(datetime.fromtimestamp(at, UTC) + timedelta(1)).date() for at in (began, time.time())}
    returns = await asyncio.to_thread(rows, url, "SELECT returns_at FROM windows")
    assert returns
    assert {datetime.fromtimestamp(at, UTC).date() for (at,) in returns} <= midnights


async def _check_it_was_wrong(url: str, skew: Skew) -> None:
    """Records say when their replica thought that it was."""
    ((first, last),) = await asyncio.to_thread(rows, url, "SELECT min(at), max(at) FROM records")
    assert last - first >= max(abs(skew.ahead), skew.jump)
