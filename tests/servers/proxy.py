"""A TCP proxy with faults, between the gateway and what it talks to.

::

    with FaultProxy.before("postgresql://postgres@127.0.0.1:5432/test") as proxy:
        url = proxy.url  # the same, by way of the proxy
        proxy.black_hole(True)

It runs in a thread and an event loop of its own, so a test of any kind may use it (``async with`` works as well) and a
busy test does not slow it down. A control has taken effect when it returns.

A byte has passed when the kernel has it, which on 127.0.0.1 delivers it unless the receiver reads nothing at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

__all__ = ["Counts", "Direction", "FaultProxy"]

Direction = Literal["up", "down"]
"""Up is from the client to the server."""

DIRECTIONS: tuple[Direction, ...] = ("up", "down")
T = TypeVar("T")

_PORTS = {"postgresql": 5432, "postgres": 5432, "mysql": 3306, "mariadb": 3306, "redis": 6379, "http": 80, "https": 443}
_CHUNK = 65536
_CHUNKS = 16
_SLICES_A_SECOND = 20
_CONTROL_SECONDS = 30.0


@dataclass
class Counts:
    """Since the proxy was started; ``open`` is now."""

    accepted: int = 0
    """All that clients opened, refused ones too."""
    open: int = 0
    refused: int = 0
    unreachable: int = 0
    """Reset because the server could not be connected to."""
    cut: int = 0
    up: int = 0
    """Bytes passed on to the server."""
    down: int = 0


class _Cut(Exception):
    """Ends one connection by a reset on both sides."""


@dataclass
class _Lane:
    """What holds for one direction of all connections."""

    latency: float = 0.0
    bandwidth: float | None = None
    left: int | None = None
    """Bytes that still pass until a connection is cut."""


@dataclass
class _Trap:
    pattern: bytes
    delivered: bool


@dataclass
class _Faults:
    """What is wrong at the moment; only the proxy's loop touches it."""

    gate: asyncio.Event
    lanes: dict[Direction, _Lane]
    refuse: bool = False
    trap: _Trap | None = None
    counts: Counts = field(default_factory=Counts)


