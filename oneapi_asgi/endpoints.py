"""Paths to apps: the outermost component, with an exact table of its own.

The table is relative to wherever the API is mounted, blind to a trailing slash, and never looks at a URL rebuilt from
the Host header. Unknown paths and wrong methods are refused here, before anything is read.

    app = Endpoints(Relay(upstream, plan=plan), models=models, billing=billing)

*Reads* nothing. *Writes* ``call.operation``. Options: ``pages``, ``on_error``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from starlette.types import ASGIApp, Receive, Scope, Send

from .call import Call
from .errors import GatewayError, MethodNotAllowed, NotFound
from .http import OnError, Refusal, api_path
from .wire.operations import operation_at

__all__ = ["Endpoints"]


class Endpoints:
    """Sends calls to ``calls``, the model list to ``models``, and One API's balance pages to ``billing``; ``pages`` are
    more of them, by path."""

    def __init__(
        self,
        calls: ASGIApp,
        *,
        models: ASGIApp,
        billing: ASGIApp,
        pages: Mapping[str, ASGIApp] = MappingProxyType({}),
        on_error: OnError = Refusal,
    ) -> None:
        self._calls = calls
        self._pages = {
            "/models": models,
            "/dashboard/billing/subscription": billing,
            "/dashboard/billing/usage": billing,
            **pages,
        }
        self._models = models
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008, "reason": "no websocket endpoint here"})
        if scope["type"] != "http":
            raise RuntimeError(f"Endpoints answers HTTP calls, not {scope['type']!r}")
        call = Call.of(scope)
        try:
            app = self._app(scope, call)
        except GatewayError as error:
            app = self._on_error(error, call)
        return await app(scope, receive, send)

    def _app(self, scope: Scope, call: Call) -> ASGIApp:
        path, method = api_path(scope), scope["method"]
        operation = operation_at(path)
        if operation is not None:
            _only(method, path, ("POST",))
            call.operation = operation
            return self._calls
        page = self._pages.get(path) or (self._models if path.startswith("/models/") else None)
        if page is None:
            raise NotFound(
                f"There is nothing at {method} {scope['path'][:200]!r}. The API begins at the base URL with /v1, "
                "such as POST /v1/chat/completions.",
                code="unknown_url",
            )
        _only(method, path, ("GET", "HEAD"))
        return page


def _only(method: str, path: str, allowed: tuple[str, ...]) -> None:
    if method not in allowed:
        raise MethodNotAllowed(
            f"{path} takes {allowed[0]}, not {method[:20]}.", headers=(("allow", ", ".join(allowed)),)
        )
