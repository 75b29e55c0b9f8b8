"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _accounts()
    _channels()
    _meta()
    _prices()
    _records()
    _reservations()
    _users()
    _tokens()
    _transfers()


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("overdraft", sa.BigInteger(), nullable=False),
        sa.Column("unlimited", sa.Boolean(), nullable=False),
        sa.UniqueConstraint("kind", "owner_id", name=op.f("uq_accounts_kind_owner_id")),
        sa.CheckConstraint("unlimited OR balance >= 0", name=op.f("ck_accounts_balance")),
        sa.CheckConstraint("overdraft >= 0", name=op.f("ck_accounts_overdraft")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sqlite_autoincrement=True,
    )


def _channels() -> None:
    op.create_table(
        "channels",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("provider", sa.String(length=255), nullable=False),
        sa.Column("base_url", sa.String(length=1024)),
        sa.Column("api_keys", sa.Text(), nullable=False),
        sa.Column("models", sa.Text(), nullable=False),
        sa.Column("model_map", sa.Text(), nullable=False),
        sa.Column("groups", sa.Text(), nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("weight", sa.BigInteger(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("declared", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channels")),
        sa.UniqueConstraint("name", name=op.f("uq_channels_name")),
        sqlite_autoincrement=True,
    )


def _meta() -> None:
    op.create_table(
        "meta",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_meta")),
    )


def _prices() -> None:
    op.create_table(
        "prices",
        sa.Column("model", sa.String(length=255), nullable=False),
        sa.Column("price", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_prices")),
    )


def _records() -> None:
    op.create_table(
        "records",
        sa.Column("seq", ID, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("operation", sa.String(length=255), nullable=False),
        sa.Column("token_id", sa.BigInteger()),
        sa.Column("token_name", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.BigInteger()),
        sa.Column("model", sa.String(length=255), nullable=False),
        sa.Column("upstream_model", sa.String(length=255), nullable=False),
        sa.Column("channel_id", sa.BigInteger()),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("stream", sa.Boolean(), nullable=False),
        sa.Column("first_content", sa.Double()),
        sa.Column("duration", sa.Double(), nullable=False),
        sa.Column("client", sa.String(length=255), nullable=False),
        sa.Column("upstream_request_id", sa.String(length=255), nullable=False),
        sa.Column("attempts", sa.Text(), nullable=False),
        sa.Column("price", sa.Text()),
        sa.Column("usage_input", sa.BigInteger()),
        sa.Column("usage_output", sa.BigInteger()),
        sa.Column("usage_cache_read", sa.BigInteger()),
        sa.Column("usage_cache_write", sa.BigInteger()),
        sa.Column("usage_cache_write_1h", sa.BigInteger()),
        sa.Column("usage_reasoning", sa.BigInteger()),
        sa.Column("usage_input_audio", sa.BigInteger()),
        sa.Column("usage_output_audio", sa.BigInteger()),
        sa.Column("usage_input_image", sa.BigInteger()),
        sa.Column("usage_output_image", sa.BigInteger()),
        sa.Column("usage_audio_seconds", sa.BigInteger()),
        sa.Column("usage_calls", sa.BigInteger()),
        sa.Column("usage_estimated", sa.Boolean()),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_records")),
        sa.UniqueConstraint("id", name=op.f("uq_records_id")),
    )
    op.create_index(op.f("ix_records_at"), "records", ["at"], unique=False)
    op.create_index(op.f("ix_records_channel_id_at"), "records", ["channel_id", "at"], unique=False)
    op.create_index(op.f("ix_records_token_id_at"), "records", ["token_id", "at"], unique=False)


def _reservations() -> None:
    op.create_table(
        "reservations",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("accounts", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.CheckConstraint("amount >= 0 AND cost >= 0", name=op.f("ck_reservations_amounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservations")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_reservations_lease_until"),
        "reservations",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("state = 'held'"),
        postgresql_where=sa.text("state = 'held'"),
    )


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("group", sa.String(length=255), nullable=False),
        sa.Column("admin", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
        sqlite_autoincrement=True,
    )


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", ID, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("prefix", sa.String(length=255), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("quota", sa.BigInteger()),
        sa.Column("expires_at", sa.Double()),
        sa.Column("models", sa.Text(), nullable=False),
        sa.Column("subnets", sa.Text(), nullable=False),
        sa.Column("requests_per_minute", sa.BigInteger()),
        sa.Column("declared", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.UniqueConstraint("user_id", "name", name=op.f("uq_tokens_user_id_name")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_tokens_digest")),
        sqlite_autoincrement=True,
    )


def _transfers() -> None:
    op.create_table(
        "transfers",
        sa.Column("id", ID, nullable=False),
        sa.Column("debit_account", sa.BigInteger(), nullable=False),
        sa.Column("credit_account", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("reservation_id", sa.String(length=64)),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_transfers_amount")),
        sa.ForeignKeyConstraint(["debit_account"], ["accounts.id"], name=op.f("fk_transfers_debit_account")),
        sa.ForeignKeyConstraint(["credit_account"], ["accounts.id"], name=op.f("fk_transfers_credit_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfers")),
    )
