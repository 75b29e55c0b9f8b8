"""The rules of money, without I/O: what reservations and settlements do to accounts, one after the other.

A storage loads the accounts and holds that a batch touches, lets ``carry_out`` change them, and writes down what is
different. An account is one signed number, its net: ``balance`` while it is positive, ``overdraft`` while it is not. So
everything that comes in pays the overdraft first. ``balance`` is what is still available: holds are already taken off.
A budget is an account that gets back what it was charged, each charge at the end of its window.

    reserve ──▸ held ──▸ settled    at a cost
                 │  ├──▸ released   at none
                 │  └──▸ expired    the lease ran out: at the cost of the last checkpoint
                 └─ checkpoint: the lease begins anew
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Literal

from msgspec import Struct

from ..models import MOST_MONEY, Balance, Checkpoint, Ended, Reserve, Reserved, Settle, Settled, Short
from .windows import returns_at

__all__ = [
    "LARGEST",
    "Account",
    "Answer",
    "Hold",
    "Operation",
    "carry_out",
    "check",
    "check_credit",
    "check_quota",
    "lapse",
    "set_quota",
]

Operation = Reserve | Settle | Checkpoint
Answer = Reserved | Short | Settled | Ended
HoldState = Literal["held", "settled", "released", "expired"]

LARGEST = MOST_MONEY
"""The largest amount. Unlimited accounts may not be held further down than this."""

_MOST = 2**63 - 1
"""Of an int64. Sums stay at it that would pass it: whatever was spent, an account can be written down."""


class Account(Struct):
    """``kind`` is ``user`` (a wallet), ``token`` (a cap) or ``budget``. Unlimited ones may have a balance below 0.

    A budget has a ``period``; its ``windows`` say what it gets back at which Unix second.
    """

    id: int
    kind: str
    balance: int
    used: int = 0
    overdraft: int = 0
    unlimited: bool = False
    period: str | None = None
    windows: dict[int, int] = {}

    @property
    def net(self) -> int:
        return self.balance - self.overdraft

    def move(self, amount: int) -> int:
        """Add ``amount`` (may be negative) and return by how much the overdraft grew."""
        net = max(min(self.balance - self.overdraft + amount, _MOST), -_MOST)
        if net >= 0 or self.unlimited:
            self.balance, self.overdraft = net, 0
            return 0
        grew = -net - self.overdraft
        self.balance, self.overdraft = 0, -net
        return max(grew, 0)

    def charge(self, cost: int, now: float) -> None:
        """Count what was spent; to be called beside ``move``."""
        self.used = min(self.used + cost, _MOST)
        if self.period is not None and cost:
            at = returns_at(self.period, now)
            self.windows[at] = min(self.windows.get(at, 0) + cost, _MOST)

    def refill(self, now: float) -> None:
        """Give a budget back what it was charged in windows that are over."""
        if self.windows:
            self.move(sum([self.windows.pop(at) for at in sorted(self.windows) if at <= now]))

    def wait(self, needed: int, now: float) -> float | None:
        """Seconds until the windows have given back enough to cover so much; None if they never will."""
        net = self.net
        for at in sorted(self.windows):
            net += self.windows[at]
            if net >= needed:
                return max(at - now, 0.0)
        return None

    def read(self, now: float) -> Balance:
        net = self.net + sum(spent for at, spent in self.windows.items() if at <= now)
        if self.unlimited:  # what is available says nothing
            return Balance(self.id, max(net, 0), self.used, 0, unlimited=True)
        return Balance(self.id, max(net, 0), self.used, max(-net, 0))


class Hold(Struct):
    """A reservation as it is kept. ``ended_at`` is None while it is held, ``so_far`` the cost at its last checkpoint,
    which is not charged to the accounts in ``spare``."""

    id: str
    accounts: tuple[int, ...]
    amount: int
    lease_until: float
    created_at: float
    state: HoldState = "held"
    cost: int = 0
    ended_at: float | None = None
    so_far: int = 0
    spare: tuple[int, ...] = ()


def check(operations: Iterable[Operation]) -> None:
    """Refuse what no ledger can carry out, before any of it is done.

    :raises ValueError: an amount is not an int between 0 and ``LARGEST``, or a lease is not a finite number
    """
    for operation in operations:
        if type(operation) is Reserve:
            _check_amount("amount", operation.amount)
            _check_amount("at_least", operation.at_least)
            if operation.at_least > operation.amount:
                raise ValueError(f"at_least is {operation.at_least}, more than the amount of {operation.amount}")
            _check_lease(operation.lease)
        elif type(operation) is Checkpoint:
            _check_amount("cost", operation.cost)
            _check_lease(operation.lease)
        elif type(operation) is Settle:
            _check_amount("cost", operation.cost)


def _check_lease(lease: float) -> None:
    if not math.isfinite(lease):
        raise ValueError(f"a lease is a finite number of seconds, not {lease}")


def _check_amount(name: str, value: int) -> None:
    if type(value) is not int or not 0 <= value <= LARGEST:
        raise ValueError(f"{name} must be an int of nano-dollars between 0 and 2**62, not {value!r}")


def carry_out(
    operations: Sequence[Operation],
    accounts: Mapping[int, Account],
    holds: MutableMapping[str, Hold],
    now: float,
) -> list[Answer]:
    """Do it all, settlements first, then checkpoints, reservations last, and answer each operation at its place.

    ``holds`` has every known hold that the operations name; new ones are added to it.

    :raises KeyError: a reservation names an unknown account; nothing was done
    """
    for operation in operations:
        if type(operation) is Reserve:
            for account in operation.accounts:
                if account not in accounts:
                    raise KeyError(account)
    answers: list[Answer] = [Ended()] * len(operations)
    for place, operation in enumerate(operations):
        if type(operation) is Settle:
            answers[place] = _settle(operation, accounts, holds, now)
    for place, operation in enumerate(operations):
        if type(operation) is Checkpoint:
            answers[place] = _renew(operation, holds, now)
    for place, operation in enumerate(operations):
        if type(operation) is Reserve:
            answers[place] = _reserve(operation, accounts, holds, now)
    return answers


def _settle(wanted: Settle, accounts: Mapping[int, Account], holds: Mapping[str, Hold], now: float) -> Settled | Ended:
    hold = holds.get(wanted.id)
    if hold is None or hold.state != "held":
        return Ended()
    hold.state = "settled" if wanted.cost else "released"
    return Settled(_end(hold, wanted.cost, wanted.spare, accounts, now))


def _end(hold: Hold, cost: int, spare: tuple[int, ...], accounts: Mapping[int, Account], now: float) -> int:
    """Charge a hold, give back the rest, and return by how much an overdraft grew at most."""
    hold.cost, hold.spare, hold.ended_at = cost, spare, now
    overdraft = 0
    for number in hold.accounts:
        account = accounts[number]
        account.refill(now)
        charged = 0 if number in spare else cost
        overdraft = max(overdraft, account.move(hold.amount - charged))
        account.charge(charged, now)
    return overdraft


def _renew(wanted: Checkpoint, holds: Mapping[str, Hold], now: float) -> Reserved | Ended:
    hold = holds.get(wanted.id)
    if hold is None or hold.state != "held":
        return Ended()
    hold.lease_until = max(hold.lease_until, now + wanted.lease)
    if wanted.cost >= hold.so_far:
        hold.so_far, hold.spare = wanted.cost, wanted.spare
    return Reserved(hold.amount)


def _reserve(
    wanted: Reserve, accounts: Mapping[int, Account], holds: MutableMapping[str, Hold], now: float
) -> Reserved | Short | Ended:
    distinct = tuple(dict.fromkeys(wanted.accounts))
    known = holds.get(wanted.id)
    if known is not None:
        # The same reservation again, after an answer that got lost: it stands, and is not held twice.
        return Reserved(known.amount) if known.state == "held" and known.accounts == distinct else Ended()
    amount = wanted.amount
    for number in distinct:
        accounts[number].refill(now)
        amount = min(amount, _affordable(accounts[number]))
    if amount < wanted.at_least:
        return _short([accounts[number] for number in distinct], wanted.at_least, now)
    for number in distinct:
        accounts[number].balance -= amount
    holds[wanted.id] = Hold(wanted.id, distinct, amount, now + wanted.lease, now)
    return Reserved(amount)


def _short(accounts: Sequence[Account], needed: int, now: float) -> Short:
    """Of the accounts that do not cover it, name the one that takes longest to: before, asking again is in vain. Of
    those that never will, the poorest."""
    short = [account for account in accounts if _affordable(account) < needed]
    waits = {account.id: account.wait(needed, now) for account in short}
    last = max(short, key=lambda account: (_or_endless(waits[account.id]), -_affordable(account)))
    return Short(last.id, last.net, waits[last.id])


def _or_endless(wait: float | None) -> float:
    return math.inf if wait is None else wait


def _affordable(account: Account) -> int:
    return account.balance + LARGEST if account.unlimited else account.balance - account.overdraft


def lapse(hold: Hold, accounts: Mapping[int, Account], now: float) -> None:
    """End a hold whose lease ran out, at what its last checkpoint said."""
    hold.state = "expired"
    _end(hold, hold.so_far, hold.spare, accounts, now)


def set_quota(account: Account, before: int | None, after: int | None) -> None:
    """Give a cap or a budget other funds: its net moves by the difference.

    A cap's is never taken below 0, and what it owes stays owed. A cap without quota only counts, so its net is minus
    what was spent. A budget may come to owe what was spent beyond the new one: that returns with its windows, and with
    it no more than the budget is.
    """
    net = account.net + (after or 0) - (before or 0)
    if after is not None and account.period is None:
        net = max(net, 0 if before is None else min(account.net, 0))
    account.unlimited = after is None
    account.move(net - account.net)


def check_credit(account: Account, amount: int) -> None:
    """
    :raises ValueError: the account does not cover the amount to take away, or it is no amount at all
    """
    _check_amount("amount", abs(amount) if type(amount) is int else amount)
    if amount < 0 and account.net + amount < 0 and not account.unlimited:
        raise ValueError(f"account {account.id} has {account.net} nano-dollars, {-amount} cannot be taken away")


def check_quota(quota: int | None) -> None:
    """
    :raises ValueError: it is neither None nor an int between 0 and ``LARGEST``
    """
    if quota is not None:
        _check_amount("quota", quota)
