"""What no ASGI server checks for all of us: ``EdgeGuard``, the outermost component, around any app.

Servers differ in what they let through: two Hosts, a length beside a transfer coding, headers of megabytes, a body that
never ends. Here each has one answer, whatever serves, before anything else looks at the request:

    400  no Host or two, or one that is none of RFC 3986; a message that may end at two places (RFC 9112, section 6.3);
         a path that two readers may take for two paths
    408  the body comes too slowly
    413  the body is too large, by what it announces or by what comes
    415  the body is compressed
    431  too many headers, or too large ones (the path and the query count as one)

    app = EdgeGuard(app, max_body=1 << 20, hosts=["api.example.com"])

Nothing is buffered. Once a body was refused while the app read it, the answer is the guard's, whatever the app makes of
the error it gets; an answer that has begun is cut. WebSockets are held to the rules of hosts, headers and paths.

*Reads* nothing. *Writes* ``call.dialect`` of a call that it refuses. Options: ``max_body`` in bytes, ``max_headers``,
``max_header_bytes``, ``body_timeout`` in seconds that the app may have to wait for a body beyond what a rate of 1 KiB/s
gives it, ``hosts``: the names or globs under which the app is reached, all if there are none, and ``on_error``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from msgspec import Struct
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .call import Call
from .errors import BadRequest, BodyTimeout, GatewayError, HeadersTooLarge
from .globs import allows
from .http import MAX_BODY, Answer, OnError, Refusal, api_path, check_encoding, query_of, too_large
from .upgrade import upgraded
from .wire.dialects import client_of

__all__ = ["Bounds", "EdgeGuard", "check_head", "check_path", "host_of"]

_LEAST_RATE = 1024
"""Bytes a second that a body has to come at in the long run: slower than any line, faster than who only wants to hold a
connection."""

_LOOKS = 20
"""For waits there is one clock for all bodies, as a timer for each would cost more than all else that is done here. It
is looked at so many times in the longest wait, and each look that finds a body wanting is a whole part of it."""

_CLOSE = (("connection", "close"),)
_WATCHED = frozenset((b"host", b"content-length", b"transfer-encoding", b"content-encoding"))
_BODILESS = frozenset(("1.0", "1.1"))
"""Versions of HTTP in which a message without a length and a transfer coding has no body."""

_PORT = re.compile(r"(?::(?P<port>[0-9]{0,5}))?")
_NAME = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")
_LITERAL = re.compile(r"\[(?P<address>[0-9A-Fa-f:.]+)\]")

_PLAIN = re.compile(rb"(?:/[A-Za-z0-9_~!$&'()*+,;=:@-][A-Za-z0-9._~!$&'()*+,;=:@-]*+)*+/?")
"""Paths that nobody reads in two ways, which are nearly all."""

_ILLEGAL = re.compile(rb"[^!-~]|[\\\"<>^`{|}#?]|%(?![0-9A-Fa-f]{2})")
_HIDDEN = re.compile(rb"[\x00-\x1f\x7f\\]")
_SLASH = re.compile(rb"%2f", re.IGNORECASE)
_NAMED = re.compile(rb"/(?:models|tunedModels)/")
"""Behind these stands a model's name, the slashes of which clients encode."""


class Bounds(Struct, frozen=True):
    """The most that a request may have, in bytes, but for the number of ``headers``. ``hosts`` are lower-case."""

    body: int = MAX_BODY
    headers: int = 100
    header_bytes: int = 32 * 1024
    hosts: frozenset[str] = frozenset()


# --- decisions --------------------------------------------------------------------------------------------------------


def check_head(scope: Scope, bounds: Bounds) -> bool:
    """Whether a body may follow.

    :raises HeadersTooLarge: there are too many headers, or too large ones
    :raises BadRequest: host, framing or path are not what they have to be
    :raises BodyTooLarge: it announces too much
    :raises UnsupportedBody: it is compressed
    """
    path = scope.get("raw_path") or _sent(scope["path"])
    headers: Sequence[tuple[bytes, bytes]] = scope["headers"]
    size = len(path) + len(scope.get("query_string", b""))
    watched: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        size += len(name) + len(value)
        if name in _WATCHED:
            watched.setdefault(name, []).append(value)
    if size > bounds.header_bytes or len(headers) > bounds.headers:
        raise HeadersTooLarge(
            f"The request has more than {bounds.headers} headers, or more than {bounds.header_bytes} bytes in them, in "
            "its path and in its query. Send less.",
            headers=_CLOSE,
        )
    version: str = scope.get("http_version", "")
    hosts = watched.get(b"host", ())
    if len(hosts) != 1 and (hosts or version == "1.1" or bounds.hosts):
        raise BadRequest(f"The request has {len(hosts)} Host headers. Send one.", code="invalid_host", headers=_CLOSE)
    if hosts:
        _check_host(hosts[0], bounds.hosts)
    if _PLAIN.fullmatch(path) is None:
        check_path(path)
    return _may_have_body(version, watched, bounds.body)


