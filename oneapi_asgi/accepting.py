"""Take in those who wait for a connection, many at each turn of the event loop.

uvloop takes in one a turn. That is plenty while turns are short; when they take 50 ms, twenty are let in a second, and
who connects then, a health check for instance, waits for seconds before it is even heard.

Several processes that listen on one socket do not get equal parts of its connections by themselves: whoever wakes first
takes what there is. So each tells the others how many it has (``Shares``), and lets those go first who have fewer.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.sharedctypes import RawArray

__all__ = ["Acceptor", "Shares"]

_AT_ONCE = 32
"""Not all who wait: other processes may listen on the same socket, and are to get their part."""

_REST = 1.0
"""Seconds after which to try again where there were no files left."""


_POLITE = 0.002
"""Seconds for which those who have fewer connections may go first. Not for ever: they may hang."""


class Shares:
    """How many connections each of ``count`` processes has, in memory that they share. Picklable for those that
    ``multiprocessing`` spawns; each takes a place when it starts."""

    def __init__(self, count: int) -> None:
        self._lock = multiprocessing.get_context("spawn").Lock()
        self._owners = RawArray("l", count)
        self._counts = RawArray("l", count)
        self._place: int | None = None

    def take_place(self) -> None:
        """That of a process that is gone, if there is no other. There may be none for a while, where another process
        has got the number of one that is gone: then this one takes what it gets."""
        with self._lock:
            free = (place for place, owner in enumerate(self._owners) if not owner or not _lives(owner))
            self._place = next(free, None)
            if self._place is not None:
                self._owners[self._place], self._counts[self._place] = os.getpid(), 0

    def tell(self, count: int) -> None:
        """How many this process has."""
        if self._place is not None:
            self._counts[self._place] = count

    def is_over(self, count: int) -> bool:
        """Whether another process has fewer."""
        if self._place is None:
            return False
        return any(other < count for place, other in enumerate(self._counts) if place != self._place)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True


class Acceptor:
    """Accepts on the socket of the file ``number``, which stays its owner's. ``count`` tells how many connections this
    process has, and ``shares`` the others how many that is."""

    def __init__(
        self,
        number: int,
        protocol: Callable[[], asyncio.Protocol],
        *,
        shares: Shares | None = None,
        count: Callable[[], int] = lambda: 0,
    ) -> None:
        self._shares = shares
        self._count = count
        self._socket = socket.socket(fileno=os.dup(number))
        self._socket.setblocking(False)
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._resting: asyncio.TimerHandle | None = None
        self._connecting: set[asyncio.Task[object]] = set()
        self._waited = False
        self.accepts = True
        """Whether it can."""

        self._start()

    def close(self) -> None:
        """Take in no more. Who was taken in keeps their connection."""
        if self._resting is not None:
            self._resting.cancel()
        with suppress(NotImplementedError):
            self._loop.remove_reader(self._socket)
        self._socket.close()

    def _start(self) -> None:
        self._resting = None
        try:
            self._loop.add_reader(self._socket, self._accept)
        except NotImplementedError:  # there the server is alone
            self.accepts = False

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            if self._lets_others_go_first():
                return
            try:
                accepted, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return  # nobody else waits
            except OSError:
                self._loop.remove_reader(self._socket)
                self._resting = self._loop.call_later(_REST, self._start)
                return
            accepted.setblocking(False)
            task = self._loop.create_task(self._connect(accepted))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    def _lets_others_go_first(self) -> bool:
        if self._shares is None:
            return False
        count = self._count() + len(self._connecting)
        self._shares.tell(count)
        waited, self._waited = self._waited, False
        if waited or not self._shares.is_over(count):
            return False
        self._waited = True
        self._loop.remove_reader(self._socket)
        self._resting = self._loop.call_later(_POLITE, self._start)
        return True

    async def _connect(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, accepted)
        except OSError:  # left already
            accepted.close()
