"""One connection to an upstream: requests go out, answers are parsed as they arrive (RFC 9112).

It holds one exchange at a time. Its timer is set per connection, not per call: it is left running when nothing is due
any more, and looks again when it fires too early. Between the socket and who reads an answer lies what came with the
last reads; beyond that the socket is not read.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from typing import Protocol, cast

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpResponseParser

from .heads import Origin
from .seam import Fault, Timeouts, UpstreamFault

__all__ = ["RECEIVED", "Answer", "Connection", "Owner"]

RECEIVED = 32 * 1024
"""Bytes that are taken from a socket at once. More would wait here when nobody reads: that is most of what a stalled
stream costs."""

_MOST_HELD = 16 * 1024
"""Bytes of a body beyond which its socket is not read until they are taken."""

_AT_ONCE = 64 * 1024
"""Bytes of a request's body that are written together with its head."""

_PORTION = 256 * 1024
"""Bytes of a larger body that are written before it is asked whether the other side takes them."""

_MOST_BARE = 64 * 1024
"""Bytes that may come in a row without any of a body: heads, also those that precede the answer's own; the frames of
chunks; trailers."""

_MOST_FIELDS = 256
_VERSIONS = frozenset(("1.1", "1.0"))
_NEVER = math.inf
_EARLY = 0.001
"""Seconds by which a loop may fire a timer too early."""

_SWITCHING = 101
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))


class Answer:
    """What came back, an ``Incoming``. It outlives its exchange: once it is whole, its connection serves others."""

    __slots__ = ("_headers", "_waiter", "connection", "fault", "fields", "held", "pieces", "status", "whole")

    def __init__(self, connection: Connection) -> None:
        self.connection: Connection | None = connection
        self.status = 0  # until the head has come
        self.fields: list[tuple[bytes, bytes]] = []
        self.pieces: list[bytes] = []
        self.held = 0
        self.whole = False
        self.fault: tuple[Fault, str] | None = None
        self._headers: list[tuple[str, str]] | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        if self._headers is None:
            self._headers = [
                (name.decode().lower(), value.decode(errors="surrogateescape").rstrip(" \t"))
                for name, value in self.fields
            ]
        return self._headers

    async def chunks(self) -> AsyncIterator[bytes]:
        pieces = self.pieces
        while True:
            if pieces:
                chunk = pieces[0] if len(pieces) == 1 else b"".join(pieces)
                pieces.clear()
                self.held = 0
                if self.connection is not None and self.connection.paused:
                    self.connection.resume()
                yield chunk
            elif self.whole:
                return
            elif self.fault is not None:
                raise UpstreamFault(*self.fault)
            else:
                try:
                    await self.news()
                except BaseException:
                    self.drop()
                    raise

    async def close(self) -> None:
        self.drop()

    def drop(self) -> None:
        """Nobody wants more of it."""
        if self.connection is not None:
            self.connection.abort("cut", "it was closed")

    def news(self) -> asyncio.Future[None]:
        """Done when something has come, or nothing will. Whoever waits for it no longer has to drop the answer."""
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        return waiter

    def wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class Owner(Protocol):
    """Is told when a connection is open, when an exchange has left it fit for another one, and when it is gone."""

    def opened(self, connection: Connection) -> None: ...
    def freed(self, connection: Connection) -> None: ...
    def lost(self, connection: Connection) -> None: ...


