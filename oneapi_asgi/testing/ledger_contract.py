"""The money part of the contract of a storage; inherited by ``StorageContract``."""
# ruff: noqa: ARG002, S101, S311 - these are tests

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from hashlib import sha256

import pytest
from msgspec.structs import replace

from ..models import Balance, Checkpoint, Ended, Reserve, Reserved, Settle, Settled, Short, Token, TokenDraft
from ..ports import LedgerAnswer, LedgerOperation, Storage

__all__ = ["LEASE", "ContractBase", "LedgerContract", "balance", "digest", "draft", "found", "hold", "one"]

LEASE = 60.0


def digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def draft(name: str, quota: int | None = None, *, key: str = "", user: str = "root") -> TokenDraft:
    return TokenDraft(name=name, digest=digest(key or name), quota=quota, user=user)


async def found(storage: Storage, key: str) -> Token:
    token = await storage.find_token(digest(key))
    assert token is not None
    return token


async def balance(storage: Storage, account: int) -> Balance:
    return (await storage.balances([account]))[0]


async def one(storage: Storage, operation: LedgerOperation) -> LedgerAnswer:
    (answer,) = await storage.apply([operation])
    return answer


async def answers(storage: Storage, operations: Sequence[LedgerOperation]) -> list[LedgerAnswer]:
    return list(await storage.apply(operations))


def hold(number: str, accounts: Sequence[int], amount: int, at_least: int | None = None) -> Reserve:
    return Reserve(number, tuple(accounts), amount, amount if at_least is None else at_least, LEASE)


class ContractBase:
    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    def storage(self) -> Storage:
        """A new, opened, empty storage; to be overridden, by an async generator as a rule."""
        raise NotImplementedError("override the fixture `storage`: yield a new, empty, opened storage")

    @pytest.fixture
    def later(self) -> Callable[[float], None]:
        """Moves the storage's clock so many seconds ahead. Where it can be moved, override this: what can only be seen
        after hours or days is not proven otherwise."""
        pytest.skip("the fixture `later` moves the storage's clock ahead: override it to have this proven, too")

    @pytest.fixture
    async def wallet(self, storage: Storage) -> int:
        """The account of a user with 1,000 nano-dollars."""
        await storage.add_user("bob", wallet=1_000)
        token = await storage.add_token(draft("of-bob", user="bob"))
        return token.accounts[-1]


