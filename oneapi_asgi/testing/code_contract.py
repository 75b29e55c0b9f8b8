"""What a storage has to do for redemption codes, as tests to inherit; a part of ``StorageContract``."""
# ruff: noqa: S101 - these are tests

from __future__ import annotations

import asyncio
import time

import pytest

from ..models import Balance, Settle
from ..ports import Storage
from ..queries import CodeDraft
from .ledger_contract import ContractBase, balance, digest, hold

__all__ = ["CodeContract"]

FUTURE, PAST = 4e9, 1.0


def code(name: str, amount: int = 100, *, expires_at: float | None = None) -> CodeDraft:
    return CodeDraft(name="gift", digest=digest(name), amount=amount, expires_at=expires_at)


async def accepted(storage: Storage, digests: list[str], user: str) -> int:
    """What redeeming them all, one after the other, brings; refusals bring nothing."""
    return sum([await redeemed(storage, one, user) for one in digests])


async def redeemed(storage: Storage, digest: str, user: str) -> int:
    while True:
        try:
            return await storage.redeem(digest, user)
        except ValueError:
            return 0
        except RuntimeError:  # too busy to begin: whoever redeems a code tries again
            continue


class CodeContract(ContractBase):
    async def test_codes_are_listed_as_they_were_made(self, storage: Storage) -> None:
        assert list(await storage.list_codes()) == []
        await storage.add_codes([code("a"), code("b", 2**62, expires_at=FUTURE)])
        await storage.add_codes([code("c")])
        await storage.add_codes([])
        first, second, third = await storage.list_codes()
        assert (first.name, first.amount, first.expires_at) == ("gift", 100, None)
        assert (second.amount, second.expires_at) == (2**62, FUTURE)
        assert first.id < second.id < third.id
        assert {(one.user_name, one.redeemed_at) for one in (first, second, third)} == {(None, None)}
        assert abs(first.created_at - time.time()) < 60

    @pytest.mark.parametrize("amount", [0, -1, 2**62 + 1, 1.5, True])
    async def test_a_code_is_worth_something(self, storage: Storage, amount: int) -> None:
        with pytest.raises(ValueError, match="worth"):
            await storage.add_codes([code("a"), code("b", amount)])
        assert list(await storage.list_codes()) == []

    async def test_no_two_codes_are_the_same(self, storage: Storage) -> None:
        await storage.add_codes([code("a")])
        for drafts in ([code("b"), code("a")], [code("c"), code("c")]):
            with pytest.raises(ValueError, match="code"):
                await storage.add_codes(drafts)
        assert len(await storage.list_codes()) == 1

    async def test_a_code_is_credited_once(self, storage: Storage, wallet: int) -> None:
        await storage.add_user("eve", wallet=0)
        await storage.add_codes([code("a", 250), code("b", 1)])
        assert await storage.redeem(digest("a"), "bob") == 250
        for user in ("bob", "eve"):
            with pytest.raises(ValueError, match="redeemed already"):
                await storage.redeem(digest("a"), user)
        assert await balance(storage, wallet) == Balance(wallet, 1_250, 0)
        used, unused = await storage.list_codes()
        assert (used.user_name, unused.user_name, unused.redeemed_at) == ("bob", None, None)
        assert used.redeemed_at is not None
        assert used.redeemed_at >= used.created_at

    async def test_what_is_owed_is_paid_first(self, storage: Storage, wallet: int) -> None:
        await storage.apply([hold("call", [wallet], 1_000)])
        await storage.apply([Settle("call", 1_030)])
        await storage.add_codes([code("a", 20), code("b", 20)])
        for name, available, owed in (("a", 0, 10), ("b", 10, 0)):
            await storage.redeem(digest(name), "bob")
            assert await balance(storage, wallet) == Balance(wallet, available, 1_030, owed)

    async def test_what_cannot_be_redeemed(self, storage: Storage, wallet: int) -> None:
        await storage.add_codes([code("late", expires_at=PAST), code("good", expires_at=FUTURE)])
        with pytest.raises(KeyError):
            await storage.redeem(digest("never made"), "bob")
        with pytest.raises(ValueError, match="expired"):
            await storage.redeem(digest("late"), "bob")
        with pytest.raises(ValueError, match="nobody"):
            await storage.redeem(digest("good"), "nobody")
        assert await balance(storage, wallet) == Balance(wallet, 1_000, 0)
        assert await storage.redeem(digest("good"), "bob") == 100

    async def test_many_redeem_the_same_codes_at_once(self, storage: Storage, wallet: int) -> None:
        names = [f"code-{number}" for number in range(10)]
        await storage.add_codes([code(name, 7) for name in names])
        digests = [digest(name) for name in names]
        shares = await asyncio.gather(*[accepted(storage, digests[n % 10 :] + digests, "bob") for n in range(20)])
        assert sum(shares) == 70
        assert await balance(storage, wallet) == Balance(wallet, 1_070, 0)
