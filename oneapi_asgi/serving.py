"""How the standalone app is run: uvicorn in one process or several, within bounds, and stopped without losing a call.

    code = serve(partial(app_of, settings), settings.server)

When a process is told to stop, the app drains (``drain``), and tells the server when it takes no more calls. The server
then closes the sockets that it listens on, and each connection as it becomes idle; when no call is open any more, it
ends the lifespan, and the process with code 0.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socket import socket
from typing import TypeAlias

import uvicorn
from starlette.types import ASGIApp

from .accepting import Acceptor, Shares
from .bounded import BoundedConfig, BoundedProtocol, Bounds, sweep
from .delivery import AnswerCutError
from .settings import ServerSettings
from .workers import STARTUP_FAILURE, Supervisor, stop_with_supervisor

__all__ = ["Quiet", "Server", "config_of", "most_connections", "serve"]

AppFactory: TypeAlias = Callable[[], ASGIApp]

_TICKS = 10
"""Of the server's clock a second."""

_OWN_FILES = 64
_MOST_FILES = 1 << 20
_FEWEST_CONNECTIONS = 16

_OVERTIME = 10.0
"""Seconds after which calls are cancelled that their app has not ended though it should have."""

_REFUSED_WEBSOCKET = "ASGI callable returned without completing handshake."

_FLUSHING = 0.01
_FLUSHES = 50
"""Seconds between, and number of, looks whether the last bytes of closed connections got out."""


class Server(uvicorn.Server):
    """Ends with code 0 when it was told to stop, after the lifespan, whatever else was told meanwhile."""

    config: BoundedConfig
    shares: Shares | None = None
    """Where several processes listen on the same sockets."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            try:
                yield
            finally:
                self._captured_signals.clear()  # they were obeyed: nothing is to be raised again

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        listening = [each.fileno() for server in self.servers for each in server.sockets] if self.started else []
        self._acceptors = [
            Acceptor(number, self._protocol, shares=self.shares, count=self._connections) for number in listening
        ]
        if self.shares is not None and all(acceptor.accepts for acceptor in self._acceptors):
            # The loop's own servers would take what they can get.
            self.shares.take_place()
            for server in self.servers:
                server.close()

    def _connections(self) -> int:
        return len(self.server_state.connections)

    def _protocol(self) -> BoundedProtocol:
        return BoundedProtocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS == 0:
            self._sweep()
        return await super().on_tick(counter)

    def _sweep(self) -> None:
        sweep(self.server_state.connections, time.monotonic())
        if self.shares is not None:
            self.shares.tell(self._connections())

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        for acceptor in self._acceptors:
            acceptor.close()
        for server in self.servers:
            server.close()
        for each in sockets or []:
            each.close()
        for connection in list(self.server_state.connections):
            if isinstance(connection, BoundedProtocol):
                connection.shutdown()  # sessions on WebSockets would be cut off by theirs
        await self._last_calls()
        await self.lifespan.shutdown()
        await self._last_bytes()

    async def _last_calls(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + (self.config.timeout_graceful_shutdown or 0) + _OVERTIME
        while (tasks := self.server_state.tasks) and loop.time() < until:
            await asyncio.wait(list(tasks), timeout=1.0)
            self._sweep()
        for task in tasks:
            task.cancel()

    async def _last_bytes(self) -> None:
        for _ in range(_FLUSHES):
            if not self.server_state.connections:
                return
            await asyncio.sleep(_FLUSHING)
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def serve(app: AppFactory, settings: ServerSettings) -> int:
    """Run the app, until told to stop; gives the exit code. In the main thread. Several processes each make one of
    their own, so that ``app`` has to be picklable."""
    if settings.workers == 1:
        return _run(app, settings, None)
    listening = [config_of(app, settings).bind_socket()]
    return Supervisor(
        _work, (app, settings, listening, Shares(settings.workers)), workers=settings.workers, sockets=listening
    ).run()


def _work(app: AppFactory, settings: ServerSettings, sockets: list[socket], shares: Shares) -> None:
    stop_with_supervisor()
    sys.exit(_run(app, settings, sockets, shares))


class Quiet(logging.Filter):
    """Without what uvicorn takes for a fault of the app: that an answer does not end is how a client learns of it, who
    reads nothing is cut off when the process stops, and a WebSocket may be refused with an answer of HTTP."""

    def filter(self, record: logging.LogRecord) -> bool:
        cut = record.exc_info is not None and isinstance(record.exc_info[1], AnswerCutError | asyncio.CancelledError)
        return not cut and record.msg != _REFUSED_WEBSOCKET


def _run(app: AppFactory, settings: ServerSettings, sockets: list[socket] | None, shares: Shares | None = None) -> int:
    server = Server(config_of(app, settings))
    server.shares = shares
    logging.getLogger("uvicorn.error").addFilter(Quiet())
    with suppress(KeyboardInterrupt):  # before the server hears signals
        server.run(sockets)
    return 0 if server.started else STARTUP_FAILURE


def config_of(app: AppFactory, settings: ServerSettings) -> BoundedConfig:
    """How uvicorn has to run the gateway: the app does its own logging, judges proxy headers itself, and drains."""
    return BoundedConfig(
        app,
        bounds=Bounds(most_connections(_files()), header_timeout=settings.header_timeout),
        factory=True,
        host=settings.host,
        port=settings.port,
        ws="websockets-sansio",
        lifespan="on",
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=round(settings.drain_delay + settings.graceful_timeout),
    )


def most_connections(files: int) -> int:
    """How many clients a process that may open so many files can take: a call of each opens another upstream."""
    return max(_FEWEST_CONNECTIONS, (files - _OWN_FILES) // 2)


def _files() -> int:
    """How many files this process may open; as many as it can be allowed to."""
    if sys.platform == "win32":
        return _MOST_FILES
    import resource  # only there

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
