"""Limits, and the accounts of their budgets."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import asdict, replace
from sqlalchemy import Connection, and_, delete, insert, select, update

from ...models import Limit
from ..declaring import LimitChanges, check_limit_change
from ..windows import period_name
from .ledger import Circuits, Clock, open_accounts, set_funds
from .schema import accounts, budgets, limits

__all__ = ["change_limits", "declared_limits", "delete_limit", "list_limits", "open_budgets", "save_limit"]

_LIMITS = select(*[limits.c[name] for name in Limit.__struct_fields__]).order_by(limits.c.id)


def list_limits(connection: Connection) -> list[Limit]:
    return [Limit(**row) for row in connection.execute(_LIMITS).mappings()]


def declared_limits(connection: Connection) -> set[int]:
    return set(connection.scalars(select(limits.c.id).where(limits.c.declared)))


def save_limit(
    connection: Connection, limit: Limit, circuits: Circuits, clock: Clock, *, declared: bool = False
) -> Limit:
    """``declared`` marks the limit so; without it the mark stays as it is."""
    known = [Limit(**row) for row in connection.execute(_LIMITS.with_for_update()).mappings()]
    check_limit_change(known, limit)
    row = {name: value for name, value in asdict(limit).items() if name != "id"}
    if declared:
        row["declared"] = True
    if not limit.id:
        key = connection.execute(insert(limits).values(**{"declared": False} | row)).inserted_primary_key
        assert key is not None  # noqa: S101 - one row was inserted; narrows for the type checker
        return replace(limit, id=int(key[0]))
    connection.execute(update(limits).where(limits.c.id == limit.id).values(**row))
    before = next(one for one in known if one.id == limit.id)
    if before.budget != limit.budget:
        set_funds(connection, _accounts_of(connection, limit.id), before.budget, limit.budget, circuits, clock)
    return limit


def _accounts_of(connection: Connection, limit_id: int) -> Sequence[int]:
    owners = select(budgets.c.id).where(budgets.c.limit_id == limit_id)
    found = select(accounts.c.id).where(accounts.c.kind == "budget", accounts.c.owner_id.in_(owners))
    return connection.scalars(found.order_by(accounts.c.id)).all()


def delete_limit(connection: Connection, limit_id: int) -> None:
    """Its budgets stay, as what was charged to them does; nobody asks for them any more."""
    if not connection.execute(delete(limits).where(limits.c.id == limit_id)).rowcount:
        raise KeyError(limit_id)


def change_limits(connection: Connection, changes: LimitChanges, circuits: Circuits, clock: Clock) -> None:
    for number in changes.remove:
        delete_limit(connection, number)
    for limit in changes.save:
        save_limit(connection, limit, circuits, clock, declared=True)


def open_budgets(
    connection: Connection, wanted: Sequence[tuple[int, str]], circuits: Circuits, clock: Clock
) -> list[int | None]:
    """See ``ports.BudgetStore.open_budgets``."""
    # Locked, so that two who come at once do not both make the account.
    ids = sorted({number for number, _ in wanted})
    rows = connection.execute(_LIMITS.where(limits.c.id.in_(ids)).with_for_update()).mappings()
    known = {row["id"]: Limit(**row) for row in rows}
    return [
        _open_budget(connection, known[number], subject, circuits, clock) if number in known else None
        for number, subject in wanted
    ]


def _open_budget(connection: Connection, limit: Limit, subject: str, circuits: Circuits, clock: Clock) -> int | None:
    if limit.budget is None:
        return None
    holder = select(budgets.c.id).where(budgets.c.limit_id == limit.id, budgets.c.subject == subject)
    account = select(accounts.c.id).where(and_(accounts.c.kind == "budget", accounts.c.owner_id.in_(holder)))
    found: int | None = connection.scalar(account)
    if found is not None:
        return found
    key = connection.execute(insert(budgets).values(limit_id=limit.id, subject=subject)).inserted_primary_key
    assert key is not None  # noqa: S101 - one row was inserted; narrows for the type checker
    period = period_name(limit.period, limit.rolling)
    owner = int(key[0])
    return open_accounts(connection, "budget", {owner: limit.budget}, circuits, clock, period=period)[owner]
