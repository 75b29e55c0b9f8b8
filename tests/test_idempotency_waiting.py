"""Idempotency-Key: calls that wait for the first one, in its process and in others, and what a crash leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import sha256

import msgspec
import pytest
from keyed import CHAT, IN_PROGRESS, LOST, As, Clock, Counting, Model, Stack, refused, until
from starlette.types import Receive, Send

from oneapi_asgi.call import Call
from oneapi_asgi.idempotency import Idempotency
from oneapi_asgi.kept import Claim, Kept
from oneapi_asgi.models import Reserve, Settle, TokenDraft
from oneapi_asgi.storage.memory import MemoryStorage
from oneapi_asgi.testing import StreamingClient

# --- while the first one runs -----------------------------------------------------------------------------------------


async def test_many_at_once_are_one_call() -> None:
    store = Counting(MemoryStorage())
    async with Stack(store) as stack:
        stack.model.open.clear()
        tasks = [stack.start() for _ in range(20)]
        await until(lambda: len(store.asked) == 20)
        stack.model.open.set()
        answers = await asyncio.gather(*tasks)
    assert len(stack.model.calls) == 1
    assert len({answer.body for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 19
    assert len(store.asked) == 20 + 19, "nobody polls for a call of the same process"
    assert stack.parts[0]._bells._bells == {}
    assert stack.parts[0]._running == {}


class Recovering(Model):
    """Fails once."""

    async def _answer(self, call: Call, receive: Receive, send: Send) -> None:
        first = len(self.calls) == 1
        self.status, self.cost = (503, 0) if first else (200, 3)
        await super()._answer(call, receive, send)


async def test_after_a_failure_one_of_those_who_waited_is_carried_out() -> None:
    async with Stack(model=Recovering()) as stack:
        stack.model.open.clear()
        tasks = [stack.start() for _ in range(5)]
        await until(lambda: len(stack.apps[0].calls) == 5)
        stack.model.open.set()
        answers = await asyncio.gather(*tasks)
    assert sorted(answer.status for answer in answers) == [200, 200, 200, 200, 503]
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 3
    assert len(stack.model.calls) == 2
    assert stack.model.seen == [msgspec.json.encode(CHAT)] * 2, "whoever waited has its whole request"


@pytest.mark.parametrize(("at", "looks"), [(0, 2), (1, 5)], ids=["same process", "another process"])
async def test_who_waited_long_enough_may_come_back(at: int, looks: int) -> None:
    """Nobody polls for a call of the same process; for that of another one, ever less often."""
    store = Counting(MemoryStorage())
    async with Stack(store, count=2, wait=0.4) as stack:
        stack.model.open.clear()
        first = stack.start()
        await until(lambda: bool(stack.model.calls))
        answer = await stack.post(at=at)
        assert refused(answer) == IN_PROGRESS
        assert answer.headers["retry-after"] == "1"
        assert 2 <= len(store.asked) - 1 <= looks
        stack.model.open.set()
        await first
        assert (await stack.post(at=at)).headers["idempotency-replayed"] == "true"
    assert len(stack.model.calls) == 1


async def test_who_waits_in_another_process_sees_the_answer() -> None:
    store = Counting(MemoryStorage())
    async with Stack(store, count=2) as stack:
        stack.model.open.clear()
        first = stack.start()
        await until(lambda: bool(stack.model.calls))
        second = stack.start(at=1)
        await until(lambda: len(store.asked) >= 3)
        stack.model.open.set()
        assert (await second).headers["idempotency-replayed"] == "true"
        await first


class Wire:
    """Notices between two processes."""

    def __init__(self) -> None:
        self.published: list[tuple[str, str]] = []
        self.heard: list[Callable[[str], None]] = []

    def publish(self, kind: str, text: str) -> None:
        self.published.append((kind, text))
        for heard in self.heard:
            heard(text)

    def subscribe(self, kind: str, heard: Callable[[str], None]) -> Callable[[], None]:
        self.heard.append(heard)
        return lambda: self.heard.remove(heard)


async def test_who_waits_in_another_process_is_woken() -> None:
    store, wire = Counting(MemoryStorage()), Wire()
    async with Stack(store, count=2, notices=wire) as stack:
        stack.model.open.clear()
        first = stack.start()
        await until(lambda: bool(stack.model.calls))
        second = stack.start(at=1)
        await until(lambda: len(store.asked) == 4)  # the next look would be 0.2 s later
        stack.model.open.set()
        await asyncio.gather(first, second)
        assert wire.published == [("answered", sha256(b"1\0chat\0k").hexdigest())]
        assert len(store.asked) == 5
    assert wire.heard == []


async def test_a_waiter_that_hangs_up_is_not_the_next() -> None:
    async with Stack(model=Model(status=503, cost=0)) as stack:
        stack.model.open.clear()
        first = stack.start()
        await until(lambda: bool(stack.model.calls))
        second = stack.start()
        await until(lambda: any(task.get_name() == "a waiting caller" for task in asyncio.all_tasks()))
        second.cancel()
        await asyncio.wait([second])
        stack.model.open.set()
        await first
        await stack.settled()
        assert len(stack.model.calls) == 1
        assert (await stack.post()).status == 503


# --- crashes ----------------------------------------------------------------------------------------------------------


async def crashed(stack: Stack, *, charged: bool | None) -> str:
    """A call whose process ended, with what the ledger knows of it: an end at a cost or none, or a hold (None)."""
    claims: list[Claim] = []
    probe = Counting(stack.store)
    other = Idempotency(stack.model, probe, lease=5)

    async def note(claim: Claim) -> Kept | None:
        claims.append(claim)
        found: Kept | None = await stack.store.claim_answer(claim)
        raise asyncio.CancelledError if found is None else AssertionError(found)

    probe.claim_answer = note  # type: ignore[method-assign]
    other._post_free = lambda claim: None  # type: ignore[method-assign]
    async with other:
        with pytest.raises(asyncio.CancelledError):
            await StreamingClient(As(other), lifespan=False).request(
                "POST", "/v1/chat/completions", json=CHAT, headers={"idempotency-key": "k"}
            )
    token = await stack.store.add_token(TokenDraft(name="t", digest="d"))
    call_id = claims[0].call_id
    await stack.store.apply([Reserve(call_id, token.accounts, 10, 10, 60.0)])
    if charged is not None:
        await stack.store.apply([Settle(call_id, 7 if charged else 0)])
    return call_id


@pytest.mark.parametrize(
    ("charged", "expected"), [(True, LOST), (None, IN_PROGRESS), (False, None)], ids=["paid", "held", "free"]
)
async def test_what_a_dead_process_left(charged: bool | None, expected: tuple[int, str, str] | None) -> None:
    clock = Clock()
    async with Stack(MemoryStorage(clock=clock), wait=0) as stack:
        await crashed(stack, charged=charged)
        assert refused(await stack.post()) == IN_PROGRESS, "it may live"
        clock.now += 5
        answer = await stack.post()
        assert answer.status == 200 if expected is None else refused(answer) == expected
    assert len(stack.model.calls) == (expected is None)


async def test_a_call_that_lives_keeps_its_key() -> None:
    clock, store = Clock(), Counting(MemoryStorage(clock=Clock()))
    store.store._clock = clock
    async with Stack(store, count=2, lease=0.06, wait=0) as stack:
        stack.model.open.clear()
        first = stack.start()
        await until(lambda: bool(stack.model.calls))
        for count in range(2, 5):
            clock.now += 0.05
            await until(lambda count=count: len(store.renewed) > count)  # type: ignore[misc]
            assert refused(await stack.post(at=1)) == IN_PROGRESS
        assert [claim.call_id for claim in store.renewed[-1]] == [stack.model.calls[0].id]
        stack.model.open.set()
        await first
    assert len(stack.model.calls) == 1


async def test_leaving_writes_down_what_ended() -> None:
    store = MemoryStorage()
    async with Stack(store) as stack:
        await stack.post()
    async with Stack(store) as later:
        assert (await later.post()).headers["idempotency-replayed"] == "true"
    assert later.model.calls == []
