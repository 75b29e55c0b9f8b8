"""Budgets on real databases, of two replicas that ask at the same moment."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from quotas import CHANNELS, COST, begin
from servers.databases import KINDS, Kind
from servers.prepared import Prepared

from oneapi_asgi.errors import BudgetExceeded
from oneapi_asgi.limitbook import LimitBook
from oneapi_asgi.models import Limit, Price, TokenDraft
from oneapi_asgi.pricebook import PriceBook
from oneapi_asgi.quota import Quota
from oneapi_asgi.storage.sql import SQLStorage

LIMITS = (
    Limit(scope="user", budget=30 * COST),
    Limit(scope="channel", name="a", budget=7 * COST, period="day", rolling=True),
    Limit(scope="channel", name="b", budget=11 * COST, period="day"),
)


async def replica(stack: AsyncExitStack, url: str) -> tuple[SQLStorage, Quota]:
    storage = await stack.enter_async_context(SQLStorage(url))
    prices = PriceBook(storage, declared={"*": Price(per_call=COST)})
    quota = Quota(storage, prices, limits=LimitBook(storage), budgets=storage, deadline=20.0)
    return storage, await stack.enter_async_context(quota)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("kind", KINDS)
async def test_budgets_hold_exactly_between_replicas(
    kind: Kind, tmp_path: Path, prepared: Prepared, at_once: bool
) -> None:
    """A call holds on the budgets of all channels of its plan until it is settled: while the seven that ``a`` serves
    are open, seven of ``b`` are held as well, and who comes just then goes on to ``c``. One after the other, all of
    ``b`` is used; all at once no more than that, and never more than what was served is counted."""
    async with AsyncExitStack() as stack:
        url = stack.enter_context(prepared(kind, tmp_path))
        (storage, one), (_, other) = [await replica(stack, url) for _ in range(2)]
        saved = [await storage.save_limit(limit) for limit in LIMITS]
        user = await storage.add_user("ann")
        token = await storage.add_token(TokenDraft(name="ci", digest="d", user="ann"))

        async def ask(quota: Quota) -> str:
            try:
                call = await begin(quota, token, CHANNELS)
            except BudgetExceeded:
                return "refused"
            call.serving = call.plan[0]
            quota.settle(call.id, COST)
            return call.serving.channel.name

        if at_once:
            served = Counter(await asyncio.gather(*[ask(quota) for quota in (one, other) * 30]))
            await asyncio.gather(one.settled(), other.settled())
        else:
            served = Counter()
            for quota in (one, other) * 30:
                served[await ask(quota)] += 1
                await quota.settled()
        of_b = served["b"]
        assert 4 <= of_b <= 11 if at_once else of_b == 11
        assert served == {"a": 7, "b": of_b, "c": 23 - of_b, "refused": 30}
        wanted = list(zip([limit.id for limit in saved], (str(user), "1", "2"), strict=True))
        accounts = [account for account in await storage.open_budgets(wanted) if account is not None]
        balances = await storage.balances(accounts)
        assert [(each.used, each.available) for each in balances] == [
            (30 * COST, 0),
            (7 * COST, 0),
            (of_b * COST, (11 - of_b) * COST),
        ]
