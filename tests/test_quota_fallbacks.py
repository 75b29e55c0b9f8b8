"""Money where another model may serve in place of the one that was asked for: on what stores there are without a
server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from quotas import COST

from oneapi_asgi import MemoryStorage
from oneapi_asgi.call import Call
from oneapi_asgi.errors import BudgetExceeded, Forbidden, InsufficientQuota
from oneapi_asgi.limitbook import LimitBook
from oneapi_asgi.models import Candidate, Channel, Limit, Price, Token, TokenDraft, Usage
from oneapi_asgi.pricebook import PriceBook
from oneapi_asgi.pricing import cost
from oneapi_asgi.quota import Quota
from oneapi_asgi.revision import Revision
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.wire.dialects import operation_at
from oneapi_asgi.wire.request import parse_request

Storage = MemoryStorage | SQLStorage

CHANNEL, OTHER = Channel(id=1, name="a"), Channel(id=2, name="b")
DEAR, CHEAP = Price(per_call=3 * COST), Price(per_call=COST)


@pytest.fixture(params=["memory", "sqlite"])
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    made = MemoryStorage() if request.param == "memory" else SQLStorage(f"sqlite:///{tmp_path / 'q.db'}")
    async with made:
        await made.set_price("dear", DEAR)
        await made.set_price("cheap", CHEAP)
        yield made


def quota_of(storage: Storage) -> Quota:
    revision = Revision(storage, interval=0)
    book = LimitBook(storage, revision=revision)
    return Quota(storage, PriceBook(storage, revision=revision), limits=book, budgets=storage)


async def caller(storage: Storage, wallet: int) -> Token:
    await storage.add_user("ann", wallet=wallet)
    return await storage.add_token(TokenDraft(name="ci", digest="d", user="ann"))


async def begin(quota: Quota, token: Token, asked: str, *fallbacks: str, main: bool = True) -> Call:
    """A call for one model whose plan ends with others."""
    first = (Candidate(CHANNEL, 0, asked),) if main else ()
    call = Call(token=token, plan=(*first, *(Candidate(OTHER, 0, f"up-{name}", name) for name in fallbacks)))
    operation = operation_at("/chat/completions")
    assert operation is not None
    call.body = b'{"model":"%b","messages":[{"role":"user","content":"hi"}],"max_tokens":9}' % asked.encode()
    call.operation, call.request = operation, parse_request(operation, "application/json", call.body)
    call.prices = await quota.reserve(call, token, operation, call.request.head, call.body)
    return call


async def money(storage: Storage, token: Token) -> tuple[int, int]:
    """What is in the wallet, and what was used of it."""
    wallet = (await storage.balances(token.accounts))[-1]
    return wallet.available, wallet.used


@pytest.mark.parametrize(("asked", "fallback"), [("dear", "cheap"), ("cheap", "dear")])
@pytest.mark.parametrize("serves", [None, 0, 1])
async def test_the_most_is_held_and_who_served_is_paid(
    storage: Storage, asked: str, fallback: str, serves: int | None
) -> None:
    token = await caller(storage, 10 * COST)
    async with quota_of(storage) as quota:
        call = await begin(quota, token, asked, fallback)
        assert await money(storage, token) == (7 * COST, 0)
        assert call.price == call.prices[""]  # it will be asked first
        paid = 0
        if serves is not None:
            call.serving = call.plan[serves]
            call.usage = Usage(calls=1)
            assert call.price is not None
            paid = cost(call.usage, call.price)
            assert paid == {"dear": 3 * COST, "cheap": COST}[(asked, fallback)[serves]]
        quota.settle(call.id, paid)
        await quota.settled()
        assert await money(storage, token) == (10 * COST - paid, paid)


async def test_a_price_that_changes_meanwhile_changes_nothing(storage: Storage) -> None:
    token = await caller(storage, 10 * COST)
    async with quota_of(storage) as quota:
        call = await begin(quota, token, "cheap", "dear")
        await storage.set_price("dear", Price(per_call=9 * COST))
        call.serving = call.plan[1]
        assert call.price == DEAR


async def test_a_fallback_that_is_too_dear_is_left_out(storage: Storage) -> None:
    token = await caller(storage, 2 * COST)
    async with quota_of(storage) as quota:
        call = await begin(quota, token, "cheap", "dear", "cheap")
        assert [step.fallback for step in call.plan] == ["", "cheap"]
        assert await money(storage, token) == (COST, 0)
        assert set(call.prices) == {"", "cheap"}
        quota.settle(call.id, 0)


async def test_nobody_is_given_another_model_because_it_is_cheaper(storage: Storage) -> None:
    token = await caller(storage, 2 * COST)
    async with quota_of(storage) as quota:
        with pytest.raises(InsufficientQuota):
            await begin(quota, token, "dear", "cheap")
        with pytest.raises(InsufficientQuota):
            await begin(quota, token, "cheap", "dear", main=False)
        assert await money(storage, token) == (2 * COST, 0)


async def test_a_fallback_beyond_a_budget_is_left_out_too(storage: Storage) -> None:
    token = await caller(storage, 100 * COST)
    await storage.save_limit(Limit(scope="user", name="ann", budget=2 * COST))
    async with quota_of(storage) as quota:
        call = await begin(quota, token, "cheap", "dear")
        assert [step.fallback for step in call.plan] == [""]
        call.serving = call.plan[0]
        quota.settle(call.id, COST)
        await quota.settled()
        await begin(quota, token, "cheap")
        with pytest.raises(BudgetExceeded):
            await begin(quota, token, "cheap", "dear")


async def test_a_fallback_without_a_price_is_left_out(storage: Storage) -> None:
    token = await caller(storage, 10 * COST)
    async with quota_of(storage) as quota:
        call = await begin(quota, token, "cheap", "unknown", "dear")
        assert [step.fallback for step in call.plan] == ["", "dear"]
        for asked, fallback, main in (("unknown", "cheap", True), ("cheap", "unknown", False)):
            with pytest.raises(Forbidden):
                await begin(quota, token, asked, fallback, main=main)
        quota.settle(call.id, 0)


async def test_the_price_of_a_fallback_is_found_by_its_upstreams_name_as_well(storage: Storage) -> None:
    await storage.set_price("up-new", DEAR)
    token = await caller(storage, 10 * COST)
    async with quota_of(storage) as quota:
        call = await begin(quota, token, "cheap", "new")
        assert call.prices == {"": CHEAP, "new": DEAR}
        quota.settle(call.id, 0)


def test_without_a_guard_there_is_no_price() -> None:
    call = Call()
    assert call.price is None
    call.plan = (Candidate(CHANNEL, 0, "m"),)
    assert call.price is None
