"""The tables of the administration, beside those of ``storage.sql.schema`` and in the same words.

Digests are hex SHA-256 of secrets that were shown once.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from ..schema import metadata

__all__ = [
    "challenges",
    "events",
    "identities",
    "imports",
    "options",
    "orders",
    "recovery_codes",
    "sessions",
    "tries",
]

_ID = BigInteger().with_variant(Integer, "sqlite")
_DIGEST, _KIND, _NUMBER, _NAME = String(64), String(16), String(64), String(255)

# Accounts elsewhere by which users sign in: never by an address or a login name, which others may get.
identities = Table(
    "identities",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False, index=True),
    Column("provider", _NUMBER, nullable=False),
    Column("subject", _NAME, nullable=False),
    Column("label", _NAME, nullable=False),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("provider", "subject"),
    sqlite_autoincrement=True,
)

# Of browsers that have signed in; ``pending`` ones still owe a second factor.
sessions = Table(
    "sessions",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("user_id", BigInteger, nullable=False, index=True),
    Column("pending", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
    Column("fresh_until", Double, nullable=False),
    Column("address", _NAME, nullable=False),
    Column("agent", _NAME, nullable=False),
)

# What stands in for a second factor that was lost, each once.
recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", _DIGEST, primary_key=True),
    sqlite_with_rowid=False,
)

# When somebody guessed, as a JSON list of moments. ``turns`` only grows: to write it is to wait for one's turn.
tries = Table(
    "tries",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("turns", BigInteger, nullable=False),
    Column("times", Text),
    Column("keep_until", Double, index=True),
    sqlite_with_rowid=False,
)

# Secrets that are good once and for a while: codes by e-mail, links to reset a password, states of OAuth.
challenges = Table(
    "challenges",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("kind", _KIND, nullable=False),
    Column("subject", _NAME, nullable=False, index=True),
    Column("data", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("keep_until", Double, nullable=False, index=True),
)

# What root has set.
options = Table(
    "options",
    metadata,
    Column("name", _NUMBER, primary_key=True),
    Column("value", Text, nullable=False),
    Column("changed_at", Double, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("at", Double, nullable=False, index=True),
    Column("kind", _KIND, nullable=False),
    Column("action", _NUMBER, nullable=False),
    Column("actor_id", BigInteger),
    Column("actor_name", _NAME, nullable=False),
    Column("user_id", BigInteger),
    Column("user_name", _NAME, nullable=False),
    Column("target", _NAME, nullable=False),
    Column("text", Text, nullable=False),
    Column("amount", BigInteger),
    Column("detail", Text, nullable=False),
    Column("address", _NAME, nullable=False),
    Column("request_id", _NUMBER, nullable=False),
    Index(None, "user_id", "at"),
    Index(None, "kind", "at"),
    sqlite_autoincrement=True,
)

# What users are about to pay for: ``amount`` is in billionths of the currency, ``credit`` in nano-dollars. An event of
# the payment's is of one order, and what was credited stays so.
orders = Table(
    "orders",
    metadata,
    Column("number", _ID, primary_key=True),
    Column("id", _NUMBER, nullable=False, unique=True),
    Column("user_id", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", _KIND, nullable=False),
    Column("credit", BigInteger, nullable=False),
    Column("event_id", _NAME, unique=True),
    Column("paid_at", Double),
    Column("credited_at", Double),
    Column("created_at", Double, nullable=False),
    CheckConstraint("amount > 0 AND credit > 0", name="amount"),
    Index(None, "user_id", "created_at"),
    sqlite_autoincrement=True,
)

# What was moved in from elsewhere: the number that a row had there, and has here. ``mark`` tells one source from
# another under the same name.
imports = Table(
    "imports",
    metadata,
    Column("source", _NUMBER, primary_key=True),
    Column("kind", _KIND, primary_key=True),
    Column("source_id", BigInteger, primary_key=True, autoincrement=False),
    Column("own_id", BigInteger, nullable=False),
    Column("mark", _DIGEST, nullable=False),
    sqlite_with_rowid=False,
)
