"""Idempotency-Keys in SQL: one row for each key, claimed by a guarded statement.

Locks are taken by single statements on a row of the primary key, and never after another one failed: on MySQL a refused
insert leaves a shared lock, and two that hold it cannot both go on to change the row. So a key that was freed keeps its
row, which the next call updates, and an insert that loses a race changes nothing more in its transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Insert, and_, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from ...kept import Claim, Conclude, Kept
from ..answers import PURGED_AT_ONCE, Answer, heir, outlook
from .ledger import Clock, moment
from .purging import purge_due
from .schema import answers, reservations

__all__ = ["claim", "conclude", "purge", "renew"]

_FIND = select(*[answers.c[name] for name in Answer.__struct_fields__]).where(answers.c.key == bindparam("of_key"))

_HOLD = select(reservations.c.state, reservations.c.cost).where(reservations.c.id == bindparam("of_call"))

_MINE = and_(
    answers.c.key == bindparam("of_key"), answers.c.call_id == bindparam("of_call"), answers.c.state == "running"
)

# Whoever found the row so may have it: only another claim changes the name of the call.
_TAKE = update(answers).where(
    answers.c.key == bindparam("of_key"),
    answers.c.call_id == bindparam("of_call"),
    answers.c.state == bindparam("of_state"),
    answers.c.lease_until <= bindparam("of_now"),
)

_END = update(answers).where(_MINE, answers.c.keep_until > 0)


def claim(connection: Connection, wanted: Claim, clock: Clock) -> Kept | None:
    """See ``ports.IdempotencyStore.claim_answer``."""
    now = moment(connection, clock)
    found = _find(connection, wanted.key)
    if found is None:
        return _make(connection, wanted, now)
    seen = outlook(found, now)
    if found.call_id == wanted.call_id and found.state == "running" and seen == "stands":
        return None
    if seen == "stands":
        return found.told()
    if seen == "lapsed" and found.call_id != wanted.call_id:
        hold = connection.execute(_HOLD, {"of_call": found.call_id}).one_or_none()
        fate = heir((hold.state, hold.cost) if hold is not None else None)
        if fate == "running" or (hold is None and not _fence(connection, found.call_id, now)):
            return found.told()
        if fate == "lost":
            return _lose(connection, found, now)
    return None if _change(connection, found, _fresh(wanted, now), now) else found.told("running")


def _find(connection: Connection, key: str) -> Answer | None:
    row = connection.execute(_FIND, {"of_key": key}).one_or_none()
    if row is None:
        return None
    named = zip(Answer.__struct_fields__, row, strict=True)
    return Answer(**{name: value for name, value in named if value is not None})


def _make(connection: Connection, wanted: Claim, now: float) -> Kept | None:
    values = _fresh(wanted, now) | {"key": wanted.key}
    if _inserted(connection, insert(answers).values(values)):
        return None
    found = _find(connection, wanted.key)
    if found is None:  # it went again, or this transaction cannot see it yet
        return Kept(call_id="", fingerprint=wanted.fingerprint, state="running")
    return found.told()


def _fresh(wanted: Claim, now: float) -> dict[str, Any]:
    return {
        "fingerprint": wanted.fingerprint,
        "call_id": wanted.call_id,
        "state": "running",
        "status": None,
        "content_type": None,
        "body": None,
        "lease_until": now + wanted.lease,
        "keep_until": now + wanted.keep,
    }


def _lose(connection: Connection, found: Answer, now: float) -> Kept:
    """Write down what the reservation says, which may be forgotten before the key is."""
    lost = _change(connection, found, {"state": "lost", "lease_until": 0.0}, now)
    return found.told("lost" if lost else "running")


def _change(connection: Connection, found: Answer, values: Mapping[str, Any], now: float) -> bool:
    """Change a row if it still is as it was found; if not, another call was faster."""
    seen = {"of_key": found.key, "of_call": found.call_id, "of_state": found.state, "of_now": now}
    return connection.execute(_TAKE.values(dict(values)), seen).rowcount == 1


def _fence(connection: Connection, call_id: str, now: float) -> bool:
    """End the reservation that was not made yet, so that a process which only slept cannot be charged. Not done if the
    process was faster."""
    ended = {"id": call_id, "state": "released", "amount": 0, "cost": 0, "accounts": "[]"}
    times = {"lease_until": now, "created_at": now, "ended_at": now}
    return _inserted(connection, insert(reservations).values(**ended, **times))


def _inserted(connection: Connection, statement: Insert) -> bool:
    try:
        with connection.begin_nested():
            connection.execute(statement)
    except IntegrityError:
        return False
    return True


def renew(connection: Connection, claims: Sequence[Claim], clock: Clock) -> None:
    """See ``ports.IdempotencyStore.renew_answers``."""
    now = moment(connection, clock)
    rows = [
        {"of_key": c.key, "of_call": c.call_id, "to_lease": now + c.lease, "to_keep": now + c.keep}
        for c in sorted(claims, key=_by_key)
    ]
    if rows:
        times: dict[str, Any] = {"lease_until": bindparam("to_lease"), "keep_until": bindparam("to_keep")}
        connection.execute(_END.values(times), rows)


def conclude(connection: Connection, ended: Sequence[Conclude], clock: Clock) -> None:
    """See ``ports.IdempotencyStore.conclude_answers``."""
    now = moment(connection, clock)
    for end in sorted(ended, key=_by_key):
        values: dict[str, Any] = {"lease_until": 0.0, "keep_until": 0.0}
        if end.state != "free":
            values |= {"state": end.state, "keep_until": now + end.keep}
        if end.state == "stored":
            values |= {"status": end.status, "content_type": end.content_type, "body": end.body}
        connection.execute(_END.values(values), {"of_key": end.key, "of_call": end.call_id})


def _by_key(item: Claim | Conclude) -> str:
    """Everybody locks rows in this order."""
    return item.key


def purge(connection: Connection, clock: Clock) -> int:
    """See ``ports.IdempotencyStore.purge_answers``."""
    now = moment(connection, clock)
    due = and_(answers.c.keep_until <= now, answers.c.lease_until <= now)
    return purge_due(connection, answers, due, PURGED_AT_ONCE)
