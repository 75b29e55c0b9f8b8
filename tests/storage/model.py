"""The ledger once more, as plainly as can be: one signed number for each account, one operation at a time."""

from __future__ import annotations

from collections.abc import Sequence

from oneapi_asgi.models import Ended, Reserve, Reserved, Settle, Settled, Short

__all__ = ["Model"]


class Model:
    def __init__(self, funds: dict[int, int]) -> None:
        self.net = dict(funds)
        self.used = dict.fromkeys(funds, 0)
        self.held: dict[str, tuple[tuple[int, ...], int]] = {}
        self.ended: set[str] = set()

    def apply(self, operations: Sequence[Reserve | Settle]) -> list[object]:
        answers: dict[int, object] = {}
        for kind in (Settle, Reserve):
            for place, operation in enumerate(operations):
                if isinstance(operation, kind):
                    answers[place] = self.one(operation)
        return [answers[place] for place in range(len(operations))]

    def one(self, operation: Reserve | Settle) -> object:
        return self.settle(operation) if isinstance(operation, Settle) else self.reserve(operation)

    def reserve(self, wanted: Reserve) -> object:
        if wanted.id in self.ended:
            return Ended()
        if wanted.id in self.held:
            accounts, amount = self.held[wanted.id]
            return Reserved(amount) if accounts == wanted.accounts else Ended()
        least = min(self.net[account] for account in wanted.accounts)
        if min(wanted.amount, least) < wanted.at_least:
            return Short(next(account for account in wanted.accounts if self.net[account] == least), least)
        amount = min(wanted.amount, least)
        for account in wanted.accounts:
            self.net[account] -= amount
        self.held[wanted.id] = (wanted.accounts, amount)
        return Reserved(amount)

    def settle(self, wanted: Settle) -> object:
        if wanted.id not in self.held:
            return Ended()
        accounts, amount = self.held.pop(wanted.id)
        self.ended.add(wanted.id)
        uncovered = [0]
        for account in accounts:
            owed = max(0, -self.net[account])
            self.net[account] += amount - wanted.cost
            self.used[account] += wanted.cost
            uncovered.append(max(0, -self.net[account]) - owed)
        return Settled(max(uncovered))
