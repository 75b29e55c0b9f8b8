"""Books in which everything has happened that can happen to money, for audits of what is then damaged."""

from __future__ import annotations

import time

from msgspec import Struct

from oneapi_asgi.desk.events import Event
from oneapi_asgi.desk.orders import NewOrder, Payment
from oneapi_asgi.models import CallRecord, Checkpoint, Limit, Reserve, Settle, TokenDraft
from oneapi_asgi.ports import Storage
from oneapi_asgi.queries import CodeDraft
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.orders import SQLOrders

__all__ = ["Clock", "bought", "history"]

DAY = 86_400.0


class Clock(Struct):
    """That of the storage, moved ahead."""

    ahead: float = 0.0

    def __call__(self, now: float | None = None) -> float:
        return (time.time() if now is None else now) + self.ahead


async def history(storage: Storage, clock: Clock) -> None:
    """Two users, three tokens and two budgets; grants, codes, changed quotas, calls that ended in every way."""
    await storage.add_user("ann", wallet=100_000)
    await storage.add_user("bob")
    first, second, third = [
        await storage.add_token(TokenDraft(name=name, digest=name, quota=quota, user=user))
        for name, quota, user in (("first", 5_000, "ann"), ("second", None, "ann"), ("third", 90, "bob"))
    ]
    daily = await storage.save_limit(Limit(scope="user", budget=2_000, period="day"))
    rolling = await storage.save_limit(Limit(scope="channel", budget=9_000, period="week", rolling=True))
    budgets = [number for number in await storage.open_budgets([(daily.id, "1"), (rolling.id, "7")]) if number]
    await storage.declare([], [TokenDraft(name="declared", digest="declared", quota=800)])
    await storage.declare([], [TokenDraft(name="declared", digest="declared", quota=300)])
    largest = 2**62
    for _ in range(3):  # more than an int64 in all, never at once
        await storage.credit(first.accounts[0], largest)
        await storage.credit(first.accounts[0], -largest)
    await storage.add_codes([CodeDraft(name="gift", digest=f"code-{number}", amount=70) for number in range(4)])
    for number, user in enumerate(("ann", "bob", "ann")):
        await storage.redeem(f"code-{number}", user)
    for turn, token in enumerate((first, second, first, second)):
        await calls(storage, f"{turn}", (*token.accounts, *budgets), budgets[1])
        clock.ahead += DAY * 0.6
        await storage.expire()
    await storage.apply([Reserve("over", third.accounts, 90, 90, 600.0)])
    await storage.apply([Settle("over", 140)])
    await storage.apply([Reserve("open", (*first.accounts, *budgets), 50, 50, 600.0)])
    await storage.save_limit(Limit(id=daily.id, scope="user", budget=3_000, period="day"))


async def bought(storage: SQLStorage) -> None:
    """Three orders, two of which were paid."""
    orders = SQLOrders(storage)
    for number, user in enumerate((2, 3, 2)):
        order = NewOrder(id=f"order-{number}", user_id=user, amount=9, currency="USD", credit=80 + number)
        await orders.make_order(order)
        payment = Payment(order_id=order.id, event_id=order.id, amount=9, currency="USD", paid_at=1.0)
        if number < 2:
            await orders.pay(payment, Event(kind="topup", action="order.pay"))


async def calls(storage: Storage, turn: str, accounts: tuple[int, ...], spared: int) -> None:
    """One that is settled, one that spares an account, one that is free, and two whose process died."""
    names = [f"{turn}-{end}" for end in ("settled", "spared", "free", "cut", "lost")]
    await storage.apply([Reserve(name, accounts, 100, 100, 60.0) for name in names])
    settled, sparing, free, cut, _ = names
    await storage.apply([Checkpoint(settled, 20, 60.0), Checkpoint(cut, 30, 60.0, (spared,))])
    await storage.apply([Settle(settled, 61), Settle(sparing, 48, (spared,)), Settle(free, 0)])
    await storage.write_records(
        [
            CallRecord(id=name, at=1_790_000_000.0 + DAY * int(turn), operation="chat", cost=cost)
            for name, cost in ((settled, 61), (sparing, 48), (free, 0))
        ]
    )
