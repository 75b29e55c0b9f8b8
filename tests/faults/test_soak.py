"""A mix of everything on two processes: what the records say, the ledger and the upstream is the same."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from servers.databases import KINDS as DATABASES

from .auditor import Books, complaints, name_of, read_books, unmatched
from .fleet import Fleet, open_fleet
from .load import Answered, Callers, add_callers, open_session, share
from .plan import PER_TOKEN

TOKEN = 7  # nano-dollars
CONNECTIONS = 40
LONG = [pytest.mark.slow, pytest.mark.timeout(600)]
SIZES = [
    pytest.param("postgres", 150, id="postgres-150"),
    *[pytest.param(kind, calls, id=f"{kind}-{calls}", marks=LONG) for kind in DATABASES for calls in (400, 10_000)],
]

Ask = Callable[[], Awaitable[Answered]]
KINDS: dict[str, int] = {
    "plain": 35,
    "stream": 30,
    "refused": 8,
    "cut": 8,
    "slow": 4,
    "leaves": 10,
    "leaves at once": 5,
}
WHOLE = {"plain", "stream", "slow"}


def asking(callers: Callers, url: str, what: str, chance: random.Random) -> Ask:
    tokens = chance.randint(1, 12)
    options: dict[str, dict[str, Any]] = {
        "plain": {"tokens": tokens},
        "stream": {"tokens": tokens},
        "refused": {"status": chance.choice([400, 401, 429, 500])},
        "cut": {"tokens": 20, "then": chance.choice(["close", "reset"]), "after": chance.randint(2, 18)},
        "slow": {"tokens": tokens, "delay": 0.05},
        "leaves": {"tokens": 500, "delay": 0.01, "leave_after": chance.randint(2, 20)},
        "leaves at once": {"tokens": 500, "delay": 0.01, "wait": 0.02, "leave_after": 1},
    }
    ask = callers.ask if what in ("plain", "refused") else callers.stream
    return partial(ask, url, **options[what])


@pytest.mark.parametrize(("kind", "calls"), SIZES)
async def test_a_mix_of_everything(database: str, calls: int) -> None:
    chance = random.Random(7)
    kinds = chance.choices([*KINDS], [*KINDS.values()], k=calls)
    await add_callers(database, wallet=10**12, quotas=[10**12])
    async with open_fleet(database, 2, price=PER_TOKEN) as fleet, open_session() as session:
        callers = {what: Callers(session, what.replace(" ", "-")) for what in KINDS}
        await share(
            [asking(callers[what], fleet.urls[n % 2], what, chance) for n, what in enumerate(kinds)], CONNECTIONS
        )
        await fleet.stop()
        books = await read_books(database)
        assert complaints(books) == []
        assert unmatched(books, fleet.upstream.journal) == []
        assert books.settled == books.recorded
        assert len(books.records) == calls
        assert Counter(name.rpartition("-")[0] for name in books.records) == Counter(
            what.replace(" ", "-") for what in kinds
        )
        for what in KINDS:
            _check(what, callers[what], books, fleet)


def _check(what: str, callers: Callers, books: Books, fleet: Fleet) -> None:
    """What came whole is charged to the token; of what did not, no more than was made."""
    made = {name_of(entry): entry.usage.output for entry in fleet.upstream.journal if entry.usage}
    for answered in callers.answered:
        charged, full = books.reservations[answered.name].cost, made.get(answered.name, 0) * TOKEN
        if what in WHOLE:
            assert answered.whole
            assert charged == full > 0
        elif what == "refused":
            assert charged == full == 0
        else:
            assert answered.events * TOKEN - 2 * TOKEN <= charged <= full
