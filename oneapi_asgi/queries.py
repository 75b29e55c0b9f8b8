"""What one asks of the books and of the records of calls, and what comes back."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from .models import CallRecord, EndReason

__all__ = ["Check", "Code", "CodeDraft", "Difference", "Dimension", "RecordPage", "RecordQuery", "Total"]

Dimension = Literal["day", "user", "token", "channel", "model"]
"""What totals can be kept apart by."""


class RecordQuery(Struct, frozen=True, kw_only=True):
    """Which records to list: those to which all of this applies. None is any.

    ``model`` is the one that the caller named. ``status`` is exact, or 1 to 9 for a class: 4 stands for 400 to 499.
    ``since`` is the first moment of ``at`` and ``until`` the first one after. ``limit`` is 1 to 1,000. ``before`` goes
    on after another page.
    """

    token_id: int | None = None
    user_id: int | None = None
    channel_id: int | None = None
    model: str | None = None
    status: int | None = None
    reason: EndReason | None = None
    since: float | None = None
    until: float | None = None
    limit: int = 100
    before: str | None = None


class RecordPage(Struct, frozen=True):
    """Records, newest first by ``at``. ``before`` is where the next page begins, None after the last one.

    A page before the last may have fewer records than asked for, even none: where several filters leave few of very
    many, the storage stops looking after a while, so that no page takes long.
    """

    records: tuple[CallRecord, ...]
    before: str | None = None


class Total(Struct, frozen=True, kw_only=True):
    """Some calls added up. What they were told apart by is set: ``day`` is yyyymmdd (UTC, when calls began), ids are 0
    for calls without one, and ``model`` is as callers named it.

    ``failed`` are the calls whose callers did not get the answer: status 400 and above, and those that the upstream or
    the host cut off. ``duration`` is in seconds, counts are as in ``Usage``.
    """

    day: int | None = None
    user_id: int | None = None
    token_id: int | None = None
    channel_id: int | None = None
    model: str | None = None
    calls: int
    failed: int
    cost: int
    duration: float
    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int


class CodeDraft(Struct, frozen=True, kw_only=True):
    """A redemption code to be made, worth ``amount`` nano-dollars until ``expires_at`` (None: for ever). The code is
    never stored, only its ``digest``. ``name`` says what it is for; many may share one."""

    name: str
    digest: str
    amount: int
    expires_at: float | None = None


class Code(Struct, frozen=True, kw_only=True):
    """A redemption code, and the user who redeemed it: None as long as nobody did."""

    id: int
    name: str
    amount: int
    expires_at: float | None = None
    user_name: str | None = None
    redeemed_at: float | None = None
    created_at: float = 0.0


Check = Literal[
    "balance",  # of an account: transfers, less what reservations hold
    "used",  # by an account: its charges
    "bounds",  # of an account: amounts, overdraft and period that can be
    "windows",  # of a budget: charges, less refills
    "legs",  # of a reservation: one charge for each account that it was to be charged to
    "flows",  # between accounts: each circuit closed in itself
    "states",  # of reservations: a cost and an end where they belong
    "leases",  # of reservations: none held long after its own
    "owners",  # of accounts: each there, with its account
    "codes",  # redeemed: as much as was credited for them
    "orders",  # paid: as much as was credited for them
    "totals",  # of a day: its records, if all are there
    "records",  # of calls: the costs of their reservations
]


class Difference(Struct, frozen=True, kw_only=True):
    """Where the books disagree: ``what`` is wrong ``where``, and what can be done about it. Money in nano-dollars: what
    is ``kept``, and what follows from the entries. A ``note`` concerns statistics, not money."""

    check: Check
    where: str
    what: str
    kept: int | None = None
    recomputed: int | None = None
    cure: str
    note: bool = False
