"""``Admin``: finds the route, asks who it is, and answers in one envelope.

    {"success": true, "message": "", "data": …, "total": 12}

The status is HTTP's own, and ``success`` says whether it is below 400. Refusals have a ``code`` for programs and the
``param`` at fault, as everywhere in the gateway.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ..auth import Network, client_address, networks
from ..desk.events import Event, EventLog
from ..desk.roles import Actor, Role
from ..errors import BadRequest, Forbidden, GatewayError, MethodNotAllowed, NotFound, Unauthenticated, UnsupportedBody
from ..http import ClientGoneError, read_body
from ..unreadable import UNREADABLE
from .forgery import check_origin, is_meant
from .routes import Doorkeeper, Nothing, Reply, Route, Visit

__all__ = ["MAX_ADMIN_BODY", "Admin", "admin_path", "check_actor", "find_route", "placeholders", "refusal"]

_log = logging.getLogger(__name__)

MAX_ADMIN_BODY = 8 * 1024 * 1024
"""Bytes: some ten thousand channels at once."""

_MOST_PARAMETERS = 100

_BRACES = re.compile(r"\{(\w+)(:path)?\}")
_UNSAFE = frozenset(("POST", "PUT", "DELETE", "PATCH"))
_GOTTEN = "oneapi_asgi.gotten"
"""In the scope of a request that came as a GET."""

_HEADERS = (
    ("content-type", "application/json"),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
)


def placeholders(path: str) -> list[tuple[str, bool]]:
    """The names in braces, each with whether it stands for the rest of the path."""
    return [(match[1], bool(match[2])) for match in _BRACES.finditer(path)]


@lru_cache(maxsize=1024)
def _pattern(path: str) -> re.Pattern[str]:
    written, at = "", 0
    for match in _BRACES.finditer(path):
        name, rest = match.groups()
        values = ".+" if rest else "[0-9]{1,18}" if name.endswith("id") else "[^/]+"
        written += f"{re.escape(path[at : match.start()])}(?P<{name}>{values})"
        at = match.end()
    return re.compile(written + re.escape(path[at:]))


def find_route(routes: Sequence[Route], method: str, path: str) -> tuple[Route, Mapping[str, str]]:
    """The route, and the values in its path. One slash at the end is as none.

    :raises NotFound: there is no such path
    :raises MethodNotAllowed: there is, for other methods
    """
    found = _matching(routes, "GET" if method == "HEAD" else method, path)
    if found is not None:
        return found
    if others := {route.method for route in routes if _pattern(route.path).fullmatch(_plain(path))}:
        allowed = ", ".join(sorted(others))
        raise MethodNotAllowed(f"{method} is not possible here; there is {allowed}.", headers=(("allow", allowed),))
    raise NotFound(
        f"There is nothing at {path[:200]!r}. GET /api/openapi.json lists what there is.", code="no_such_path"
    )


def _matching(routes: Sequence[Route], method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
    for route in routes:
        if route.method == method and (match := _pattern(route.path).fullmatch(_plain(path))) is not None:
            return route, match.groupdict()
    return None


def _plain(path: str) -> str:
    return path.removesuffix("/") or "/"


class Admin:
    """``trusted_proxies`` are the networks whose ``X-Forwarded-For`` is believed. Routes that stand first are found
    first."""

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        doorkeeper: Doorkeeper,
        events: EventLog,
        trusted_proxies: Iterable[str] = (),
        max_body: int = MAX_ADMIN_BODY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.routes = tuple(routes)
        self._doorkeeper = doorkeeper
        self._events = events
        self._trusted: tuple[Network, ...] = networks(tuple(trusted_proxies))
        self._max_body = max_body
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError("the administration speaks HTTP alone")
        request_id = secrets.token_hex(16)
        try:
            answer = await self._answer(scope, receive, request_id)
        except ClientGoneError:
            return
        except GatewayError as error:
            answer = refusal(error)
        except Exception:
            _log.exception("request %s of the administration failed", request_id)
            answer = refusal(GatewayError(f"That failed here; the log has more under {request_id}.", code="internal"))
        await _identified(answer, request_id)(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, request_id: str) -> Response:
        scope = self._as_meant(scope)
        route, path = find_route(self.routes, scope["method"], admin_path(scope))
        address = client_address(scope, self._trusted)
        actor = await self._actor(route, scope, address)
        raw = await read_body(scope, receive, self._max_body) if _has_body(scope) else b""
        visit = Visit[Any, Any](
            scope=scope,
            route=route,
            actor=actor,
            path=path,
            query=_query(route, scope),
            body=_body(route, scope, raw),
            raw=raw,
            address=address,
            request_id=request_id,
        )
        given = await route.handler(visit)
        if route.action:
            await self._remember(visit)
        if isinstance(given, Response):
            return given
        return envelope(given if isinstance(given, Reply) else Reply(data=given))

    def _as_meant(self, scope: Scope) -> Scope:
        """A GET that One API has, as the POST that it is here."""
        if scope["method"] != "GET":
            return scope
        path = admin_path(scope)
        if _matching(self.routes, "GET", path) is not None:
            return scope
        found = _matching(self.routes, "POST", path)
        if found is None or not found[0].also_get or not is_meant(scope):
            return scope
        return {**scope, "method": "POST", _GOTTEN: True}

    async def _actor(self, route: Route, scope: Scope, address: str) -> Actor | None:
        """Who it is, if that may be done by them."""
        changes = scope["method"] in _UNSAFE
        try:
            actor = await self._doorkeeper.who(scope, address)
        except GatewayError:
            if route.role > Role.GUEST:
                raise
            actor = None  # what is public does not become less so by a session that has ended
        if changes and not route.signed and (actor is None or actor.way == "session"):
            check_origin(scope)
        if route.role > Role.GUEST:
            check_actor(route, actor, self._clock())
        return actor

    async def _remember(self, visit: Visit[Any, Any]) -> None:
        actor, user = visit.actor, visit.user
        event = Event(
            kind=visit.route.kind,
            action=visit.route.action,
            actor_id=actor.user_id if actor else None,
            actor_name=actor.name if actor else "",
            user_id=user[0] if user else None,
            user_name=user[1] if user else "",
            target=visit.target,
            text=visit.text,
            amount=visit.amount,
            detail=visit.detail,
            address=visit.address,
            request_id=visit.request_id,
        )
        try:
            await self._events.write_event(event)
        except Exception as error:  # it is done, and has to be told
            _log.error("what %s did (%s) could not be written down: %s", event.actor_name, event.action, error)


def admin_path(scope: Scope) -> str:
    """The path below the mount, as the server has decoded it."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root + "/") else path


