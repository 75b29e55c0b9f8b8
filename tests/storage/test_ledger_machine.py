"""Any history of operations: a storage answers as the plain model does, and after each step its books are in order.

One settlement, release, checkpoint, expiry, repetition after the other here; two at once in ``test_ledger_races``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from msgspec.structs import replace
from servers.databases import Kind
from servers.prepared import Prepared

from oneapi_asgi.models import Checkpoint, Ended, Limit, Period, Reserve, Reserved, Settle, Settled, Short, TokenDraft
from oneapi_asgi.ports import LedgerAnswer, LedgerOperation, Storage
from oneapi_asgi.storage.memory import MemoryStorage
from oneapi_asgi.storage.sql import SQLStorage

from .books import audit
from .model import Account, Model

T = TypeVar("T")

DAY = 86_400.0
WALLETS = (0, 40, 300, 10**6, None)
BUDGETS: tuple[tuple[int, Period, bool], ...] = (
    (100, "day", False),
    (200, "week", False),
    (150, "month", False),
    (90, "day", True),
    (250, "week", True),
    (10**4, "month", True),
)
STARTS = (
    1_709_164_799.75,  # 2024-02-28, the last moment of it
    1_709_251_200.0,  # 2024-03-01, the first one, after a leap day
    1_735_603_200.0,  # 2024-12-31, in the first ISO week of 2025
    1_795_730_001.5,
)

ids = st.sampled_from([f"r{number}" for number in range(5)])
places = st.sampled_from(range(len(WALLETS) + len(BUDGETS)))
sets = st.lists(places, min_size=1, max_size=4).map(tuple)
amounts = st.integers(0, 120) | st.sampled_from([0, 40, 299, 300, 301, 10**5])
leases = st.sampled_from([-1.0, 60.0, 4_000.0, 9 * DAY])
spares = st.just(()) | st.lists(places, max_size=3).map(tuple)


@st.composite
def reservations(draw: st.DrawFn) -> Reserve:
    amount = draw(amounts)
    return Reserve(draw(ids), draw(sets), amount, draw(st.integers(0, amount)), draw(leases))


settlements = st.builds(Settle, ids, amounts | st.just(0), spares)
checkpoints = st.builds(Checkpoint, ids, amounts, leases, spares)
operations: st.SearchStrategy[LedgerOperation] = reservations() | settlements | checkpoints


class Bench:
    """A storage whose clock stands still until it is moved, and the loop in which it lives."""

    def __init__(self, loop: asyncio.AbstractEventLoop, storage: Callable[[], Storage]) -> None:
        self.now = 0.0
        self.storage = storage
        self.examples = count(1)
        self._loop = loop

    def run(self, work: Awaitable[T]) -> T:
        return self._loop.run_until_complete(work)


class LedgerMachine(RuleBasedStateMachine):
    """``accounts`` and ``limits`` are the storage's own; the operations that are drawn name places among them."""

    bench: ClassVar[Bench]

    @initialize(start=st.sampled_from(STARTS))
    def begin(self, start: float) -> None:
        self.bench.now = start
        self.storage = self.bench.storage()
        self.name = f"example-{next(self.bench.examples)}"
        self.others = count(1)
        self.done: list[list[LedgerOperation]] = []
        self.ends: Counter[str] = Counter()
        self.overdue = False
        self.limits: list[Limit] = []
        self.accounts = self.bench.run(self._open())
        wallets = [Account(n, funds or 0, funds is None) for n, funds in zip(self.accounts, WALLETS, strict=False)]
        budgets = [
            Account(number, amount, period=(period, rolling))
            for number, (amount, period, rolling) in zip(self.accounts[len(WALLETS) :], BUDGETS, strict=True)
        ]
        self.model = Model([*wallets, *budgets], start)

    async def _open(self) -> list[int]:
        accounts = []
        for place, funds in enumerate(WALLETS):
            user = f"{self.name}-{place}"
            await self.storage.add_user(user, wallet=funds)
            token = await self.storage.add_token(TokenDraft(name="t", digest=user, user=user))
            accounts.append(token.accounts[-1])
        for budget, period, rolling in BUDGETS:
            limit = Limit(scope="user", name=self.name, budget=budget, period=period, rolling=rolling)
            self.limits.append(await self.storage.save_limit(limit))
        return [*accounts, *await self._budgets()]

    async def _budgets(self) -> list[int]:
        opened = await self.storage.open_budgets([(limit.id, self.name) for limit in self.limits])
        return [account for account in opened if account is not None]

    def _named(self, operation: LedgerOperation) -> LedgerOperation:
        number = f"{self.name}-{operation.id}"
        if isinstance(operation, Reserve):
            return replace(operation, id=number, accounts=tuple(self.accounts[place] for place in operation.accounts))
        return replace(operation, id=number, spare=tuple(self.accounts[place] for place in operation.spare))

    def _apply(self, batch: list[LedgerOperation]) -> Sequence[LedgerAnswer]:
        told = self.bench.run(self.storage.apply(batch))
        assert list(told) == self.model.apply(batch)
        self.ends.update(operation.id for operation, answer in zip(batch, told, strict=True) if type(answer) is Settled)
        return told

    @rule(batch=st.lists(operations, max_size=6))
    def apply(self, batch: list[LedgerOperation]) -> None:
        self.done.append([self._named(operation) for operation in batch])
        self._apply(self.done[-1])

    @rule(operation=operations)
    def apply_one(self, operation: LedgerOperation) -> None:
        self.apply([operation])

    @rule(chosen=st.integers(0, 10**6))
    def apply_again(self, chosen: int) -> None:
        if self.done:
            self._apply(self.done[chosen % len(self.done)])

    @rule()
    def expire(self) -> None:
        assert self.bench.run(self.storage.expire()) == self.model.expire()
        assert self.bench.run(self.storage.expire()) == 0
        self.overdue = False

    @rule(accounts=sets, cost=amounts, spare=spares)
    def spend(self, accounts: tuple[int, ...], cost: int, spare: tuple[int, ...]) -> None:
        number = f"s{next(self.others)}"
        self.apply([Reserve(number, accounts, cost, 0, 60.0)])
        self.apply([Settle(number, cost, spare)])

    @rule(accounts=sets, needed=amounts, early=st.sampled_from([0.0, 0.25]))
    def wait_as_told(self, accounts: tuple[int, ...], needed: int, early: float) -> None:
        """Whoever is told how long to wait gets in then, and not before."""
        asked = [self._named(Reserve(f"w{next(self.others)}", accounts, needed, needed, 60.0)) for _ in range(2)]
        (short,) = self._apply(asked[:1])
        if isinstance(short, Short) and short.wait is not None and short.wait > early:
            self.wait(short.wait - early)
            (told,) = self._apply(asked[1:])
            assert isinstance(told, Reserved) is (early == 0.0)

    @rule(seconds=st.sampled_from([0.25, 61.0, 3_600.0, 25_200.0, DAY, 8 * DAY, 31 * DAY]))
    def wait(self, seconds: float) -> None:
        self.bench.now += seconds
        self.model.now += seconds
        self.overdue = True

    @rule(place=st.sampled_from(range(len(WALLETS))), amount=st.integers(-400, 400))
    def credit(self, place: int, amount: int) -> None:
        account = self.accounts[place]
        if self.model.credit(account, amount):
            self.bench.run(self.storage.credit(account, amount))
        else:
            with pytest.raises(ValueError, match=str(account)):
                self.bench.run(self.storage.credit(account, amount))

    @rule(place=st.sampled_from(range(len(BUDGETS))), budget=amounts)
    def change_budget(self, place: int, budget: int) -> None:
        self.limits[place] = replace(self.limits[place], budget=budget)
        self.bench.run(self.storage.save_limit(self.limits[place]))
        self.model.accounts[self.accounts[len(WALLETS) + place]].funds = budget

    @rule()
    def open_again(self) -> None:
        assert self.bench.run(self._budgets()) == self.accounts[len(WALLETS) :]

    @invariant()
    def balances_are_what_happened(self) -> None:
        """INV2 and INV5: what came in, less what was spent and what is held."""
        told = self.bench.run(self.storage.balances(self.accounts))
        assert list(told) == [self.model.balance(account) for account in self.accounts]
        for one in told:
            assert one.available >= 0 <= one.overdraft, "INV3"
            assert one.available == 0 or one.overdraft == 0

    @invariant()
    def each_has_one_end(self) -> None:
        """INV4: nothing was told to have ended twice, or has ended and is held."""
        assert max(self.ends.values(), default=1) == 1
        assert all(self.model.holds[number].ended is not None for number in self.ends)

    @invariant()
    def the_books_are_in_order(self) -> None:
        """INV2 and INV6, as the storage itself sees it. A database is audited once, at the end."""
        if isinstance(self.storage, MemoryStorage):
            found = self.bench.run(self.storage.audit())
            assert [one for one in found if one.check != "leases" or not self.overdue] == []

    def teardown(self) -> None:
        held = [number for number, hold in self.model.holds.items() if hold.ended is None]
        self._apply([Settle(number, 0) for number in held])
        self.balances_are_what_happened()
        again = [Settle(number, 5) for number in self.model.holds]
        assert list(self.bench.run(self.storage.apply(again))) == [Ended()] * len(again)


