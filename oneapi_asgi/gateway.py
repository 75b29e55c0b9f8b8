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

from .announced import AnnouncedRevision
from .auth import KeyAuthenticator, TokenAuth
from .call import Call
from .endpoints import Endpoints
from .errors import NotStarted
from .health import CoolDown, Health, SharedCoolDown
from .housekeeping import Chore, Housekeeping, old_records
from .http import MAX_BODY, OnError, Refusal, api_path
from .idempotency import MAX_ANSWER, Idempotency
from .limitbook import LimitBook
from .listing import Billing, ModelList
from .models import Channel, Limit, Price, TokenDraft
from .ports import CallStorage, Declarations, RateStore, RecordPruner, Shared
from .pricebook import PriceBook, PriceCatalog, UnknownModel
from .probes import Readiness, liveness
from .providers.catalog import provider_of
from .quota import Quota, QuotaGuard
from .ratelimit import ChannelLimits, RateLimit, RateLimiter
from .rates import LocalRates, Share
from .reaper import Reaper
from .record import CallRecorder, RecordWriter
from .relay import Relay
from .revision import Revision
from .revocation import Revocation, RevocationGuard
from .routing import ChannelPool, ModelRouter
from .spool import Spool
from .upstream import HttpxUpstream, Timeouts, Upstream

__all__ = ["Gateway"]

_DRAIN_SECONDS = 5.0


