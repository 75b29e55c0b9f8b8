"""Transactions that a server breaks off, wherever it does: done whole or not at all, tried again, never done twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import asyncmy
import pytest
from servers.databases import Kind, fresh, rows
from servers.proxy import DIRECTIONS, Direction, FaultProxy

from oneapi_asgi.models import Reserve, Settle, Settled
from oneapi_asgi.ports import LedgerAnswer
from oneapi_asgi.storage.sql import SQLStorage

from .auditor import complaints, read_books, unmatched
from .fleet import open_fleet
from .injected import FAULTS, Fault, changes_tried, inject
from .load import KEY, Callers, add_callers, open_session, share

COST = 7
TRIES = 3
SERVERS: tuple[Kind, ...] = ("postgres", "mysql")
COMMIT = {"postgres": b"COMMIT;", "mysql": b"\x03COMMIT"}


class Ledger(NamedTuple):
    """A storage by way of a proxy, and the accounts that a call is charged to."""

    url: str
    proxy: FaultProxy
    storage: SQLStorage
    accounts: tuple[int, ...]

    async def charge(self, name: str) -> int:
        """Hold and settle, each as often as it takes; how often one of them failed."""
        failed, _ = await insist(partial(self.storage.apply, [Reserve(name, self.accounts, 10, 10, 60.0)]))
        again, (outcome,) = await insist(partial(self.storage.apply, [Settle(name, COST)]))
        assert isinstance(outcome, Settled) or again
        return failed + again

    async def check(self, calls: int) -> None:
        books = await read_books(self.url)
        assert complaints(books, all_recorded=False) == []
        assert books.states() == {"settled": calls}
        assert books.settled == calls * COST


async def insist(work: Callable[[], Awaitable[Sequence[LedgerAnswer]]]) -> tuple[int, Sequence[LedgerAnswer]]:
    """What comes of it in the end, and how often it failed before."""
    for failed in range(50):
        try:
            return failed, await work()
        except Exception:  # whatever it is, it says that nothing was done or that nobody knows
            await asyncio.sleep(0.01)
    raise AssertionError("it never succeeded")


@pytest.fixture(params=SERVERS)
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


@pytest.fixture
async def ledger(kind: Kind, tmp_path: Path) -> AsyncIterator[Ledger]:
    with fresh(kind, tmp_path) as url, FaultProxy.before(url) as proxy:
        accounts = (await add_callers(url, wallet=10**9, quotas=[10**9]))[KEY]
        async with SQLStorage(proxy.url_of(url)) as storage:
            yield Ledger(url, proxy, storage, accounts)


@pytest.mark.parametrize("direction", DIRECTIONS)
async def test_cut_after_any_number_of_bytes(ledger: Ledger, direction: Direction) -> None:
    """Of what one transaction sends or is sent, that of connecting included."""
    places = range(0, 1_600, 41)
    for place in places:
        ledger.proxy.cut_after(place, direction)
        await ledger.charge(f"at-{place}")
    ledger.proxy.heal()
    assert ledger.proxy.counts.cut > len(places) // 4
    await ledger.check(len(places))


@pytest.mark.parametrize("delivered", [False, True])
async def test_cut_at_the_commit(ledger: Ledger, kind: Kind, delivered: bool) -> None:
    """Whether it was done nobody knows; so it fails, and may be asked for again."""
    for number in range(10):
        ledger.proxy.cut_at(COMMIT[kind], delivered=delivered)
        assert await ledger.charge(f"call-{number}") == 1
    await ledger.check(10)


async def test_ended_by_the_server_between_two_statements(ledger: Ledger) -> None:
    calls = 80
    ledger.proxy.latency(0.001)
    async with ending_transactions(ledger.url) as ended:
        await share([partial(ledger.charge, f"call-{number}") for number in range(calls)], 4)
    assert len(ended) > 5
    await ledger.check(calls)


@asynccontextmanager
async def ending_transactions(url: str) -> AsyncIterator[list[int]]:
    """Ends connections whose transaction waits for its next statement, again and again; they are listed."""
    ended: list[int] = []
    over = asyncio.Event()

    async def end() -> None:
        while not over.is_set():
            ended.extend(await asyncio.to_thread(_end_transactions, url))
            with suppress(TimeoutError):  # InnoDB lists transactions anew only for who asks ten times a second or less
                await asyncio.wait_for(over.wait(), 0.12)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(end())
        try:
            yield ended
        finally:
            over.set()


_WAITING = {
    "postgresql": """
        SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'
    """,
    "mysql": """
        SELECT id FROM information_schema.innodb_trx JOIN information_schema.processlist ON id = trx_mysql_thread_id
        WHERE db = database() AND command = 'Sleep'
    """,
}
_END = {"postgresql": "SELECT pg_terminate_backend({})", "mysql": "KILL {}"}


def _end_transactions(url: str) -> list[int]:
    scheme = url.partition(":")[0]
    found = [int(number) for (number,) in rows(url, _WAITING[scheme])]
    for number in found:
        with suppress(asyncmy.errors.OperationalError):  # it went by itself
            rows(url, _END[scheme].format(number))
    return found


@pytest.mark.parametrize("calls", [100, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("fault", FAULTS)
async def test_faults_in_every_twentieth_transaction(ledger: Ledger, fault: Fault, calls: int) -> None:
    inject(ledger.url, fault, "n % 41 = 0")
    failed = 0
    for start in range(0, calls, 10):
        failed += sum(await asyncio.gather(*[ledger.charge(f"call-{start + n}") for n in range(10)]))
    assert changes_tried(ledger.url) > 41 * 15 * calls // 200
    assert failed <= calls // 100
    inject(ledger.url, fault, "false")
    await ledger.check(calls)


@pytest.mark.parametrize("fault", FAULTS)
async def test_tried_three_times_and_no_more(ledger: Ledger, fault: Fault) -> None:
    inject(ledger.url, fault, "true")
    reserve = [Reserve("call", ledger.accounts, 10, 10, 60.0)]
    before = changes_tried(ledger.url)
    (outcome,) = await asyncio.gather(ledger.storage.apply(reserve), return_exceptions=True)
    assert isinstance(outcome, Exception)
    assert changes_tried(ledger.url) - before - 1 == TRIES
    inject(ledger.url, fault, f"n <= {changes_tried(ledger.url) + TRIES}")  # two more, and the question just asked
    assert await ledger.charge("call") == 0
    await ledger.check(1)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", FAULTS)
async def test_callers_see_none_of_it(kind: Kind, fault: Fault, tmp_path: Path) -> None:
    """The same below two processes: one call in a thousand may be refused, and is then free."""
    calls = 2_000
    with fresh(kind, tmp_path) as url:
        await add_callers(url, wallet=10**9, quotas=[10**9])
        async with open_fleet(url) as fleet, open_session() as session:
            callers = Callers(session)
            await asyncio.to_thread(inject, url, fault, "n % 41 = 0")
            await share([partial(callers.ask, fleet.urls[n % 2]) for n in range(calls)], 40)
            await fleet.stop()
            books = await read_books(url)
            assert complaints(books) == []
            assert unmatched(books, fleet.upstream.journal) == []
            served = sum(answered.status == 200 for answered in callers.answered)
            assert books.settled == served * 100
            assert served >= calls * 0.999
