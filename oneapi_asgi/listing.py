"""What a caller may look up: the models of its token, and the balance behind it.

    models = TokenAuth(ModelList(ChannelPool(store)), authenticator)
    billing = TokenAuth(Billing(ledger), authenticator)

Both *read* ``call.token`` and *write* nothing; their option is ``on_error``.
"""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from .auth import model_allowed
from .call import Call, need
from .errors import GatewayError, NotFound, Unavailable
from .http import OnError, Refusal, api_path, json_page, query_of
from .models import NANO, Token
from .pool import ChannelPool
from .ports import Ledger
from .wire.dialect import ClientDialect, ModelCard
from .wire.dialects import client_of, listed

__all__ = ["Billing", "ModelList"]

_CREATED = 1_626_777_600
"""Clients sort by this; the upstreams' own dates are not known here."""

_UNLIMITED_USD = 100_000_000
"""What clients of One API know as a limit that is none."""


class ModelList:
    """``GET /v1/models`` and ``/v1/models/{id}``: what the caller's token may use, in the format in which it asks."""

    def __init__(self, pool: ChannelPool, *, on_error: OnError = Refusal) -> None:
        self._pool = pool
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call.of(scope)
        token = need(call.token, "ModelList", "token", "TokenAuth")
        call.dialect = client_of(api_path(scope), dict(scope["headers"]), query_of(scope))
        wanted = listed(api_path(scope), call.dialect)
        try:
            await self._pool.refresh()
            answer = self._one(token, wanted, call.dialect) if wanted else self._all(token, call.dialect)
        except GatewayError as error:
            return await self._on_error(error, call)(scope, receive, send)
        return await json_page(answer, call)(scope, receive, send)

    def _all(self, token: Token, dialect: ClientDialect) -> object:
        models = [entry for entry in self._pool.models(token.group) if model_allowed(token, entry[0])]
        return dialect.models([ModelCard(model, owner, _CREATED) for model, owner in models])

    def _one(self, token: Token, model: str, dialect: ClientDialect) -> object:
        channels = self._pool.serving(token.group, model) if model_allowed(token, model) else ()
        if not channels:
            raise NotFound(f"The model {model[:200]!r} does not exist.", code="model_not_found", param="model")
        return dialect.model(ModelCard(model, channels[0].provider, _CREATED))


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
        return await json_page(page, call)(scope, receive, send)

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
