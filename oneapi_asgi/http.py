"""ASGI chores: the body read once within bounds and played again, refusals in the caller's dialect.

    request, receive = await parsed(scope, receive)
    await Refusal(NotFound("…"), call)(scope, receive, send)

Whoever parsed passes the new ``receive`` on, since the server gives a body only once.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from typing import TypeVar

import msgspec
from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .call import Call
from .errors import BodyTooLarge, GatewayError, UnsupportedBody
from .wire.dialects import CLIENTS, operation_at
from .wire.operations import Operation
from .wire.request import Request, parse_request

__all__ = [
    "MAX_BODY",
    "Answer",
    "ClientGoneError",
    "OnError",
    "Refusal",
    "answer_json",
    "api_path",
    "aside",
    "check_encoding",
    "header",
    "json_page",
    "parsed",
    "query_of",
    "read_body",
    "replayed",
    "request_id",
    "route_path",
    "too_large",
]

MAX_BODY = 32 * 1024 * 1024
"""Bytes: room for a prompt with several pictures or the longest recording that OpenAI takes (25 MB)."""

_LONG_BODY = 256 * 1024
"""Bytes that take a few milliseconds to read."""

_one_at_a_time: RunVar[CapacityLimiter] = RunVar("oneapi_asgi.aside")  # the loop's, as the name says

_MOST_DIGITS = 18
"""Of a length: nobody has to read more of them to know that it is too much."""

_DRAIN_MOST = 8 * MAX_BODY
_DRAIN_SECONDS = 10.0
_UNKNOWN = Operation(name="unknown")

OnError = Callable[[GatewayError, Call], ASGIApp]
"""Turns an error into the ASGI app that answers with it."""

Result = TypeVar("Result")


class ClientGoneError(Exception):
    """The caller hung up before the request was complete: there is nobody left to answer."""


def header(scope: Scope, name: bytes) -> str:
    """The first header of that lower-case name, empty when there is none."""
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")  # type: ignore[no-any-return]
    return ""


def query_of(scope: Scope) -> str:
    """The query string, as it came."""
    raw: bytes = scope.get("query_string", b"")
    return raw.decode("latin-1")


def route_path(scope: Scope) -> str:
    """The path below the mount, whose prefix Starlette leaves in ``path``."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def api_path(scope: Scope) -> str:
    """The path below the API's root: without the mount's prefix, the version and a trailing slash.

    Starlette leaves the prefix of a mount in ``path``, Litestar takes it away and adds a slash; of a mount at ``/`` it
    takes that very slash.
    """
    return _below(scope["path"], scope.get("root_path", ""))


@lru_cache(maxsize=256)
def _below(path: str, root: str) -> str:
    path = path if path.startswith("/") else f"/{path}"
    root = root.rstrip("/")
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("/", ""):
        path = path[len(root) :]
    path = path.rstrip("/")
    return path[3:] if path.startswith("/v1/") else path


async def parsed(scope: Scope, receive: Receive, *, max_body: int = MAX_BODY) -> tuple[Request, Receive]:
    """The request, parsed when somebody first asks, and the ``receive`` for the next app, which gets the body again.

    *Writes* ``call.operation``, ``call.dialect``, ``call.body``, ``call.request`` of a call that has none.

    :raises BadRequest: (and the other RequestErrors) it cannot be read as what the path takes
    :raises ClientGoneError: the caller hung up
    """
    call = Call.of(scope)
    if call.request is None:
        operation = call.operation
        if operation is None:
            operation = operation_at(api_path(scope), query_of(scope)) or _UNKNOWN
            call.dialect = CLIENTS[operation.dialect]
        content_type = _announced(scope, max_body)
        body = call.body = await _received(receive, max_body)
        call.operation = operation
        if len(body) <= _LONG_BODY:
            call.request = parse_request(operation, content_type, body)
        else:
            call.request = await aside(len(body), lambda: parse_request(operation, content_type, body))
        receive = replayed(body, receive)
    return call.request, receive


async def aside(size: int, work: Callable[[], Result]) -> Result:
    """What is to be done with ``size`` bytes: at once, or by a thread, if it would hold up everybody else for long.

    One at a time, for all of a loop: what is written in C holds the interpreter while it works, and several threads of
    that kind would let the loop in between only now and then.
    """
    if size <= _LONG_BODY:
        return work()
    try:
        limiter = _one_at_a_time.get()
    except LookupError:
        limiter = CapacityLimiter(1)
        _one_at_a_time.set(limiter)
    return await to_thread.run_sync(work, limiter=limiter)


