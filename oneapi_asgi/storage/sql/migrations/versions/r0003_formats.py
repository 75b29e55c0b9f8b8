"""What a channel needs to be asked in any format; notes that come back, and what callers own at upstreams.

An expansion only: a replica of the version before goes on to work on it, as it names its columns and fills all that
has no default. Where the server ends the transaction at each change, one that broke off may be run again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    there = sa.inspect(op.get_bind())
    _channels({column["name"] for column in there.get_columns("channels")})
    tables = set(there.get_table_names())
    for name, make in (("notes", _notes), ("objects", _objects)):
        if name not in tables:
            make()
        else:
            _indexes(name, {str(index["name"]) for index in there.get_indexes(name)})


def _channels(there: set[str]) -> None:
    for column in (
        sa.Column("dialects", sa.Text()),
        sa.Column("options", sa.Text()),
        sa.Column("unsupported", sa.String(length=16), server_default="drop", nullable=False),
    ):
        if column.name not in there:
            op.add_column("channels", column)


def _notes() -> None:
    op.create_table(
        "notes",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("value", sa.LargeBinary(length=2**24 - 1), nullable=False),
        sa.Column("keep_until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_notes")),
    )
    _indexes("notes", set())


def _objects() -> None:
    op.create_table(
        "objects",
        sa.Column("seq", ID, nullable=False),
        sa.Column("owner", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(length=256), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("token_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_objects")),
        sa.UniqueConstraint("owner", "id", "channel_id", name=op.f("uq_objects_owner_id_channel_id")),
    )
    _indexes("objects", set())


_INDEXES = {"notes": ["keep_until"], "objects": ["owner", "kind", "created"]}


def _indexes(table: str, there: set[str]) -> None:
    name = f"ix_{table}_{'_'.join(_INDEXES[table])}"
    if name not in there:
        op.create_index(op.f(name), table, _INDEXES[table], unique=False)