class Connection(asyncio.BufferedProtocol):
    """``room`` is where all connections of a client read into: what came is copied before the next one reads."""

    __slots__ = (
        "_answer",
        "_armed",
        "_bare",
        "_bodiless",
        "_congested",
        "_due",
        "_fields",
        "_idle",
        "_keep",
        "_loop",
        "_owner",
        "_parser",
        "_pieces",
        "_room",
        "_sent",
        "_timer",
        "_transport",
        "_until_end",
        "closed",
        "idle_since",
        "on_body",
        "origin",
        "paused",
    )

    def __init__(
        self,
        owner: Owner,
        origin: Origin,
        loop: asyncio.AbstractEventLoop,
        room: memoryview,
    ) -> None:
        self.origin = origin
        self._owner = owner
        self._loop = loop
        self._room = room
        self._answer: Answer | None = None
        self._fields: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._bare = 0
        self._bodiless = self._congested = self._keep = self._sent = self._until_end = False
        self._idle = 0.0
        self._due = self._armed = _NEVER
        self._timer: asyncio.TimerHandle | None = None
        self.closed = self.paused = False
        self.idle_since = 0.0

    # --- an exchange --------------------------------------------------------------------------------------------------

    async def exchange(self, head: bytes, body: bytes, timeouts: Timeouts, *, bodiless: bool) -> Answer:
        """Send a request, and wait for the head of its answer. ``bodiless``: it has no body, whatever it says.

        :raises UpstreamFault: there is no answer
        """
        if self.closed:  # no sooner than it was open
            raise UpstreamFault("cut", "the connection was closed")
        answer = self._answer = Answer(self)
        self._bodiless = bodiless
        self._bare = 0
        self._idle = timeouts.idle
        self._sent = len(body) <= _AT_ONCE
        try:
            if self._sent:
                self._transport.write(head + body)
            else:
                self._transport.write(head)
                await self._upload(body, answer)
            if not answer.status:
                self._expect(timeouts.first_byte)
            while not answer.status and answer.fault is None:
                await answer.news()
        except BaseException:
            answer.drop()
            raise
        if answer.fault is not None and not answer.status:
            raise UpstreamFault(*answer.fault)
        return answer

    async def _upload(self, body: bytes, answer: Answer) -> None:
        """Write as much as the other side takes, and no more once it has refused the request."""
        view = memoryview(body)
        for start in range(0, len(view), _PORTION):
            self._transport.write(view[start : start + _PORTION])
            self._expect(self._idle)
            while self._congested and answer.connection is not None and answer.status < 300:
                await answer.news()
            if answer.connection is None or answer.status >= 300:
                return
        self._sent = True

    def abort(self, kind: Fault = "cut", detail: str = "the connection was closed") -> None:
        """Close it at once; why, is told to who waits for an answer. May be called at any moment, and again."""
        self.closed = True
        self._due = _NEVER
        self._transport.abort()
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.connection, answer.fault = None, (kind, detail)
            answer.wake()

    def resume(self) -> None:
        self.paused = False
        self._transport.resume_reading()
        self._expect(self._idle)

    # --- what the loop tells ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class is none of asyncio's
        self.on_body = self._pieces.append  # a frame for each piece would cost more than all else that is done for it
        self._parser = HttpResponseParser(self)
        # Line ends without CR, and spaces after the size of a chunk, are common, and can be read in one way only.
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True)
        self._owner.opened(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - it is the loop's wish
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        answer = self._answer
        if answer is None:  # nobody has asked for it
            self.abort()
            return
        broken = ""
        try:
            self._parser.feed_data(self._room[:nbytes])
        except HttpParserCallbackError as error:
            broken = str(error.__context__)
        except (HttpParserError, HttpParserUpgrade) as error:
            broken = str(error)
        if self._pieces:
            piece = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces.clear()
            answer.pieces.append(piece)
            answer.held += len(piece)
            self._bare = 0
        else:
            self._bare += nbytes
        if answer.whole:
            self._finish(answer, clean=not broken)
        elif broken or self._bare > _MOST_BARE:
            self.abort("protocol", broken or "too many bytes that are none of a body")
        elif answer.status:
            if answer.held <= _MOST_HELD:
                self._expect(self._idle)
            elif not self.paused:
                self.paused, self._due = True, _NEVER
                self._transport.pause_reading()
            answer.wake()

    def eof_received(self) -> None:
        answer = self._answer
        self.closed = True
        if answer is None:
            return
        if answer.status and self._until_end:
            answer.whole = True
            self._finish(answer, clean=False)
        else:
            self.abort("cut", "the connection ended before the answer did")

    def connection_lost(self, exc: Exception | None) -> None:
        self.abort("cut", type(exc).__name__ if exc else "the connection was closed")
        if self._timer is not None:
            self._timer.cancel()
        del self._parser, self.on_body  # they refer to each other
        self._owner.lost(self)

    def pause_writing(self) -> None:
        self._congested = True

    def resume_writing(self) -> None:
        self._congested = False
        if self._answer is not None:
            self._answer.wake()

    def _finish(self, answer: Answer, *, clean: bool) -> None:
        """The answer is whole. ``clean``: nothing came after it."""
        answer.connection = self._answer = None
        self._due = _NEVER
        if clean and self._keep and self._sent and not self.closed and not self._transport.get_write_buffer_size():
            self._owner.freed(self)
        else:
            self.abort()
        answer.wake()

    # --- what the parser tells ----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._answer is None or self._answer.whole:
            raise ValueError("more than was asked for")
        self._fields.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        parser, fields, answer = self._parser, self._fields, self._answer
        status = parser.get_status_code()
        if answer is None or status < 100 or parser.get_http_version() not in _VERSIONS or len(fields) > _MOST_FIELDS:
            raise ValueError("a head that cannot be passed on")
        self._keep = parser.should_keep_alive()
        if status < 200:  # it precedes the answer
            if status == _SWITCHING or _framed(fields):
                raise ValueError("a status that was not asked for")
            return
        answer.status = status
        answer.fields, self._fields = fields, []
        self._until_end = not self._keep and not _framed(fields)
        if self._bodiless:
            answer.whole = True
            raise ValueError("the parser would wait for a body")

    def on_message_complete(self) -> None:
        if self._answer is not None and self._answer.status:
            self._answer.whole = True

    # --- time ---------------------------------------------------------------------------------------------------------

    def _expect(self, seconds: float) -> None:
        """Something has to come within so many seconds from now."""
        if self._answer is None or self.paused:
            return
        self._due = self._loop.time() + seconds
        if self._due < self._armed:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed = self._due
        self._timer = self._loop.call_at(self._armed, self._look)

    def _look(self) -> None:
        self._timer, self._armed = None, _NEVER
        if self._due == _NEVER:
            return
        if self._due - self._loop.time() > _EARLY:
            self._arm()
        elif self._answer is not None:
            self.abort("idle_timeout" if self._answer.status else "first_byte_timeout", "nothing came in time")


def _framed(fields: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether a head says where its body ends, or claims to."""
    return any(name.lower() in _FRAMING for name, _ in fields)
