"""What a caller may look up: the models of its token, and the balance behind it.

    models = TokenAuth(ModelList(ChannelPool(store)), authenticator)
    billing = TokenAuth(Billing(ledger), authenticator)

Both *read* ``call.token`` and *write* nothing; their option is ``on_error``.
"""

from __future__ import annotations

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from .auth import model_allowed
from .call import Call, need
from .errors import GatewayError, NotFound, Unavailable
from .http import OnError, Refusal, api_path
from .models import NANO, Token
from .ports import Ledger
from .routing import ChannelPool

__all__ = ["Billing", "ModelList"]

_CREATED = 1_626_777_600
"""Clients sort by this; the upstreams' own dates are not known here."""

_UNLIMITED_USD = 100_000_000
"""What clients of One API know as a limit that is none."""


class ModelList:
    """``GET /v1/models`` and ``/v1/models/{id}``: what the caller's token may use."""

    def __init__(self, pool: ChannelPool, *, on_error: OnError = Refusal) -> None:
        self._pool = pool
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call.of(scope)
        token = need(call.token, "ModelList", "token", "TokenAuth")
        wanted = api_path(scope).removeprefix("/models").removeprefix("/")
        try:
            await self._pool.refresh()
            answer = self._one(token, wanted) if wanted else self._all(token)
        except GatewayError as error:
            return await self._on_error(error, call)(scope, receive, send)
        return await _json(answer, call)(scope, receive, send)

    def _all(self, token: Token) -> object:
        models = [entry for entry in self._pool.models(token.group) if model_allowed(token, entry[0])]
        return {"object": "list", "data": [_model(model, owner) for model, owner in models]}

    def _one(self, token: Token, model: str) -> object:
        channels = self._pool.serving(token.group, model) if model_allowed(token, model) else ()
        if not channels:
            raise NotFound(f"The model {model[:200]!r} does not exist.", code="model_not_found", param="model")
        return _model(model, channels[0].provider)


def _model(model: str, owner: str) -> dict[str, object]:
    return {"id": model, "object": "model", "created": _CREATED, "owned_by": owner}


class Billing:
    """One API's ``/dashboard/billing/subscription`` and ``/usage``, from which chat clients show a balance.

    The figures are those of the token's first account, its own cap; of an unlimited one they show no limit, as with One
    API, whatever its owner's wallet holds.
    """

    def __init__(self, ledger: Ledger, *, on_error: OnError = Refusal) -> None:
        self._ledger = ledger
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call.of(scope)
        token = need(call.token, "Billing", "token", "TokenAuth")
        try:
            page = await self._page(token, usage=api_path(scope).endswith("/usage"))
        except Exception:  # whatever the ledger is: the caller learns that it does not answer
            error = Unavailable("Balances cannot be read at the moment.", retry_after=1)
            return await self._on_error(error, call)(scope, receive, send)
        return await _json(page, call)(scope, receive, send)

    async def _page(self, token: Token, *, usage: bool) -> object:
        (balance,) = await self._ledger.balances(token.accounts[:1])
        if usage:
            return {"object": "list", "total_usage": balance.used * 100 / NANO}
        limit = _UNLIMITED_USD if balance.unlimited else (balance.available + balance.used) / NANO
        return {
            "object": "billing_subscription",
            "has_payment_method": True,
            "soft_limit_usd": limit,
            "hard_limit_usd": limit,
            "system_hard_limit_usd": limit,
            "access_until": int(token.expires_at or 0),
        }


def _json(content: object, call: Call) -> ASGIApp:
    body = msgspec.json.encode(content)

    async def app(scope: Scope, _: Receive, send: Send) -> None:
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", call.id.encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return app
