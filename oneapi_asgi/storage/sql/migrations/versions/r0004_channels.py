"""How many calls a channel takes at one moment, and why the gateway switched it off.

An expansion only, as the one before, and as safe to run again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("channels")}
    for column in (
        sa.Column("concurrent_calls", sa.BigInteger()),
        sa.Column("concurrent_calls_per_key", sa.BigInteger()),
        sa.Column("disabled_because", sa.String(length=255), server_default="", nullable=False),
    ):
        if column.name not in there:
            op.add_column("channels", column)