class Gateway:
    """Endpoints → TokenAuth → RevocationGuard → CallRecorder → Idempotency → RateLimit → ModelRouter → QuotaGuard →
    Relay.

    ``storage`` and ``upstream`` are opened and closed with the gateway if they are async context managers;
    ``upstream`` is an ``HttpxUpstream`` of its own if none is given. ``channels``, ``tokens`` and ``limits`` are
    declared in the storage at the start, so that those which were declared before and are missing now go; ``prices``
    win over those in the storage, ``price_catalog`` comes after them. ``health`` None cools failed channels down.

    ``shared`` is what replicas share (such as ``SharedRedis``), opened and closed with the gateway: rates are counted
    for all of them, and each tells the others of changes, failed channels and ended calls. Without it each of
    ``processes`` lets through its part of every rate. ``poll_interval`` is how many seconds a change in the storage may
    take to be seen, whatever is shared; a running call whose token is revoked ends within one second more.

    Settlements that the storage does not take are kept in ``spool`` as well, until it does.

    Answers to an Idempotency-Key are kept for ``keep_answers`` seconds, records for ``keep_records`` (None: for ever).
    ``/healthz`` and ``/readyz`` are answered without a key, also before the start. The other options are those of the
    components.
    """

    def __init__(
        self,
        storage: CallStorage,
        *,
        upstream: Upstream | None = None,
        channels: Sequence[Channel] | None = None,
        tokens: Sequence[TokenDraft] | None = None,
        limits: Sequence[Limit] | None = None,
        prices: Mapping[str, Price] | None = None,
        shared: Shared | None = None,
        processes: int = 1,
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
        keep_answers: float = 86_400.0,
        max_answer: int = MAX_ANSWER,
        keep_records: float | None = None,
        spool: Spool | None = None,
        on_error: OnError = Refusal,
    ) -> None:
        self._declare = _declaration(storage, channels, tokens, limits)
        timeouts = timeouts or Timeouts()
        revision = _revision(storage, shared, poll_interval)
        book = LimitBook(storage, revision=revision)
        self.storage = storage
        self.upstream = upstream or HttpxUpstream()
        self.pool = ChannelPool(storage, revision=revision, health=_health(health, shared))
        self.records = RecordWriter(storage)
        self.prices = PriceBook(
            storage,
            revision=revision,
            declared=prices,
            catalog=price_catalog,
            unknown=unknown_model,
            default=default_price,
        )
        self.quota = _quota(storage, self.prices, book, default_max_output, spool)
        self._authenticator = KeyAuthenticator(storage, revision=revision, ttl=token_ttl)
        self._revocation = Revocation(self._authenticator.recheck, revision)
        self._shared = shared
        self._chores = _chores(storage, keep_records)
        self._trusted = tuple(trusted_proxies)
        self._max_body, self._on_error = max_body, on_error
        limiter = _limiter(book, shared, processes, requests_per_minute, default_max_output)
        self._idempotency = self._once(self._limited(limiter, max_attempts, timeouts), keep_answers, max_answer)
        self._probes = self._pages()
        self._app = self._endpoints()
        self._running: AsyncExitStack | None = None
        self._calls: set[asyncio.Task[object]] = set()

    def _limited(self, limiter: RateLimiter, max_attempts: int, timeouts: Timeouts) -> RateLimit:
        """The components that a repeated call does not reach, from the innermost outwards."""
        refuse, most = self._on_error, self._max_body
        calls: ASGIApp = Relay(
            self.upstream,
            max_attempts=max_attempts,
            timeouts=timeouts,
            health=self.pool.health,
            admission=ChannelLimits(limiter),
            max_body=most,
            on_error=refuse,
        )
        calls = QuotaGuard(calls, self.quota, max_body=most, on_error=refuse)
        calls = ModelRouter(calls, self.pool, max_attempts=max_attempts, max_body=most, on_error=refuse)
        return RateLimit(calls, limiter=limiter, max_body=most, on_error=refuse)

    def _once(self, app: ASGIApp, keep: float, max_answer: int) -> Idempotency:
        return Idempotency(
            app,
            self.storage,
            keep=keep,
            max_answer=max_answer,
            max_body=self._max_body,
            notices=self._shared.notices if self._shared else None,
            on_error=self._on_error,
        )

    def _pages(self) -> Mapping[str, ASGIApp]:
        """Those that need no key."""
        ready = Readiness(self.storage, self.pool, started=lambda: self._running is not None)
        return {"/healthz": liveness, "/readyz": ready}

    def _endpoints(self) -> Endpoints:
        refuse = self._on_error
        calls: ASGIApp = CallRecorder(self._idempotency, self.records, on_error=refuse)
        calls = RevocationGuard(calls, self._revocation)
        return Endpoints(
            self._authenticated(calls),
            models=self._authenticated(ModelList(self.pool, on_error=refuse)),
            billing=self._authenticated(Billing(self.storage, on_error=refuse)),
            pages=self._probes,
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
        if self._running is None and api_path(scope) not in self._probes:
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
            for part in self._parts():
                if isinstance(part, AbstractAsyncContextManager):
                    await stack.enter_async_context(part)
            if self._declare is not None:
                await self._declare()
            self._running = stack.pop_all()
        return self

    def _parts(self) -> Sequence[object]:
        """In the order in which they are opened: each before what uses it."""
        return (
            self.storage,
            self.upstream,
            self._shared,
            self.quota,
            self.records,
            self._idempotency,
            Reaper(self.storage),
            Housekeeping(self._chores),
            self._revocation,
        )

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


def _quota(
    storage: CallStorage, prices: PriceBook, book: LimitBook, default_max_output: int, spool: Spool | None
) -> Quota:
    return Quota(storage, prices, limits=book, budgets=storage, default_max_output=default_max_output, spool=spool)


def _revision(storage: CallStorage, shared: Shared | None, interval: float) -> Revision:
    if shared is None:
        return Revision(storage, interval=interval)
    announced = AnnouncedRevision(storage, shared.notices)
    revision = Revision(announced, interval=interval)
    announced.tell(revision.expect_change)
    return revision


def _health(health: Health | None, shared: Shared | None) -> Health:
    own = health or CoolDown()
    return SharedCoolDown(own, shared.notices) if shared and isinstance(own, CoolDown) else own


def _limiter(
    book: LimitBook, shared: Shared | None, processes: int, requests_per_minute: int | None, default_max_output: int
) -> RateLimiter:
    own = LocalRates()
    counters: RateStore = shared.rates if shared else own if processes == 1 else Share(own, processes)
    return RateLimiter(
        requests_per_minute=requests_per_minute,
        limits=book,
        counters=counters,
        default_max_output=default_max_output,
    )


def _chores(storage: CallStorage, keep_records: float | None) -> Mapping[str, Chore]:
    chores: dict[str, Chore] = {"answers": storage.purge_answers}
    if keep_records is None:
        return chores
    if not isinstance(storage, RecordPruner):
        raise TypeError(f"{type(storage).__name__} cannot delete records: it has no method 'prune_records'")
    return {**chores, "records": old_records(storage, keep=keep_records)}


def _declaration(
    storage: CallStorage,
    channels: Sequence[Channel] | None,
    tokens: Sequence[TokenDraft] | None,
    limits: Sequence[Limit] | None,
) -> Callable[[], Awaitable[None]] | None:
    """What there is to declare at the start. Mistakes are told now, not by the first call."""
    if not isinstance(storage, CallStorage):
        raise TypeError(f"storage must be a Storage, such as MemoryStorage() or SQLStorage(url), not {storage!r:.80}")
    for channel in channels or ():
        provider_of(channel)
    if channels is None and tokens is None and limits is None:
        return None
    if not isinstance(storage, Declarations):
        raise TypeError(f"{type(storage).__name__} cannot declare anything: it has no method 'declare'")
    return partial(storage.declare, channels or (), tokens or (), limits or ())


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
