"""uvicorn's HTTP protocol with an end to whatever a client can draw out, and with what an app cannot see refused.

    config = BoundedConfig(app, bounds=Bounds(max_connections=1_000), ...)   # and ``sweep(connections, now)`` regularly

A head has to come within a time and a size, and so has what is left of a request that was answered already; there are
no more connections than files for them; who does not read what is left for it when its connection is closed is cut off.
Trailers are not passed on: they would count as headers, after these were judged.

Connections hold but a time by which something is due, and are looked at once a second: no timer is set for a request,
nor between two of them.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import Any

import httptools
import uvicorn
from msgspec import Struct
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

__all__ = ["BoundedConfig", "BoundedProtocol", "Bounds", "sweep"]

_NEVER = math.inf
_FROM_NOW = -math.inf
"""From the next look on: to read the clock costs more than the rest of what is done for a request."""

_VERSIONS = frozenset(("1.1", "1.0"))
_REFUSED = {
    400: b"The request is not valid HTTP/1.1.",
    408: b"The head of the request did not come in time.",
    431: b"The head of the request is too large.",
    503: b"The gateway has too many connections.",
}
_AROUND = len(": \r\n")
_BEYOND = 32
"""Connections beyond the most that are still told so, at once; more are closed without a word."""


class Bounds(Struct, frozen=True):
    """``header_timeout``: seconds for the head of a request, from the connection's or the head's first byte on.
    ``max_head``: bytes of it. ``linger``: seconds for a client to read what is left when its connection is closed."""

    max_connections: int
    header_timeout: float = 10.0
    max_head: int = 64 * 1024
    linger: float = 3.0


class BoundedConfig(uvicorn.Config):
    def __init__(self, app: Any, *, bounds: Bounds, **options: Any) -> None:
        super().__init__(app, http=BoundedProtocol, **options)
        self.bounds = bounds


def sweep(connections: Iterable[object], now: float) -> None:
    """Have all connections look at the time, on the monotonic clock."""
    for connection in list(connections):
        if isinstance(connection, BoundedProtocol):
            connection.look(now)


class BoundedProtocol(HttpToolsProtocol):
    config: BoundedConfig
    cycle: RequestResponseCycle | None  # type: ignore[assignment]  # none before the first request

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._bounds = self.config.bounds
        self._due = _NEVER  # when the client must have done what is its turn
        self._allowed = self._bounds.header_timeout
        self._in_head = True
        self._fed = 0  # bytes, of this head at most
        self._chunk = 0
        self._refused = self._closing = False
        self._idle = False  # a request is over, and no other has begun

    # --- what comes ---------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._due = _FROM_NOW
        beyond = len(self.connections) - self._bounds.max_connections
        if beyond > _BEYOND:
            transport.abort()
        elif beyond > 0:
            self._refuse(503)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return  # it is read only so that the client can read why
        self._chunk = len(data)
        if self._in_head:
            self._fed += self._chunk
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
                return
        except httptools.HttpParserError:
            self._refuse(431 if self._too_large() else 400)
            return
        if self._in_head and self._fed > self._bounds.max_head:
            self._refuse(431)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if not self._in_head:  # a further one
            self._in_head, self._fed = True, 1  # and what else of it came with the end of the one before
        if self._due == _NEVER or self._idle:
            self._idle, self._due, self._allowed = False, _FROM_NOW, self._bounds.header_timeout

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        # Parts of a target that have no place in ``path`` would be dropped in silence (RFC 9112, section 3.2).
        known = self.parser.get_http_version() in _VERSIONS
        if not known or not self.url.startswith(b"/") or b"#" in self.url or self._too_large():
            raise ValueError  # the parser stops, and says so to ``data_received``
        self._in_head, self._due = False, _NEVER
        super().on_headers_complete()

    def _too_large(self) -> bool:
        if self._fed <= self._bounds.max_head and self._chunk <= self._bounds.max_head:
            return False
        size = len(self.url) + sum(len(name) + len(value) + _AROUND for name, value in self.headers)
        return size > self._bounds.max_head

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._is_answering():
            self._due = _NEVER
        else:
            self._be_idle()

    # --- what goes ----------------------------------------------------------------------------------------------------

    def on_response_complete(self) -> None:
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1  # without the timer that uvicorn sets for the next request
        self.flow.resume_reading()
        if self.cycle is not None and self.cycle.more_body:
            self._due = _FROM_NOW
        elif not self._in_head:
            self._be_idle()

    def _be_idle(self) -> None:
        self._idle, self._due, self._allowed = True, _FROM_NOW, self.timeout_keep_alive

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, status: int) -> None:
        """Say why, and close. What the client still sends is read for a moment: were it not, the answer could be lost
        to it."""
        self._refused = True
        if self.transport.is_closing():
            return
        if not self._may_answer():
            self.transport.close()
            return
        told = _REFUSED[status]
        retry = b"retry-after: 1\r\n" if status == 503 else b""
        head = b"content-type: text/plain\r\ncontent-length: %d\r\n%bconnection: close\r\n\r\n" % (len(told), retry)
        self.transport.write(STATUS_LINE[status] + head + told)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._due, self._allowed = _FROM_NOW, self._bounds.linger

    def _may_answer(self) -> bool:
        """Whether no other answer has begun, or will be the next. The app of one that has not is told that it is off:
        what it was asked turns out to be no request."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started or self.pipeline:
                return False
            cycle.disconnected = True
            cycle.message_event.set()
        return True

    # --- what does not ------------------------------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """End what is overdue."""
        if self.transport.is_closing() and not self._closing:
            self._closing, self._due = True, now + self._bounds.linger
        elif self._due == _FROM_NOW:
            self._due = now + self._allowed
        if now < self._due:
            return
        if self._is_answering() and not self._closing:
            self._due = _FROM_NOW  # what comes after it may wait
        elif self._in_head and self._fed and not self._refused and not self._closing:
            self._refuse(408)
            self._due = now + self._bounds.linger
        elif self._idle and not self._refused and not self._closing:
            self._closing, self._due = True, now + self._bounds.linger
            self.transport.close()
        else:
            self.transport.abort()
