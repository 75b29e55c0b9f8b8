"""The components in order, as one app that mounts anywhere.

    gateway = Gateway(SQLStorage("sqlite:///oneapi.db"))
    host = FastAPI(lifespan=gateway.lifespan)
    host.mount("/llm", gateway)

A host with a lifespan of its own writes ``async with gateway:`` there. Hosts do not run the lifespan of what they
mount, so without either the gateway refuses every call with 503. Run as the outermost app it answers the server's
lifespan itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Self

from starlette.types import ASGIApp, Receive, Scope, Send

from .auth import KeyAuthenticator, TokenAuth
from .call import Call
from .endpoints import Endpoints
from .errors import NotStarted
from .health import CoolDown, Health
from .http import MAX_BODY, OnError, Refusal
from .listing import Billing, ModelList
from .models import Channel, Price, TokenDraft
from .ports import CallStorage, Declarations
from .pricebook import PriceBook, PriceCatalog, UnknownModel
from .providers.catalog import provider_of
from .quota import Quota, QuotaGuard
from .ratelimit import RateLimit, RateLimiter
from .reaper import Reaper
from .record import CallRecorder, RecordWriter
from .relay import Relay
from .revision import Revision
from .routing import ChannelPool, ModelRouter
from .upstream import HttpxUpstream, Timeouts, Upstream

__all__ = ["Gateway"]

_DRAIN_SECONDS = 5.0


class Gateway:
    """Endpoints → TokenAuth → CallRecorder → RateLimit → ModelRouter → QuotaGuard → Relay.

    ``storage`` and ``upstream`` are opened and closed with the gateway if they are async context managers;
    ``upstream`` is an ``HttpxUpstream`` of its own if none is given. ``channels`` and ``tokens`` are declared in the
    storage at the start, so that those which were declared before and are missing now go; ``prices`` win over those in
    the storage, ``price_catalog`` comes after them. ``health`` None cools failed channels down. ``poll_interval`` is
    how many seconds a change in the storage may take to be seen. The other options are those of the components.
    """

    def __init__(
        self,
        storage: CallStorage,
        *,
        upstream: Upstream | None = None,
        channels: Sequence[Channel] | None = None,
        tokens: Sequence[TokenDraft] | None = None,
        prices: Mapping[str, Price] | None = None,
        max_attempts: int = 3,
        timeouts: Timeouts | None = None,
        health: Health | None = None,
        max_body: int = MAX_BODY,
        requests_per_minute: int | None = None,
        trusted_proxies: Iterable[str] = (),
        price_catalog: PriceCatalog | None = None,
        unknown_model: UnknownModel = "refuse",
        default_price: Price | None = None,
        default_max_output: int = 4096,
        token_ttl: float = 30.0,
        poll_interval: float = 0.5,
        on_error: OnError = Refusal,
    ) -> None:
        timeouts = timeouts or Timeouts()
        revision = Revision(storage, interval=poll_interval)
        self.storage = storage
        self.upstream = upstream or HttpxUpstream()
        self.pool = ChannelPool(storage, revision=revision, health=health or CoolDown())
        self.records = RecordWriter(storage)
        self.prices = PriceBook(
            storage,
            revision=revision,
            declared=prices,
            catalog=price_catalog,
            unknown=unknown_model,
            default=default_price,
        )
        self.quota = Quota(storage, self.prices, default_max_output=default_max_output, longest_call=timeouts.total)
        self._declare = _declaration(storage, channels, tokens)
        self._authenticator = KeyAuthenticator(storage, revision=revision, ttl=token_ttl)
        self._trusted = tuple(trusted_proxies)
        self._max_body = max_body
        self._on_error = on_error
        self._app = self._stack(max_attempts, timeouts, RateLimiter(requests_per_minute=requests_per_minute))
        self._running: AsyncExitStack | None = None
        self._calls: set[asyncio.Task[object]] = set()

    def _stack(self, max_attempts: int, timeouts: Timeouts, limiter: RateLimiter) -> Endpoints:
        """The components, from the innermost outwards."""
        refuse = self._on_error
        calls: ASGIApp = Relay(
            self.upstream, max_attempts=max_attempts, timeouts=timeouts, health=self.pool.health, on_error=refuse
        )
        calls = QuotaGuard(calls, self.quota, on_error=refuse)
        calls = ModelRouter(calls, self.pool, max_attempts=max_attempts, max_body=self._max_body, on_error=refuse)
        calls = RateLimit(calls, limiter=limiter, on_error=refuse)
        calls = CallRecorder(calls, self.records, on_error=refuse)
        return Endpoints(
            self._authenticated(calls),
            models=self._authenticated(ModelList(self.pool, on_error=refuse)),
            billing=self._authenticated(Billing(self.storage, on_error=refuse)),
            on_error=refuse,
        )

    def _authenticated(self, app: ASGIApp) -> TokenAuth:
        return TokenAuth(
            app,
            self._authenticator,
            trusted_proxies=self._trusted,
            max_body=self._max_body,
            on_error=self._on_error,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await _lifespan(self, receive, send)
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if self._running is None:
            call = Call.of(scope)
            return await self._on_error(_not_started(), call)(scope, receive, send)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._calls.add(task)
        try:
            return await self._app(scope, receive, send)
        finally:
            self._calls.discard(task)

    @asynccontextmanager
    async def lifespan(self, app: object) -> AsyncIterator[None]:  # noqa: ARG002  # hosts pass themselves
        """For a host's ``lifespan=``."""
        async with self:
            yield

    async def __aenter__(self) -> Self:
        if self._running is not None:
            raise RuntimeError("This gateway is running already: enter it once, in one lifespan")
        async with AsyncExitStack() as stack:
            for part in (self.storage, self.upstream, self.quota, self.records, Reaper(self.storage)):
                if isinstance(part, AbstractAsyncContextManager):
                    await stack.enter_async_context(part)
            if self._declare is not None:
                await self._declare()
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        running, self._running = self._running, None
        await self._end_calls()
        if running is not None:
            await running.__aexit__(exc_type, exc, traceback)

    async def _end_calls(self) -> None:
        """Servers shut the lifespan down before they cancel what is still open; the ledger has to outlive it."""
        calls = self._calls - {asyncio.current_task()}
        for call in calls:
            call.cancel()
        if calls:
            await asyncio.wait(calls, timeout=_DRAIN_SECONDS)


