"""An upstream that sends what it is told to, byte for byte, and writes down what became of it.

``FakeUpstream`` answers as a provider would; this one knows nothing of formats, and little of HTTP: what it sends is a
script of raw bytes, with the head and the framing in them (``head``, ``chunk``, ``answer``), so that nothing is too
wrong to be sent.

::

    async with ScriptedUpstream() as upstream:
        upstream.play = lambda request: Script([head(), chunk(b"data: {"), Step(chunk(b": here"), 0.1, 50)], "rst")
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Literal, NamedTuple, Self, cast

from msgspec import Struct

from oneapi_asgi.testing.upstream.http import Request, take_request

__all__ = [
    "EVENTS",
    "JSON",
    "LAST_CHUNK",
    "Framing",
    "Opened",
    "Script",
    "ScriptedUpstream",
    "Seen",
    "Step",
    "Then",
    "answer",
    "chunk",
    "head",
    "repeated",
]

Then = Literal["keep", "fin", "rst", "hang"]
"""What follows the last byte: the next request, an end, a reset, or silence until the peer leaves."""

Framing = Literal["chunked", "length", "close"]
"""How a body says where it ends. ``close``: by the end of the connection, so that a cut body looks whole."""

EVENTS = "text/event-stream"
JSON = "application/json"
LAST_CHUNK = b"0\r\n\r\n"


class Step(NamedTuple):
    """Bytes that are written ``times`` times, ``delay`` seconds before each."""

    data: bytes
    delay: float = 0.0
    times: int = 1


class Script(NamedTuple):
    """What one request is answered with: raw bytes, and what happens after the last of them."""

    steps: Iterable[Step | bytes] = ()
    then: Then = "keep"


def head(
    status: int = 200, *, kind: str = EVENTS, framing: Framing = "chunked", length: int = 0, **headers: str
) -> bytes:
    """``length`` is what is claimed, with that framing; underscores in names of headers become hyphens."""
    lines = [f"HTTP/1.1 {status} Scripted"]
    lines += [f"content-type: {kind}"] if kind else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += {
        "chunked": ["transfer-encoding: chunked"],
        "length": [f"content-length: {length}"],
        "close": ["connection: close"],
    }[framing]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def answer(
    parts: Sequence[Step | bytes],
    *,
    status: int = 200,
    kind: str = EVENTS,
    framing: Framing = "chunked",
    then: Then = "keep",
    **headers: str,
) -> Script:
    """An answer as it should be: framed, and ended unless something else follows."""
    steps = [part if isinstance(part, Step) else Step(part) for part in parts]
    length = sum(len(step.data) * step.times for step in steps)
    body = [step._replace(data=chunk(step.data)) if framing == "chunked" else step for step in steps]
    end = [Step(LAST_CHUNK)] if framing == "chunked" and then in ("keep", "fin") else []
    told = head(status, kind=kind, framing=framing, length=length, **headers)
    return Script([told, *body, *end], "fin" if framing == "close" and then == "keep" else then)


class Seen(Struct, kw_only=True):
    """One request and what became of it. Times are of the monotonic clock, None for what has not happened.

    ``aborted`` is when the peer left an answer that was not over, ``ended`` when there was nothing more to send.
    ``steps`` and ``sent`` are what the system has taken, a repeated step counting as often as it was written;
    ``blocked`` are the seconds in which it took nothing.
    """

    request: Request
    connection: int
    at: float
    ended: float | None = None
    aborted: float | None = None
    steps: int = 0
    sent: int = 0
    blocked: float = 0.0

    @property
    def over(self) -> bool:
        return self.ended is not None or self.aborted is not None


class Opened(Struct):
    """One connection of a peer."""

    number: int
    at: float
    closed: float | None = None


class ScriptedUpstream:
    """Listens on a free port of 127.0.0.1, at ``root``. ``play`` chooses the script of each request that arrived whole;
    ``seen`` are those requests, ``opened`` the connections, in the order in which they came."""

    def __init__(self) -> None:
        self.play: Callable[[Request], Script] = lambda _: Script([head(500, framing="length")])
        self.seen: list[Seen] = []
        self.opened: list[Opened] = []
        self.port = 0
        self._links: set[_Link] = set()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def open(self) -> int:
        """Connections that are open now."""
        return len(self._links)

    @property
    def answering(self) -> int:
        """Answers that are not over."""
        return sum(not seen.over for seen in self.seen)

    def forget(self) -> None:
        """What was seen so far."""
        self.seen.clear()
        self.opened.clear()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connect, "127.0.0.1", 0, backlog=4096)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        tasks = [link.task for link in self._links]
        for link in list(self._links):
            link.cut()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _connect(self) -> _Link:
        self.opened.append(Opened(len(self.opened) + 1, time.monotonic()))
        return _Link(self, self.opened[-1])

    def joined(self, link: _Link) -> None:
        self._links.add(link)

    def left(self, link: _Link) -> None:
        self._links.discard(link)


class _GoneError(Exception):
    """The peer has left."""


class _Link(asyncio.Protocol):
    """One connection. The callbacks watch the peer while a task sends."""

    task: asyncio.Task[None]
    _transport: asyncio.Transport

    def __init__(self, upstream: ScriptedUpstream, opened: Opened) -> None:
        self._upstream = upstream
        self._opened = opened
        self._buffer = bytearray()
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = asyncio.Event()
        self._seen: Seen | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)  # so that bytes count when the system has taken them
        self._upstream.joined(self)
        self.task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._arrived.set()

    def eof_received(self) -> bool:
        self._leave()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._opened.closed = time.monotonic()
        self._upstream.left(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def cut(self) -> None:
        self._transport.abort()

    def _leave(self) -> None:
        if self._seen is not None and not self._seen.over:
            self._seen.aborted = time.monotonic()
        for event in (self._gone, self._arrived, self._writable):
            event.set()

    async def _serve(self) -> None:
        try:
            while True:
                await self._answer(await self._next())
        except _GoneError:
            pass
        finally:
            self._transport.close()

    async def _next(self) -> Request:
        while (request := take_request(self._buffer)) is None:
            self._check()
            self._arrived.clear()
            await self._arrived.wait()
        return request

    async def _answer(self, request: Request) -> None:
        seen = self._seen = Seen(request=request, connection=self._opened.number, at=time.monotonic())
        self._upstream.seen.append(seen)
        steps, then = self._upstream.play(request)
        for step in steps:
            await self._play(seen, step if isinstance(step, Step) else Step(step))
        if then == "hang":
            await self._gone.wait()
        seen.ended = time.monotonic() if seen.aborted is None else None
        if then == "rst":
            _reset(self._transport)
        if then != "keep":
            raise _GoneError

    async def _play(self, seen: Seen, step: Step) -> None:
        for _ in range(step.times):
            if step.delay:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._gone.wait(), step.delay)
            self._check()
            self._transport.write(step.data)
            if not self._writable.is_set():
                began = time.monotonic()
                await self._writable.wait()
                seen.blocked += time.monotonic() - began
                self._check()
            elif not seen.steps % 64:
                await asyncio.sleep(0)  # a flood is to leave the others their turn
            seen.steps += 1
            seen.sent += len(step.data)

    def _check(self) -> None:
        if self._gone.is_set():
            raise _GoneError


def _reset(transport: asyncio.Transport) -> None:
    """Closing with lingering time 0 makes it a reset."""
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def repeated(data: bytes, times: int, *, size: int = 65_536) -> Iterator[Step]:
    """The same small piece so many times, many of them in each write: a million writes would take the test's time."""
    many = max(1, size // len(data))
    yield Step(chunk(data * many), times=times // many)
    if times % many:
        yield Step(chunk(data * (times % many)))
