"""What a storage has to do for Idempotency-Keys, as tests to inherit; a part of ``StorageContract``."""
# ruff: noqa: S101 - these are tests

from __future__ import annotations

import asyncio
from typing import Literal, Protocol

import pytest
from msgspec.structs import replace

from ..kept import Claim, Conclude, Kept
from ..models import Ended, Reserve, Reserved, Settle
from ..ports import IdempotencyStore, Ledger
from .ledger_contract import ContractBase

__all__ = ["IdempotencyContract", "KeyedLedger"]

BODY = bytes(range(256)) * 16


class KeyedLedger(Ledger, IdempotencyStore, Protocol):
    """What these tests need of a storage."""


def claim(call_id: str, key: str = "key", *, lease: float = 60.0, keep: float = 600.0) -> Claim:
    return Claim(key=key, call_id=call_id, fingerprint="print", lease=lease, keep=keep)


def end(call_id: str, state: Literal["stored", "delivered", "free"], key: str = "key", keep: float = 600.0) -> Conclude:
    told = Conclude(key=key, call_id=call_id, state=state, keep=keep)
    return replace(told, status=201, content_type="text/plain; x=é", body=BODY) if state == "stored" else told


def running(call_id: str) -> Kept:
    return Kept(call_id=call_id, fingerprint="print", state="running")


def kept(call_id: str, state: Literal["stored", "delivered", "lost"]) -> Kept:
    told = Kept(call_id=call_id, fingerprint="print", state=state)
    return replace(told, status=201, content_type="text/plain; x=é", body=BODY) if state == "stored" else told


class IdempotencyContract(ContractBase):
    async def test_the_first_has_the_key(self, storage: KeyedLedger) -> None:
        assert await storage.claim_answer(claim("a")) is None
        assert await storage.claim_answer(claim("a")) is None, "asking again after a lost answer"
        assert await storage.claim_answer(claim("b")) == running("a")
        assert await storage.claim_answer(replace(claim("c"), fingerprint="other")) == running("a")
        assert await storage.claim_answer(claim("b", key="another")) is None

    @pytest.mark.parametrize("state", ["stored", "delivered"])
    async def test_what_it_ended_with_is_kept(
        self, storage: KeyedLedger, state: Literal["stored", "delivered"]
    ) -> None:
        await storage.claim_answer(claim("a"))
        await storage.conclude_answers([end("b", state), end("a", state), end("a", "free")])
        for call_id in ("b", "a"):
            assert await storage.claim_answer(claim(call_id)) == kept("a", state)
        await storage.conclude_answers([end("a", "free")])
        assert await storage.claim_answer(claim("b")) == kept("a", state), "ended once and for all"

    async def test_a_freed_key_is_the_next_one_s(self, storage: KeyedLedger) -> None:
        await storage.claim_answer(claim("a"))
        await storage.conclude_answers([end("a", "free")])
        assert await storage.claim_answer(claim("b")) is None
        await storage.conclude_answers([end("a", "stored")])
        assert await storage.claim_answer(claim("c")) == running("b")
        await storage.conclude_answers([end("b", "stored")])
        assert await storage.claim_answer(claim("c")) == kept("b", "stored")

    async def test_a_key_is_free_again_when_it_need_not_be_kept(self, storage: KeyedLedger) -> None:
        await storage.claim_answer(claim("a"))
        await storage.conclude_answers([end("a", "stored", keep=0.0)])
        assert await storage.claim_answer(replace(claim("b"), fingerprint="other")) is None
        assert await storage.claim_answer(claim("c")) == replace(running("b"), fingerprint="other")

    async def test_one_of_many_wins(self, storage: KeyedLedger) -> None:
        for key in ("new", "freed", "lapsed", "expired"):
            first = claim("a", key, lease=0.0 if key == "lapsed" else 60.0)
            if key != "new":
                await storage.claim_answer(first)
            if key in ("freed", "expired"):
                await storage.conclude_answers([end("a", "free" if key == "freed" else "stored", key, keep=0.0)])
            told = await asyncio.gather(*[storage.claim_answer(claim(f"call-{n}", key)) for n in range(20)])
            assert told.count(None) == 1, key
            assert {found.state for found in told if found is not None} == {"running"}, key
            winner = f"call-{told.index(None)}"
            assert await storage.claim_answer(claim("late", key)) == running(winner), key

    async def test_a_renewed_claim_stands(self, storage: KeyedLedger) -> None:
        for call_id, key in (("a", "one"), ("b", "two")):
            await storage.claim_answer(claim(call_id, key, lease=0.0))
        await storage.renew_answers([])
        await storage.renew_answers([claim("b", "two"), claim("x", "one"), claim("a", "one"), claim("y", "none")])
        for call_id, key in (("a", "one"), ("b", "two")):
            assert await storage.claim_answer(claim("late", key)) == running(call_id)
        await storage.conclude_answers([end("a", "delivered", "one", keep=0.0), end("b", "free", "two")])
        await storage.renew_answers([claim("a", "one"), claim("b", "two")])
        for key in ("one", "two"):
            assert await storage.claim_answer(claim("late", key)) is None, "what has ended is not renewed"

    async def test_a_lapsed_claim_goes_to_the_next_one(self, storage: KeyedLedger, wallet: int) -> None:
        await storage.claim_answer(claim("a", lease=0.0))
        assert await storage.claim_answer(claim("b")) is None
        assert await storage.claim_answer(claim("c")) == running("b")
        await storage.conclude_answers([end("a", "stored")])
        assert await storage.claim_answer(claim("c")) == running("b")
        late = Reserve("a", (wallet,), 10, 10, 60.0)
        assert list(await storage.apply([late])) == [Ended()], "a process that only slept is not charged"

    async def test_a_lapsed_claim_that_was_not_taken_over_may_still_end(self, storage: KeyedLedger) -> None:
        await storage.claim_answer(claim("a", lease=0.0))
        await storage.conclude_answers([end("a", "stored")])
        assert await storage.claim_answer(claim("b")) == kept("a", "stored")

    @pytest.mark.parametrize(("cost", "lost"), [(5, True), (0, False)])
    async def test_what_was_paid_for_is_not_done_again(
        self, storage: KeyedLedger, wallet: int, cost: int, lost: bool
    ) -> None:
        await storage.claim_answer(claim("a", lease=0.0))
        assert list(await storage.apply([Reserve("a", (wallet,), 10, 10, 60.0)])) == [Reserved(10)]
        assert await storage.claim_answer(claim("b")) == running("a"), "it may be running"
        await storage.apply([Settle("a", cost)])
        assert await storage.claim_answer(claim("b")) == (kept("a", "lost") if lost else None)
        assert await storage.claim_answer(claim("c")) == (kept("a", "lost") if lost else running("b"))

    async def test_what_need_not_be_kept_is_purged(self, storage: KeyedLedger) -> None:
        for number in range(4):
            await storage.claim_answer(claim(str(number), f"key-{number}", lease=0.0 if number == 3 else 60.0))
        ended = [end("0", "stored", "key-0", keep=0.0), end("1", "stored", "key-1")]
        await storage.conclude_answers(ended)
        assert await storage.purge_answers() == 1
        assert await storage.purge_answers() == 0
        for number, expected in enumerate([None, kept("1", "stored"), running("2"), None]):
            assert await storage.claim_answer(claim("late", f"key-{number}")) == expected
