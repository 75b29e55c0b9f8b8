"""The rules of money, without I/O: what reservations and settlements do to accounts, one after the other.

A storage loads the accounts and holds that a batch touches, lets ``carry_out`` change them, and writes down what is
different. An account is one signed number, its net: ``balance`` while it is positive, ``overdraft`` while it is not. So
everything that comes in pays the overdraft first. ``balance`` is what is still available: holds are already taken off.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Literal

from msgspec import Struct

from ..models import Balance, Ended, Reserve, Reserved, Settle, Settled, Short

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
    "release",
    "set_quota",
]

Operation = Reserve | Settle
Answer = Reserved | Short | Settled | Ended
HoldState = Literal["held", "settled", "released", "expired"]

LARGEST = 2**62
"""The largest amount: sums of two still fit an int64. Unlimited accounts may not be held further down than this."""


class Account(Struct):
    """``kind`` is ``user`` (a wallet) or ``token`` (a cap). An unlimited account's balance may fall below 0."""

    id: int
    kind: str
    balance: int
    used: int = 0
    overdraft: int = 0
    unlimited: bool = False

    @property
    def net(self) -> int:
        return self.balance - self.overdraft

    def move(self, amount: int) -> int:
        """Add ``amount`` (may be negative) and return by how much the overdraft grew."""
        net = self.balance - self.overdraft + amount
        if net >= 0 or self.unlimited:
            self.balance, self.overdraft = net, 0
            return 0
        grew = -net - self.overdraft
        self.balance, self.overdraft = 0, -net
        return max(grew, 0)

    def read(self) -> Balance:
        available = max(self.balance, 0)  # of an unlimited account it says nothing
        return Balance(self.id, available, self.used, self.overdraft, self.unlimited)


class Hold(Struct):
    """A reservation as it is kept. ``ended_at`` is None while it is held."""

    id: str
    accounts: tuple[int, ...]
    amount: int
    lease_until: float
    created_at: float
    state: HoldState = "held"
    cost: int = 0
    ended_at: float | None = None


def check(operations: Iterable[Operation]) -> None:
    """Refuse what no ledger can carry out, before any of it is done.

    :raises ValueError: an amount is not an int between 0 and ``LARGEST``, or a lease is not a finite number
    """
    for operation in operations:
        if type(operation) is Settle:
            _check_amount("cost", operation.cost)
            continue
        assert isinstance(operation, Reserve)  # noqa: S101 - narrows the union for the type checker
        _check_amount("amount", operation.amount)
        _check_amount("at_least", operation.at_least)
        if operation.at_least > operation.amount:
            raise ValueError(f"at_least is {operation.at_least}, more than the amount of {operation.amount}")
        if not math.isfinite(operation.lease):
            raise ValueError(f"a lease is a finite number of seconds, not {operation.lease}")


def _check_amount(name: str, value: int) -> None:
    if type(value) is not int or not 0 <= value <= LARGEST:
        raise ValueError(f"{name} must be an int of nano-dollars between 0 and 2**62, not {value!r}")


def carry_out(
    operations: Sequence[Operation],
    accounts: Mapping[int, Account],
    holds: MutableMapping[str, Hold],
    now: float,
) -> list[Answer]:
    """Do it all, settlements first, and answer each operation at its place.

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
        if type(operation) is Reserve:
            answers[place] = _reserve(operation, accounts, holds, now)
    return answers


def _settle(wanted: Settle, accounts: Mapping[int, Account], holds: Mapping[str, Hold], now: float) -> Settled | Ended:
    hold = holds.get(wanted.id)
    if hold is None or hold.state != "held":
        return Ended()
    cost = wanted.cost
    returned = hold.amount - cost
    overdraft = 0
    for number in hold.accounts:
        account = accounts[number]
        overdraft = max(overdraft, account.move(returned))
        account.used += cost
    hold.state = "settled" if cost else "released"
    hold.cost = cost
    hold.ended_at = now
    return Settled(overdraft)


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
        amount = min(amount, _affordable(accounts[number]))
    if amount < wanted.at_least:
        poorest = min(distinct, key=lambda number: _affordable(accounts[number]))
        return Short(poorest, accounts[poorest].net)
    for number in distinct:
        accounts[number].balance -= amount
    holds[wanted.id] = Hold(wanted.id, distinct, amount, now + wanted.lease, now)
    return Reserved(amount)


def _affordable(account: Account) -> int:
    return account.balance + LARGEST if account.unlimited else account.balance - account.overdraft


def release(hold: Hold, accounts: Mapping[int, Account], now: float) -> None:
    """End a hold whose lease ran out: everything returns."""
    for number in hold.accounts:
        accounts[number].move(hold.amount)
    hold.state = "expired"
    hold.ended_at = now


def set_quota(account: Account, before: int | None, after: int | None) -> None:
    """Give a cap another quota: its net moves by the difference, but is never taken below 0.

    A cap without quota only counts, so its net is minus what was spent. What is owed stays owed.
    """
    net = account.net + (after or 0) - (before or 0)
    if after is not None:
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
