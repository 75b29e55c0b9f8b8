"""Random batches: SQL, memory and the plain model give the same answers and end with the same balances."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from oneapi_asgi.models import Reserve, Settle, TokenDraft
from oneapi_asgi.ports import Storage
from oneapi_asgi.storage.memory import MemoryStorage
from oneapi_asgi.storage.sql import SQLStorage

from .books import audit
from .model import Model

FUNDS = (0, 40, 300, 10**6)  # the accounts of operations are places in here
ids = st.sampled_from([f"r{n}" for n in range(12)])
amounts = st.integers(0, 120) | st.sampled_from([0, 40, 299, 300, 301])
settlements = st.builds(Settle, ids, amounts)


@st.composite
def reservations(draw: st.DrawFn) -> Reserve:
    accounts = draw(st.lists(st.sampled_from(range(len(FUNDS))), min_size=1, max_size=3, unique=True))
    amount = draw(amounts)
    return Reserve(draw(ids), tuple(accounts), amount, draw(st.integers(0, amount)), 60.0)


steps = st.lists(st.lists(settlements | reservations(), max_size=8) | st.tuples(st.integers(0, 3), amounts), max_size=8)
Step = list[Settle | Reserve] | tuple[int, int]


@given(steps)
@settings(max_examples=80, deadline=None)
def test_three_ledgers_agree(history: list[Step]) -> None:
    asyncio.run(_compare(history))


async def _compare(history: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.db"
        async with SQLStorage(f"sqlite:///{path}") as sql, MemoryStorage() as memory:
            for storage in (sql, memory):
                await _follow(storage, history)
        audit(path)


async def _follow(storage: Storage, history: list[Step]) -> None:
    accounts = []
    for place, funds in enumerate(FUNDS):
        await storage.add_user(str(place), wallet=funds)
        token = await storage.add_token(TokenDraft(name="t", digest=str(place), user=str(place)))
        accounts.append(token.accounts[-1])
    model = Model(dict(zip(accounts, FUNDS, strict=True)))
    for step in history:
        if isinstance(step, tuple):
            await storage.credit(accounts[step[0]], step[1])
            model.net[accounts[step[0]]] += step[1]
            continue
        batch = [_name(operation, accounts) for operation in step]
        assert list(await storage.apply(batch)) == model.apply(batch)
    for balance in await storage.balances(accounts):
        assert balance.available - balance.overdraft == model.net[balance.account]
        assert balance.used == model.used[balance.account]
        assert min(balance.available, balance.overdraft) == 0


def _name(operation: Settle | Reserve, accounts: list[int]) -> Settle | Reserve:
    if isinstance(operation, Settle):
        return operation
    return replace(operation, accounts=tuple(accounts[place] for place in operation.accounts))
