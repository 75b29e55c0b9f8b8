"""The part of the contract of a storage that is about limits and their budgets; inherited by ``StorageContract``."""
# ruff: noqa: S101, S311 - these are tests

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from ..models import Balance, Channel, Checkpoint, Limit, Period, Reserve, Reserved, Settle, Settled, Short
from ..ports import Storage
from .ledger_contract import LEASE, ContractBase, balance, draft, hold, one

__all__ = ["LimitContract"]

Later = Callable[[float], None]

PERIODS: tuple[tuple[Period, bool], ...] = (
    ("day", False),
    ("week", False),
    ("month", False),
    ("day", True),
    ("week", True),
    ("month", True),
)
DAY = 86_400.0
LENGTH: dict[Period, float] = {"day": DAY, "week": 7 * DAY, "month": 30 * DAY}
"""Of rolling periods, in seconds."""

LIMIT = Limit(scope="token", budget=100)

ALIKE = ("gpt", "GPT", "gpt ", "ǵpt", "ss", "ß", "", "7", "07", "*", "?", "gpt\N{COMBINING ACUTE ACCENT}")
"""Names that collations, or people who trim, take for the same."""


def returns(period: Period, rolling: bool, charged: float) -> tuple[float, float]:
    """The earliest and the latest moment at which a budget may get back what it was charged."""
    if rolling:
        length = LENGTH[period]
        return charged + length, charged + length + length / 24
    day = datetime.fromtimestamp(charged, UTC).date()
    end = day + timedelta(days=1)
    while (period == "week" and end.weekday()) or (period == "month" and end.day != 1):
        end += timedelta(days=1)
    midnight = datetime(end.year, end.month, end.day, tzinfo=UTC).timestamp()
    return midnight, midnight


async def now(storage: Storage) -> float:
    return (await storage.pulse()).now


async def open_one(storage: Storage, limit: Limit, subject: str = "7") -> int:
    (account,) = await storage.open_budgets([(limit.id, subject)])
    assert account is not None
    return account


async def spend(storage: Storage, number: str, account: int, cost: int) -> None:
    assert await one(storage, hold(number, [account], cost, 0)) == Reserved(cost)
    assert await one(storage, Settle(number, cost)) == Settled(0)


class _Limits(ContractBase):
    async def test_begins_without_limits(self, storage: Storage) -> None:
        assert list(await storage.list_limits()) == []

    async def test_a_limit_is_kept_whole(self, storage: Storage) -> None:
        wanted = [
            Limit(
                scope="group",
                name="vip-ü*",
                requests_per_minute=1,
                tokens_per_minute=2**40,
                concurrent_calls=0,
                budget=2**62,
                period="week",
                rolling=True,
            ),
            Limit(scope="user"),
            *[Limit(scope=scope, budget=0) for scope in ("token", "model", "channel")],
        ]
        saved = [await storage.save_limit(limit) for limit in wanted]
        assert list(await storage.list_limits()) == saved
        assert [replace(limit, id=0) for limit in saved] == wanted
        assert len({limit.id for limit in saved}) == len(wanted)
        assert min(limit.id for limit in saved) > 0

    async def test_overwrite_and_delete(self, storage: Storage) -> None:
        first, second = [await storage.save_limit(Limit(scope="user", name=name)) for name in "ab"]
        changed = replace(first, requests_per_minute=5, concurrent_calls=2, budget=7)
        assert await storage.save_limit(changed) == changed
        assert list(await storage.list_limits()) == [changed, second]
        with pytest.raises(KeyError):
            await storage.save_limit(Limit(id=second.id + 1, scope="user", name="c"))
        await storage.delete_limit(first.id)
        assert list(await storage.list_limits()) == [second]
        with pytest.raises(KeyError):
            await storage.delete_limit(first.id)
        again = await storage.save_limit(Limit(scope="user", name="a"))
        assert again.id not in (first.id, second.id)

    async def test_scope_name_and_period_tell_limits_apart(self, storage: Storage) -> None:
        others = [
            Limit(scope="user", name="*"),
            *[Limit(scope="token", name=name) for name in ALIKE if name != "*"],
            *[Limit(scope="token", period=period, rolling=rolling) for period, rolling in PERIODS],
        ]
        saved = [await storage.save_limit(limit) for limit in others]
        for limit in others:
            with pytest.raises(ValueError, match="limit"):
                await storage.save_limit(replace(limit, budget=5))
        for moved in (
            replace(saved[0], scope="group"),
            replace(saved[0], name="other"),
            replace(saved[0], period="day"),
            replace(saved[0], rolling=True),
        ):
            with pytest.raises(ValueError, match="cannot change"):
                await storage.save_limit(moved)
        assert list(await storage.list_limits()) == saved

    @pytest.mark.parametrize("budget", [-1, 2**62 + 1, 1.5, True])
    async def test_a_budget_is_an_amount(self, storage: Storage, budget: int) -> None:
        with pytest.raises(ValueError, match="int of nano-dollars"):
            await storage.save_limit(replace(LIMIT, budget=budget))
        with pytest.raises(ValueError, match="int of nano-dollars"):
            await storage.declare([Channel(id=0, name="a")], [], [replace(LIMIT, budget=budget)])
        assert (list(await storage.list_limits()), list(await storage.list_channels())) == ([], [])

    async def test_the_revision_moves_with_limits(self, storage: Storage) -> None:
        seen = [(await storage.pulse()).revision]

        async def moved() -> bool:
            seen.append((await storage.pulse()).revision)
            return seen[-1] > seen[-2]

        saved = await storage.save_limit(LIMIT)
        assert await moved()
        await storage.save_limit(replace(saved, budget=50))
        assert await moved()
        account = await open_one(storage, saved)
        await spend(storage, "a", account, 5)
        for refused in (storage.save_limit(LIMIT), storage.delete_limit(saved.id + 1)):
            with pytest.raises((ValueError, KeyError)):
                await refused
        assert not await moved()
        await storage.delete_limit(saved.id)
        assert await moved()
        await storage.declare([], [], [LIMIT])
        assert await moved()


