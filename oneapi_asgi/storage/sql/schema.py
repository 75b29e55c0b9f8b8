"""The tables, in words that SQLite, PostgreSQL and MySQL share.

Money is in nano-dollars (int64), times are Unix seconds, lists and maps are JSON text. The ledger is double entry by
construction: a row of ``transfers`` takes ``amount`` from one account and gives it to another. Wallets, caps and
budgets are closed circuits with system accounts of their own, so that for each of them

    balance - overdraft  =  transfers in  -  transfers out  -  what reservations hold

The balances of system accounts are not kept, they follow from the transfers. ``balance`` and ``used`` of the others are
kept because every call asks for them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnClause,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal_column,
    true,
)

from ...models import Usage
from ..records import TOTALLED

__all__ = [
    "CIRCUITS",
    "HELD",
    "REVISIONS",
    "SYSTEM",
    "UNUSUAL",
    "VERSION_TABLE",
    "accounts",
    "answers",
    "budgets",
    "channels",
    "codes",
    "daily_totals",
    "groups",
    "limits",
    "meta",
    "metadata",
    "notes",
    "objects",
    "prices",
    "records",
    "reservations",
    "tokens",
    "transfers",
    "users",
    "version",
    "windows",
]

REVISIONS = ("0001", "0002", "0003", "0004", "0005")
"""The migrations, oldest first. An empty database gets the tables below at once, marked with the last of these."""

VERSION_TABLE = "oneapi_asgi_version"

SYSTEM = {"grants": 1, "revenue": 2, "cap_grants": 3, "cap_spent": 4, "budget_grants": 5, "budget_spent": 6}
"""System accounts: name and ``owner_id``."""

CIRCUITS = {
    "user": ("grants", "revenue"),
    "token": ("cap_grants", "cap_spent"),
    "budget": ("budget_grants", "budget_spent"),
}
"""For each kind of account: where its money comes from, where charges go."""

HELD: ColumnClause[str] = literal_column("'held'")
"""Not a parameter, or the partial index could not be used."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Id = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only where the type is INTEGER to the letter."""

_DIGEST, _KIND, _ID, _NAME, _URL = String(64), String(16), String(64), String(255), String(1024)


def _key() -> Column[int]:
    return Column("id", _Id, primary_key=True)


def _money(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


# Made by hand for ``Table.create_all``; Alembic makes the same one.
version = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), nullable=False))