def _sent(path: str) -> bytes:
    """How a path was sent of which only the decoded form is told. Litestar takes the slash that it begins with."""
    return quote(path if path.startswith("/") else f"/{path}", errors="surrogatepass").encode()


def _may_have_body(version: str, watched: Mapping[bytes, Sequence[bytes]], most: int) -> bool:
    for coding in watched.get(b"content-encoding", ()):
        check_encoding(coding.decode("latin-1"))
    lengths, codings = watched.get(b"content-length", ()), watched.get(b"transfer-encoding", ())
    if codings:
        if lengths or len(codings) > 1 or codings[0].strip().lower() != b"chunked" or version == "1.0":
            raise _unframed("Its transfer-encoding must be 'chunked' alone, with no content-length beside it.")
        return True
    if not lengths:
        return bool(version) and version not in _BODILESS
    if len(lengths) > 1 or not lengths[0].isdigit():
        raise _unframed("Its content-length must be one number.")
    digits = lengths[0].lstrip(b"0")
    if len(digits) > 18 or int(digits or b"0") > most:
        raise too_large(most)
    return bool(digits)


def _unframed(what: str) -> BadRequest:
    """Where the next request begins is anybody's guess."""
    return BadRequest(f"It is not clear where this request ends. {what}", code="invalid_framing", headers=_CLOSE)


@lru_cache(maxsize=1024)
def _check_host(value: bytes, hosts: frozenset[str]) -> None:
    host = host_of(value)
    if not allows(hosts, host):
        raise BadRequest("There is nothing here under this Host.", code="invalid_host")


def host_of(value: bytes) -> str:
    """The lower-case name or address in a Host header, without the port (RFC 9110, section 7.2).

    :raises BadRequest: it is none
    """
    text = value.decode("latin-1").strip()
    found = _NAME.match(text) or _LITERAL.match(text)
    port = _PORT.fullmatch(text, found.end()) if found is not None else None
    if found is None or port is None or int(port["port"] or 0) > 65_535 or not _is_address(found):
        raise BadRequest("The Host header is not the name of a host.", code="invalid_host", headers=_CLOSE)
    return found[0].lower()


def _is_address(host: re.Match[str]) -> bool:
    """Of what stands in brackets, whether it is one."""
    if host.re is not _LITERAL:
        return True
    try:
        IPv6Address(host["address"])
    except ValueError:
        return False
    return True


def check_path(path: bytes) -> None:
    """Of a path as it was sent, whether everybody who decodes, cleans or joins it finds the same one.

    Slashes may be encoded in the name of a model alone, of which no path is made.

    :raises BadRequest: not so
    """
    decoded = unquote_to_bytes(path)
    parts = decoded.removesuffix(b"/").split(b"/")
    if not path.startswith(b"/"):
        told = "It must begin with a slash, and be no whole URL."
    elif _ILLEGAL.search(path) or _HIDDEN.search(decoded):
        told = "It has characters that no path has."
    elif b"" in parts[1:]:
        told = "It has two slashes together: does the client's base URL end with one too many?"
    elif b"." in parts or b".." in parts:
        told = "It has parts that are dots."
    elif (slash := _SLASH.search(path)) and not _NAMED.search(path, 0, slash.start()):
        told = "It has a slash that is encoded."
    else:
        return
    raise BadRequest(f"The path is not accepted. {told}", code="invalid_path")


# --- acting -----------------------------------------------------------------------------------------------------------