class _DeclaredLimits(ContractBase):
    async def test_declared_limits_come_change_and_go(self, storage: Storage) -> None:
        a, b, c = [replace(LIMIT, name=name) for name in "abc"]
        await storage.declare([], [], [a, b])
        first, second = await storage.list_limits()
        assert [replace(limit, id=0) for limit in (first, second)] == [a, b]
        before = (await storage.pulse()).revision
        await storage.declare([], [], [b, a])
        assert ((await storage.pulse()).revision, list(await storage.list_limits())) == (before, [first, second])
        await storage.declare([], [], [replace(b, budget=7), c])
        kept = list(await storage.list_limits())
        assert kept[0] == replace(second, budget=7)
        assert [limit.name for limit in kept] == ["b", "c"]
        await storage.declare([], [])
        assert list(await storage.list_limits()) == []

    async def test_limits_added_by_hand_stay_until_they_are_declared(self, storage: Storage) -> None:
        hand = await storage.save_limit(replace(LIMIT, name="hand"))
        both = await storage.save_limit(replace(LIMIT, name="both"))
        await storage.declare([], [], [replace(LIMIT, name="both")])
        assert list(await storage.list_limits()) == [hand, both]
        await storage.declare([], [])
        assert list(await storage.list_limits()) == [hand]

    async def test_a_declared_limit_that_was_deleted_by_hand_returns(self, storage: Storage) -> None:
        await storage.declare([], [], [LIMIT])
        await storage.delete_limit((await storage.list_limits())[0].id)
        await storage.declare([], [], [LIMIT])
        assert [replace(limit, id=0) for limit in await storage.list_limits()] == [LIMIT]

    async def test_two_of_one_kind_are_refused_and_nothing_is_done(self, storage: Storage) -> None:
        await storage.declare([], [], [LIMIT])
        before = ((await storage.pulse()).revision, list(await storage.list_limits()))
        with pytest.raises(ValueError, match="two declared limits"):
            await storage.declare([Channel(id=0, name="a")], [draft("x")], [LIMIT, replace(LIMIT, budget=5)])
        assert ((await storage.pulse()).revision, list(await storage.list_limits())) == before
        assert (list(await storage.list_channels()), list(await storage.list_tokens())) == ([], [])

    async def test_a_changed_declaration_moves_the_budget(self, storage: Storage) -> None:
        await storage.declare([], [], [LIMIT])
        account = await open_one(storage, (await storage.list_limits())[0])
        await spend(storage, "a", account, 40)
        await storage.declare([], [], [replace(LIMIT, budget=150)])
        assert await balance(storage, account) == Balance(account, 110, 40)