def check_encoding(coding: str) -> None:
    """Of a content coding, that it is none: what is inflated may be a thousand times what was sent.

    :raises UnsupportedBody: it is one
    """
    coding = coding.strip().lower()
    if coding not in ("", "identity"):
        raise UnsupportedBody(f"Bodies in {coding[:40]!r} are not read. Send the body uncompressed.")


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """
    :raises BodyTooLarge: there are more than ``limit`` bytes, or they are announced
    :raises UnsupportedBody: they are compressed
    :raises ClientGoneError: the caller hung up
    """
    _announced(scope, limit)
    return await _received(receive, limit)


def _announced(scope: Scope, limit: int) -> str:
    """What the body is said to be: its content type. The rest of what is said is checked."""
    content_type: str | None = None
    for name, value in scope["headers"]:
        if name == b"content-type" and content_type is None:
            content_type = value.decode("latin-1")
        elif name == b"content-encoding":
            check_encoding(value.decode("latin-1"))
        elif name == b"content-length" and value.isdigit() and (len(value) > _MOST_DIGITS or int(value) > limit):
            raise too_large(limit)
    return content_type or ""


async def _received(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk = message.get("body", b"")
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        more = message.get("more_body", False)
    return b"".join(chunks)  # of a single piece this is that very piece


def too_large(limit: int) -> BodyTooLarge:
    """What a body of more than ``limit`` bytes is refused with."""
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


class Answer:
    """An answer on its way out, for whoever wants to know how it begins or has to add to it.

    ``status`` is that of the head once an app has sent it, else 0; ``begun`` says whether anything was passed on;
    ``headers`` are added to the head. While it is ``withheld`` nothing is passed on of one that has not begun.
    """

    __slots__ = ("_send", "begun", "headers", "status", "withheld")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.begun = self.withheld = False
        self.headers: Sequence[tuple[bytes, bytes]] = ()

    @classmethod
    def of(cls, send: Send) -> Answer:
        """The one that ``send`` belongs to already: a stream has many pieces, and each should pass through one."""
        owner = getattr(send, "__self__", None)
        return owner if isinstance(owner, Answer) else cls(send)

    def send(self, message: Message) -> Awaitable[None]:
        return self._send(message) if self.begun else self._begin(message)

    def _begin(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.headers:
                message = {**message, "headers": [*message.get("headers", ()), *self.headers]}
        if self.withheld:
            return _nothing()
        self.begun = True
        return self._send(message)


async def _nothing() -> None:
    """What is sent of an answer that nobody will get."""


class Refusal:
    """The ASGI app that answers with an error, in the dialect of its call."""

    def __init__(self, error: GatewayError, call: Call) -> None:
        self.error = error
        self.call = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = self.call.dialect.error(self.error, self.call.id)
        await send(
            {"type": "http.response.start", "status": self.error.status, "headers": list(self._headers(len(body)))}
        )
        drain = isinstance(self.error, BodyTooLarge)
        content = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": content, "more_body": drain})
        if drain:
            await _drained(scope, receive)
            await send({"type": "http.response.body", "body": b""})

    def _headers(self, length: int) -> Iterable[tuple[bytes, bytes]]:
        yield b"content-type", b"application/json"
        yield b"content-length", b"%d" % length
        yield from request_id(self.call)
        yield b"x-should-retry", b"true" if self.error.should_retry else b"false"
        if self.error.retry_after is not None:
            yield b"retry-after", b"%d" % max(1, math.ceil(self.error.retry_after))
        if isinstance(self.error, BodyTooLarge):
            yield b"connection", b"close"
        for name, value in self.error.headers:
            yield name.encode("ascii"), value.encode("latin-1")


async def answer_json(send: Send, call: Call, body: bytes) -> None:
    """Send a body that is there as a whole."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *request_id(call)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def request_id(call: Call) -> list[tuple[bytes, bytes]]:
    """The id of the call, in the header that every answer has and in the one in which the caller's SDK looks for it."""
    sent = call.id.encode()
    return [(name, sent) for name in _id_headers(call.dialect.request_id_header)]


@cache
def _id_headers(of_dialect: str) -> frozenset[bytes]:
    return frozenset((b"x-request-id", of_dialect.encode()))


def json_page(content: object, call: Call) -> ASGIApp:
    """An app that answers GET and HEAD with the content."""
    body = msgspec.json.encode(content)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *request_id(call),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return app


async def _drained(scope: Scope, receive: Receive) -> None:
    """Read on without keeping anything: a client that is still sending would otherwise be reset before it can read. One
    that asked first (``Expect``) sends nothing now."""
    if header(scope, b"expect"):
        return
    drained, more = 0, True
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while more and drained < _DRAIN_MOST:
                message = await receive()
                drained += len(message.get("body", b""))
                more = message["type"] != "http.disconnect" and message.get("more_body", False)
