"""The ledger once more, as plainly as can be: what happened is kept in lists, and added up whenever somebody asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count

from oneapi_asgi.models import Balance, Checkpoint, Ended, Period, Reserve, Reserved, Settle, Settled, Short
from oneapi_asgi.ports import LedgerAnswer, LedgerOperation

__all__ = ["Account", "Hold", "Model"]

_HOUR, _DAY = 3_600, 86_400
_ROLLING = {"day": (_DAY, _HOUR), "week": (7 * _DAY, 6 * _HOUR), "month": (30 * _DAY, _DAY)}


@lru_cache(100_000)
def returns(period: Period, rolling: bool, charged: float) -> int:
    """When a budget gets back what it was charged: the first moment at which another period has begun."""
    if rolling:
        length, grain = _ROLLING[period]
        return next(at for at in count(int(charged) // grain * grain, grain) if at > charged) + length
    midnights = count((int(charged) // _DAY + 1) * _DAY, _DAY)
    return next(at for at in midnights if _calendar(period, at) != _calendar(period, charged))


def _calendar(period: Period, at: float) -> tuple[int, ...]:
    date = datetime.fromtimestamp(at, UTC).date()
    return {"day": (date.toordinal(),), "week": date.isocalendar()[:2], "month": (date.year, date.month)}[period]


@dataclass
class Account:
    """``funds`` is all that ever came in; of budgets what they are, each in its ``period``."""

    id: int
    funds: int
    unlimited: bool = False
    period: tuple[Period, bool] | None = None
    charges: list[tuple[float, int]] = field(default_factory=list)

    @property
    def used(self) -> int:
        return sum(cost for _, cost in self.charges)

    def counted(self, now: float) -> int:
        """Of what was charged, what has not returned."""
        return sum(cost for at, cost in self.charges if self.period is None or returns(*self.period, at) > now)


@dataclass
class Hold:
    """``ended`` is what it cost in the end."""

    accounts: tuple[int, ...]
    amount: int
    lease_until: float
    noted: int = 0
    spare: tuple[int, ...] = ()
    ended: int | None = None


class Model:
    """``now`` is moved by whoever asks."""

    def __init__(self, accounts: Iterable[Account], now: float = 0.0) -> None:
        self.accounts = {account.id: account for account in accounts}
        self.holds: dict[str, Hold] = {}
        self.now = now

    def net(self, number: int, at: float | None = None) -> int:
        account = self.accounts[number]
        held = sum(hold.amount for hold in self.holds.values() if hold.ended is None and number in hold.accounts)
        return account.funds - account.counted(self.now if at is None else at) - held

    def balance(self, number: int) -> Balance:
        account, net = self.accounts[number], self.net(number)
        owed = 0 if account.unlimited else max(-net, 0)
        return Balance(number, max(net, 0), account.used, owed, account.unlimited)

    def apply(self, operations: Sequence[LedgerOperation]) -> list[LedgerAnswer]:
        answers: dict[int, LedgerAnswer] = {}
        for kind in (Settle, Checkpoint, Reserve):
            for place, operation in enumerate(operations):
                if isinstance(operation, kind):
                    answers[place] = self.one(operation)
        return [answers[place] for place in range(len(operations))]

    def one(self, operation: LedgerOperation) -> LedgerAnswer:
        if isinstance(operation, Reserve):
            return self.reserve(operation)
        hold = self.holds.get(operation.id)
        if hold is None or hold.ended is not None:
            return Ended()
        if isinstance(operation, Settle):
            return Settled(self.end(hold, operation.cost, operation.spare))
        hold.lease_until = max(hold.lease_until, self.now + operation.lease)
        if operation.cost >= hold.noted:
            hold.noted, hold.spare = operation.cost, operation.spare
        return Reserved(hold.amount)

    def reserve(self, wanted: Reserve) -> LedgerAnswer:
        accounts = tuple(dict.fromkeys(wanted.accounts))
        known = self.holds.get(wanted.id)
        if known is not None:
            same = known.ended is None and known.accounts == accounts
            return Reserved(known.amount) if same else Ended()
        limited = [number for number in accounts if not self.accounts[number].unlimited]
        short = [number for number in limited if self.net(number) < wanted.at_least]
        if short:
            return self.short(short, wanted.at_least)
        amount = min([wanted.amount, *map(self.net, limited)])
        self.holds[wanted.id] = Hold(accounts, amount, self.now + wanted.lease)
        return Reserved(amount)

    def short(self, numbers: Sequence[int], needed: int) -> Short:
        """The one that takes longest, the poorest of several, the first named of these."""
        waits = {number: self.wait(number, needed) for number in numbers}
        last = max(numbers, key=lambda number: (waits[number] is None, waits[number] or 0.0, -self.net(number)))
        return Short(last, self.net(last), waits[last])

    def wait(self, number: int, needed: int) -> float | None:
        account = self.accounts[number]
        moments = sorted({returns(*account.period, at) for at, _ in account.charges}) if account.period else []
        return next((at - self.now for at in moments if at > self.now and self.net(number, at) >= needed), None)

    def end(self, hold: Hold, cost: int, spare: Sequence[int]) -> int:
        """Returns by how much the overdraft grew, of the account whose grew most."""
        owed = {number: self.balance(number).overdraft for number in hold.accounts}
        hold.ended = cost
        for number in hold.accounts:
            if number not in spare:
                self.accounts[number].charges.append((self.now, cost))
        return max([0, *[self.balance(number).overdraft - before for number, before in owed.items()]])

    def expire(self) -> int:
        due = [hold for hold in self.holds.values() if hold.ended is None and hold.lease_until <= self.now]
        for hold in due:
            self.end(hold, hold.noted, hold.spare)
        return len(due)

    def credit(self, number: int, amount: int) -> bool:
        """Whether it could be done."""
        account = self.accounts[number]
        if not account.unlimited and amount < 0 and self.net(number) + amount < 0:
            return False
        account.funds += amount
        return True
