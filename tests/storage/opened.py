"""A storage whose connections a test may use, for what no port asks for; and patience with one that is busy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy import Connection

from oneapi_asgi.storage import StorageError
from oneapi_asgi.storage.sql import SQLStorage

__all__ = ["Opened", "patiently"]

T = TypeVar("T")


class Opened(SQLStorage):
    async def run(self, work: Callable[[Connection], T]) -> T:
        """In a transaction of its own, however long it takes."""
        return await self._open.writer.run(work, long=True)


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """By one who asks again while the storage is busy, which it says before it has begun."""
    while True:
        try:
            return await ask()
        except StorageError as error:
            if "were busy" not in str(error):
                raise
