"""Idempotency-Keys on every database, with callers in two storages, as in processes of their own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from servers.databases import KINDS
from servers.prepared import Prepared

from oneapi_asgi.kept import Kept
from oneapi_asgi.models import Reserve, TokenDraft
from oneapi_asgi.storage.answers import PURGED_AT_ONCE
from oneapi_asgi.storage.sql import answers, schema
from oneapi_asgi.testing.idempotency_contract import claim, end, kept

from .opened import Opened

BUSY = 8


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path, prepared: Prepared) -> Iterator[str]:
    with prepared(request.param, tmp_path) as url:
        yield url


@pytest.fixture
async def storage(database: str) -> AsyncIterator[Opened]:
    async with Opened(database) as storage:
        yield storage


@pytest.fixture
async def other(database: str, storage: Opened) -> AsyncIterator[Opened]:
    async with Opened(database) as other:
        yield other


async def test_a_key_has_one_call_at_a_time_whatever_happens_around_it(storage: Opened, other: Opened) -> None:
    """Claims, ends, lapses and purges on a few keys; no transaction may be refused either."""
    has: dict[str, str] = {}
    won = 0
    both = (storage, other)

    async def caller(name: str) -> None:
        nonlocal won
        chance = random.Random(name)
        storage = chance.choice(both)
        for turn in range(30):
            key, call_id = f"key-{chance.randrange(3)}", f"{name}-{turn}"
            if await storage.claim_answer(claim(call_id, key, keep=0.0)) is not None:
                continue
            assert key not in has
            has[key] = call_id
            won += 1
            await asyncio.sleep(0)
            await storage.renew_answers([claim(call_id, key, keep=0.0)])
            del has[key]
            await storage.conclude_answers([end(call_id, chance.choice(["free", "stored", "delivered"]), key, keep=0)])

    async def purger() -> None:
        for _ in range(30):
            await storage.purge_answers()

    await asyncio.gather(*[caller(f"caller-{number}") for number in range(BUSY - 1)], purger())
    assert won >= 30


async def test_a_purge_takes_so_many_at_once(storage: Opened) -> None:
    row = {"fingerprint": "print", "call_id": "a", "state": "delivered", "lease_until": 0.0, "keep_until": 1.0}
    many = [row | {"key": f"{number:05}"} for number in range(PURGED_AT_ONCE + 7)]
    await storage.run(lambda connection: connection.execute(schema.answers.insert(), many))
    assert [await storage.purge_answers() for _ in range(3)] == [PURGED_AT_ONCE, 7, 0]


async def test_a_sleeper_that_was_faster_keeps_its_key(storage: Opened, other: Opened) -> None:
    """The reservation comes between the look at the ledger and the end of the other call's claim."""
    await storage.add_user("bob", wallet=1_000)
    wallet = (await storage.add_token(TokenDraft(name="ci", digest="d", user="bob"))).accounts[-1]
    for number in range(10):
        key, sleeper = f"key-{number}", f"sleeper-{number}"
        await storage.claim_answer(claim(sleeper, key, lease=0.0))
        hold = Reserve(sleeper, (wallet,), 5, 5, 60.0)
        found, held = await asyncio.gather(
            other.claim_answer(claim("next", key)), storage.apply([hold]), return_exceptions=True
        )
        reserved = not isinstance(held, BaseException) and type(held[0]).__name__ == "Reserved"
        assert not isinstance(found, BaseException), found
        assert reserved is (found is not None), "either the sleeper goes on, or the next call does"


async def test_a_key_is_not_kept_longer_than_it_was_asked_for(storage: Opened) -> None:
    at = [1_000.0]

    async def ask(call_id: str) -> Kept | None:
        found: Kept | None = await storage.run(lambda c: answers.claim(c, claim(call_id, keep=3_600), lambda _: at[0]))
        return found

    assert await ask("a") is None
    await storage.run(lambda c: answers.conclude(c, [end("a", "stored", keep=3_600)], lambda _: at[0]))
    at[0] += 3_599
    assert await ask("b") == kept("a", "stored")
    at[0] += 1
    assert await ask("b") is None
