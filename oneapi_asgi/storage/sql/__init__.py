"""``SQLStorage``: everything in one database, SQLite for now.

Needs the extra ``standalone`` (SQLAlchemy, Alembic). Money is exact under any number of processes that share
the file: every write is one short transaction that takes the write lock first.
"""

from __future__ import annotations

from .store import SQLStorage

__all__ = ["SQLStorage"]
