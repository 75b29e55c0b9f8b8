"""The components in order, as one app that mounts anywhere.

    gateway = Gateway(SQLStorage("sqlite:///oneapi.db"))
    host = FastAPI(lifespan=gateway.lifespan)
    host.mount("/llm", gateway)

A host with a lifespan of its own writes ``async with gateway:`` there. Hosts do not run the lifespan of what they
mount, so without either the gateway refuses every call with 503. Run as the outermost app it answers the server's
lifespan itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import KW_ONLY, dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

from starlette.types import ASGIApp, Receive, Scope, Send

from .auth import KeyAuthenticator, TokenAuth
from .call import Call
from .drain import Drain, DrainGuard, draining_on_signals
from .edge import EdgeGuard
from .endpoints import Endpoints
from .errors import NotStarted
from .health import Health
from .housekeeping import Housekeeping
from .http import MAX_BODY, OnError, Refusal, api_path, query_of
from .idempotency import MAX_ANSWER, Idempotency
from .lifespan import live
from .limitbook import LimitBook
from .listing import Billing, ModelList
from .models import Channel, Limit, Price, TokenDraft
from .owners import Owners
from .pace import Pacing
from .planning import Planner, Route
from .pool import ChannelPool
from .ports import CallStorage, NoteStore, ObjectStore, Shared
from .pricebook import PriceCatalog, UnknownModel
from .probes import Readiness, liveness
from .providers.catalog import offered, provider_of
from .quota import QuotaGuard
from .ratelimit import ChannelLimits, RateLimit
from .reaper import Reaper
from .record import CallRecorder, RecordWriter
from .relay import Relay
from .retry import RetryBudget
from .revocation import Revocation, RevocationGuard
from .routing import ModelRouter
from .shedding import Load, LoadShed
from .slots import Slots
from .spool import Spool
from .standing import ChannelPage, ChannelStanding, standings
from .tariffs import Group
from .thoughts import Thoughts
from .tickets import Tickets
from .upgrade import Realtime, upgraded
from .upstream import HttpxUpstream, Timeouts, Upstream
from .upstream.installed import installed_sockets
from .upstream.sockets import Sockets
from .wire.dialects import client_of, load_formats
from .wiring import (
    chores_of,
    declaration_of,
    health_of,
    limiter_of,
    links_of,
    planner_of,
    prices_of,
    quota_of,
    retirement_of,
    revision_of,
)

if TYPE_CHECKING:
    from .objects import Batches

__all__ = ["Gateway"]


@dataclass(eq=False, repr=False)
class Gateway:
    """EdgeGuard → Endpoints → LoadShed → TokenAuth → RevocationGuard → CallRecorder → Idempotency → RateLimit →
    ModelRouter → QuotaGuard → Relay.

    ``storage``, ``upstream`` and ``sockets`` are opened and closed with the gateway if they are async context managers;
    ``sockets``, for ``/v1/realtime``, are those of the extra if none are given, with a guard of their own.
    ``upstream`` is an ``HttpxUpstream`` of its own if none is given. ``channels``, ``tokens`` and ``limits`` are
    declared in the storage at the start, so that those which were declared before and are missing now go; ``prices``
    and ``groups`` (what callers pay of a price) win over those in the storage, ``price_catalog`` comes after them.
    ``health`` None leaves channels alone for a while that fail again and again; ``disable_on`` are the statuses and
    codes for which a channel is switched off for good, once every key of it is refused so; ``on_disabled`` is told of
    it, and why.

    ``shared`` is what replicas share (such as ``SharedRedis``), opened and closed with the gateway: rates are counted
    for all of them, and each tells the others of changes, failed channels and ended calls. Without it each of
    ``processes`` lets through its part of every rate. ``poll_interval`` is how many seconds a change in the storage may
    take to be seen, whatever is shared; a running call whose token is revoked ends within one second more.

    Settlements that the storage does not take are kept in ``spool`` as well, until it does.

    ``routes`` say which models and callers are routed otherwise than by weight, and what serves where a model cannot;
    ``planner`` makes another planner for the channels of a pool, which then decides in their place.

    ``effort_suffixes`` lets callers ask for effort by a model's name (``gpt-5-high``). ``fetch_hosts`` are those from
    which files behind links may be fetched, for upstreams that take bytes alone; none by default. ``batches``
    "unlimited" lets those alone start batches who have no limit of money, "allow" everybody: they cannot be metered.

    Answers to an Idempotency-Key are kept for ``keep_answers`` seconds, records for ``keep_records`` (None: for ever).
    ``/healthz`` and ``/readyz`` are answered without a key, also before the start. The other options are those of the
    components.

    Beyond ``most_calls`` open ones, and while the event loop is more than ``max_lag`` seconds late, new calls are
    refused; by default neither is.

    ``draining`` says how long open calls may run on once the gateway is to stop (``await gateway.drain()``, or a signal
    with ``drain_on_signals``); to leave its context ends them at once. All are told so, and charged for what was
    relayed.
    """

    storage: CallStorage
    _: KW_ONLY
    upstream: Upstream = field(default_factory=HttpxUpstream)
    sockets: Sockets | None = field(default_factory=installed_sockets)
    channels: Sequence[Channel] | None = None
    tokens: Sequence[TokenDraft] | None = None
    limits: Sequence[Limit] | None = None
    prices: Mapping[str, Price] | None = None
    groups: Iterable[Group] = ()
    shared: Shared | None = None
    processes: int = 1
    max_attempts: int = 3
    retries: RetryBudget = field(default_factory=RetryBudget)
    routes: Iterable[Route] = ()
    planner: Callable[[ChannelPool], Planner] | None = None
    effort_suffixes: bool = False
    fetch_hosts: Iterable[str] = ()
    batches: Batches = "unlimited"
    timeouts: Timeouts = field(default_factory=Timeouts)
    pacing: Pacing = field(default_factory=Pacing)
    health: Health | None = None
    disable_on: Iterable[str] = ()
    on_disabled: Callable[[Channel, str], None] | None = None
    max_body: int = MAX_BODY
    body_timeout: float = 20.0
    hosts: Iterable[str] = ()
    requests_per_minute: int | None = None
    trusted_proxies: Iterable[str] = ()
    price_catalog: PriceCatalog | None = None
    unknown_model: UnknownModel = "refuse"
    default_price: Price | None = None
    default_max_output: int = 4096
    token_ttl: float = 30.0
    poll_interval: float = 0.5
    keep_answers: float = 86_400.0
    max_answer: int = MAX_ANSWER
    keep_records: float | None = None
    spool: Spool | None = None
    most_calls: int | None = None
    max_lag: float | None = None
    draining: Drain = field(default_factory=Drain)
    drain_on_signals: bool = False
    on_error: OnError = Refusal

    def __post_init__(self) -> None:
        storage, shared = self.storage, self.shared
        self.trusted_proxies = tuple(self.trusted_proxies)  # more than one component reads them
        self._declare = declaration_of(storage, self.channels, self.tokens, self.limits)
        revision = revision_of(storage, shared, self.poll_interval)
        book = LimitBook(storage, revision=revision)
        self.pool = ChannelPool(storage, revision=revision, health=health_of(self.health, shared))
        self.records = RecordWriter(storage)
        self._prices = prices_of(
            storage, revision, self.prices, self.groups, self.price_catalog, self.unknown_model, self.default_price
        )
        self.quota = quota_of(storage, self._prices, book, self.default_max_output, self.spool)
        self._authenticator = KeyAuthenticator(storage, revision=revision, ttl=self.token_ttl)
        self._revocation = Revocation(self._authenticator.recheck, revision)
        self._retirement = retirement_of(storage, self.pool.health, self.disable_on, self.on_disabled)
        self._chores = chores_of(storage, self.keep_records)
        notes = storage if isinstance(storage, NoteStore) else None
        self._thoughts, self._owners = Thoughts(notes), Owners(notes)
        self._planner = planner_of(self.planner, self.pool, self.routes, self.max_attempts, self._prices, self._owners)
        self._slots = Slots(processes=self.processes)
        self._load = Load(most_calls=self.most_calls, max_lag=self.max_lag)
        self._limiter = limiter_of(book, shared, self.processes, self.requests_per_minute, self.default_max_output)
        self._objects = self._kept(book)
        self._idempotency = self._once(self._limited())
        self._realtime = self._sessions()
        self._probes = self._pages()
        self._app = self._guarded(self._endpoints())
        self._running: AsyncExitStack | None = None

    def _guarded(self, app: ASGIApp) -> EdgeGuard:
        """What stands before all of it."""
        return EdgeGuard(
            DrainGuard(app, self.draining, exempt=self._probes, on_error=self.on_error),
            max_body=self.max_body,
            body_timeout=self.body_timeout,
            hosts=self.hosts,
            on_error=self.on_error,
        )

    def _limited(self) -> RateLimit:
        """The components that a repeated call does not reach, from the innermost outwards."""
        refuse, most = self.on_error, self.max_body
        calls: ASGIApp = Relay(
            self.upstream,
            max_attempts=self.max_attempts,
            timeouts=self.timeouts,
            pacing=self.pacing,
            slots=self._slots,
            retries=self.retries,
            health=self.pool.health,
            admission=ChannelLimits(self._limiter),
            recall=self._thoughts,
            fetch=links_of(self.upstream, self.fetch_hosts),
            max_body=most,
            on_error=refuse,
        )
        calls = QuotaGuard(calls, self.quota, max_body=most, on_error=refuse)
        calls = ModelRouter(
            calls,
            self.pool,
            planner=self._planner,
            effort_suffixes=self.effort_suffixes,
            max_body=most,
            on_error=refuse,
        )
        return RateLimit(calls, limiter=self._limiter, max_body=most, on_error=refuse)

    def _kept(self, book: LimitBook) -> ASGIApp | None:
        """Files and batches, if the storage can tell whose they are."""
        if not isinstance(self.storage, ObjectStore):
            return None
        from .objects import Objects  # with the first gateway: the library itself is imported in no time

        objects = Objects(
            self.storage,
            self.pool,
            self.upstream,
            limits=book,
            batches=self.batches,
            timeouts=self.timeouts,
            max_attempts=self.max_attempts,
            max_body=self.max_body,
            on_error=self.on_error,
        )
        return RateLimit(objects, limiter=self._limiter, max_body=self.max_body, on_error=self.on_error)

    def _sessions(self) -> Realtime:
        """Those over a WebSocket: the same components, but that they are not repeated."""
        from .realtime import RealtimeRelay  # as above

        refuse, most = self.on_error, self.max_body
        calls: ASGIApp = RealtimeRelay(
            self.sockets,
            Tickets(self.upstream, self.timeouts),
            self.quota,
            max_attempts=self.max_attempts,
            timeouts=self.timeouts,
            health=self.pool.health,
            slots=self._slots,
            admission=ChannelLimits(self._limiter),
            on_error=refuse,
        )
        calls = QuotaGuard(calls, self.quota, max_body=most, on_error=refuse)
        calls = ModelRouter(calls, self.pool, planner=self._planner, max_body=most, on_error=refuse)
        calls = RateLimit(calls, limiter=self._limiter, max_body=most, on_error=refuse)
        return Realtime(self._recorded(calls), on_error=refuse)

    def _once(self, app: ASGIApp) -> Idempotency:
        return Idempotency(
            app,
            self.storage,
            keep=self.keep_answers,
            max_answer=self.max_answer,
            max_body=self.max_body,
            notices=self.shared.notices if self.shared else None,
            on_error=self.on_error,
        )

    def _pages(self) -> Mapping[str, ASGIApp]:
        """Those that need no key."""
        ready = Readiness(
            self.storage,
            self.pool,
            started=lambda: self._running is not None,
            draining=lambda: self.draining.begun,
        )
        return {"/healthz": liveness, "/readyz": ready}

    def _endpoints(self) -> Endpoints:
        refuse = self.on_error
        objects = self._recorded(self._objects) if self._objects is not None else None
        standings = self._known(ChannelPage(self.pool, self.pool.health, on_error=refuse))
        return Endpoints(
            self._recorded(self._idempotency),
            models=self._authenticated(ModelList(self.pool, on_error=refuse)),
            billing=self._authenticated(Billing(self.storage, on_error=refuse)),
            objects=objects,
            pages={**self._probes, "/healthz/channels": standings, "/realtime": self._realtime},
            on_error=refuse,
        )

    def _recorded(self, app: ASGIApp) -> LoadShed:
        recorder = CallRecorder(app, self.records, on_error=self.on_error)
        return self._authenticated(RevocationGuard(recorder, self._revocation))

    def _authenticated(self, app: ASGIApp) -> LoadShed:
        return LoadShed(self._known(app), self._load, on_error=self.on_error)

    def _known(self, app: ASGIApp) -> TokenAuth:
        return TokenAuth(
            app,
            self._authenticator,
            trusted_proxies=self.trusted_proxies,
            max_body=self.max_body,
            on_error=self.on_error,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await live(self, receive, send)
        if scope["type"] == "websocket":
            scope, receive, send = upgraded(scope, receive, send)
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if self._running is None and api_path(scope) not in self._probes:
            call = Call.of(scope)
            call.dialect = client_of(api_path(scope), dict(scope["headers"]), query_of(scope))
            return await self.on_error(_not_started(), call)(scope, receive, send)
        return await self._app(scope, receive, send)

    async def drain(self, grace: float | None = None) -> None:
        """Take no more calls, and return when all have ended: by themselves, or after ``grace`` seconds told to."""
        await self.draining.run(grace)

    async def standings(self) -> tuple[ChannelStanding, ...]:
        """How each channel stands, as far as this process has seen or heard.

        :raises Unavailable: the channels cannot be read
        """
        return await standings(self.pool, self.pool.health)

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
            load_formats(name for channel in self.channels or () for name in offered(channel, provider_of(channel)))
            self.draining.reopen()
            if self.drain_on_signals:
                await stack.enter_async_context(draining_on_signals(self.draining))
            self._running = stack.pop_all()
        return self

    def _parts(self) -> Sequence[object]:
        """In the order in which they are opened: each before what uses it."""
        return (
            self.storage,
            self.upstream,
            self.sockets,
            self.shared,
            self.quota,
            self.records,
            self._idempotency,
            self._thoughts,
            self._owners,
            Reaper(self.storage),
            Housekeeping(self._chores),
            self._revocation,
            self._retirement,
            self._load,
        )

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.draining.end()  # the ledger has to outlive what is still open
        running, self._running = self._running, None
        if running is not None:
            await running.__aexit__(exc_type, exc, traceback)


def _not_started() -> NotStarted:
    return NotStarted(
        "The gateway was not started: its lifespan has not been run. Give the host app lifespan=gateway.lifespan, "
        "or write 'async with gateway:' in the host's own lifespan."
    )
