"""Budgets, checkpoints, totals of records, Idempotency-Keys and redemption codes; entries without foreign keys.

An expansion only: a replica of the version before goes on to work on it, as it names its columns and fills all that
has no default. Where the server ends the transaction at each change, one that broke off may be run again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    there = sa.inspect(op.get_bind())
    _accounts({column["name"] for column in there.get_columns("accounts")})
    _reservations({column["name"] for column in there.get_columns("reservations")})
    _records({str(index["name"]) for index in there.get_indexes("records")})
    _transfers({str(key["name"]) for key in there.get_foreign_keys("transfers")})
    tables = set(there.get_table_names())
    for name, make in (
        ("windows", _windows),
        ("limits", _limits),
        ("budgets", _budgets),
        ("daily_totals", _daily_totals),
        ("answers", _answers),
        ("codes", _codes),
    ):
        if name not in tables:
            make()
    _add_up()


def _accounts(there: set[str]) -> None:
    if "period" not in there:
        op.add_column("accounts", sa.Column("period", sa.String(length=16)))


def _reservations(there: set[str]) -> None:
    for column in (
        sa.Column("so_far", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("spare", sa.Text()),
    ):
        if column.name not in there:
            op.add_column("reservations", column)


def _records(there: set[str]) -> None:
    for name, columns, unusual in (
        ("ix_records_user_id_at", ["user_id", "at"], None),
        ("ix_records_model_at", ["model", "at"], None),
        ("ix_records_status_at", ["status", "at"], "status != 200"),
        ("ix_records_reason_at", ["reason", "at"], "reason != 'done'"),
    ):
        if name not in there:
            where = sa.text(unusual) if unusual else None
            op.create_index(op.f(name), "records", columns, sqlite_where=where, postgresql_where=where)


def _transfers(there: set[str]) -> None:
    if names := there & {"fk_transfers_debit_account", "fk_transfers_credit_account"}:
        with op.batch_alter_table("transfers") as table:
            for name in sorted(names):
                table.drop_constraint(name, type_="foreignkey")
    for index in sa.inspect(op.get_bind()).get_indexes("transfers"):  # MySQL made them for the keys
        op.drop_index(str(index["name"]), "transfers")


def _windows() -> None:
    op.create_table(
        "windows",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("returns_at", sa.BigInteger(), nullable=False),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("spent >= 0", name=op.f("ck_windows_spent")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_windows_account_id")),
        sa.PrimaryKeyConstraint("account_id", "returns_at", name=op.f("pk_windows")),
    )


def _limits() -> None:
    op.create_table(
        "limits",
        sa.Column("id", ID, nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("requests_per_minute", sa.BigInteger()),
        sa.Column("tokens_per_minute", sa.BigInteger()),
        sa.Column("concurrent_calls", sa.BigInteger()),
        sa.Column("budget", sa.BigInteger()),
        sa.Column("period", sa.String(length=16), nullable=False),
        sa.Column("rolling", sa.Boolean(), nullable=False),
        sa.Column("declared", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_limits")),
        sa.UniqueConstraint("scope", "name", "period", "rolling", name=op.f("uq_limits_scope_name_period_rolling")),
        sqlite_autoincrement=True,
    )


def _budgets() -> None:
    op.create_table(
        "budgets",
        sa.Column("id", ID, nullable=False),
        sa.Column("limit_id", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budgets")),
        sa.UniqueConstraint("limit_id", "subject", name=op.f("uq_budgets_limit_id_subject")),
        sqlite_autoincrement=True,
    )


_KEY = ("user_id", "token_id", "channel_id")
_COUNTS = ("input", "output", "cache_read", "cache_write", "reasoning")


def _daily_totals() -> None:
    op.create_table(
        "daily_totals",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        *[sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False) for name in _KEY],
        sa.Column("model", sa.String(length=255), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("duration", sa.Double(), nullable=False),
        *[sa.Column(name, sa.BigInteger(), nullable=False) for name in _COUNTS],
        sa.PrimaryKeyConstraint("day", *_KEY, "model", name=op.f("pk_daily_totals")),
        sqlite_with_rowid=False,
    )


def _answers() -> None:
    op.create_table(
        "answers",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("call_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("content_type", sa.String(length=255)),
        sa.Column("body", sa.LargeBinary(length=2**24 - 1)),
        sa.Column("lease_until", sa.Double(), nullable=False),
        sa.Column("keep_until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_answers")),
    )
    op.create_index(op.f("ix_answers_keep_until"), "answers", ["keep_until"], unique=False)


def _codes() -> None:
    op.create_table(
        "codes",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.Double()),
        sa.Column("user_id", sa.BigInteger()),
        sa.Column("redeemed_at", sa.Double()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_codes_amount")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_codes")),
        sa.UniqueConstraint("digest", name=op.f("uq_codes_digest")),
        sqlite_autoincrement=True,
    )


_DAY = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_TOTALS = sa.table("daily_totals", *map(sa.column, ("day", *_KEY, "model", "calls", "failed", "cost", "duration")),
                   *map(sa.column, _COUNTS))  # fmt: skip
_RECORDS = sa.table(
    "records",
    *map(sa.column, ("at", *_KEY, "model", "cost", "duration", "reason", *[f"usage_{name}" for name in _COUNTS])),
    sa.column("status", sa.Integer),
)


def _add_up() -> None:
    """The records that are there. Those that older replicas go on to write are not in the totals."""
    connection = op.get_bind()
    if connection.scalar(sa.select(sa.func.count()).select_from(_TOTALS)):
        return
    given = _RECORDS.c
    days = given.at / float(_DAY)
    day = sa.cast(days, sa.Integer) if connection.dialect.name == "sqlite" else sa.func.floor(days)
    key = [day.label("number"), *[sa.func.coalesce(given[name], 0).label(name) for name in _KEY], given.model]
    failed = (given.status >= 400) | given.reason.in_(("upstream_cut", "upstream_failed", "aborted"))
    counts = [sa.func.sum(_not_negative(given[f"usage_{name}"])) for name in _COUNTS]
    sums = [sa.func.count(), sa.func.sum(sa.case((failed, 1), else_=0)), sa.func.sum(given.cost),
            sa.func.sum(given.duration), *counts]  # fmt: skip
    places: list[sa.ColumnElement[int]] = [sa.literal_column(str(number + 1)) for number in range(len(key))]
    names = [column.name for column in _TOTALS.c]
    for row in connection.execute(sa.select(*key, *sums).group_by(*places)).all():
        number, user, token, channel, model, calls, bad, cost, duration, *rest = row
        values = (_day(int(number)), user, token, channel, model, calls, int(bad), int(cost), duration, *map(int, rest))
        connection.execute(sa.insert(_TOTALS).values(dict(zip(names, values, strict=True))))


def _not_negative(count: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.case((count > 0, count), else_=0)


def _day(number: int) -> int:
    day = _EPOCH + timedelta(days=number)
    return day.year * 10_000 + day.month * 100 + day.day
