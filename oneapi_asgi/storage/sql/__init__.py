"""``SQLStorage``: everything in one database, SQLite for now.

Needs the extra ``standalone`` (SQLAlchemy, Alembic, cryptography). Money is exact under any number of processes that share
the file: every write is one short transaction that takes the write lock first.
"""

from __future__ import annotations

from .opening import key_file
from .store import SQLStorage

__all__ = ["SQLStorage", "key_file"]
