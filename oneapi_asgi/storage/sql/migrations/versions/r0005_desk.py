"""The administration: people, their sessions, options and events; and what channels are to carry along.

An expansion only, and safe to run again. ``admin`` of users becomes a role: ``root`` is root, other admins are admins.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_DIGEST, _KIND, _NUMBER, _NAME = sa.String(64), sa.String(16), sa.String(64), sa.String(255)

USERS = sa.Table("users", METADATA, sa.Column("id", _ID, primary_key=True))
identities = sa.Table(
    "identities",
    METADATA,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("user_id", sa.BigInteger, sa.ForeignKey(USERS.c.id), nullable=False, index=True),
    sa.Column("provider", _NUMBER, nullable=False),
    sa.Column("subject", _NAME, nullable=False),
    sa.Column("label", _NAME, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.UniqueConstraint("provider", "subject"),
    sqlite_autoincrement=True,
)

sessions = sa.Table(
    "sessions",
    METADATA,
    sa.Column("digest", _DIGEST, primary_key=True),
    sa.Column("user_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("pending", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False, index=True),
    sa.Column("fresh_until", sa.Double, nullable=False),
    sa.Column("address", _NAME, nullable=False),
    sa.Column("agent", _NAME, nullable=False),
)

recovery_codes = sa.Table(
    "recovery_codes",
    METADATA,
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("digest", _DIGEST, primary_key=True),
    sqlite_with_rowid=False,
)

tries = sa.Table(
    "tries",
    METADATA,
    sa.Column("digest", _DIGEST, primary_key=True),
    sa.Column("turns", sa.BigInteger, nullable=False),
    sa.Column("times", sa.Text),
    sa.Column("keep_until", sa.Double, index=True),
    sqlite_with_rowid=False,
)

challenges = sa.Table(
    "challenges",
    METADATA,
    sa.Column("digest", _DIGEST, primary_key=True),
    sa.Column("kind", _KIND, nullable=False),
    sa.Column("subject", _NAME, nullable=False, index=True),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("keep_until", sa.Double, nullable=False, index=True),
)

options = sa.Table(
    "options",
    METADATA,
    sa.Column("name", _NUMBER, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("changed_at", sa.Double, nullable=False),
)

events = sa.Table(
    "events",
    METADATA,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("at", sa.Double, nullable=False, index=True),
    sa.Column("kind", _KIND, nullable=False),
    sa.Column("action", _NUMBER, nullable=False),
    sa.Column("actor_id", sa.BigInteger),
    sa.Column("actor_name", _NAME, nullable=False),
    sa.Column("user_id", sa.BigInteger),
    sa.Column("user_name", _NAME, nullable=False),
    sa.Column("target", _NAME, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("address", _NAME, nullable=False),
    sa.Column("request_id", _NUMBER, nullable=False),
    sa.Index(None, "user_id", "at"),
    sa.Index(None, "kind", "at"),
    sqlite_autoincrement=True,
)

groups = sa.Table(
    "groups",
    METADATA,
    sa.Column("name", _NAME, primary_key=True),
    sa.Column("ratio", sa.BigInteger, nullable=False),
    sa.Column("note", _NAME, nullable=False),
)

orders = sa.Table(
    "orders",
    METADATA,
    sa.Column("number", _ID, primary_key=True),
    sa.Column("id", _NUMBER, nullable=False, unique=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("currency", _KIND, nullable=False),
    sa.Column("credit", sa.BigInteger, nullable=False),
    sa.Column("event_id", _NAME, unique=True),
    sa.Column("paid_at", sa.Double),
    sa.Column("credited_at", sa.Double),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.CheckConstraint("amount > 0 AND credit > 0", name="amount"),
    sa.Index(None, "user_id", "created_at"),
    sqlite_autoincrement=True,
)

imports = sa.Table(
    "imports",
    METADATA,
    sa.Column("source", _NUMBER, primary_key=True),
    sa.Column("kind", _KIND, primary_key=True),
    sa.Column("source_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("own_id", sa.BigInteger, nullable=False),
    sa.Column("mark", _DIGEST, nullable=False),
    sqlite_with_rowid=False,
)

TABLES = [identities, sessions, recovery_codes, tries, challenges, options, events, groups, orders, imports]


def _new() -> dict[str, tuple[sa.Column[Any], ...]]:
    return {
        "users": (
            sa.Column("role", sa.Integer, nullable=False, server_default="1"),
            sa.Column("display_name", _NAME, nullable=False, server_default=""),
            sa.Column("email", _NAME),
            sa.Column("password", _NAME),
            sa.Column("must_change_password", sa.Boolean, nullable=False, server_default=sa.false()),
            sa.Column("totp", sa.Text),
            sa.Column("totp_step", sa.BigInteger, nullable=False, server_default="0"),
            sa.Column("access_digest", _DIGEST),
            sa.Column("invite_code", _NUMBER),
            sa.Column("inviter_id", sa.BigInteger),
            sa.Column("remind_below", sa.BigInteger),
            sa.Column("reminded", sa.Boolean, nullable=False, server_default=sa.false()),
            sa.Column("last_login_at", sa.Double),
            sa.Column("deleted_at", sa.Double),
        ),
        "tokens": (sa.Column("group", _NAME), sa.Column("deleted_at", sa.Double)),
        "channels": (
            sa.Column("headers", sa.Text),
            sa.Column("parameters", sa.Text),
            sa.Column("system_prompt", sa.Text),
            sa.Column("proxy", sa.Text),
            sa.Column("tag", _NAME, nullable=False, server_default=""),
            sa.Column("note", sa.Text),
            sa.Column("test_model", _NAME, nullable=False, server_default=""),
            sa.Column("created_at", sa.Double, nullable=False, server_default="0"),
            sa.Column("disabled_keys", sa.Text),
            sa.Column("tested_at", sa.Double),
            sa.Column("response_ms", sa.BigInteger),
            sa.Column("test_error", _NAME, nullable=False, server_default=""),
            sa.Column("balance", sa.BigInteger),
            sa.Column("balance_currency", _KIND, nullable=False, server_default=""),
            sa.Column("balance_updated_at", sa.Double),
        ),
        "codes": (
            sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
            sa.Column("creator_id", sa.BigInteger),
            sa.Column("deleted_at", sa.Double),
        ),
    }


UNIQUE = ("email", "access_digest", "invite_code")
BY_USER = "ix_daily_totals_user_id"


def upgrade() -> None:
    for table, columns in _new().items():
        there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}
        for column in columns:
            if column.name not in there:
                op.add_column(table, column)
    indexes = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("users")}
    for name in UNIQUE:
        if f"ix_users_{name}" not in indexes:
            op.create_index(f"ix_users_{name}", "users", [name], unique=True)
    if not any(index["name"] == BY_USER for index in sa.inspect(op.get_bind()).get_indexes("daily_totals")):
        op.create_index(BY_USER, "daily_totals", ["user_id"])
    _roles()
    METADATA.create_all(op.get_bind(), tables=TABLES, checkfirst=True)


def _roles() -> None:
    users = sa.table("users", sa.column("name"), sa.column("admin", sa.Boolean), sa.column("role"))
    admins = sa.and_(users.c.admin, users.c.role == 1)
    role = sa.case((users.c.name == "root", 100), else_=10)
    op.execute(sa.update(users).where(admins).values(role=role))