def check_actor(route: Route, actor: Actor | None, now: float) -> None:
    """
    :raises Unauthenticated: nobody has signed in
    :raises Forbidden: they may not, or have to do something else first
    """
    if actor is None:
        raise Unauthenticated("Sign in first, or send an access token as 'Authorization: …'.", code="not_signed_in")
    if actor.must_change_password and not route.before_change:
        raise Forbidden(
            "Change your password first: PUT /api/user/self with original_password and password.",
            code="password_change_required",
        )
    if actor.role < route.role:
        raise Forbidden(f"This is for the role {route.role.name.lower()} and above.", code="role_too_low")
    if route.fresh and actor.way == "session" and actor.fresh_until < now:
        raise Forbidden(
            "Show once more that it is you: POST /api/user/confirm with your password or a code, then try again.",
            code="confirmation_required",
        )


def _query(route: Route, scope: Scope) -> Struct:
    return _parameters(route.query, scope)


def _parameters(kind: type[Struct], scope: Scope) -> Struct:
    try:
        sent = scope.get("query_string", b"").decode("ascii")
        pairs = parse_qsl(sent, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except (UnicodeDecodeError, ValueError):
        raise BadRequest(
            f"The query is not UTF-8 text, percent-encoded, or has over {_MOST_PARAMETERS} parameters.",
            code="invalid_query",
        ) from None
    given = dict(pairs)
    if len(given) < len(pairs):
        name = next(name for at, (name, _) in enumerate(pairs) if name in dict(pairs[:at]))
        raise BadRequest(f"The parameter {name[:50]!r} is given twice.", code="invalid_query", param=name[:50])
    known = {field.encode_name for field in msgspec.structs.fields(kind)}
    values = {name: value for name, value in given.items() if name in known and value != ""}
    return _converted(values, kind, strict=False, what="query")


def _has_body(scope: Scope) -> bool:
    return scope["method"] in _UNSAFE and _GOTTEN not in scope


def _body(route: Route, scope: Scope, raw: bytes) -> Struct | None:
    if route.raw or route.signed or route.method == "GET":
        return None
    if route.body is None:
        return Nothing()
    if _GOTTEN in scope:
        return _parameters(route.body, scope)
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    if kind.partition(b";")[0].strip().lower() != b"application/json":
        raise UnsupportedBody("Send the body as JSON, with Content-Type: application/json.", code="not_json")
    try:
        given = msgspec.json.decode(raw)
    except UNREADABLE:
        raise BadRequest("The body is not JSON.", code="invalid_json") from None
    if not isinstance(given, dict):
        raise BadRequest("The body must be a JSON object.", code="invalid_json")
    known = {field.encode_name for field in msgspec.structs.fields(route.body)}
    for name in given:
        if name not in known and name not in route.ignored:
            raise BadRequest(
                f"There is no field {name[:50]!r} to write here; there are {', '.join(sorted(known))}.",
                code="unknown_field",
                param=name[:50],
            )
    return _converted({name: given[name] for name in given if name in known}, route.body, strict=True, what="body")


def _converted(values: Mapping[str, object], kind: type[Struct], *, strict: bool, what: str) -> Struct:
    try:
        converted = msgspec.convert(values, kind, strict=strict)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        raise _wrong(what, message, place.strip("`.")) from None
    for name, value in values.items():
        if _has_nul(value):
            raise _wrong(what, "No text may hold the character NUL", name)
    return converted


def _wrong(what: str, message: str, param: str) -> BadRequest:
    where = f" at {param}" if param else ""
    return BadRequest(f"The {what} is wrong{where}: {message}.", code=f"invalid_{what}", param=param or None)


def _has_nul(value: object) -> bool:
    """Whether a text in it has the one character that not all databases store."""
    if isinstance(value, Mapping):
        return any(_has_nul(each) for pair in value.items() for each in pair)
    if isinstance(value, list | tuple):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\0" in value


def envelope(reply: Reply) -> Response:
    """What was asked for."""
    said: dict[str, object] = {"success": reply.status < 400, "message": reply.message, "data": reply.data}
    if reply.total is not None:
        said["total"] = reply.total
    return _json({**said, **reply.extra}, reply.status, reply.headers)


def refusal(error: GatewayError) -> Response:
    """Why not, and how to mend it."""
    said: dict[str, object] = {"success": False, "message": error.message, "data": None, "code": error.code}
    if error.param:
        said["param"] = error.param
    headers = [*error.headers]
    if error.retry_after is not None:
        headers.append(("retry-after", str(max(1, -int(-error.retry_after // 1)))))
    return _json(said, error.status, headers)


def _json(content: object, status: int, headers: Iterable[tuple[str, str]]) -> Response:
    response = Response(msgspec.json.encode(content), status, dict(_HEADERS))
    for name, value in headers:
        response.headers.append(name, value)
    return response


def _identified(response: Response, request_id: str) -> ASGIApp:
    response.headers["x-request-id"] = request_id
    response.headers["x-oneapi-request-id"] = request_id
    response.headers.setdefault("x-content-type-options", "nosniff")
    return response
