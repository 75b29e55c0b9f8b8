"""Settlements outlive a process that ends while the ledger is away."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from quotas import COST, Bank, begin, opened, until

from oneapi_asgi.models import Balance
from oneapi_asgi.ports import LedgerAnswer, LedgerOperation
from oneapi_asgi.pricebook import PriceBook
from oneapi_asgi.quota import Quota
from oneapi_asgi.spool import Spool


def files(folder: Path) -> int:
    return len([*folder.iterdir()]) if folder.exists() else 0


async def test_nothing_is_written_while_the_ledger_answers(tmp_path: Path) -> None:
    bank = Bank()
    token = await bank.caller()
    async with opened(bank, spool=Spool(tmp_path / "spool")) as quota:
        call = await begin(quota, token)
        quota.settle(call.id, COST)
        await quota.settled()
    assert files(tmp_path) == 0


class Line:
    """The way of one process to the ledger, which may be cut."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self.cut = False

    async def apply(self, operations: Sequence[LedgerOperation]) -> Sequence[LedgerAnswer]:
        if self.cut:
            raise ConnectionError
        return await self._bank.apply(operations)

    async def expire(self) -> int:
        return await self._bank.expire()

    async def balances(self, accounts: Sequence[int]) -> Sequence[Balance]:
        return await self._bank.balances(accounts)


async def test_the_next_process_settles_what_this_one_could_not(tmp_path: Path) -> None:
    bank = Bank()
    line, token = Line(bank), await bank.caller()
    async with Quota(line, PriceBook(bank), spool=Spool(tmp_path)) as dying:
        calls = [await begin(dying, token) for _ in range(3)]
        line.cut = True
        for call in calls[:2]:
            dying.settle(call.id, COST)
        dying.settle(calls[2].id, 0)
        await until(lambda: files(tmp_path) == 1)
        assert bank.states() == {"held": 3}
        async with opened(bank, spool=Spool(tmp_path)) as quota:
            await quota.settled()
        assert bank.states() == {"held": 1, "settled": 2}, "what costs nothing returns with its lease"
        assert files(tmp_path) == 0
        line.cut = False
    assert bank.states() == {"released": 1, "settled": 2}, "told twice, done once"


async def test_all_that_waits_is_written_down(tmp_path: Path) -> None:
    """More than one group, and what ends later while the ledger is away."""
    bank = Bank()
    line, token = Line(bank), await bank.caller()
    quota = Quota(line, PriceBook(bank), spool=Spool(tmp_path))
    async with quota:
        await begin(quota, token)
        line.cut = True
        for number in range(700):
            quota.settle(f"early-{number}", COST)
        await until(lambda: files(tmp_path) == 1)
        quota.settle("late", COST)
        kept = {settlement.id for settlement in Spool(tmp_path).read()}
        assert kept == {"late", *(f"early-{number}" for number in range(700))}
        line.cut = False
    assert files(tmp_path) == 0


async def test_what_was_given_up_at_the_end_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bank = Bank()
    line, token = Line(bank), await bank.caller()
    quota = Quota(line, PriceBook(bank), spool=Spool(tmp_path))
    monkeypatch.setattr(quota._group, "_patience", 0.05)
    async with quota:
        first, second = await begin(quota, token), await begin(quota, token)
        line.cut = True
        quota.settle(first.id, COST)
        await until(lambda: files(tmp_path) == 1)
        quota.settle(second.id, COST)
    assert [settlement.id for settlement in Spool(tmp_path).read()] == [first.id, second.id]
