"""A gateway, its administration and its console as one app with one lifespan.

    app = Standalone(gateway, administration)

The administration answers below ``/api``, but for the paths there that are Ollama's (``/api/chat``), which are calls.
The console has the pages of people, from ``/`` on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Receive, Scope, Send

from .admin.console import Console
from .administration import Administration
from .gateway import Gateway
from .http import route_path
from .lifespan import live
from .wire.dialects import CLIENTS, listed, operation_at

__all__ = ["Standalone", "is_administrative"]

_PREFIX = "/api"
_READS = frozenset(("GET", "HEAD"))


def is_administrative(path: str) -> bool:
    """Whether a path below the root is the administration's."""
    path = path.rstrip("/")
    if path != _PREFIX and not path.startswith(f"{_PREFIX}/"):
        return False
    return operation_at(path) is None and listed(path, CLIENTS["ollama"]) is None


class Standalone:
    """``calls`` stands around the gateway, if anything does: what only calls are to pass."""

    def __init__(self, gateway: Gateway, administration: Administration, *, calls: ASGIApp | None = None) -> None:
        self.gateway = gateway
        self.administration = administration
        self._calls: ASGIApp = calls or gateway
        self._console = Console(turnstile=administration.asks_for_turnstile)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await live(self.opened(), receive, send)
        if scope["type"] == "http":
            path = route_path(scope)
            if is_administrative(path):
                root = scope.get("root_path", "") + _PREFIX
                return await self.administration({**scope, "root_path": root}, receive, send)
            if scope["method"] in _READS and self._console.serves(path):
                return await self._console(scope, receive, send)
        return await self._calls(scope, receive, send)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """The gateway opens what both use, and closes it last."""
        async with self.gateway, self.administration:
            yield
