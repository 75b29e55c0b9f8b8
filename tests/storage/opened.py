"""A storage whose connections a test may use, for what no port asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from oneapi_asgi.storage.sql import SQLStorage

__all__ = ["Opened"]

T = TypeVar("T")


class Opened(SQLStorage):
    async def run(self, work: Callable[[Connection], T]) -> T:
        """In a transaction of its own, however long it takes."""
        return await self._open.writer.run(work, long=True)