class _Budgets(ContractBase):
    async def test_each_subject_has_one_of_each_limit(self, storage: Storage) -> None:
        first = await storage.save_limit(LIMIT)
        second = await storage.save_limit(replace(LIMIT, scope="user", budget=7))
        without = await storage.save_limit(Limit(scope="group", requests_per_minute=5))
        wanted = [(limit.id, subject) for limit in (first, second) for subject in ALIKE]
        opened = list(await storage.open_budgets(wanted))
        numbers = [account for account in opened if account is not None]
        assert len(set(numbers)) == len(wanted)
        assert list(await storage.balances(numbers)) == [
            *[Balance(account, 100, 0) for account in numbers[: len(ALIKE)]],
            *[Balance(account, 7, 0) for account in numbers[len(ALIKE) :]],
        ]
        again = [wanted[3], (without.id, "7"), wanted[3], wanted[0], (without.id + 1, "7")]
        assert list(await storage.open_budgets(again)) == [opened[3], None, opened[3], opened[0], None]
        assert list(await storage.open_budgets([])) == []

    async def test_opened_once_whoever_comes_at_the_same_moment(self, storage: Storage) -> None:
        limits = [await storage.save_limit(replace(LIMIT, name=name)) for name in "ab"]
        wanted = [(limit.id, subject) for limit in limits for subject in "xyz"]

        async def caller(number: int) -> dict[tuple[int, str], int | None]:
            mine = random.Random(number).sample(wanted, 4)
            return dict(zip(mine, await storage.open_budgets(mine), strict=True))

        told = await asyncio.gather(*map(caller, range(20)))
        opened = list(await storage.open_budgets(wanted))
        assert len(set(opened)) == len(wanted)
        assert all(answer.items() <= dict(zip(wanted, opened, strict=True)).items() for answer in told)

    async def test_charged_with_the_other_accounts_or_not_at_all(self, storage: Storage, wallet: int) -> None:
        account = await open_one(storage, await storage.save_limit(LIMIT))
        both = [wallet, account]
        assert await one(storage, hold("a", both, 80)) == Reserved(80)
        assert await one(storage, hold("b", both, 30)) == Short(account, 20, None), "nothing was charged yet"
        assert await one(storage, Settle("a", 60)) == Settled(0)
        assert await one(storage, hold("c", both, 500, 0)) == Reserved(40)
        assert await one(storage, Settle("c", 25, (account,))) == Settled(0)
        assert await one(storage, Reserve("d", tuple(both), 30, 30, -1.0)) == Reserved(30)
        await one(storage, Checkpoint("d", 10, -1.0))
        assert await storage.expire() == 1
        assert list(await storage.balances(both)) == [Balance(wallet, 905, 95), Balance(account, 30, 70)]

    @pytest.mark.parametrize(("period", "rolling"), PERIODS)
    async def test_how_long_until_it_has_enough(self, storage: Storage, period: Period, rolling: bool) -> None:
        account = await open_one(storage, await storage.save_limit(replace(LIMIT, period=period, rolling=rolling)))
        began = await now(storage)
        await spend(storage, "a", account, 60)
        ended = await now(storage)
        for number, needed in enumerate((41, 70, 100)):
            asked = await now(storage)
            short = await one(storage, hold(str(number), [account], needed))
            told = await now(storage)
            assert isinstance(short, Short)
            assert short.wait is not None
            assert replace(short, wait=None) == Short(account, 40)
            assert returns(period, rolling, began)[0] - told <= short.wait <= returns(period, rolling, ended)[1] - asked
        assert await one(storage, hold("never", [account], 101)) == Short(account, 40, None)
        assert await one(storage, hold("b", [account], 40)) == Reserved(40)

    async def test_of_several_the_longest_wait_counts(self, storage: Storage, wallet: int) -> None:
        wanted: tuple[tuple[Period, int], ...] = (("week", 110), ("month", 120), ("day", 100))
        budgets = [
            await open_one(
                storage, await storage.save_limit(replace(LIMIT, budget=budget, period=period, rolling=True))
            )
            for period, budget in wanted
        ]
        await one(storage, hold("a", budgets, 90))
        await one(storage, Settle("a", 90))
        asked = await now(storage)
        for needed, account, left, days in ((15, budgets[2], 10, 1), (25, budgets[0], 20, 7), (35, budgets[1], 30, 30)):
            short = await one(storage, hold(f"short of {needed}", [*budgets, wallet], needed))
            assert isinstance(short, Short)
            assert short.wait is not None
            assert replace(short, wait=None) == Short(account, left)
            assert days * DAY - 5 <= short.wait <= days * DAY * 25 / 24
        assert await now(storage) - asked < 5
        await one(storage, hold("b", [wallet], 980))
        assert await one(storage, hold("c", [*budgets, wallet], 35)) == Short(wallet, 20, None)

    @pytest.mark.parametrize(("period", "rolling"), PERIODS)
    async def test_what_was_charged_returns(
        self, storage: Storage, later: Later, period: Period, rolling: bool
    ) -> None:
        account = await open_one(storage, await storage.save_limit(replace(LIMIT, period=period, rolling=rolling)))
        for turn in range(3):
            await spend(storage, f"spent-{turn}", account, 70)
            short = await one(storage, hold(f"short-{turn}", [account], 50))
            assert isinstance(short, Short)
            assert short.wait is not None
            later(short.wait - 30)
            assert await balance(storage, account) == Balance(account, 30, 70 * (turn + 1))
            late = await one(storage, hold(f"late-{turn}", [account], 50))
            assert isinstance(late, Short)
            assert late.wait is not None
            assert 0 < late.wait <= 30
            later(31)
            assert await balance(storage, account) == Balance(account, 100, 70 * (turn + 1))

    async def test_a_rolling_budget_returns_step_by_step(self, storage: Storage, later: Later) -> None:
        account = await open_one(storage, await storage.save_limit(replace(LIMIT, rolling=True)))
        await spend(storage, "a", account, 40)
        later(10 * DAY)
        await spend(storage, "b", account, 50)
        waits = []
        for number, needed in enumerate((20, 50, 51, 100)):
            short = await one(storage, hold(str(number), [account], needed))
            assert isinstance(short, Short)
            waits.append((short.wait or 0.0) / DAY)
        assert waits[0] == pytest.approx(20.6, abs=0.7)
        assert waits[1:] == pytest.approx([waits[0], waits[0] + 10, waits[0] + 10], abs=0.001)
        later((waits[0] + 0.001) * DAY)
        assert await balance(storage, account) == Balance(account, 50, 90)
        assert await one(storage, hold("c", [account], 50)) == Reserved(50)
        later(10 * DAY)
        assert await balance(storage, account) == Balance(account, 50, 90)
        assert await one(storage, Settle("c", 50)) == Settled(0)
        assert await balance(storage, account) == Balance(account, 50, 140)

    async def test_what_a_budget_owes_it_is_paid_back(self, storage: Storage, later: Later) -> None:
        account = await open_one(storage, await storage.save_limit(replace(LIMIT, period="day")))
        await one(storage, hold("a", [account], 100))
        assert await one(storage, Settle("a", 150)) == Settled(50)
        assert await balance(storage, account) == Balance(account, 0, 150, 50)
        short = await one(storage, hold("b", [account], 0, 0))
        assert isinstance(short, Short)
        assert short.balance == -50
        assert short.wait is not None
        later(DAY + 1)
        assert await balance(storage, account) == Balance(account, 100, 150)
        assert await one(storage, hold("c", [account], 100)) == Reserved(100)

    @pytest.mark.parametrize(
        ("budgets", "left", "owed"),
        [
            ((150,), 90, 0),
            ((60,), 0, 0),
            ((50,), 0, 10),
            ((0,), 0, 60),
            ((0, 75), 15, 0),
            ((None, 75), 15, 0),
            ((30, None, 20, 200), 140, 0),
        ],
    )
    async def test_a_changed_budget_is_as_if_it_had_always_been_that(
        self, storage: Storage, later: Later, budgets: tuple[int | None, ...], left: int, owed: int
    ) -> None:
        limit = await storage.save_limit(replace(LIMIT, period="day"))
        account = await open_one(storage, limit)
        await one(storage, hold("held", [account], 20))
        await spend(storage, "spent", account, 40)
        for budget in budgets:
            await storage.save_limit(replace(limit, budget=budget))
            assert (await storage.open_budgets([(limit.id, "7")])) == [None if budget is None else account]
        assert await balance(storage, account) == Balance(account, left, 40, owed)
        later(DAY + 1)
        await one(storage, Settle("held", 0))
        assert await balance(storage, account) == Balance(account, budgets[-1] or 0, 40)

    async def test_the_budget_of_a_deleted_limit_ends_what_is_under_way(self, storage: Storage) -> None:
        limit = await storage.save_limit(LIMIT)
        account = await open_one(storage, limit)
        await storage.apply([hold("a", [account], 20), hold("b", [account], 20)])
        await storage.delete_limit(limit.id)
        assert list(await storage.open_budgets([(limit.id, "7")])) == [None]
        assert await one(storage, Checkpoint("a", 10, LEASE)) == Reserved(20)
        assert [await one(storage, Settle(name, 15)) for name in "ab"] == [Settled(0)] * 2
        again = await open_one(storage, await storage.save_limit(LIMIT))
        assert again != account
        assert await balance(storage, again) == Balance(again, 100, 0)


class LimitContract(_Limits, _DeclaredLimits, _Budgets):
    """Limits as an administrator keeps them, and the accounts of their budgets."""
