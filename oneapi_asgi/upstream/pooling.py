"""The connections of one client: those that serve, and those that are kept for the next call to the same origin."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial

from .connection import RECEIVED, Connection
from .dialing import Dialer
from .heads import Origin

__all__ = ["Connections"]

_PARTING = 1.0
"""Seconds that closing waits for the loop to be rid of what was closed."""


class Connections:
    """Which was used last is used next, so that those that are not needed grow old. None is kept on which something
    came that nobody had asked for.

    ``idle_seconds``: how long one is kept, and up to a third longer. ``most_idle``: how many are kept for one origin;
    how many serve is not limited.
    """

    def __init__(self, dialer: Dialer, *, idle_seconds: float = 15.0, most_idle: int = 1_000) -> None:
        self._idle_seconds = idle_seconds
        self._most_idle = most_idle
        self._loop = asyncio.get_running_loop()
        self._dialer = dialer
        self._room = memoryview(bytearray(RECEIVED))
        self._open: set[Connection] = set()
        self._idle: dict[Origin, list[Connection]] = {}
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False
        self._gone = asyncio.Event()

    def kept(self, origin: Origin) -> Connection | None:
        """One that has served before, if there is any."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if not connection.closed:
                return connection
        return None

    async def made(self, origin: Origin, seconds: float) -> Connection:
        """A new one, within so many seconds.

        :raises UpstreamFault: there is none
        """
        return await self._dialer.dial(origin, partial(Connection, self, origin, self._loop, self._room), seconds)

    async def close(self) -> None:
        """Ends whatever still serves, too."""
        self._closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        await self._dialer.close()
        for connection in list(self._open):
            connection.abort()
        self._idle.clear()
        if self._open:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PARTING):
                    await self._gone.wait()

    # --- what connections tell ----------------------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        self._open.add(connection)
        if self._closed:  # while it was being made
            connection.abort()

    def freed(self, connection: Connection) -> None:
        idle = self._idle.setdefault(connection.origin, [])
        if self._closed or len(idle) >= self._most_idle:
            connection.abort()
            return
        connection.idle_since = self._loop.time()
        idle.append(connection)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(self._idle_seconds / 3, self._sweep)

    def lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if self._closed and not self._open:
            self._gone.set()

    def _sweep(self) -> None:
        self._sweeping = None
        oldest = self._loop.time() - self._idle_seconds
        for origin, idle in list(self._idle.items()):
            for connection in idle:
                if connection.idle_since < oldest:
                    connection.abort()
            left = [connection for connection in idle if not connection.closed]
            if left:
                self._idle[origin] = left
            else:
                del self._idle[origin]
        if self._idle:
            self._sweeping = self._loop.call_later(self._idle_seconds / 3, self._sweep)
