"""Ways to pay for a call: hold some money on two accounts, then settle."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Literal, Protocol, TypeAlias, get_args

from oneapi_asgi.group import GroupCommit
from oneapi_asgi.models import Reserve, Reserved, Settle, Settled
from oneapi_asgi.ports import Ledger, LedgerAnswer, LedgerOperation
from oneapi_asgi.quota import _LINGER, _PACE

from .bare import Take

__all__ = ["COST", "WAYS", "Accounts", "Bare", "Grouped", "OneByOne", "Payments", "Way", "grouped"]

Way = Literal["bare", "single", "group"]
WAYS: tuple[Way, ...] = get_args(Way)

Accounts: TypeAlias = Sequence[tuple[int, ...]]
"""What each payer's calls are charged to."""

_DEADLINE = 2.0  # seconds, as calls have it that ask for no other
HELD, COST, LEASE = 100_000, 40_000, 600.0  # nano-dollars, and seconds


class Payments(Protocol):
    """``finish`` waits until everything is paid that nobody waited for."""

    async def reserve(self, call_id: str, payer: int) -> None: ...

    async def settle(self, call_id: str, payer: int) -> None: ...

    async def finish(self) -> None: ...


class Bare:
    """No ledger: the driver takes what is held, and gives back what was not spent."""

    def __init__(self, take: Take) -> None:
        self._take = take

    async def reserve(self, call_id: str, payer: int) -> None:  # noqa: ARG002
        await self._take(payer, HELD)

    async def settle(self, call_id: str, payer: int) -> None:  # noqa: ARG002
        await self._take(payer, COST - HELD)

    async def finish(self) -> None:
        return None


class OneByOne:
    """A transaction for each operation."""

    def __init__(self, ledger: Ledger, accounts: Accounts) -> None:
        self._ledger = ledger
        self._accounts = accounts

    async def reserve(self, call_id: str, payer: int) -> None:
        (answer,) = await self._ledger.apply([_hold(call_id, self._accounts[payer])])
        _expect(answer, Reserved(HELD))

    async def settle(self, call_id: str, payer: int) -> None:  # noqa: ARG002
        (answer,) = await self._ledger.apply([Settle(call_id, COST)])
        _expect(answer, Settled())

    async def finish(self) -> None:
        return None


class Grouped:
    """As ``Quota`` does it: reservations are waited for, settlements are left to the group."""

    def __init__(self, group: GroupCommit[LedgerOperation, LedgerAnswer], accounts: Accounts) -> None:
        self._group = group
        self._accounts = accounts

    async def reserve(self, call_id: str, payer: int) -> None:
        _expect(await self._group.submit(_hold(call_id, self._accounts[payer])), Reserved(HELD))

    async def settle(self, call_id: str, payer: int) -> None:  # noqa: ARG002
        self._group.post(Settle(call_id, COST))

    async def finish(self) -> None:
        await self._group.settled()


@asynccontextmanager
async def grouped(ledger: Ledger, accounts: Accounts) -> AsyncIterator[Grouped]:
    async with GroupCommit(ledger.apply, linger=_LINGER, pace=_PACE, deadline=_DEADLINE, name="ledger") as group:
        yield Grouped(group, accounts)


def _hold(call_id: str, accounts: tuple[int, ...]) -> Reserve:
    return Reserve(call_id, accounts, HELD, HELD, LEASE)


def _expect(answer: LedgerAnswer, wanted: LedgerAnswer) -> None:
    if answer != wanted:
        raise RuntimeError(f"the ledger answered {answer}, not {wanted}")
