"""What tests of quotas stand on: a ledger that can be away, calls that are made by hand, a caller with money."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from oneapi_asgi.call import Call
from oneapi_asgi.limitbook import LimitBook
from oneapi_asgi.models import Candidate, Channel, Price, Token, TokenDraft
from oneapi_asgi.ports import LedgerAnswer, LedgerOperation
from oneapi_asgi.pricebook import PriceBook
from oneapi_asgi.quota import Quota
from oneapi_asgi.revision import Revision
from oneapi_asgi.storage.memory import MemoryStorage
from oneapi_asgi.wire.dialects import operation_at
from oneapi_asgi.wire.request import parse_request

__all__ = ["CHANNELS", "COST", "MICRO", "Bank", "Clock", "begin", "opened", "until", "used"]

MICRO = 1_000
COST = 100 * MICRO
"""Of every call: the price is by the call."""

CHANNELS = tuple(Channel(id=number, name=name) for number, name in ((1, "a"), (2, "b"), (3, "c")))

_BODY = b'{"model":"%b","messages":[{"role":"user","content":"hi"}],"max_tokens":10}'


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Bank(MemoryStorage):
    """A memory storage that keeps what it was asked, and fails before the commit, or after it, as it is told."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(prices={"*": Price(per_call=COST)}, clock=clock or Clock())
        self.asked: list[LedgerOperation] = []
        self.opened: list[Sequence[tuple[int, str]]] = []
        self.before: list[type[Exception]] = []
        self.after: list[type[Exception]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def apply(self, operations: Sequence[LedgerOperation]) -> Sequence[LedgerAnswer]:
        self.asked += operations
        if self.before:
            raise self.before.pop()
        answers = await super().apply(operations)
        await self.open.wait()
        if self.after:
            raise self.after.pop()
        return answers

    async def open_budgets(self, wanted: Sequence[tuple[int, str]]) -> Sequence[int | None]:
        self.opened.append(wanted)
        await asyncio.sleep(0)
        if self.before:
            raise self.before.pop()
        return await super().open_budgets(wanted)

    def states(self) -> dict[str, int]:
        """How many reservations are in which state."""
        states: dict[str, int] = {}
        for hold in self._holds.values():
            states[hold.state] = states.get(hold.state, 0) + 1
        return states

    async def caller(self, *, wallet: int | None = 100 * COST, quota: int | None = None) -> Token:
        await self.add_user("ann", wallet=wallet, group="staff")
        return await self.add_token(TokenDraft(name="ci", digest="d", quota=quota, user="ann"))

    async def budget(self, limit: int, subject: str) -> int:
        """The account of one."""
        (account,) = await super().open_budgets([(limit, subject)])
        assert account is not None
        return account


@asynccontextmanager
async def opened(bank: Bank, **options: Any) -> AsyncIterator[Quota]:
    """A quota that looks for changes before every call."""
    revision = Revision(bank, interval=0)
    book = LimitBook(bank, revision=revision)
    async with Quota(bank, PriceBook(bank, revision=revision), limits=book, budgets=bank, **options) as quota:
        yield quota


def _call(token: Token, channels: Sequence[Channel], model: str, upstream: str) -> Call:
    plan = tuple(Candidate(channel, 0, upstream.format(channel.name) or model) for channel in channels)
    call = Call(token=token, plan=plan)
    operation = operation_at("/chat/completions")
    assert operation is not None
    call.operation, call.body = operation, _BODY % model.encode()
    call.request = parse_request(operation, "application/json", call.body)
    return call


async def begin(
    quota: Quota,
    token: Token,
    channels: Sequence[Channel] = CHANNELS[:1],
    *,
    model: str = "m",
    upstream: str = "",
    age: float = 0.0,
) -> Call:
    """Reserve for a call that began ``age`` seconds ago."""
    call = _call(token, channels, model, upstream)
    assert call.operation is not None
    assert call.request is not None
    call.prices = await quota.reserve(call, token, call.operation, call.request.head, call.body or b"")
    call.started -= age
    return call


async def used(bank: Bank, *accounts: int) -> list[int]:
    return [balance.used for balance in await bank.balances(accounts)]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - of any kind
            await asyncio.sleep(0.001)
