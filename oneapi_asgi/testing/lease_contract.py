"""The part of the contract of a storage that is about leases, checkpoints and its clock; inherited by
``StorageContract``."""
# ruff: noqa: S101 - these are tests

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from ..kept import Claim
from ..models import Balance, Checkpoint, Ended, Reserve, Reserved, Settle, Settled
from ..ports import LedgerOperation, Storage
from .ledger_contract import LEASE, ContractBase, balance, draft, hold, one

__all__ = ["LeaseContract"]

Later = Callable[[float], None]


def due(number: str, accounts: Sequence[int], amount: int) -> Reserve:
    """A reservation whose lease has run out when it begins."""
    return Reserve(number, tuple(accounts), amount, amount, -1.0)


class LeaseContract(ContractBase):
    async def test_a_lease_that_ran_out_ends_nothing_by_itself(self, storage: Storage, wallet: int) -> None:
        await storage.apply([due(name, [wallet], 100) for name in "abc"])
        assert await one(storage, due("a", [wallet], 100)) == Reserved(100)
        assert await one(storage, Checkpoint("a", 0, -1.0)) == Reserved(100)
        assert await one(storage, Settle("a", 30)) == Settled(0)
        assert await one(storage, Settle("b", 0)) == Settled(0)
        assert await balance(storage, wallet) == Balance(wallet, 870, 30)
        assert await storage.expire() == 1
        assert await balance(storage, wallet) == Balance(wallet, 970, 30)

    async def test_a_checkpoint_renews_the_lease(self, storage: Storage, wallet: int) -> None:
        await storage.apply([due("a", [wallet], 100), due("b", [wallet], 100)])
        for _ in range(2):  # the same again, after an answer that got lost
            assert await one(storage, Checkpoint("a", 40, LEASE)) == Reserved(100)
        assert await storage.expire() == 1
        assert await balance(storage, wallet) == Balance(wallet, 900, 0)
        assert await one(storage, Settle("a", 10)) == Settled(0), "what it cost in the end counts"
        assert await balance(storage, wallet) == Balance(wallet, 990, 10)

    async def test_a_checkpoint_never_makes_a_lease_shorter(self, storage: Storage, wallet: int) -> None:
        await one(storage, hold("a", [wallet], 100))
        assert await one(storage, Checkpoint("a", 40, -LEASE)) == Reserved(100)
        assert await storage.expire() == 0
        assert await balance(storage, wallet) == Balance(wallet, 900, 0)

    @pytest.mark.parametrize(
        ("noted", "cost"),
        [([], 0), ([0], 0), ([30], 30), ([30, 70], 70), ([70, 30], 70), ([250], 250), ([70, 0], 70), ([1_500], 1_500)],
    )
    async def test_expiry_charges_what_was_noted(
        self, storage: Storage, wallet: int, noted: list[int], cost: int
    ) -> None:
        await one(storage, due("a", [wallet], 100))
        for so_far in noted:
            assert await one(storage, Checkpoint("a", so_far, -1.0)) == Reserved(100)
        assert await balance(storage, wallet) == Balance(wallet, 900, 0)
        assert await storage.expire() == 1
        assert await balance(storage, wallet) == Balance(wallet, max(1_000 - cost, 0), cost, max(cost - 1_000, 0))
        late: list[LedgerOperation] = [Settle("a", 5), Checkpoint("a", 2_000, LEASE), due("a", [wallet], 100)]
        assert list(await storage.apply(late)) == [Ended()] * 3
        assert await storage.expire() == 0
        assert (await balance(storage, wallet)).used == cost

    @pytest.mark.parametrize(
        ("noted", "cap_used", "purse_used"),
        [
            ([(30, "cap")], 0, 30),
            ([(30, "cap"), (70, "purse")], 70, 0),
            ([(70, "cap"), (30, "purse")], 0, 70),
            ([(30, "cap"), (30, "purse")], 30, 0),
            ([(30, "cap"), (40, "")], 40, 40),
        ],
    )
    async def test_expiry_spares_whom_the_checkpoint_spared(
        self, storage: Storage, wallet: int, noted: list[tuple[int, str]], cap_used: int, purse_used: int
    ) -> None:
        cap = (await storage.add_token(draft("ci", 500, user="bob"))).accounts[0]
        spare = {"cap": (cap,), "purse": (wallet,), "": ()}
        await one(storage, due("a", [cap, wallet], 100))
        for so_far, spared in noted:
            await one(storage, Checkpoint("a", so_far, -1.0, spare[spared]))
        assert await storage.expire() == 1
        assert list(await storage.balances([cap, wallet])) == [
            Balance(cap, 500 - cap_used, cap_used),
            Balance(wallet, 1_000 - purse_used, purse_used),
        ]

    async def test_a_settlement_spares_whom_it_says(self, storage: Storage, wallet: int) -> None:
        cap = (await storage.add_token(draft("ci", 500, user="bob"))).accounts[0]
        await one(storage, hold("a", [cap, wallet], 100))
        await one(storage, Checkpoint("a", 30, LEASE, (cap, wallet)))
        assert await one(storage, Settle("a", 20)) == Settled(0)
        assert [told.used for told in await storage.balances([cap, wallet])] == [20, 20]

    async def test_what_has_ended_takes_no_checkpoint(self, storage: Storage, wallet: int) -> None:
        await storage.apply(
            [hold("settled", [wallet], 10), hold("released", [wallet], 10), due("expired", [wallet], 9)]
        )
        await storage.apply([Settle("settled", 5), Settle("released", 0)])
        await storage.expire()
        for number in ("settled", "released", "expired", "never"):
            assert await one(storage, Checkpoint(number, 7, LEASE)) == Ended()
        assert await balance(storage, wallet) == Balance(wallet, 995, 5)
        assert await one(storage, hold("never", [wallet], 10)) == Reserved(10), "a checkpoint makes no reservation"

    async def test_one_end_for_each_whoever_comes_first(self, storage: Storage, wallet: int) -> None:
        """Settlements, releases, checkpoints, repetitions and the reaper meet in the same reservations."""
        names = [f"n{number}" for number in range(40)]
        for name in names:
            await storage.apply([due(name, [wallet], 10), Checkpoint(name, 7, -1.0)])
            await one(storage, Checkpoint(name, 7, -1.0))

        async def end(cost: int) -> int:
            return [await one(storage, Settle(name, cost)) for name in names].count(Settled(0))

        async def disturb() -> None:
            for name in names:
                await one(storage, due(name, [wallet], 10))
                await one(storage, Checkpoint(name, 2, -1.0))

        async def reap() -> int:
            return sum([await storage.expire() for _ in range(5)])

        settled, released, expired, others, _ = await asyncio.gather(end(3), end(0), reap(), reap(), disturb())
        assert settled + released + expired + others == len(names)
        spent = 3 * settled + 7 * (expired + others)
        assert await balance(storage, wallet) == Balance(wallet, 1_000 - spent, spent)

    # What the storage's clock decides

    async def test_leases_run_by_the_clock_of_the_storage(self, storage: Storage, wallet: int, later: Later) -> None:
        before = (await storage.pulse()).now
        await storage.apply([Reserve(name, (wallet,), 100, 100, 3_600.0) for name in "ab"])
        later(3_500)
        assert 3_500 <= (await storage.pulse()).now - before < 3_550
        assert await storage.expire() == 0
        await one(storage, Checkpoint("a", 40, 3_600.0))
        later(200)
        assert await storage.expire() == 1
        later(3_300)
        assert await storage.expire() == 0
        assert await balance(storage, wallet) == Balance(wallet, 900, 0)
        later(200)
        assert await storage.expire() == 1
        assert await balance(storage, wallet) == Balance(wallet, 960, 40)

    async def test_claims_run_by_the_clock_of_the_storage(self, storage: Storage, later: Later) -> None:
        claims = [Claim(key="key", call_id=name, fingerprint="print", lease=3_600.0, keep=10_000.0) for name in "abcd"]
        assert await storage.claim_answer(claims[0]) is None
        later(3_500)
        assert await storage.claim_answer(claims[1]) is not None
        await storage.renew_answers(claims[:1])
        later(3_500)
        assert await storage.claim_answer(claims[1]) is not None
        later(200)
        assert await storage.claim_answer(claims[2]) is None
        later(10_100)
        assert await storage.purge_answers() == 1
        assert await storage.claim_answer(claims[3]) is None
