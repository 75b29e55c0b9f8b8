"""The plan of a call: who may serve it, in what order. A ``Planner`` decides, ``ModelRouter`` asks it.

    pool = ChannelPool(store)
    app = ModelRouter(app, pool)

*Reads* ``call.token`` (its group; ``default`` without one), ``call.pinned_channel``. *Writes* ``call.plan``,
``call.thinking``, with what its planner writes (``call.session``, ``call.holder``, ``call.keeps``) and, as the first to
read the body, what ``http.parsed`` does. Options: ``planner`` (a ``RoutePlanner`` without
routes, of ``max_attempts`` steps, if none is given), ``effort_suffixes`` (``gpt-5-high`` is ``gpt-5``, thinking hard,
unless a channel names such a model), ``max_body``, ``on_error``.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from .call import Call
from .errors import GatewayError
from .http import MAX_BODY, ClientGoneError, OnError, Refusal, parsed
from .planning import Planner, Preparing, RoutePlanner
from .pool import ChannelPool
from .suffixes import split_suffix

__all__ = ["ModelRouter"]


class ModelRouter:
    """Writes the plan of a call, or refuses when nobody can serve it."""

    def __init__(
        self,
        app: ASGIApp,
        pool: ChannelPool,
        *,
        planner: Planner | None = None,
        max_attempts: int = 3,
        effort_suffixes: bool = False,
        max_body: int = MAX_BODY,
        on_error: OnError = Refusal,
    ) -> None:
        self.app = app
        self._pool = pool
        self._planner = planner or RoutePlanner(pool, max_attempts=max_attempts)
        self._prepare = self._planner.prepare if isinstance(self._planner, Preparing) else None
        self._effort_suffixes = effort_suffixes
        self._max_body = max_body
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        call = Call.of(scope)
        try:
            request, receive = await parsed(scope, receive, max_body=self._max_body)
            if not self._pool.fresh:
                await self._pool.refresh()
            model = self._model(call, request.head.model)
            if self._prepare is not None:
                await self._prepare(call, model, scope["headers"])
            call.plan = self._planner.plan(call, model)
        except ClientGoneError:
            return None
        except GatewayError as error:
            return await self._on_error(error, call)(scope, receive, send)
        return await self.app(scope, receive, send)

    def _model(self, call: Call, asked: str) -> str:
        split = split_suffix(asked) if self._effort_suffixes and not self._pool.names(asked) else None
        if split is None:
            return asked
        model, call.thinking = split
        return model