class LedgerContract(ContractBase):
    async def test_a_reservation_is_taken_off_and_the_rest_returns(self, storage: Storage, wallet: int) -> None:
        assert await one(storage, hold("a", [wallet], 400)) == Reserved(400)
        assert await balance(storage, wallet) == Balance(wallet, 600, 0)
        assert await one(storage, Settle("a", 150)) == Settled(0)
        assert await balance(storage, wallet) == Balance(wallet, 850, 150)

    async def test_settling_at_nothing_releases(self, storage: Storage, wallet: int) -> None:
        await one(storage, hold("a", [wallet], 400))
        assert await one(storage, Settle("a", 0)) == Settled(0)
        assert await balance(storage, wallet) == Balance(wallet, 1_000, 0)

    async def test_all_accounts_or_none(self, storage: Storage, wallet: int) -> None:
        rich, poor = [
            (await storage.add_token(draft(f"quota-{quota}", quota, user="bob"))).accounts for quota in (800, 100)
        ]
        assert await one(storage, hold("a", rich, 300)) == Reserved(300)
        assert await one(storage, hold("b", poor, 300)) == Short(poor[0], 100)
        assert list(await storage.balances([*rich, *poor])) == [
            Balance(rich[0], 500, 0),
            Balance(wallet, 700, 0),
            Balance(poor[0], 100, 0),
            Balance(wallet, 700, 0),
        ]
        await one(storage, Settle("a", 200))
        assert list(await storage.balances(rich)) == [Balance(rich[0], 600, 200), Balance(wallet, 800, 200)]

    async def test_an_account_named_twice_is_charged_once(self, storage: Storage, wallet: int) -> None:
        assert await one(storage, hold("a", [wallet, wallet], 600)) == Reserved(600)
        await one(storage, Settle("a", 100))
        assert await balance(storage, wallet) == Balance(wallet, 900, 100)

    @pytest.mark.parametrize(
        ("amount", "at_least", "answer"),
        [
            (1_000, 1_000, 1_000),
            (1_001, 1_001, None),
            (5_000, 1_000, 1_000),
            (5_000, 1_001, None),
            (5_000, 0, 1_000),
            (300, 0, 300),
            (0, 0, 0),
        ],
    )
    async def test_at_least(
        self, storage: Storage, wallet: int, amount: int, at_least: int, answer: int | None
    ) -> None:
        expected = Short(wallet, 1_000) if answer is None else Reserved(answer)
        assert await one(storage, hold("a", [wallet], amount, at_least)) == expected
        assert (await balance(storage, wallet)).available == 1_000 - (answer or 0)

    async def test_unlimited_accounts_only_count(self, storage: Storage) -> None:
        token = await storage.add_token(draft("ci"))
        largest = [hold(name, token.accounts, 2**62) for name in "abc"]
        assert (await storage.apply(largest))[0] == Reserved(2**62)
        await storage.apply([Settle("a", 10**15), Settle("b", 0), Settle("c", 0)])
        assert [(b.used, b.overdraft, b.unlimited) for b in await storage.balances(token.accounts)] == [
            (10**15, 0, True)
        ] * 2
        assert await one(storage, hold("d", token.accounts, 500)) == Reserved(500)
        assert await one(storage, Settle("d", 700)) == Settled(0)

    async def test_more_than_was_held_is_taken_from_the_balance(self, storage: Storage, wallet: int) -> None:
        await one(storage, hold("a", [wallet], 100))
        assert await one(storage, Settle("a", 250)) == Settled(0)
        assert await balance(storage, wallet) == Balance(wallet, 750, 250)

    async def test_what_no_balance_covers_is_overdraft(self, storage: Storage, wallet: int) -> None:
        await storage.apply([hold("a", [wallet], 900), hold("b", [wallet], 50)])
        assert await one(storage, Settle("a", 1_000)) == Settled(50)
        assert await balance(storage, wallet) == Balance(wallet, 0, 1_000, 50)
        assert await one(storage, hold("c", [wallet], 1)) == Short(wallet, -50)
        assert await one(storage, hold("d", [wallet], 0, 0)) == Short(wallet, -50)
        assert await one(storage, Settle("b", 75)) == Settled(25)
        assert await balance(storage, wallet) == Balance(wallet, 0, 1_075, 75)

    async def test_what_returns_pays_the_overdraft_first(self, storage: Storage, wallet: int) -> None:
        await storage.apply([hold("a", [wallet], 500), hold("b", [wallet], 500)])
        assert await one(storage, Settle("a", 600)) == Settled(100)
        assert await one(storage, Settle("b", 150)) == Settled(0)
        assert await balance(storage, wallet) == Balance(wallet, 250, 750)

    async def test_spare_accounts_get_everything_back(self, storage: Storage, wallet: int) -> None:
        cap = (await storage.add_token(draft("ci", 800, user="bob"))).accounts[0]
        await storage.apply([hold(name, [cap, wallet], 200) for name in "abcd"])
        assert await one(storage, Settle("a", 150, (cap,))) == Settled(0)
        assert list(await storage.balances([cap, wallet])) == [Balance(cap, 200, 0), Balance(wallet, 250, 150)]
        assert await one(storage, Settle("b", 90, (cap, wallet, 10**9))) == Settled(0)
        assert list(await storage.balances([cap, wallet])) == [Balance(cap, 400, 0), Balance(wallet, 450, 150)]
        assert await one(storage, Settle("c", 1_000, (wallet,))) == Settled(400)
        assert await one(storage, Settle("d", 0, (cap,))) == Settled(0)
        assert list(await storage.balances([cap, wallet])) == [
            Balance(cap, 0, 1_000, 200),
            Balance(wallet, 850, 150),
        ]
        assert await answers(storage, [Settle("a", 150), Settle("b", 90)]) == [Ended(), Ended()]

    async def test_overdraft_is_the_largest_of_the_accounts(self, storage: Storage, wallet: int) -> None:
        token = await storage.add_token(draft("ci", 1_200, user="bob"))
        await one(storage, hold("a", token.accounts, 1_000))
        assert await one(storage, Settle("a", 1_500)) == Settled(500)
        assert [b.overdraft for b in await storage.balances(token.accounts)] == [300, 500]

    async def test_credit_pays_the_overdraft_first(self, storage: Storage, wallet: int) -> None:
        await one(storage, hold("a", [wallet], 1_000))
        await one(storage, Settle("a", 1_300))
        await storage.credit(wallet, 200)
        assert await balance(storage, wallet) == Balance(wallet, 0, 1_300, 100)
        await storage.credit(wallet, 200)
        assert await balance(storage, wallet) == Balance(wallet, 100, 1_300)
        assert await one(storage, hold("b", [wallet], 100)) == Reserved(100)

    async def test_credit_is_taken_away_only_where_there_is_any(self, storage: Storage, wallet: int) -> None:
        await storage.credit(wallet, -400)
        with pytest.raises(ValueError, match=str(wallet)):
            await storage.credit(wallet, -601)
        assert await balance(storage, wallet) == Balance(wallet, 600, 0)
        await storage.credit(wallet, -600)
        for unknown in (10**9, -1):
            with pytest.raises(KeyError):
                await storage.credit(unknown, 5)
        with pytest.raises(ValueError, match="amount"):
            await storage.credit(wallet, 2**62 + 1)

    async def test_a_settlement_is_applied_once(self, storage: Storage, wallet: int) -> None:
        await one(storage, hold("a", [wallet], 400))
        assert await answers(storage, [Settle("a", 100), Settle("a", 200), Settle("never", 1)]) == [
            Settled(0),
            Ended(),
            Ended(),
        ]
        assert await one(storage, Settle("a", 100)) == Ended()
        assert await balance(storage, wallet) == Balance(wallet, 900, 100)

    async def test_a_repeated_reservation_stands_once(self, storage: Storage, wallet: int) -> None:
        token = await storage.add_token(draft("ci", 50, user="bob"))
        again = hold("a", [wallet], 5_000, 1)
        assert await answers(storage, [again, again]) == [Reserved(1_000)] * 2
        assert await one(storage, again) == Reserved(1_000)
        assert await one(storage, hold("a", token.accounts, 5_000, 1)) == Ended()
        await one(storage, Settle("a", 100))
        assert await one(storage, again) == Ended()
        assert await balance(storage, wallet) == Balance(wallet, 900, 100)

    async def test_settlements_come_first_and_answers_in_order(self, storage: Storage, wallet: int) -> None:
        await storage.apply([hold("a", [wallet], 900), hold("d", [wallet], 100)])
        batch: list[LedgerOperation] = [
            hold("b", [wallet], 500),
            Settle("b", 1),
            Checkpoint("a", 1, LEASE),
            Checkpoint("b", 1, LEASE),
            Checkpoint("d", 1, LEASE),
            Settle("a", 300),
            hold("c", [wallet], 200, 50),
        ]
        assert await answers(storage, batch) == [
            Reserved(500), Ended(), Ended(), Ended(), Reserved(100), Settled(0), Reserved(100)
        ]  # fmt: skip
        assert await balance(storage, wallet) == Balance(wallet, 0, 300)

    async def test_nothing_to_do(self, storage: Storage) -> None:
        assert list(await storage.apply([])) == []
        assert list(await storage.balances([])) == []

    async def test_an_unknown_account_undoes_the_batch(self, storage: Storage, wallet: int) -> None:
        await one(storage, hold("a", [wallet], 100))
        with pytest.raises(KeyError):
            await storage.apply([Settle("a", 50), hold("b", [wallet], 10), hold("c", [wallet, 10**9], 10)])
        assert await balance(storage, wallet) == Balance(wallet, 900, 0)
        assert await answers(storage, [Settle("b", 1), Settle("a", 50)]) == [Ended(), Settled(0)]
        with pytest.raises(KeyError):
            await storage.balances([wallet, 10**9])

    @pytest.mark.parametrize(
        "wrong",
        [
            Settle("a", -1),
            Settle("a", 2**62 + 1),
            Settle("a", True),
            Settle("a", 1.0),  # type: ignore[arg-type]
            Reserve("b", (), -1, 0, LEASE),
            Reserve("b", (), 2**62 + 1, 0, LEASE),
            Reserve("b", (), 1, -1, LEASE),
            Reserve("b", (), 1, 2, LEASE),
            Reserve("b", (), 1, 1, float("nan")),
            Checkpoint("a", -1, LEASE),
            Checkpoint("a", 2**62 + 1, LEASE),
            Checkpoint("a", 1, float("inf")),
        ],
    )
    async def test_no_amount_at_all(self, storage: Storage, wallet: int, wrong: LedgerOperation) -> None:
        await one(storage, hold("a", [wallet], 100))
        with pytest.raises(ValueError, match=r"must be an int|more than|finite"):
            await storage.apply([hold("c", [wallet], 5), wrong])
        assert await balance(storage, wallet) == Balance(wallet, 900, 0)

    async def test_an_expired_lease_releases(self, storage: Storage, wallet: int) -> None:
        due: list[LedgerOperation] = [Reserve(f"due-{n}", (wallet,), 1, 1, -1.0) for n in range(600)]
        await storage.apply([*due, hold("a", [wallet], 100)])
        await storage.apply([Settle("due-0", 1)])
        assert await storage.expire() == 599
        assert await storage.expire() == 0
        assert await balance(storage, wallet) == Balance(wallet, 899, 1)
        assert await answers(storage, [Settle("due-1", 5), due[2], Settle("a", 0)]) == [Ended(), Ended(), Settled(0)]

    async def test_a_batch_answers_as_its_parts_do(self, storage: Storage) -> None:
        together, apart = [await self._twin(storage, name) for name in ("together", "apart")]
        chance = random.Random(7)
        for _ in range(30):
            batch = [self._any(chance) for _ in range(chance.randint(1, 40))]
            at_once = await storage.apply([_named(operation, "t", together) for operation in batch])
            order = sorted(range(len(batch)), key=lambda place: _ORDER[type(batch[place])])
            one_by_one = {place: await one(storage, _named(batch[place], "a", apart)) for place in order}
            assert [_anonymous(answer, together) for answer in at_once] == [
                _anonymous(one_by_one[place], apart) for place in range(len(batch))
            ]
        assert await _amounts(storage, together) == await _amounts(storage, apart)

    async def _twin(self, storage: Storage, user: str) -> list[int]:
        """A wallet and two caps of a new user."""
        await storage.add_user(user, wallet=1_000)
        caps = [await storage.add_token(draft(f"{user}-{quota}", quota, user=user)) for quota in (400, 900)]
        return [caps[0].accounts[-1], *[cap.accounts[0] for cap in caps]]

    def _any(self, chance: random.Random) -> LedgerOperation:
        """An operation whose accounts are places in a list."""
        number, kind = str(chance.randrange(200)), chance.random()
        spare = chance.choice([(), (), (0,), (1, 0)])
        if kind < 0.4:
            return Settle(number, chance.choice([0, 10, 60, 150]), spare)
        if kind < 0.5:
            return Checkpoint(number, chance.choice([0, 10, 60, 150]), LEASE, spare)
        amount = chance.randrange(200)
        return hold(number, [chance.choice([1, 2]), 0], amount, chance.choice([amount, amount // 3, 0]))

    async def test_many_at_once_get_what_there_is_and_no_more(self, storage: Storage) -> None:
        await storage.add_user("crowd", wallet=500_000)
        accounts = (await storage.add_token(draft("crowd", user="crowd"))).accounts
        chance = random.Random(3)
        waiting = [f"{number:05}" for number in range(10_000)]

        async def caller() -> int:
            accepted = 0
            while waiting:
                mine = [waiting.pop() for _ in range(min(chance.randint(1, 60), len(waiting)))]
                told = await storage.apply([hold(number, accounts, 100) for number in mine])
                held = [number for number, answer in zip(mine, told, strict=True) if isinstance(answer, Reserved)]
                await storage.apply([Settle(number, 100) for number in held])
                accepted += len(held)
            return accepted

        assert sum(await asyncio.gather(*[caller() for _ in range(40)])) == 5_000
        assert await balance(storage, accounts[-1]) == Balance(accounts[-1], 0, 500_000)

    async def test_the_books_are_in_order(self, storage: Storage, wallet: int) -> None:
        token = await storage.add_token(draft("ci", 300, user="bob"))
        await storage.apply([hold("a", token.accounts, 200), hold("b", [wallet], 700), hold("c", [wallet], 5)])
        await storage.apply([Settle("a", 350), Settle("b", 900, (wallet,)), Checkpoint("c", 9, LEASE)])
        await storage.credit(wallet, -50)
        await storage.credit(token.accounts[0], 20)
        assert list(await storage.audit()) == []

    async def test_credit_races_with_charges(self, storage: Storage, wallet: int) -> None:
        async def charge(number: int) -> None:
            names = [f"{number}-{turn}" for turn in range(50)]
            told = await storage.apply([hold(name, [wallet], 3) for name in names])
            held = [name for name, answer in zip(names, told, strict=True) if isinstance(answer, Reserved)]
            charged.extend(held)
            await storage.apply([Settle(name, 3) for name in held])

        charged: list[str] = []
        await asyncio.gather(
            *[storage.credit(wallet, 7) for _ in range(100)], *[charge(number) for number in range(20)]
        )
        spent = 3 * len(charged)
        assert await balance(storage, wallet) == Balance(wallet, 1_000 + 700 - spent, spent)


_ORDER = {Settle: 0, Checkpoint: 1, Reserve: 2}


def _named(operation: LedgerOperation, prefix: str, accounts: Sequence[int]) -> LedgerOperation:
    named = f"{prefix}-{operation.id}"
    if isinstance(operation, Reserve):
        return replace(operation, id=named, accounts=tuple(accounts[place] for place in operation.accounts))
    return replace(operation, id=named, spare=tuple(accounts[place] for place in operation.spare))


def _anonymous(answer: object, accounts: Sequence[int]) -> object:
    return replace(answer, account=accounts.index(answer.account)) if isinstance(answer, Short) else answer


async def _amounts(storage: Storage, accounts: Sequence[int]) -> list[tuple[int, int, int]]:
    return [(b.available, b.used, b.overdraft) for b in await storage.balances(accounts)]
