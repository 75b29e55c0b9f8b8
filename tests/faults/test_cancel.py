"""Callers who leave at any moment: nobody ever gets what was somebody else's, and no connection is lost or kept.

For the counters in Redis the same is tested beside them.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

import pytest
from e2e.serving import eventually
from servers.databases import Kind, rows

from oneapi_asgi.kept import Claim, Conclude
from oneapi_asgi.models import Reserve, Reserved, Settle, TokenDraft
from oneapi_asgi.storage.sql import SQLStorage

from .auditor import complaints, read_books

TAGGED = 50
CALLERS = 20
SECONDS = [1, pytest.param(30, marks=pytest.mark.slow)]

Question = Callable[[int], Coroutine[Any, Any, None]]


class Tagged:
    """Questions whose answer shows whom it is for; each takes a number and checks what it gets."""

    def __init__(self, storage: SQLStorage) -> None:
        self._storage = storage
        self._names = count()
        self._held: list[str] = []
        self._accounts: list[tuple[int, ...]] = []
        self.questions: tuple[Question, ...] = (self.token, self.funds, self.hold, self.key)

    async def prepare(self) -> None:
        await self._storage.add_user("bob", wallet=10**15)
        for number in range(TAGGED):
            draft = TokenDraft(name=f"token-{number}", digest=f"digest-{number}", quota=10**9 + number, user="bob")
            self._accounts.append((await self._storage.add_token(draft)).accounts)

    async def token(self, number: int) -> None:
        found = await self._storage.find_token(f"digest-{number}")
        assert found is not None
        assert (found.name, found.accounts) == (f"token-{number}", self._accounts[number])

    async def funds(self, number: int) -> None:
        (cap,) = await self._storage.balances(self._accounts[number][:1])
        assert (cap.account, cap.available % 1_000) == (self._accounts[number][0], number)

    async def hold(self, number: int) -> None:
        name = f"call-{next(self._names)}"
        self._held.append(name)
        amount = 1_000 * (1 + number)  # thousands, so that the funds go on to tell whose they are
        assert await self._storage.apply([Reserve(name, self._accounts[number], amount, amount, 600.0)]) == [
            Reserved(amount)
        ]

    async def release(self) -> None:
        """What was held, also for those who did not wait for it."""
        await self._storage.apply([Settle(name, 0) for name in self._held])

    async def key(self, number: int) -> None:
        name = f"claim-{next(self._names)}"
        claim = Claim(key=f"key-{name}", call_id=name, fingerprint=name, lease=60.0, keep=60.0)
        assert await self._storage.claim_answer(claim) is None
        stored = Conclude(key=claim.key, call_id=name, state="stored", keep=60.0, status=200, body=name.encode())
        await self._storage.conclude_answers([stored])
        again = Claim(key=claim.key, call_id="another", fingerprint=name, lease=60.0, keep=60.0)
        kept = await self._storage.claim_answer(again)
        assert kept is not None
        assert (kept.call_id, kept.body) == (name, name.encode())


@pytest.mark.parametrize("seconds", SECONDS)
async def test_nobody_gets_the_answer_of_another(kind: Kind, database: str, seconds: float) -> None:
    chance = random.Random(7)
    ended: Counter[str] = Counter()
    async with SQLStorage(database) as storage:
        tagged = Tagged(storage)
        await tagged.prepare()
        for question in tagged.questions:  # one kind at a time: connections are opened on the way, which takes its time
            await asyncio.gather(*[question(0) for _ in range(CALLERS)])
        before = await _connections(kind, database)

        async def leaving(until: float) -> None:
            while time.monotonic() < until or min(ended["left"], ended["answered"]) <= 50 * seconds:
                question = chance.choice(tagged.questions)
                task = asyncio.create_task(question(chance.randrange(TAGGED)))
                await asyncio.sleep(chance.choice((0, 0, 0.0005, 0.002, 0.005, 0.05)))
                task.cancel()
                await asyncio.wait([task])
                ended["left" if task.cancelled() else "answered"] += 1
                if not task.cancelled():
                    task.result()

        await asyncio.gather(*[leaving(time.monotonic() + seconds) for _ in range(CALLERS)])
        assert min(ended["left"], ended["answered"]) > 50 * seconds
        await asyncio.gather(*[question(n) for question in tagged.questions for n in range(TAGGED)])
        await tagged.release()
        await _check_connections(kind, database, before)
    await _check_connections(kind, database, 0)
    assert complaints(await read_books(database), all_recorded=False) == []


_CONNECTIONS = {
    "postgres": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE db = database() AND id <> connection_id()",
}


async def _connections(kind: Kind, url: str) -> int:
    """To this database, of whomever; a file has none that anybody could count."""
    if kind == "sqlite":
        return 0
    ((number,),) = await asyncio.to_thread(rows, url, _CONNECTIONS[kind])
    return int(number)


async def _check_connections(kind: Kind, url: str, most: int) -> None:
    async def so_many() -> bool:
        return await _connections(kind, url) <= most

    await eventually(so_many, within=5)
