"""Whatever fails or leaves at whatever instant: nothing stays held, nothing is charged twice, no answer is free."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest
from e2e.serving import PRICE

from attack.inside import Answer, Caller, Stub, event, gateway_on, money
from oneapi_asgi import Ejection, Gateway, MemoryStorage, Usage
from oneapi_asgi.models import CallRecord
from oneapi_asgi.ports import LedgerAnswer, LedgerOperation
from oneapi_asgi.pricing import cost

CALLS = 500
WHOLE = cost(Usage(input=7, output=10), PRICE)


class Shaky(MemoryStorage):
    """Fails before the commit, or loses the answer after it."""

    def __init__(self, rng: random.Random, share: float) -> None:
        super().__init__()
        self.rng = rng
        self.share = share

    async def apply(self, operations: Sequence[LedgerOperation]) -> Sequence[LedgerAnswer]:
        await asyncio.sleep(self.rng.uniform(0, 0.002))
        if self.rng.random() < self.share:
            raise ConnectionError("before")
        answers = await super().apply(operations)
        await asyncio.sleep(self.rng.uniform(0, 0.002))
        if self.rng.random() < self.share:
            raise ConnectionError("after")
        return answers

    async def write_records(self, records: Sequence[CallRecord]) -> None:
        if self.rng.random() < self.share:
            raise ConnectionError("before")
        await super().write_records(records)
        if self.rng.random() < self.share:
            raise ConnectionError("after")


async def ended_somehow(caller: Caller, rng: random.Random, *, ends: bool) -> None:
    if ends:
        await asyncio.sleep(rng.uniform(0, 0.03) if rng.random() < 0.7 else 0)
        kind = rng.choice(["cancel", "gone", "both", "stay"])
        if kind in ("gone", "both"):
            caller.gone.set()
        if kind in ("cancel", "both"):
            caller.task.cancel()
    await asyncio.wait([caller.task])


@pytest.mark.parametrize("share", [0.0, 0.1], ids=["steady", "shaky"])
@pytest.mark.parametrize("ends", [False, True], ids=["staying", "leaving"])
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_the_books_agree(share: float, ends: bool, seed: int) -> None:
    rng = random.Random(seed)
    storage, upstream = Shaky(rng, share), Stub(rng)
    gateway, accounts = await gateway_on(storage, upstream, health=Ejection(judge=False))
    callers = []
    async with gateway:
        gate = asyncio.Semaphore(60)

        async def one() -> None:
            async with gate:
                callers.append(caller := Caller(gateway, rng, stream=rng.random() < 0.6))
                await ended_somehow(caller, rng, ends=ends)

        await asyncio.gather(*[one() for _ in range(CALLS)])
    records = await storage.list_records(10_000)
    used, held = await money(storage, accounts)
    assert held == 0
    assert sum(record.cost for record in records) == used
    assert len({record.id for record in records}) == len(records)
    assert all(answer.closed for answer in upstream.answers)
    whole = [caller for caller in callers if caller.whole]
    charged = [record for record in records if record.cost]
    assert len(charged) >= len(whole) > 0
    assert sum(record.cost >= WHOLE for record in charged) >= len(whole) - 30  # those that were cut are whole, too
    for record in records:
        if record.reason == "done":
            assert record.cost == WHOLE or (record.usage is not None and record.usage.estimated)


async def test_a_gateway_that_closes_settles_what_is_in_flight() -> None:
    rng = random.Random(3)
    storage, upstream = MemoryStorage(), Stub(rng)
    gateway, accounts = await gateway_on(storage, upstream)
    async with gateway:
        callers = [Caller(gateway, rng, stream=True) for _ in range(200)]
        await asyncio.sleep(0.02)
    await asyncio.wait([caller.task for caller in callers])
    used, held = await money(storage, accounts)
    records = await storage.list_records(10_000)
    assert held == 0
    assert sum(record.cost for record in records) == used
    assert sum(caller.status == 200 for caller in callers) <= sum(record.cost > 0 for record in records)


async def test_an_answer_that_got_lost_leaves_nothing_held() -> None:
    class Losing(MemoryStorage):
        lost = False

        async def apply(self, operations: Sequence[LedgerOperation]) -> Sequence[LedgerAnswer]:
            answers = await super().apply(operations)
            if not self.lost:
                self.lost = True
                raise ConnectionError("after the commit")
            return answers

    rng = random.Random(4)
    storage = Losing()
    gateway, accounts = await gateway_on(storage, Stub(rng))
    async with gateway:
        caller = Caller(gateway, rng, stream=False)
        await asyncio.wait([caller.task])
    assert caller.status == 503
    assert await money(storage, accounts) == (0, 0)


class Blocking(Stub):
    """All of the answer in one piece; with it the caller has everything."""

    def __init__(self, content: bytes, kind: str) -> None:
        super().__init__(random.Random(5))
        self.content = content
        self.kind = kind

    async def send(self, request: object) -> Answer:
        class Steady(random.Random):
            def random(self) -> float:
                return 0.5

        return Answer([self.content], [("content-type", self.kind)], Steady(1))


SAID = b"".join(event("word") for _ in range(1000))


@pytest.mark.parametrize(
    ("content", "kind", "least"),
    [
        (b'{"choices":[{"message":{"content":"%b"}}]}' % (b"word " * 4000), "application/json", 4000),
        (b'{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9000}}', "application/json", 9000),
        (b"sound" * 4000, "audio/mpeg", 4000),
        (SAID, "text/event-stream", 1000),
        (SAID + event(usage=Usage(input=7, output=9000)), "text/event-stream", 9000),
        (event(usage=Usage(input=7, output=1)) + SAID, "text/event-stream", 1000),
    ],
    ids=["json", "counted json", "raw", "events", "counted events", "counted too early"],
)
@pytest.mark.parametrize("how", ["gone", "cancel"])
async def test_leaving_while_the_last_byte_is_sent_saves_nothing(
    content: bytes, kind: str, least: int, how: str
) -> None:
    """Servers may hold a send until the caller has read nearly all of it."""
    rng = random.Random(6)
    storage = MemoryStorage()
    gateway, _ = await gateway_on(storage, Blocking(content, kind))
    async with gateway:
        sending = asyncio.Event()
        caller = await _slow(gateway, rng, sending, sound=kind.startswith("audio"))
        caller.task.cancel() if how == "cancel" else caller.gone.set()
        await asyncio.wait([caller.task])
    (record, *_) = await storage.list_records(10)
    assert record.usage is not None
    assert record.usage.output >= least


async def _slow(gateway: Gateway, rng: random.Random, sending: asyncio.Event, *, sound: bool) -> Caller:
    class Slow(Caller):
        async def _send(self, message: Any) -> None:
            self.got.append(message)
            if message.get("body"):
                sending.set()
                await asyncio.sleep(30)

    caller = Slow(gateway, rng, stream=False, sound=sound)
    await sending.wait()
    return caller
