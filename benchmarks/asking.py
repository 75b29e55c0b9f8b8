"""One connection of a load generator: it sends the same request whenever it is told to, and checks each answer.

An answer must have status 200 and the right length, and a stream must come to its end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeAlias, cast

import httptools

from .traffic import EVENTS, LENGTHS, TRANSLATED, Caller, Mode, request_of

__all__ = ["Asking", "Connect", "connector"]

Connect: TypeAlias = Callable[[], "asyncio.Future[Asking]"]

DONE = b"[DONE]\n\n"
STOPPED = b'{"type":"message_stop"}\n\n'
TAIL = 64  # bytes, more than either


class Asking(asyncio.Protocol):
    """``began`` and ``ended`` are told of the first byte of an answer's body and of its last one, at times of
    ``time.perf_counter``; ``failed`` of whatever must not happen, in words."""

    transport: asyncio.Transport
    parser: httptools.HttpResponseParser
    due = 0.0
    """For whoever asks by a schedule: when this request should have been sent."""

    def __init__(self, mode: Mode, request: bytes, *, exact: bool, failed: Callable[[str], None]) -> None:
        self._request = request
        self._length = LENGTHS.get(mode) if exact else None
        self._end = (STOPPED if mode in TRANSLATED else DONE) if EVENTS[mode] else b""
        self._failed = failed
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own class is none of asyncio's
        self.parser = httptools.HttpResponseParser(self)

    def ask(self, ended: Callable[[Asking], None], began: Callable[[Asking], None] | None = None) -> None:
        self._ended, self._began = ended, began
        self._got, self.tail = 0, b""
        self.first_byte = 0.0
        self.started = time.perf_counter()
        self.transport.write(self._request)

    def close(self) -> None:
        self._closing = True
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if not self._closing:
            self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        if not self._got:
            self.first_byte = time.perf_counter()
            if self._began:
                self._began(self)
        self._got += len(body)
        self.tail = body if len(body) >= TAIL else self.tail[-TAIL:] + body

    def on_message_complete(self) -> None:
        self.finished = time.perf_counter()
        if reason := self._mistake():
            self._failed(reason)
            return
        # Not from within the parser, which is still at work on this answer.
        asyncio.get_running_loop().call_soon(self._ended, self)

    def _mistake(self) -> str | None:
        status = self.parser.get_status_code()
        if status != 200:
            return f"status {status}: {self.tail.decode(errors='replace')}"
        if self._length is not None and self._got != self._length:
            return f"{self._got} bytes of body, not {self._length}"
        if not self._got or not self.tail.endswith(self._end):
            return f"the answer ended with {self.tail!r}"
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closing:
            self._failed(f"the connection was closed: {exc!r}")


def connector(port: int, mode: Mode, caller: Caller, failed: Callable[[str], None]) -> Connect:
    """Opens connections to what listens on 127.0.0.1."""
    request = request_of(mode, f"127.0.0.1:{port}", caller)
    loop = asyncio.get_running_loop()

    async def connect() -> Asking:
        _, asking = await loop.create_connection(
            lambda: Asking(mode, request, exact=caller.exact, failed=failed), "127.0.0.1", port
        )
        return asking

    return lambda: loop.create_task(connect())
