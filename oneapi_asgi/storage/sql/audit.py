"""The audit of a database: one consistent look at it, added up by the database itself.

Only what does not agree is fetched, and no more than ``MOST`` of a kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    String,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    union_all,
)

from ...queries import Difference
from ..audit import GRACE, Books, differ, flow_fault, judge_account, state_fault
from ..records import day_of
from ..windows import PERIODS, returns_at
from .clock import database_time
from .desk.schema import orders
from .ledger import Clock
from .portable import EpochDay, Total, members
from .schema import (
    CIRCUITS,
    HELD,
    SYSTEM,
    accounts,
    budgets,
    codes,
    daily_totals,
    limits,
    records,
    reservations,
    tokens,
    transfers,
    users,
    windows,
)

__all__ = ["MOST", "audit"]

MOST = 1_000

_KEPT = ("kind", "owner_id", "balance", "used", "overdraft", "unlimited", "period")
_OWNERS = (users.c.name.label("user"), tokens.c.name.label("token"), budgets.c.subject.label("subject"))

_ZERO: ColumnElement[int] = literal_column("0")
_ONE: ColumnElement[int] = literal_column("1")
_CHARGE: ColumnElement[bool] = transfers.c.kind == literal_column("'charge'")
_SYSTEM: ColumnElement[bool] = accounts.c.kind == literal_column("'system'")
_NAMES = {number: name for name, number in SYSTEM.items()}


def audit(connection: Connection, clock: Clock) -> list[Difference]:
    """See ``ports.Auditor.audit``. The transaction has to see one moment only: see ``take_snapshot``."""
    now = clock(database_time(connection))
    return [
        *_accounts(connection),
        *_windows_too_far(connection, now),
        *_terms(connection),
        *_owners(connection),
        *_flows(connection),
        *_states(connection),
        *_leases(connection, now),
        *_legs(connection),
        *_codes(connection),
        *_orders(connection),
        *_totals(connection),
        *_records(connection),
    ]


def _sums() -> Subquery:
    """By account: what came in less what went out and what is held; charges, refills, and what windows return."""

    def part(account: ColumnElement[int], **sums: ColumnElement[int]) -> Select[*tuple[Any, ...]]:
        names = ("net", "charged", "refilled", "waiting")
        return select(account.label("account"), *[sums.get(name, _ZERO).label(name) for name in names])

    amount = transfers.c.amount
    refill = case((transfers.c.kind == literal_column("'refill'"), amount), else_=_ZERO)
    table, member = members(reservations.c.accounts)
    parts = union_all(
        part(accounts.c.id),
        part(transfers.c.credit_account, net=amount, refilled=refill),
        part(transfers.c.debit_account, net=-amount, charged=case((_CHARGE, amount), else_=_ZERO)),
        part(member, net=-reservations.c.amount).select_from(reservations, table).where(reservations.c.state == HELD),
        part(windows.c.account_id, waiting=windows.c.spent),
    ).subquery()
    totals = [Total(column).label(column.name) for column in parts.c if column.name != "account"]
    return select(parts.c.account, *totals).group_by(parts.c.account).subquery("sums")


def _accounts(connection: Connection) -> Iterator[Difference]:
    sums, kept = _sums(), accounts.c
    budget = kept.kind == literal_column("'budget'")
    due = case((budget, sums.c.charged - sums.c.refilled), else_=_ZERO)
    entries = or_(sums.c.net + kept.overdraft != kept.balance, sums.c.charged != kept.used, sums.c.waiting != due)
    amounts = or_(kept.balance < _ZERO, kept.overdraft < _ZERO, and_(kept.balance != _ZERO, kept.overdraft != _ZERO))
    bounds = case(
        (_SYSTEM, or_(kept.balance != _ZERO, kept.used != _ZERO, kept.overdraft != _ZERO)),
        (kept.unlimited, kept.overdraft != _ZERO),
        else_=amounts,
    )
    period = func.coalesce(kept.period, literal_column("''"))
    mistimed = case((budget, period.not_in(PERIODS)), else_=kept.period.is_not(None))
    query = (
        select(sums, *[kept[name] for name in _KEPT])
        .add_columns(*_OWNERS)
        .select_from(sums.outerjoin(accounts, kept.id == sums.c.account))
        .outerjoin(users, and_(kept.kind == literal_column("'user'"), users.c.id == kept.owner_id))
        .outerjoin(tokens, and_(kept.kind == literal_column("'token'"), tokens.c.id == kept.owner_id))
        .outerjoin(budgets, and_(budget, budgets.c.id == kept.owner_id))
        .where(or_(kept.id.is_(None), and_(~_SYSTEM, entries), bounds, mistimed))
        .order_by(sums.c.account)
        .limit(MOST)
    )
    for row in connection.execute(query):
        yield from judge_account(_books(row))


def _books(row: Row[Any]) -> Books:
    return Books(
        id=row.account,
        name=_name(row),
        kind=row.kind,
        balance=row.balance or 0,
        used=row.used or 0,
        overdraft=row.overdraft or 0,
        unlimited=bool(row.unlimited),
        period=row.period,
        windows=int(row.waiting),
        net=int(row.net),
        charged=int(row.charged),
        refilled=int(row.refilled),
    )


def _name(row: Row[Any]) -> str:
    if row.kind == "system":
        return str(_NAMES.get(row.owner_id, row.kind))
    if row.user is not None:
        return f"wallet of user {row.user}"
    if row.token is not None:
        return f"cap of token {row.token}, id {row.owner_id}"
    return f"budget {row.owner_id} of {row.subject}" if row.subject is not None else str(row.kind or "")


def _windows_too_far(connection: Connection, now: float) -> Iterator[Difference]:
    """Nothing that was charged by now returns later than what is charged now."""
    latest = case({period: returns_at(period, now) for period in PERIODS}, value=accounts.c.period)
    query = (
        select(windows.c.account_id, windows.c.returns_at, windows.c.spent)
        .join(accounts, accounts.c.id == windows.c.account_id)
        .where(windows.c.returns_at > latest)
        .limit(MOST)
    )
    for number, at, spent in connection.execute(query):
        yield differ("bounds", f"account {number}", f"a window of it ends at {at}, later than any can", spent, 0)


def _terms(connection: Connection) -> Iterator[Difference]:
    """What the account of a token or a budget has from there. Budgets outlive their limits."""
    wanted = case((limits.c.rolling, literal("rolling ") + limits.c.period), else_=limits.c.period)
    caps = select(accounts.c.id).join(tokens, and_(accounts.c.kind == "token", tokens.c.id == accounts.c.owner_id))
    shares = (
        select(accounts.c.id)
        .join(budgets, and_(accounts.c.kind == "budget", budgets.c.id == accounts.c.owner_id))
        .join(limits, limits.c.id == budgets.c.limit_id)
    )
    uneven = (
        (caps.where(accounts.c.unlimited != tokens.c.quota.is_(None)), "quota of its token"),
        (shares.where(accounts.c.unlimited != limits.c.budget.is_(None)), "budget of its limit"),
        (shares.where(accounts.c.period != wanted), "period of its limit"),
    )
    for query, term in uneven:
        for number in connection.scalars(query.limit(MOST)):
            yield differ("bounds", f"account {number}", f"it is not in keeping with the {term}")


def _owners(connection: Connection) -> Iterator[Difference]:
    for kind, table in (("user", users), ("token", tokens), ("budget", budgets)):
        join = and_(accounts.c.kind == kind, accounts.c.owner_id == table.c.id)
        alone = select(table.c.id).outerjoin(accounts, join).where(accounts.c.id.is_(None)).limit(MOST)
        for number in connection.scalars(alone):
            yield differ("owners", f"{kind} {number}", "has no account")
        astray = select(accounts.c.id).outerjoin(table, join).where(accounts.c.kind == kind, table.c.id.is_(None))
        for number in connection.scalars(astray.limit(MOST)):
            yield differ("owners", f"account {number}", f"belongs to a {kind} that is not there")


def _flows(connection: Connection) -> Iterator[Difference]:
    debit, credit = accounts.alias("debit"), accounts.alias("credit")

    def party(account: Any) -> ColumnElement[int]:
        return case((account.kind == literal_column("'system'"), account.owner_id), else_=_ZERO)

    each = (
        select(
            transfers.c.id,
            transfers.c.kind,
            debit.c.kind.label("debit"),
            party(debit.c).label("debit_party"),
            credit.c.kind.label("credit"),
            party(credit.c).label("credit_party"),
            case((transfers.c.reservation_id.is_(None), _ZERO), else_=_ONE).label("reserved"),
        )
        .outerjoin(debit, debit.c.id == transfers.c.debit_account)
        .outerjoin(credit, credit.c.id == transfers.c.credit_account)
        .subquery()
    )
    ways = [column for column in each.c if column.name != "id"]
    query = select(*ways, func.count(), func.min(each.c.id)).group_by(*ways)
    for kind, debit_kind, debit_party, credit_kind, *rest, count, first in connection.execute(query):
        credit_party, reserved = rest
        source, target = _NAMES.get(debit_party, str(debit_kind)), _NAMES.get(credit_party, str(credit_kind))
        if fault := flow_fault(kind, source, target, CIRCUITS, reserved=bool(reserved)):
            yield differ("flows", f"{count} of the transfers, the first with id {first}", fault)


def _states(connection: Connection) -> Iterator[Difference]:
    def flag(condition: ColumnElement[bool], name: str) -> ColumnElement[int]:
        return case((condition, _ONE), else_=_ZERO).label(name)

    row = reservations.c
    each = select(
        row.id,
        row.state,
        flag(row.cost > _ZERO, "costs"),
        flag(row.cost == row.so_far, "as_noted"),
        flag(row.ended_at.is_not(None), "ended"),
    ).subquery()
    facts = [column for column in each.c if column.name != "id"]
    query = select(*facts, func.count(), func.min(each.c.id)).group_by(*facts)
    for state, *flags, count, first in connection.execute(query):
        costs, as_noted, ended = map(bool, flags)
        if fault := state_fault(state, costs=costs, as_noted=as_noted, ended=ended):
            yield differ("states", f"{count} of the reservations, one of them {first}", fault)


def _leases(connection: Connection, now: float) -> Iterator[Difference]:
    row = reservations.c
    late = select(row.id, row.amount).where(row.state == HELD, row.lease_until < now - GRACE).order_by(row.lease_until)
    for number, amount in connection.execute(late.limit(MOST)):
        yield differ("leases", f"reservation {number}", "held, and its lease ran out long ago", amount)


def _legs(connection: Connection) -> Iterator[Difference]:
    table, member = members(reservations.c.accounts)
    spared = literal_column("','").concat(func.replace(func.replace(reservations.c.spare, "[", ","), "]", ","))
    named = literal_column("'%,'").concat(cast(member, String(20))).concat(literal_column("',%'"))
    row = reservations.c
    due = (
        select(row.id, member.label("account"), row.cost.label("due"), _ZERO.label("charged"), _ZERO.label("legs"))
        .select_from(reservations, table)
        .where(row.state.in_(["settled", "expired"]), row.cost > _ZERO)
        .where(or_(row.spare.is_(None), ~spared.like(named)))
    )
    leg = transfers.c
    charged = select(leg.reservation_id, leg.debit_account, _ZERO, leg.amount, _ONE).where(_CHARGE)
    each = union_all(due, charged).subquery()
    most, sum_, legs = func.max(each.c.due), Total(each.c.charged), func.sum(each.c.legs)
    query = (
        select(each.c.id, each.c.account, most, sum_, legs)
        .group_by(each.c.id, each.c.account)
        .having(or_(sum_ != most, legs != case((most > _ZERO, _ONE), else_=_ZERO)))
        .limit(MOST)
    )
    for number, account, cost, amount, count in connection.execute(query):
        what = f"charges to account {account}, {count} of them"
        yield differ("legs", f"reservation {number}", what, int(amount), cost)


def _codes(connection: Connection) -> Iterator[Difference]:
    redeemed = select(codes.c.user_id, codes.c.amount.label("worth"), _ZERO.label("credited")).where(
        codes.c.redeemed_at.is_not(None)
    )
    for user, expected, amount in _miscredited(connection, redeemed, "redemption"):
        yield differ("codes", f"user {user}", "credit for codes, and what they are worth", amount, expected)
    either = codes.c.user_id.is_(None) != codes.c.redeemed_at.is_(None)
    for number in connection.scalars(select(codes.c.id).where(either).limit(MOST)):
        yield differ("codes", f"code {number}", "it has a redeemer without a time, or a time without a redeemer")


def _orders(connection: Connection) -> Iterator[Difference]:
    row = orders.c
    paid = select(row.user_id, row.credit.label("worth"), _ZERO.label("credited")).where(row.credited_at.is_not(None))
    for user, expected, amount in _miscredited(connection, paid, "topup"):
        yield differ("orders", f"user {user}", "credit for orders, and what was paid for", amount, expected)


def _miscredited(connection: Connection, owed: Select[*tuple[Any, ...]], kind: str) -> Iterator[tuple[int, int, int]]:
    """Users who did not get by entries of this kind what they are ``owed``: who, that, and what they got."""
    wallet = and_(accounts.c.id == transfers.c.credit_account, accounts.c.kind == "user")
    got = select(accounts.c.owner_id, _ZERO, transfers.c.amount).join(accounts, wallet).where(transfers.c.kind == kind)
    each = union_all(owed, got).subquery()
    worth, sum_ = Total(each.c.worth), Total(each.c.credited)
    query = select(each.c.user_id, worth, sum_).group_by(each.c.user_id).having(worth != sum_).limit(MOST)
    for user, expected, amount in connection.execute(query):
        yield user, int(expected), int(amount)


def _totals(connection: Connection) -> Iterator[Difference]:
    """Of the days whose records are all there still."""
    day = EpochDay(records.c.at).label("day")
    each = select(day, records.c.cost).subquery()
    counted = select(each.c.day, func.count(), Total(each.c.cost)).group_by(each.c.day)
    found = {day_of(int(day) * 86_400.0): (count, int(cost)) for day, count, cost in connection.execute(counted)}
    kept_totals = select(daily_totals.c.day, Total(daily_totals.c.calls), Total(daily_totals.c.cost))
    rows = connection.execute(kept_totals.group_by(daily_totals.c.day))
    kept = {day: (int(calls), int(cost)) for day, calls, cost in rows}
    for number, (count, cost) in sorted(found.items()):
        calls, amount = kept.get(number, (0, 0))
        if count > calls:
            yield differ("totals", f"day {number}", f"{count} records, and {calls} in the totals", amount, cost)
        elif count == calls and cost != amount:
            yield differ("totals", f"day {number}", "cost of its calls", amount, cost)


def _records(connection: Connection) -> Iterator[Difference]:
    """One finding for all: a record may be written although the settlement got lost with its process."""
    cost, charged = Total(records.c.cost), Total(reservations.c.cost)
    query = (
        select(func.count(), cost, charged, func.min(records.c.id))
        .join(reservations, reservations.c.id == records.c.id)
        .where(reservations.c.state != HELD, reservations.c.cost != records.c.cost)
    )
    count, recorded, settled, first = connection.execute(query).one()
    if count:
        where = f"{count} of the records, one of them {first}"
        yield differ("records", where, "the ledger has another cost", int(recorded), int(settled))
