"""Two and more at once: one end for each reservation, sums that are exact whoever comes first and whatever gets lost.

Each test has two storages: on a database these are two sets of connections, as of two processes; memory is one object.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from hashlib import sha256
from pathlib import Path

import pytest
from servers.databases import Kind, fresh

from oneapi_asgi.group import GroupCommit, UntriedError
from oneapi_asgi.models import Balance, Checkpoint, Ended, Reserve, Reserved, Settle, Settled, Token, TokenDraft
from oneapi_asgi.ports import LedgerAnswer, LedgerOperation, Storage
from oneapi_asgi.storage import StorageError
from oneapi_asgi.storage.memory import MemoryStorage
from oneapi_asgi.storage.sql import SQLStorage

from .books import audit
from .model import Account, Model

slow = pytest.mark.slow
FUNDS = 10**9

Two = tuple[Storage, Storage]


@asynccontextmanager
async def two_on(kind: Kind | None, folder: Path) -> AsyncIterator[Two]:
    if kind is None:
        async with MemoryStorage(keep=20_000) as storage:
            yield storage, storage
        return
    with fresh(kind, folder) as url:
        async with SQLStorage(url) as one, SQLStorage(url) as other:
            yield one, other
        await asyncio.to_thread(audit, url)


async def applied(storage: Storage, operations: Sequence[LedgerOperation]) -> Sequence[LedgerAnswer]:
    """Applied again when all connections were busy for too long: that is what a ledger promises to stand."""
    while True:
        try:
            return await storage.apply(operations)
        except StorageError:
            continue


async def token_of(storage: Storage, user: str, name: str, quota: int | None) -> Token:
    digest = sha256(f"{user} {name}".encode()).hexdigest()
    return await storage.add_token(TokenDraft(name=name, digest=digest, user=user, quota=quota))


# --- A6: two ends at once ---------------------------------------------------------------------------------------------

DEEDS = ("settle", "release", "expire", "checkpoint", "reserve again")
PAIRS = tuple(itertools.product(DEEDS, repeat=2))


def operation(deed: str, number: str, accounts: tuple[int, ...]) -> LedgerOperation:
    if deed == "reserve again":
        return Reserve(number, accounts, 50, 50, -1.0)
    return Checkpoint(number, 7, 60.0) if deed == "checkpoint" else Settle(number, 30 if deed == "settle" else 0)


async def do(storage: Storage, deed: str, number: str, accounts: tuple[int, ...]) -> object:
    if deed == "expire":
        return await storage.expire()
    return (await storage.apply([operation(deed, number, accounts)]))[0]


def told_by(model: Model, deed: str, number: str, accounts: tuple[int, ...]) -> object:
    return model.expire() if deed == "expire" else model.one(operation(deed, number, accounts))


def outcomes(
    model: Model, pair: Sequence[str], number: str, accounts: tuple[int, ...]
) -> list[tuple[Model, tuple[object, object]]]:
    """What the pair may be told, one after the other in either order, and the ledger after it."""
    possible = []
    for order in ((0, 1), (1, 0)):
        after, told = deepcopy(model), {}
        for place in order:
            told[place] = told_by(after, pair[place], number, accounts)
        possible.append((after, (told[0], told[1])))
    return possible


def ends(told: Sequence[object]) -> int:
    return sum(answer == 1 if isinstance(answer, int) else isinstance(answer, Settled) for answer in told)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kind", "seeds"),
    [
        (None, 2_000),
        ("sqlite", 125),
        ("postgres", 50),
        ("mysql", 50),
        *[pytest.param(kind, 2_000, marks=slow) for kind in ("sqlite", "postgres", "mysql")],
        pytest.param(None, 2_000 * len(PAIRS), marks=slow),
    ],
)
async def test_every_reservation_has_one_end(kind: Kind | None, seeds: int, tmp_path: Path) -> None:
    async with two_on(kind, tmp_path) as two:
        await two[0].add_user("ann", wallet=FUNDS)
        accounts = (await token_of(two[0], "ann", "ci", FUNDS)).accounts
        model = Model([Account(number, FUNDS) for number in accounts])
        for seed in range(seeds):
            model = await _race(two, model, PAIRS[seed % len(PAIRS)], f"{seed:06}", accounts)


async def _race(two: Two, model: Model, pair: Sequence[str], number: str, accounts: tuple[int, ...]) -> Model:
    chance = random.Random(number)
    begin: list[LedgerOperation] = [Reserve(number, accounts, 50, 50, -1.0)]
    assert list(await two[0].apply(begin)) == model.apply(begin)

    async def after_a_while(storage: Storage, deed: str) -> object:
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        return await do(storage, deed, number, accounts)

    told = await asyncio.gather(*[after_a_while(storage, deed) for storage, deed in zip(two, pair, strict=True)])
    told.extend(await two[chance.randrange(2)].apply([Settle(number, 1)]))
    told.append(await two[chance.randrange(2)].expire())
    assert ends(told) == 1, (pair, told)
    left = list(await two[chance.randrange(2)].balances(accounts))
    for after, answers in outcomes(model, pair, number, accounts):
        last = [after.one(Settle(number, 1)), after.expire()]
        if [*answers, *last] == told and [after.balance(account) for account in accounts] == left:
            after.holds.clear()
            return _summed(after)
    raise AssertionError(f"no order of {pair} explains {told} and {left}")


def _summed(model: Model) -> Model:
    """The same with one charge in place of many, so that it stays fast."""
    for account in model.accounts.values():
        account.charges = [(0.0, account.used)]
    return model


# --- A4: the answer gets lost, before or after the commit -------------------------------------------------------------


class Losing:
    """Each tenth call fails before anything is done, each tenth when all is done."""

    def __init__(self, apply: Callable[[Sequence[LedgerOperation]], Awaitable[Sequence[LedgerAnswer]]]) -> None:
        self._apply = apply
        self._chance = random.Random(4)
        self.lost = {"before": 0, "after": 0}

    async def apply(self, operations: Sequence[LedgerOperation]) -> Sequence[LedgerAnswer]:
        fate = self._chance.random()
        if fate < 0.1:
            self.lost["before"] += 1
            raise ConnectionError("before the commit")
        answers = await self._apply(operations)
        if fate < 0.2:
            self.lost["after"] += 1
            raise ConnectionError("after the commit")
        return answers


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("kind", "settles"),
    [(None, 500), ("sqlite", 500)]
    + [pytest.param(kind, 10_000, marks=slow) for kind in (None, "sqlite", "postgres", "mysql")],
)
async def test_answers_that_get_lost_cost_nothing_twice(kind: Kind | None, settles: int, tmp_path: Path) -> None:
    """In the loop to which ``Quota`` hands its reservations and settlements."""
    async with two_on(kind, tmp_path) as (storage, other):
        await storage.add_user("ann", wallet=10**15)
        accounts = (await token_of(storage, "ann", "ci", 10**15)).accounts
        ledger = Losing(storage.apply)
        settled: dict[str, int] = {}
        tried = itertools.count()
        chance = random.Random(1)

        async def caller(group: GroupCommit[LedgerOperation, LedgerAnswer], calls: int) -> None:
            while calls:
                number = f"call-{next(tried)}"
                try:
                    assert await group.submit(Reserve(number, accounts, 10**6, 10**6, 3_600.0)) == Reserved(10**6)
                except UntriedError:
                    continue
                except ConnectionError:
                    group.post(Settle(number, 0))  # nobody knows whether it is held
                    continue
                settled[number] = chance.randrange(1, 2 * 10**6)
                group.post(Settle(number, settled[number]))
                calls -= 1

        async with GroupCommit(ledger.apply, linger=0.005, pace=0.003, limit=64) as group:
            await asyncio.gather(*[caller(group, settles // 50) for _ in range(50)])
        spent = sum(settled.values())
        assert list(await other.balances(accounts)) == [Balance(one, 10**15 - spent, spent) for one in accounts]
        assert len(settled) == settles
        numbers = [f"call-{number}" for number in range(next(tried))]
        assert list(await other.apply([Settle(number, 1) for number in numbers])) == [Ended()] * len(numbers)
        assert min(ledger.lost.values()) > 0


# --- A2, A15, A16: many at once ---------------------------------------------------------------------------------------


@pytest.mark.timeout(300)
@pytest.mark.parametrize("quota", [None, 10**12], ids=["unlimited", "capped"])
@pytest.mark.parametrize(
    ("kind", "calls"),
    [(None, 10_000), ("sqlite", 10_000), *[pytest.param(kind, 10_000, marks=slow) for kind in ("postgres", "mysql")]],
)
async def test_tokens_of_one_user_spend_what_the_wallet_has(
    kind: Kind | None, calls: int, quota: int | None, tmp_path: Path
) -> None:
    async with two_on(kind, tmp_path) as two:
        await two[0].add_user("ann", wallet=calls * 50)
        tokens = [await token_of(two[0], "ann", f"token-{number}", quota) for number in range(50)]
        waiting = [f"{number:05}" for number in range(calls)]

        async def caller(storage: Storage, token: Token) -> int:
            accepted = 0
            while waiting:
                mine = [waiting.pop() for _ in range(min(20, len(waiting)))]
                told = await applied(storage, [Reserve(number, token.accounts, 100, 100, 60.0) for number in mine])
                held = [number for number, answer in zip(mine, told, strict=True) if isinstance(answer, Reserved)]
                await applied(storage, [Settle(number, 100) for number in held])
                accepted += len(held)
            return accepted

        accepted = await asyncio.gather(*[caller(two[place % 2], token) for place, token in enumerate(tokens)])
        assert sum(accepted) == calls // 2
        wallet = tokens[0].accounts[-1]
        assert list(await two[1].balances([wallet])) == [Balance(wallet, 0, calls * 50)]
        caps = await two[1].balances([token.accounts[0] for token in tokens])
        assert [cap.used for cap in caps] == [100 * count for count in accepted]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("kind", "top_ups", "charges"),
    [(None, 1_000, 10_000), ("sqlite", 100, 1_000)]
    + [pytest.param(kind, 1_000, 10_000, marks=slow) for kind in ("sqlite", "postgres", "mysql")],
)
async def test_credit_races_with_charges(kind: Kind | None, top_ups: int, charges: int, tmp_path: Path) -> None:
    """The money runs out now and then: what is refused is tried again until it is charged."""
    async with two_on(kind, tmp_path) as two:
        await two[0].add_user("ann", wallet=1_000)
        wallet = (await token_of(two[0], "ann", "ci", None)).accounts[-1]

        async def top_up(storage: Storage) -> None:
            for _ in range(top_ups // 4):
                await storage.credit(wallet, 117)
                await asyncio.sleep(0)

        async def charge(storage: Storage, first: int) -> None:
            waiting = [f"{number:06}" for number in range(first, first + charges // 8)]
            while waiting:
                mine = waiting[-10:]
                told = await applied(storage, [Reserve(number, (wallet,), 11, 11, 60.0) for number in mine])
                held = [number for number, answer in zip(mine, told, strict=True) if isinstance(answer, Reserved)]
                await applied(storage, [Settle(number, 11) for number in held])
                waiting = [number for number in waiting if number not in held]
                await asyncio.sleep(0)

        steps = [top_up(two[number % 2]) for number in range(4)]
        steps += [charge(two[number % 2], number * charges) for number in range(8)]
        await asyncio.gather(*steps)
        spent = 11 * charges
        assert list(await two[0].balances([wallet])) == [Balance(wallet, 1_000 + 117 * top_ups - spent, spent)]