class EdgeGuard:
    """Lets through what has one meaning, and as much of it as is allowed."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body: int = MAX_BODY,
        max_headers: int = 100,
        max_header_bytes: int = 32 * 1024,
        body_timeout: float = 20.0,
        hosts: Iterable[str] = (),
        on_error: OnError = Refusal,
    ) -> None:
        if body_timeout <= 0:
            raise ValueError("body_timeout must be more than 0 seconds")
        self.app = app
        self._bounds = Bounds(max_body, max_headers, max_header_bytes, frozenset(map(str.lower, hosts)))
        self._waits = _Waits(body_timeout)
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        try:
            has_body = check_head(scope, self._bounds)
        except GatewayError as error:
            return await self._refuse(error, scope, receive, send)
        if not has_body:
            return await self.app(scope, receive, send)
        answer = Answer.of(send)
        body = _Body(receive, answer, self._bounds.body, self._waits)
        try:
            await self.app(scope, body.receive, answer.send)
        except Exception:
            if body.refused is None:
                raise
        if body.refused is not None and not answer.begun:
            answer.withheld = False
            await self._refuse(body.refused, scope, receive, send)
        return None

    async def _refuse(self, error: GatewayError, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            scope, receive, send = upgraded(scope, receive, send)
        call = Call.of(scope)
        call.dialect = client_of(api_path(scope), dict(scope["headers"]), query_of(scope))
        await self._on_error(error, call)(scope, receive, send)


class _Waits:
    """The bodies of which more is waited for at this moment, by the loop that they come on. The clock of a loop runs
    while it has any."""

    def __init__(self, longest: float) -> None:
        self.longest = longest
        self._period = longest / _LOOKS
        self._bodies: dict[asyncio.AbstractEventLoop, set[_Body]] = {}

    def begin(self, body: _Body) -> set[_Body]:
        """Those among which it is now, and has to be no longer once more has come."""
        loop = asyncio.get_running_loop()
        bodies = self._bodies.get(loop)
        if bodies is None:
            self._bodies = {one: waiting for one, waiting in self._bodies.items() if not one.is_closed()}
            bodies = self._bodies[loop] = set()
            loop.call_later(self._period, self._tick, loop)
        bodies.add(body)
        return bodies

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        bodies = self._bodies.get(loop)
        if not bodies:
            self._bodies.pop(loop, None)
            return
        loop.call_later(self._period, self._tick, loop)
        for body in list(bodies):
            body.has_waited(self._period)


class _Body:
    """One body on its way in. ``patience`` are the seconds that may still be waited for more of it: what comes earns
    some, but never more than there were. Once it is refused, nothing is heard of the app's own ``answer``."""

    __slots__ = ("_answer", "_left", "_most", "_patience", "_receive", "_task", "_waits", "_whole", "refused")

    def __init__(self, receive: Receive, answer: Answer, most: int, waits: _Waits) -> None:
        self._receive = receive
        self._answer = answer
        self._left = self._most = most
        self._waits = waits
        self._patience = waits.longest
        self._task: asyncio.Task[Any] | None = None
        self._whole = False
        self.refused: GatewayError | None = None

    def receive(self) -> Awaitable[Message]:
        return self._receive() if self._whole else self._next()

    async def _next(self) -> Message:
        """
        :raises BodyTooLarge: more came than may
        :raises BodyTimeout: nothing came for too long
        """
        if self.refused is not None:
            return {"type": "http.disconnect"}
        task = self._task = asyncio.current_task()
        assert task is not None  # noqa: S101
        waiting = self._waits.begin(self)
        foreign = task.cancelling()
        try:
            message = await self._receive()
        except asyncio.CancelledError:
            if self.refused is None or task.uncancel() > foreign:
                raise
            raise self.refused from None
        finally:
            waiting.discard(self)
        size = len(message.get("body", b""))
        self._patience = min(self._patience + size / _LEAST_RATE, self._waits.longest)
        self._left -= size
        if self._left < 0:
            raise self._refuse(too_large(self._most))
        self._whole = not message.get("more_body", False)
        return message

    def has_waited(self, seconds: float) -> None:
        self._patience -= seconds
        if self._patience <= 0 and self._task is not None and self.refused is None:
            self._refuse(_too_slow())
            self._task.cancel()

    def _refuse(self, error: GatewayError) -> GatewayError:
        self.refused = error
        self._answer.withheld = True
        return error


def _too_slow() -> BodyTimeout:
    return BodyTimeout("The body did not come in time. Send it without a pause.", headers=_CLOSE)
