"""Paths to apps: the outermost component, with an exact table of its own.

The table is relative to wherever the API is mounted, blind to a trailing slash, and never looks at a URL rebuilt from
the Host header. Unknown paths and wrong methods are refused here, before anything is read.

    app = Endpoints(Relay(upstream, plan=plan), models=models, billing=billing)

*Reads* nothing. *Writes* ``call.operation``, ``call.dialect``. Options: ``pages``, ``on_error``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from starlette.types import ASGIApp, Receive, Scope, Send

from .call import Call
from .errors import GatewayError, MethodNotAllowed, NotFound
from .http import OnError, Refusal, api_path, query_of
from .upgrade import upgraded
from .wire.dialects import CLIENTS, client_of, listed, operation_at
from .wire.objects import page_at

__all__ = ["Endpoints"]

_MOST_PARTS = 12


class Endpoints:
    """Sends calls to ``calls``, the model list to ``models``, One API's balance pages to ``billing``, and files and
    batches of OpenAI's format to ``objects``, if there is such an app; ``pages`` are more of them, by path."""

    def __init__(
        self,
        calls: ASGIApp,
        *,
        models: ASGIApp,
        billing: ASGIApp,
        objects: ASGIApp | None = None,
        pages: Mapping[str, ASGIApp] = MappingProxyType({}),
        on_error: OnError = Refusal,
    ) -> None:
        self._calls = calls
        self._pages = {
            "/dashboard/billing/subscription": billing,
            "/dashboard/billing/usage": billing,
            **pages,
        }
        self._models = models
        self._objects = objects
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            scope, receive, send = upgraded(scope, receive, send)
        if scope["type"] != "http":
            raise RuntimeError(f"Endpoints answers HTTP calls, not {scope['type']!r}")
        call = Call.of(scope)
        try:
            app = self._app(scope, call)
        except GatewayError as error:
            app = self._on_error(error, call)
        return await app(scope, receive, send)

    def _app(self, scope: Scope, call: Call) -> ASGIApp:
        path, method, query = api_path(scope), scope["method"], query_of(scope)
        operation = operation_at(path, query)
        if operation is not None:
            call.dialect = CLIENTS[operation.dialect]
            _only(method, path, ("POST",))
            call.operation = operation
            return self._calls
        call.dialect = client_of(path, dict(scope["headers"]), query)
        kept = page_at(path) if call.dialect.name == "openai" else None
        if kept is not None and self._objects is not None:
            _only(method, path, tuple(kept.operations))
            return self._objects
        page = self._pages.get(path) or (self._models if listed(path, call.dialect) is not None else None)
        if page is None:
            raise _nothing(scope, query)
        _only(method, path, ("GET", "HEAD"))
        return page


def _nothing(scope: Scope, query: str) -> NotFound:
    """Clients add a part of the path to their base URL, and people do not know which."""
    shown = f"There is nothing at {scope['method']} {scope['path'][:200]!r}."
    meant = _meant(scope, query)
    told = (
        f"Did you mean {meant[:200]!r}? Then the client's base URL has a part too many: clients add that themselves."
        if meant
        else "The API begins at the base URL with /v1, such as POST /v1/chat/completions."
    )
    return NotFound(f"{shown} {told}", code="unknown_url")


def _meant(scope: Scope, query: str) -> str | None:
    """The path behind a prefix that does not belong there, if there is something at it."""
    _, *parts = scope["path"][:1000].split("/")
    for start in range(1, min(len(parts), _MOST_PARTS)):
        path = "/" + "/".join(parts[start:])
        below = api_path({"path": path})
        if operation_at(below, query) is not None or listed(below, client_of(below, {}, query)) == "":
            return f"{scope.get('root_path', '')}{path}"
    return None


def _only(method: str, path: str, allowed: tuple[str, ...]) -> None:
    if method not in allowed:
        raise MethodNotAllowed(
            f"{path} takes {' or '.join(allowed[:2])}, not {method[:20]}.", headers=(("allow", ", ".join(allowed)),)
        )
