"""``SQLStorage``: everything in one database, whose secrets are sealed with a key that is kept elsewhere.

Needs the extra ``standalone`` (SQLAlchemy, Alembic, cryptography). Money is exact under any number of processes that
share the database.
"""

from __future__ import annotations

from .opening import key_file
from .store import SQLStorage

__all__ = ["SQLStorage", "key_file"]
