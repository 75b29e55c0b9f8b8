"""What has to agree in the books, without I/O.

Entries are never changed, so what follows from them is believed, and what is kept beside them for speed is held against
it. Transfers and what is held make a balance, charges make what was spent; every reservation that ended at a cost has
one charge for each account that it names and did not spare; money goes the ways that there are and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from ..queries import Check, Difference
from .ledger import Account, Hold
from .windows import PERIODS

__all__ = ["GRACE", "Books", "audit_memory", "differ", "flow_fault", "judge_account", "state_fault"]

GRACE = 120.0
"""Seconds after its lease by which a reservation should have been ended: reapers come by every half minute."""

_STOPPED = "stop the gateways, back up, and set "
_CURES: dict[Check, str] = {
    "balance": _STOPPED + "accounts.balance to {balance} and accounts.overdraft to {overdraft} where id = {id}",
    "used": _STOPPED + "accounts.used to {recomputed} where id = {id}",
    "bounds": "the gateway never writes this: find out who did, and compare the row with a backup",
    "windows": _STOPPED + "windows.spent so that the rows with account_id = {id} add up to {recomputed}",
    "legs": "entries were changed or lost: compare the rows of transfers with this reservation_id with a backup",
    "flows": "entries were changed: compare the rows of transfers with a backup, from this id on",
    "states": "the row was changed: compare it with a backup",
    "leases": "start a gateway on this database: one that runs ends such within half a minute",
    "owners": "a row is missing: bring it back from a backup",
    "codes": "compare codes, and transfers of kind redemption, with a backup",
    "orders": "compare orders, and transfers of kind topup, with a backup",
    "totals": _STOPPED + "daily_totals of that day right; money is not concerned",
    "records": "nothing, if a process died before it could settle: money follows the ledger",
}


def differ(
    check: Check,
    where: str,
    what: str,
    kept: int | None = None,
    recomputed: int | None = None,
    *,
    account: int = 0,
    unlimited: bool = False,
) -> Difference:
    """With what can be done about it. Of ``account`` the cure needs the id, and whether it may be below 0."""
    net = recomputed or 0
    cure = _CURES[check].format(
        id=account,
        recomputed=recomputed,
        balance=net if unlimited else max(net, 0),
        overdraft=0 if unlimited else max(-net, 0),
    )
    return Difference(
        check=check, where=where, what=what, kept=kept, recomputed=recomputed, cure=cure, note=check == "records"
    )


class Books(Struct, frozen=True, kw_only=True):
    """An account as it is kept (``kind`` is None if there is none of that id), and what follows from the entries; of
    that, None is what nobody knows any more. ``windows`` is what the kept ones add up to."""

    id: int
    name: str = ""
    kind: str | None
    balance: int = 0
    used: int = 0
    overdraft: int = 0
    unlimited: bool = False
    period: str | None = None
    windows: int = 0
    net: int | None = None
    charged: int | None = None
    refilled: int | None = None

    @property
    def where(self) -> str:
        return f"account {self.id} ({self.name})" if self.name else f"account {self.id}"


def judge_account(books: Books) -> Iterator[Difference]:
    if books.kind is None:
        yield differ("owners", books.where, "there is no such account, and entries or reservations name it")
        return
    for fault in _shape_faults(books):
        yield differ("bounds", books.where, fault)
    if books.kind == "system":  # their sums follow from the entries, and are not kept
        return
    net = books.balance - books.overdraft
    if books.net is not None and net != books.net:
        what = "balance less overdraft"
        yield differ("balance", books.where, what, net, books.net, account=books.id, unlimited=books.unlimited)
    if books.charged is not None and books.used != books.charged:
        yield differ("used", books.where, "what was spent", books.used, books.charged, account=books.id)
    waiting = _waiting(books)
    if waiting is not None and books.windows != waiting:
        yield differ("windows", books.where, "what returns to it", books.windows, waiting, account=books.id)


def _waiting(books: Books) -> int | None:
    """What budgets get back: charged, and not refilled yet."""
    if books.kind != "budget":
        return 0
    return None if books.charged is None or books.refilled is None else books.charged - books.refilled


def _shape_faults(books: Books) -> Iterator[str]:
    if books.kind == "system":
        if books.balance or books.used or books.overdraft:
            yield "a system account keeps no amounts"
    elif books.unlimited:
        if books.overdraft:
            yield "it is unlimited, and has an overdraft"
    elif books.balance < 0 or books.overdraft < 0:
        yield "an amount is less than 0"
    elif books.balance and books.overdraft:
        yield "it has a balance, and an overdraft as well"
    if books.period not in (PERIODS if books.kind == "budget" else (None,)):
        yield f"its period is {books.period}"


def state_fault(state: str, *, costs: bool, as_noted: bool, ended: bool) -> str | None:
    """What cannot be about a reservation in this state: it ``costs`` something, that is what its last checkpoint noted,
    and it has a time at which it ended."""
    if state not in {"held", "settled", "released", "expired"}:
        return f"there is no state {state}"
    if ended is (state == "held"):
        return f"{state}, and {'has' if ended else 'does not have'} a time at which it ended"
    if costs and state in {"held", "released"}:
        return f"{state}, and has a cost"
    if not costs and state == "settled":
        return "settled, and has no cost"
    return "expired, and not at the cost of its last checkpoint" if state == "expired" and not as_noted else None


def flow_fault(
    kind: str, debit: str, credit: str, circuits: Mapping[str, tuple[str, str]], *, reserved: bool
) -> str | None:
    """What is wrong with entries of a kind between accounts, told by their kinds, system ones by their names."""
    way = f"{kind} from {debit} to {credit}"
    for owner, (grants, spent) in circuits.items():
        ways = {("grant", grants, owner), ("withdrawal", owner, grants), ("charge", owner, spent)}
        if owner == "budget":
            ways.add(("refill", spent, owner))
        if owner == "user":
            ways |= {("redemption", grants, owner), ("topup", grants, owner)}
        if (kind, debit, credit) in ways:
            if reserved is (kind == "charge"):
                return None
            return f"{way} {'with' if reserved else 'without'} a reservation"
    return f"{way}: money does not go that way"


def audit_memory(
    accounts: Iterable[Account], granted: Mapping[int, int], holds: Iterable[Hold], now: float
) -> list[Difference]:
    """What a storage can say that keeps no entries, only what each account was ``granted`` in all.

    A balance is what was granted, less what was spent for good or is still to return, less what is held.
    """
    holds = list(holds)
    held: dict[int, int] = {}
    for hold in holds:
        if hold.state == "held":
            held |= {number: held.get(number, 0) + hold.amount for number in hold.accounts}
    found: list[Difference] = []
    for account in accounts:
        windows = sum(account.windows.values())
        spent = windows if account.kind == "budget" else account.used
        net = granted[account.id] - spent - held.pop(account.id, 0)
        found += judge_account(_books_of(account, windows, net))
    for number in held:
        found += judge_account(Books(id=number, kind=None))
    return [*found, *_judge_holds(holds, now)]


def _books_of(account: Account, windows: int, net: int) -> Books:
    return Books(
        id=account.id,
        name=account.kind,
        kind=account.kind,
        balance=account.balance,
        used=account.used,
        overdraft=account.overdraft,
        unlimited=account.unlimited,
        period=account.period,
        windows=windows,
        net=net,
    )


def _judge_holds(holds: Iterable[Hold], now: float) -> Iterator[Difference]:
    for hold in holds:
        as_noted, ended = hold.cost == hold.so_far, hold.ended_at is not None
        if fault := state_fault(hold.state, costs=hold.cost > 0, as_noted=as_noted, ended=ended):
            yield differ("states", f"reservation {hold.id}", fault)
        if hold.state == "held" and hold.lease_until < now - GRACE:
            yield differ("leases", f"reservation {hold.id}", "held, and its lease ran out long ago", hold.amount)
