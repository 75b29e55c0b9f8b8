"""Many callers at once, of whom each costs next to nothing: open streams, and what came of them."""

from __future__ import annotations

import asyncio
import json
import resource
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple, cast

import httptools
import msgspec

from .pacer import Pace

__all__ = ["Answered", "Asking", "Caller", "Callers", "raise_limit", "request_of"]


def raise_limit() -> int:
    """As many open files as this process may have; children have as many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def request_of(key: str, pace: Pace, *, prompt: str = "Why is the sky blue?") -> bytes:
    """A streamed chat, the usage asked for, so that nothing has to be added or hidden."""
    body = json.dumps(
        {
            "model": "gpt-4o",
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": 64,
            "user": msgspec.json.encode(pace).decode(),
            **({"stream": True, "stream_options": {"include_usage": True}} if pace.events else {}),
        }
    ).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Caller(asyncio.Protocol):
    """One connection that asks once. ``outcome`` is "done", a status that is not 200, "cut", or "" while it is open.

    ``arrivals``: when each piece of the body came, and the piece, if they are kept. Times are monotonic.
    """

    transport: asyncio.Transport

    def __init__(self, request: bytes, *, keep: bool = False) -> None:
        self.outcome = ""
        self.started = 0.0
        self.first: float | None = None
        self.ended: float | None = None
        self.pieces = 0
        self.received = 0
        self.tail = b""
        self.headers: dict[str, str] = {}
        self.arrivals: list[tuple[float, bytes]] = []
        self._keep = keep
        self._request = request
        self._parser = httptools.HttpResponseParser(self)
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.started = time.monotonic()
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        now = time.monotonic()
        if self.first is None:
            self.first = now
            self.begun.set_result(None)
        self.pieces += 1
        self.received += len(body)
        self.tail = (self.tail + body)[-256:]
        if self._keep:
            self.arrivals.append((now, body))

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        streams = self.headers.get("content-type", "").startswith("text/event-stream")
        whole = not streams or self.tail.endswith(b"data: [DONE]\n\n")
        self._end("done" if status == 200 and whole else "cut" if status == 200 else str(status))

    def connection_lost(self, exc: Exception | None) -> None:
        self._end("cut")

    def _end(self, outcome: str) -> None:
        if not self.outcome:
            self.outcome, self.ended = outcome, time.monotonic()
        for each in (self.begun, self.done):
            if not each.done():
                each.set_result(None)

    @property
    def took(self) -> float:
        assert self.ended is not None
        return self.ended - self.started

    def leave(self) -> None:
        self.transport.abort()


class Callers:
    """All of them on this loop. ``port`` is the gateway's."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.all: list[Caller] = []

    async def call(self, request: bytes, *, keep: bool = False) -> Caller:
        caller = Caller(request, keep=keep)
        await asyncio.get_running_loop().create_connection(lambda: caller, "127.0.0.1", self._port)
        self.all.append(caller)
        return caller

    async def open(self, request: bytes, count: int, *, over: float = 0.0, keep: bool = False) -> Sequence[Caller]:
        """So many, evenly over that many seconds."""
        began, opened = time.monotonic(), []
        for number in range(count):
            if (ahead := began + over * number / count - time.monotonic()) > 0:
                await asyncio.sleep(ahead)
            opened.append(await self.call(request, keep=keep))
        return opened

    async def open_gently(self, request: bytes, count: int, *, at_once: int = 16) -> None:
        """So many, each after one of those before it has begun: as fast as they are taken."""
        left = iter(range(count))

        async def one_after_another() -> None:
            for _ in left:
                await (await self.call(request)).begun

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(one_after_another())

    async def ended(self, within: float) -> Counter[str]:
        """How all of them ended.

        :raises TimeoutError: some are still open
        """
        async with asyncio.timeout(within):
            for caller in self.all:
                await caller.done
        return Counter(caller.outcome for caller in self.all)

    def open_count(self) -> int:
        return sum(not caller.outcome for caller in self.all)

    def leave(self) -> None:
        for caller in self.all:
            caller.leave()


class Answered(NamedTuple):
    """Times are monotonic, in seconds. The status is 0 where the connection was closed instead."""

    at: float
    status: int
    took: float


class _Asker(asyncio.Protocol):
    """A connection that is used again."""

    transport: asyncio.Transport
    started: float

    def __init__(self, asking: Asking) -> None:
        self.waits = False
        self._asking = asking

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._asking.idle.append(self)

    def ask(self, request: bytes) -> None:
        self.started, self.waits = time.monotonic(), True
        self._parser = httptools.HttpResponseParser(self)
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        now, self.waits = time.monotonic(), False
        self._asking.answered.append(Answered(now, self._parser.get_status_code(), now - self.started))
        asyncio.get_running_loop().call_soon(self._asking.finished, self)  # not from within the parser

    def connection_lost(self, exc: Exception | None) -> None:
        self._asking.lost(self)


class Asking:
    """Requests that are no streams, on connections that are kept: at a rate, whatever becomes of them (``steadily``),
    or so many at any moment (``closely``)."""

    def __init__(self, port: int, request: bytes, *, connections: int = 1_000) -> None:
        self.answered: list[Answered] = []
        self.open = 0
        self._port = port
        self._request = request
        self._spare = connections
        self.idle: deque[_Asker] = deque()
        self._closely = False

    async def steadily(self, rate: float, seconds: float) -> None:
        began, asked = time.monotonic(), 0
        while (now := time.monotonic() - began) < seconds:
            for _ in range(asked, int(now * rate)):
                await self._ask()
                asked += 1
            await asyncio.sleep(0.002)
        await self._finished()

    async def closely(self, count: int, seconds: float) -> None:
        self._closely = True
        for _ in range(count):
            await self._ask()
        await asyncio.sleep(seconds)
        self._closely = False
        await self._finished()

    async def _finished(self) -> None:
        async with asyncio.timeout(60):
            while self.open:  # noqa: ASYNC110 - connections say it one by one
                await asyncio.sleep(0.01)

    async def connect(self, count: int) -> None:
        """So many connections more, for those who ask next."""
        assert self._spare >= count, "more connections are open than anybody would open"
        self._spare -= count
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(loop.create_connection(lambda: _Asker(self), "127.0.0.1", self._port))

    async def _ask(self) -> None:
        if not self.idle:
            await self.connect(1)
        self.open += 1
        self.idle.popleft().ask(self._request)  # the one that waits longest: servers close those

    def lost(self, asker: _Asker) -> None:
        self._spare += 1
        if asker in self.idle:
            self.idle.remove(asker)
        if asker.waits:
            now = time.monotonic()
            self.answered.append(Answered(now, 0, now - asker.started))
            self.open -= 1

    def finished(self, asker: _Asker) -> None:
        if self._closely and not asker.transport.is_closing():
            asker.ask(self._request)
            return
        self.open -= 1
        if not asker.transport.is_closing():
            self.idle.append(asker)

    def close(self) -> None:
        for asker in list(self.idle):
            asker.transport.abort()