@contextmanager
def bench(kind: Kind | None, folder: Path, prepared: Prepared) -> Iterator[Bench]:
    """On an empty database of that kind, which is audited at the end (INV1); None is memory, anew for each example."""
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        made = Bench(runner.get_loop(), lambda: MemoryStorage(clock=lambda: made.now))
        if kind is not None:
            url = stack.enter_context(prepared(kind, folder))
            storage = SQLStorage(url, clock=lambda _: made.now)
            made.run(storage.__aenter__())
            stack.callback(lambda: made.run(storage.__aexit__(None, None, None)))
            stack.callback(audit, url)
            made.storage = lambda: storage
        yield made
        if kind is not None:
            made.now = 4e9  # later than in any example
            assert list(made.run(made.storage().audit())) == []


def _run(kind: Kind | None, folder: Path, prepared: Prepared, examples: int, steps: int) -> None:
    with bench(kind, folder, prepared) as made:
        machine: Any = type("Machine", (LedgerMachine,), {"bench": made})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )


@pytest.mark.parametrize(
    ("kind", "examples", "steps"), [(None, 50, 30), ("sqlite", 10, 30), ("postgres", 3, 30), ("mysql", 3, 30)]
)
def test_any_history(kind: Kind | None, examples: int, steps: int, tmp_path: Path, prepared: Prepared) -> None:
    _run(kind, tmp_path, prepared, examples, steps)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize(
    ("kind", "examples", "steps"), [(None, 5_000, 50), ("sqlite", 400, 50), ("postgres", 100, 50), ("mysql", 100, 50)]
)
def test_very_many_histories(kind: Kind | None, examples: int, steps: int, tmp_path: Path, prepared: Prepared) -> None:
    _run(kind, tmp_path, prepared, examples, steps)