def _declaration(
    storage: CallStorage, channels: Sequence[Channel] | None, tokens: Sequence[TokenDraft] | None
) -> Callable[[], Awaitable[None]] | None:
    """What there is to declare at the start. Mistakes are told now, not by the first call."""
    if not isinstance(storage, CallStorage):
        raise TypeError(f"storage must be a Storage, such as MemoryStorage() or SQLStorage(url), not {storage!r:.80}")
    for channel in channels or ():
        provider_of(channel)
    if channels is None and tokens is None:
        return None
    if not isinstance(storage, Declarations):
        raise TypeError(f"{type(storage).__name__} cannot declare channels and tokens: it has no method 'declare'")
    return partial(storage.declare, channels or (), tokens or ())


def _not_started() -> NotStarted:
    return NotStarted(
        "The gateway was not started: its lifespan has not been run. Give the host app lifespan=gateway.lifespan, "
        "or write 'async with gateway:' in the host's own lifespan."
    )


async def _lifespan(gateway: Gateway, receive: Receive, send: Send) -> None:
    await receive()
    try:
        await gateway.__aenter__()
    except Exception as error:
        await send({"type": "lifespan.startup.failed", "message": f"{type(error).__name__}: {error}"})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    try:
        await gateway.__aexit__(None, None, None)
    except Exception as error:
        await send({"type": "lifespan.shutdown.failed", "message": f"{type(error).__name__}: {error}"})
        return
    await send({"type": "lifespan.shutdown.complete"})
