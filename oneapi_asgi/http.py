"""ASGI chores: the body read once within bounds and played again, refusals in the caller's dialect.

    request, receive = await parsed(scope, receive)
    await Refusal(NotFound("…"), call)(scope, receive, send)

Whoever parsed passes the new ``receive`` on, since the server gives a body only once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .call import Call
from .errors import BodyTooLarge, GatewayError, UnsupportedBody
from .wire.operations import Operation, operation_at
from .wire.request import Request, parse_request

__all__ = [
    "MAX_BODY",
    "ClientGoneError",
    "OnError",
    "Refusal",
    "api_path",
    "header",
    "parsed",
    "read_body",
    "replayed",
]

MAX_BODY = 32 * 1024 * 1024
"""Bytes: room for a prompt with several pictures or the longest recording that OpenAI takes (25 MB)."""

_DRAIN_MOST = 8 * MAX_BODY
_DRAIN_SECONDS = 10.0
_UNKNOWN = Operation(name="unknown")

OnError = Callable[[GatewayError, Call], ASGIApp]
"""Turns an error into the ASGI app that answers with it."""


class ClientGoneError(Exception):
    """The caller hung up before the request was complete: there is nobody left to answer."""


def header(scope: Scope, name: bytes) -> str:
    """The first header of that lower-case name, empty when there is none."""
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")  # type: ignore[no-any-return]
    return ""


def api_path(scope: Scope) -> str:
    """The path below the API's root: without the mount's prefix, the version and a trailing slash.

    Starlette leaves the prefix of a mount in ``path``, Litestar takes it away and adds a slash; of a mount at ``/`` it
    takes that very slash.
    """
    path: str = scope["path"]
    path = path if path.startswith("/") else f"/{path}"
    root: str = scope.get("root_path", "").rstrip("/")
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("/", ""):
        path = path[len(root) :]
    path = path.rstrip("/")
    return path[3:] if path.startswith("/v1/") else path


async def parsed(scope: Scope, receive: Receive, *, max_body: int = MAX_BODY) -> tuple[Request, Receive]:
    """The request, parsed when somebody first asks, and the ``receive`` for the next app, which gets the body again.

    *Writes* ``call.operation``, ``call.body``, ``call.request`` of a call that has none.

    :raises BadRequest: (and the other RequestErrors) it cannot be read as what the path takes
    :raises ClientGoneError: the caller hung up
    """
    call = Call.of(scope)
    if call.request is None:
        operation = call.operation or operation_at(api_path(scope)) or _UNKNOWN
        encoding = header(scope, b"content-encoding").strip().lower()
        if encoding not in ("", "identity"):
            raise UnsupportedBody(f"Bodies in {encoding[:40]!r} are not read. Send the body uncompressed.")
        call.body = await read_body(scope, receive, max_body)
        call.operation = operation
        call.request = parse_request(operation, header(scope, b"content-type"), call.body)
        receive = replayed(call.body, receive)
    return call.request, receive


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """
    :raises BodyTooLarge: there are more than ``limit`` bytes, or they are announced
    :raises ClientGoneError: the caller hung up
    """
    announced = header(scope, b"content-length")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise _too_large(limit)
        more = message.get("more_body", False)
    return b"".join(chunks)  # of a single piece this is that very piece


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body has more than {limit} bytes. Send less, or files by reference.")


def replayed(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that gives the body once more, then goes on with the real one."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


class Refusal:
    """The ASGI app that answers with an error, in the dialect of its call."""

    def __init__(self, error: GatewayError, call: Call) -> None:
        self.error = error
        self.call = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = self.call.dialect.error(self.error)
        await send(
            {"type": "http.response.start", "status": self.error.status, "headers": list(self._headers(len(body)))}
        )
        drain = isinstance(self.error, BodyTooLarge)
        content = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": content, "more_body": drain})
        if drain:
            await _drain(receive)
            await send({"type": "http.response.body", "body": b""})

    def _headers(self, length: int) -> Iterable[tuple[bytes, bytes]]:
        yield b"content-type", b"application/json"
        yield b"content-length", b"%d" % length
        yield b"x-request-id", self.call.id.encode()
        yield b"x-should-retry", b"true" if self.error.should_retry else b"false"
        if self.error.retry_after is not None:
            yield b"retry-after", b"%d" % max(1, math.ceil(self.error.retry_after))
        if isinstance(self.error, BodyTooLarge):
            yield b"connection", b"close"
        for name, value in self.error.headers:
            yield name.encode("ascii"), value.encode("latin-1")


async def _drain(receive: Receive) -> None:
    """Read on without keeping anything: a client that is still sending would otherwise be reset before it can read."""
    deadline, drained = time.monotonic() + _DRAIN_SECONDS, 0
    while drained < _DRAIN_MOST and time.monotonic() < deadline:
        message = await receive()
        drained += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return
