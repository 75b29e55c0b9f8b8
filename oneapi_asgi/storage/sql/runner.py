"""What carries out transactions: threads with connections to a file, or tasks with connections to a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

__all__ = ["Runner"]

T = TypeVar("T")


class Runner(Protocol):
    async def start(self) -> None:
        """To be followed by ``close`` even if it fails."""
        ...

    async def run(self, work: Callable[[Connection], T], *, long: bool = False) -> T:
        """Carry out ``work`` in a transaction: committed when it returns, rolled back when it raises.

        Callers may be cancelled at any moment: they only stop waiting for what has been begun. ``long`` work is given
        all the time that it takes; where somebody waits for the rest it is broken off after some seconds.

        :raises RuntimeError: it was closed
        :raises ValueError: the database takes no such value; nothing was done
        :raises StorageError: the database does not answer, or not in time; then nobody knows whether it was done
        """
        ...

    async def close(self) -> None:
        """Finish what was queued."""
        ...