class FaultProxy:
    """Passes bytes between clients and ``host:port``, as well as its faults allow.

    ``port``, ``url`` and the controls are there from ``__enter__`` to ``__exit__``, which resets what is still open.
    """

    def __init__(self, host: str, port: int, *, url: str | None = None) -> None:
        self._target = (host, port)
        self._url = url
        self.port = 0

    @classmethod
    def before(cls, url: str) -> Self:
        """For the server of a URL, by the scheme's usual port if it names none."""
        split = urlsplit(url)
        port = split.port or _PORTS[split.scheme.partition("+")[0]]
        return cls(split.hostname or "127.0.0.1", port, url=url)

    @property
    def url(self) -> str:
        """The URL given to ``before``, with this proxy in the server's place."""
        assert self._url is not None, "use url_of, or make the proxy with before()"
        return self.url_of(self._url)

    def url_of(self, url: str) -> str:
        """Any URL of the server, with this proxy in its place; user, path and query stay."""
        split = urlsplit(url)
        user, at, _ = split.netloc.rpartition("@")
        return split._replace(netloc=f"{user}{at}127.0.0.1:{self.port}").geturl()

    @property
    def counts(self) -> Counts:
        """A copy."""
        return replace(self._faults.counts, open=len(self._links))

    def heal(self) -> None:
        """Takes all faults back; what was held passes on, in order."""

        def heal() -> None:
            for direction in DIRECTIONS:
                self._faults.lanes[direction] = _Lane()
            self._faults.refuse, self._faults.trap = False, None
            self._faults.gate.set()

        self._do(heal)

    def latency(self, seconds: float, *directions: Direction) -> None:
        """Each byte read from now on arrives that much later, in both directions unless named: twice a round trip."""
        self._set("latency", seconds, directions)

    def bandwidth(self, bytes_a_second: float | None, *directions: Direction) -> None:
        """For each connection and direction by itself; None is as fast as it goes."""
        self._set("bandwidth", bytes_a_second, directions)

    def refuse(self, on: bool = True) -> None:
        """New connections are reset at once (while the client connects, or when it reads); those that are open stay."""
        self._do(lambda: setattr(self._faults, "refuse", on))

    def black_hole(self, on: bool = True) -> None:
        """Nothing passes, neither bytes nor ends of connections; new ones are accepted and do not reach the server.

        Nothing is lost: it passes on when this is taken back, unless it is cut before.
        """
        self._do(self._faults.gate.clear if on else self._faults.gate.set)

    def cut(self) -> None:
        """Resets all open connections on both sides, also those in the black hole; what they held is lost."""
        self._run(self._cut())

    def cut_after(self, count: int, direction: Direction) -> None:
        """Once: when ``count`` more bytes have passed, of all connections, the one that they ended with is reset.

        With 0 it is that of the next byte, which does not pass. Cutting the way down loses an answer: what it answers
        was done.
        """
        self._do(lambda: setattr(self._faults.lanes[direction], "left", count))

    def cut_at(self, pattern: bytes, *, delivered: bool) -> None:
        """Once: resets the connection on which a client sends these bytes.

        Either they are not delivered to the server, or they are and it is the answer that is lost. The client cannot
        tell one from the other. What commits is ``b"COMMIT;"`` of asyncpg and ``b"\\x03COMMIT"`` of asyncmy, whose
        ``SET AUTOCOMMIT`` is another thing.
        """
        self._do(lambda: setattr(self._faults, "trap", _Trap(pattern, delivered)))

    def half_close(self, direction: Direction) -> None:
        """Ends one direction of all open connections: its receiver reads the end, what is sent later is dropped."""

        def close() -> None:
            for link in self._links:
                link.half_close(direction)

        self._do(close)

    def __enter__(self) -> Self:
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True)
        self._thread.start()
        assert started.wait(_CONTROL_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._ended.set)
        self._thread.join(_CONTROL_SECONDS)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()

    def _do(self, action: Callable[[], object]) -> None:
        async def run() -> None:
            action()

        self._run(run())

    def _run(self, action: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(action, self._loop).result(_CONTROL_SECONDS)

    def _set(self, name: str, value: float | None, directions: tuple[Direction, ...]) -> None:
        def change() -> None:
            for direction in directions or DIRECTIONS:
                setattr(self._faults.lanes[direction], name, value)

        self._do(change)

    async def _serve(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._faults = _Faults(gate=asyncio.Event(), lanes={direction: _Lane() for direction in DIRECTIONS})
        self._faults.gate.set()
        self._links: dict[_Link, asyncio.Task[bool]] = {}
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_CHUNK)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self._ended.wait()
        server.close()
        await self._cut()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counts = self._faults.counts
        counts.accepted += 1
        if self._faults.refuse:
            counts.refused += 1
            _reset(writer)
            return
        link = _Link(self._faults, reader, writer)
        task = self._links[link] = asyncio.create_task(link.run(self._target))
        task.add_done_callback(lambda _: self._end(link, task))

    def _end(self, link: _Link, task: asyncio.Task[bool]) -> None:
        """In a callback, as a task that is cut before its first step runs nothing of its own."""
        del self._links[link]
        link.close(orderly=not task.cancelled() and task.result())

    async def _cut(self) -> None:
        tasks = list(self._links.values())
        self._faults.counts.cut += len(tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # in which the sockets are closed


class _Link:
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(self, faults: _Faults, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._faults = faults
        self._client = (reader, writer)
        self._writers: dict[Direction, asyncio.StreamWriter] = {"down": writer}
        self._closed: set[Direction] = set()
        self._tail = b""
        self._answer_is_lost = False

    async def run(self, target: tuple[str, int]) -> bool:
        """Until both sides have ended (true), or one was reset."""
        orderly = False
        try:
            await self._faults.gate.wait()
            server = await self._connect(target)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump("up", self._client[0], server[1]))
                tasks.create_task(self._pump("down", server[0], self._client[1]))
            orderly = True
        except* OSError:
            pass
        except* _Cut:
            self._faults.counts.cut += 1
        return orderly

    def close(self, *, orderly: bool) -> None:
        for writer in self._writers.values():
            if orderly:
                writer.close()
            else:
                _reset(writer)

    def half_close(self, direction: Direction) -> None:
        self._closed.add(direction)
        if writer := self._writers.get(direction):
            _write_eof(writer)

    async def _connect(self, target: tuple[str, int]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            reader, writer = await asyncio.open_connection(*target, limit=_CHUNK)
        except OSError as error:
            self._faults.counts.unreachable += 1
            raise ConnectionAbortedError from error
        self._writers["up"] = writer
        if "up" in self._closed:
            _write_eof(writer)
        for each in self._writers.values():
            each.transport.set_write_buffer_limits(0)  # so that drain() waits for the kernel to have it all
        return reader, writer

    async def _pump(self, direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Reader and writer are apart, so that latency delays bytes and does not slow them down."""
        held: asyncio.Queue[tuple[float, bytes | None]] = asyncio.Queue(_CHUNKS)
        reading = asyncio.create_task(self._read(direction, reader, held))
        try:
            while chunk := await _due(held):
                await self._faults.gate.wait()
                for piece in self._slices(direction, chunk):
                    await self._pace(direction, piece)
                    await self._pass(direction, piece, writer)
            await self._faults.gate.wait()
            _write_eof(writer)
        finally:
            reading.cancel()

    async def _read(
        self, direction: Direction, reader: asyncio.StreamReader, held: asyncio.Queue[tuple[float, bytes | None]]
    ) -> None:
        chunk: bytes | None = b"..."
        while chunk:
            try:
                chunk = await reader.read(_CHUNK)
            except ConnectionError:
                chunk = None
            await held.put((asyncio.get_running_loop().time() + self._faults.lanes[direction].latency, chunk))

    def _slices(self, direction: Direction, chunk: bytes) -> Iterator[bytes]:
        while chunk:
            bandwidth = self._faults.lanes[direction].bandwidth
            size = max(1, int(bandwidth / _SLICES_A_SECOND)) if bandwidth else len(chunk)
            yield chunk[:size]
            chunk = chunk[size:]

    async def _pace(self, direction: Direction, piece: bytes) -> None:
        if bandwidth := self._faults.lanes[direction].bandwidth:
            await asyncio.sleep(len(piece) / bandwidth)
            await self._faults.gate.wait()

    async def _pass(self, direction: Direction, piece: bytes, writer: asyncio.StreamWriter) -> None:
        if direction == "up":
            self._spring(piece)
        elif self._answer_is_lost:
            raise _Cut
        allowed, is_last = self._allowed(self._faults.lanes[direction], piece)
        if direction not in self._closed:
            await self._write(direction, allowed, writer)
        if is_last:
            raise _Cut

    @staticmethod
    def _allowed(lane: _Lane, piece: bytes) -> tuple[bytes, bool]:
        """What of a piece still passes, and whether the connection is cut after it."""
        if lane.left is None or lane.left > len(piece):
            lane.left = None if lane.left is None else lane.left - len(piece)
            return piece, False
        allowed, lane.left = piece[: lane.left], None
        return allowed, True

    def _spring(self, piece: bytes) -> None:
        trap = self._faults.trap
        seen, self._tail = self._tail + piece, b""
        if trap is None:
            return
        if trap.pattern not in seen:
            self._tail = seen[-len(trap.pattern) + 1 :] if len(trap.pattern) > 1 else b""
            return
        self._faults.trap = None
        if not trap.delivered:
            raise _Cut
        self._answer_is_lost = True

    async def _write(self, direction: Direction, piece: bytes, writer: asyncio.StreamWriter) -> None:
        counts = self._faults.counts
        setattr(counts, direction, getattr(counts, direction) + len(piece))
        writer.write(piece)
        await writer.drain()


async def _due(held: asyncio.Queue[tuple[float, bytes | None]]) -> bytes:
    """The next chunk, at its time; empty at the sender's end. ConnectionResetError if the sender was reset."""
    due, chunk = await held.get()
    await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
    if chunk is None:
        raise ConnectionResetError
    return chunk


def _write_eof(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, RuntimeError):
        writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closes at once by RST, also where bytes wait to be sent."""
    connection = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