meta = Table(
    "meta",
    metadata,
    Column("name", _KIND, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

users = Table(
    "users",
    metadata,
    _key(),
    Column("name", _NAME, nullable=False, unique=True),
    Column("group", _NAME, nullable=False),
    Column("admin", Boolean, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    # A person, if it is one. ``admin`` follows ``role``.
    Column("role", Integer, nullable=False, server_default="1"),
    Column("display_name", _NAME, nullable=False, server_default=""),
    Column("email", _NAME),
    Column("password", _NAME),
    Column("must_change_password", Boolean, nullable=False, server_default=false()),
    Column("totp", Text),
    Column("totp_step", BigInteger, nullable=False, server_default="0"),
    Column("access_digest", _DIGEST),
    Column("invite_code", _ID),
    Column("inviter_id", BigInteger),
    Column("remind_below", BigInteger),
    Column("reminded", Boolean, nullable=False, server_default=false()),
    Column("last_login_at", Double),
    Column("deleted_at", Double),
    Index(None, "email", unique=True),
    Index(None, "access_digest", unique=True),
    Index(None, "invite_code", unique=True),
    sqlite_autoincrement=True,
)

accounts = Table(
    "accounts",
    metadata,
    _key(),
    Column("kind", _KIND, nullable=False),
    Column("owner_id", BigInteger, nullable=False),
    _money("balance"),
    _money("used"),
    _money("overdraft"),
    Column("unlimited", Boolean, nullable=False),
    Column("period", _KIND),
    UniqueConstraint("kind", "owner_id"),
    CheckConstraint("unlimited OR balance >= 0", name="balance"),
    CheckConstraint("overdraft >= 0", name="overdraft"),
    sqlite_autoincrement=True,
)

# What a budget was charged and gets back, by the moment when it does: one row for each of its windows.
windows = Table(
    "windows",
    metadata,
    Column("account_id", BigInteger, ForeignKey("accounts.id"), primary_key=True),
    Column("returns_at", BigInteger, primary_key=True),
    _money("spent"),
    CheckConstraint("spent >= 0", name="spent"),
)

limits = Table(
    "limits",
    metadata,
    _key(),
    Column("scope", _KIND, nullable=False),
    Column("name", _NAME, nullable=False),
    Column("requests_per_minute", BigInteger),
    Column("tokens_per_minute", BigInteger),
    Column("concurrent_calls", BigInteger),
    Column("budget", BigInteger),
    Column("period", _KIND, nullable=False),
    Column("rolling", Boolean, nullable=False),
    Column("declared", Boolean, nullable=False),
    UniqueConstraint("scope", "name", "period", "rolling"),
    sqlite_autoincrement=True,
)

# Who has a budget of a limit. The id owns an account of kind ``budget``.
budgets = Table(
    "budgets",
    metadata,
    _key(),
    Column("limit_id", BigInteger, nullable=False),
    Column("subject", _NAME, nullable=False),
    UniqueConstraint("limit_id", "subject"),
    sqlite_autoincrement=True,
)

tokens = Table(
    "tokens",
    metadata,
    _key(),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("name", _NAME, nullable=False),
    Column("digest", _DIGEST, nullable=False, unique=True),
    Column("prefix", _NAME, nullable=False),
    Column("status", _KIND, nullable=False),
    Column("quota", BigInteger),
    Column("expires_at", Double),
    Column("models", Text, nullable=False),
    Column("subnets", Text, nullable=False),
    Column("requests_per_minute", BigInteger),
    Column("declared", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    # In place of the owner's; None is that.
    Column("group", _NAME),
    Column("deleted_at", Double),
    UniqueConstraint("user_id", "name"),
    sqlite_autoincrement=True,
)

channels = Table(
    "channels",
    metadata,
    _key(),
    Column("name", _NAME, nullable=False, unique=True),
    Column("provider", _NAME, nullable=False),
    Column("base_url", _URL),
    Column("api_keys", Text, nullable=False),
    Column("models", Text, nullable=False),
    Column("model_map", Text, nullable=False),
    Column("groups", Text, nullable=False),
    Column("priority", BigInteger, nullable=False),
    Column("weight", BigInteger, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("declared", Boolean, nullable=False),
    # None is an empty one: text cannot have a default on every server.
    Column("dialects", Text),
    Column("options", Text),
    Column("unsupported", _KIND, nullable=False, server_default="drop"),
    Column("concurrent_calls", BigInteger),
    Column("concurrent_calls_per_key", BigInteger),
    Column("disabled_because", _NAME, nullable=False, server_default=""),
    # What goes along with each call: headers and parameters (JSON), a prompt.
    Column("headers", Text),
    Column("parameters", Text),
    Column("system_prompt", Text),
    # The URL of the proxy on its way: it may hold a password.
    Column("proxy", Text),
    # For those who look after it.
    Column("tag", _NAME, nullable=False, server_default=""),
    Column("note", Text),
    Column("test_model", _NAME, nullable=False, server_default=""),
    Column("created_at", Double, nullable=False, server_default="0"),
    # Keys that are switched off: why, by their digests (JSON).
    Column("disabled_keys", Text),
    # The last test: when, how many milliseconds it took, and what went wrong, as a code.
    Column("tested_at", Double),
    Column("response_ms", BigInteger),
    Column("test_error", _NAME, nullable=False, server_default=""),
    # What its vendor says is left: billionths of the currency's unit.
    Column("balance", BigInteger),
    Column("balance_currency", _KIND, nullable=False, server_default=""),
    Column("balance_updated_at", Double),
    # Ids are never used twice: records go on to name the channels that are gone.
    sqlite_autoincrement=True,
)

prices = Table(
    "prices",
    metadata,
    Column("model", _NAME, primary_key=True),
    Column("price", Text, nullable=False),
)

# What callers of a group pay of a price: ``ratio`` in billionths.
groups = Table(
    "groups",
    metadata,
    Column("name", _NAME, primary_key=True),
    Column("ratio", BigInteger, nullable=False),
    Column("note", _NAME, nullable=False),
)

reservations = Table(
    "reservations",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("state", _KIND, nullable=False),
    _money("amount"),
    _money("cost"),
    Column("accounts", Text, nullable=False),
    Column("lease_until", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("ended_at", Double),
    # Of the last checkpoint: what is charged if the lease runs out, and the accounts that are not.
    Column("so_far", BigInteger, nullable=False, server_default="0"),
    Column("spare", Text),
    CheckConstraint("amount >= 0 AND cost >= 0", name="amounts"),
    sqlite_with_rowid=False,
)

# For the reaper. Partial where the server can: ended rows leave it, so it stays small.
Index(None, reservations.c.lease_until, sqlite_where=reservations.c.state == HELD,
      postgresql_where=reservations.c.state == HELD)  # fmt: skip

# No foreign keys: each entry would look up and lock two accounts, a third of what the ledger costs a server. Accounts
# are never deleted, and entries are only made for accounts that their transaction has read.
transfers = Table(
    "transfers",
    metadata,
    _key(),
    Column("debit_account", BigInteger, nullable=False),
    Column("credit_account", BigInteger, nullable=False),
    _money("amount"),
    Column("reservation_id", _ID),
    Column("kind", _KIND, nullable=False),
    Column("created_at", Double, nullable=False),
    CheckConstraint("amount >= 0", name="amount"),
)

records = Table(
    "records",
    metadata,
    Column("seq", _Id, primary_key=True),
    Column("id", _ID, nullable=False, unique=True),
    Column("at", Double, nullable=False, index=True),
    Column("operation", _NAME, nullable=False),
    Column("token_id", BigInteger),
    Column("token_name", _NAME, nullable=False),
    Column("user_id", BigInteger),
    Column("model", _NAME, nullable=False),
    Column("upstream_model", _NAME, nullable=False),
    Column("channel_id", BigInteger),
    _money("cost"),
    Column("status", Integer, nullable=False),
    Column("reason", _KIND, nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("first_content", Double),
    Column("duration", Double, nullable=False),
    Column("client", _NAME, nullable=False),
    Column("upstream_request_id", _NAME, nullable=False),
    Column("attempts", Text, nullable=False),
    Column("price", Text),
    *[Column(f"usage_{part}", BigInteger) for part in Usage.__struct_fields__ if part != "estimated"],
    Column("usage_estimated", Boolean),
    Index(None, "token_id", "at"),
    Index(None, "user_id", "at"),
    Index(None, "channel_id", "at"),
    Index(None, "model", "at"),
)

UNUSUAL: dict[str, ColumnElement[bool]] = {
    "status": records.c.status != literal_column("200"),
    "reason": records.c.reason != literal_column("'done'"),
}
"""As literal as ``HELD``, for the same reason."""

# What is rare among records is listed by these; what is usual is found soon without. Where the server can, they are
# partial, and a call that went well costs nothing.
Index(None, records.c.status, records.c.at, sqlite_where=UNUSUAL["status"], postgresql_where=UNUSUAL["status"])
Index(None, records.c.reason, records.c.at, sqlite_where=UNUSUAL["reason"], postgresql_where=UNUSUAL["reason"])

# The records of each day (UTC), added up as they are written, so that totals never walk through them. 0: none.
daily_totals = Table(
    "daily_totals",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("token_id", BigInteger, primary_key=True, autoincrement=False),
    Column("channel_id", BigInteger, primary_key=True, autoincrement=False),
    Column("model", _NAME, primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    _money("cost"),
    Column("duration", Double, nullable=False),
    *[Column(part, BigInteger, nullable=False) for part in TOTALLED],
    Index(None, "user_id"),
    sqlite_with_rowid=False,
)

# One row for each Idempotency-Key in use: who answers it, and the answer once there is one.
answers = Table(
    "answers",
    metadata,
    Column("key", _DIGEST, primary_key=True),
    Column("fingerprint", _DIGEST, nullable=False),
    Column("call_id", _ID, nullable=False),
    Column("state", _KIND, nullable=False),
    Column("status", Integer),
    Column("content_type", _NAME),
    Column("body", LargeBinary(2**24 - 1)),
    Column("lease_until", Double, nullable=False),
    Column("keep_until", Double, nullable=False, index=True),
)

# What a conversation needs again; see ``ports.NoteStore``.
notes = Table(
    "notes",
    metadata,
    Column("key", _DIGEST, primary_key=True),
    Column("value", LargeBinary(2**24 - 1), nullable=False),
    Column("keep_until", Double, nullable=False, index=True),
)

# What callers made at upstreams; see ``ports.ObjectStore``. ``owner`` is a user, or, below 0, a token.
objects = Table(
    "objects",
    metadata,
    Column("seq", _Id, primary_key=True),
    Column("owner", BigInteger, nullable=False),
    Column("id", String(256), nullable=False),
    Column("channel_id", BigInteger, nullable=False),
    Column("kind", _KIND, nullable=False),
    Column("key", _DIGEST, nullable=False),
    Column("token_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("created", Double, nullable=False),
    Column("about", Text, nullable=False),
    UniqueConstraint("owner", "id", "channel_id"),
    Index(None, "owner", "kind", "created"),
)

# Redemption codes; their digests, as of keys.
codes = Table(
    "codes",
    metadata,
    _key(),
    Column("name", _NAME, nullable=False),
    Column("digest", _DIGEST, nullable=False, unique=True),
    _money("amount"),
    Column("expires_at", Double),
    Column("user_id", BigInteger),
    Column("redeemed_at", Double),
    Column("created_at", Double, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=true()),
    Column("creator_id", BigInteger),
    Column("deleted_at", Double),
    CheckConstraint("amount > 0", name="amount"),
    sqlite_autoincrement=True,
)
