"""The administration of a gateway, assembled from its parts: what ``create_app`` serves at ``/api``.

    administration = Administration(storage, upstream)
    gateway = Gateway(storage, upstream=upstream, on_disabled=administration.channel_disabled)
    administration.observe(gateway)
    async with gateway, administration: ...
    app.mount("/api", administration)

It shares the storage and the way out with the gateway, which opens them. The hot path knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from importlib.metadata import version
from types import TracebackType
from typing import Protocol, Self

from starlette.types import ASGIApp, Receive, Scope, Send

from .admin import Admin, Route
from .admin.alerts import Alerts
from .admin.app import MAX_ADMIN_BODY, refusal
from .admin.audit import Audit
from .admin.calls import Calls, Running
from .admin.channel_balances import ChannelBalances
from .admin.channel_health import ChannelHealth, Standings
from .admin.channel_hosts import ChannelHosts
from .admin.channel_models import ChannelModels, ModelCatalog
from .admin.channel_tests import ChannelTests
from .admin.channels import Channels
from .admin.doorkeeper import Cookies, SessionDoorkeeper
from .admin.fetching import Fetcher
from .admin.groups import Groups
from .admin.log_calls import LogCalls
from .admin.logs import Logs
from .admin.mail import Mail, Outbox
from .admin.money import nano_of
from .admin.oauth import OAuth
from .admin.oidc import OIDC
from .admin.openapi import Description
from .admin.options import OptionRoutes, Options
from .admin.orders import Orders
from .admin.passwords import Passwords
from .admin.prices import Prices
from .admin.providers import GitHub
from .admin.ratios import PriceRatios
from .admin.redemptions import Redemptions
from .admin.register import Registration
from .admin.rounds import Rounds
from .admin.second_factor import SecondFactor, TwoFactor
from .admin.sessions import Sessions
from .admin.sign_in import SignIns
from .admin.site import Site
from .admin.statistics import Statistics
from .admin.tokens import Tokens
from .admin.turnstile import Turnstile
from .admin.user_self import OwnAccount
from .admin.users import Users
from .admin.webhooks import Webhook
from .auth import networks
from .edge import EdgeGuard
from .errors import NotStarted
from .extra import installed
from .health import Refusals
from .http import OnError
from .models import Channel, Price
from .pricebook import PriceCatalog, UnknownModel
from .storage.sql import SQLStorage
from .storage.sql.desk.calls import SQLHeldCalls
from .storage.sql.desk.channels import SQLChannels
from .storage.sql.desk.codes import SQLCodes, SQLSecrets
from .storage.sql.desk.events import SQLEvents
from .storage.sql.desk.identities import SQLIdentities
from .storage.sql.desk.logs import SQLLogs
from .storage.sql.desk.members import SQLMembers
from .storage.sql.desk.options import SQLOptions
from .storage.sql.desk.orders import SQLOrders
from .storage.sql.desk.prices import SQLPrices
from .storage.sql.desk.redemptions import SQLRedemptions
from .storage.sql.desk.reminders import SQLReminders
from .storage.sql.desk.sessions import SQLSessions
from .storage.sql.desk.statistics import SQLStatistics
from .storage.sql.desk.tokens import SQLTokens
from .storage.sql.desk.tries import SQLTries
from .tariffs import Group
from .upstream import AddressGuard, Upstream

__all__ = ["Administration"]


class Catalog(ModelCatalog, PriceCatalog, Protocol):
    """What is known of vendors' models."""


class Observed(Standings, Protocol):
    """A gateway of this process."""

    @property
    def quota(self) -> Running: ...


class Administration:
    """``allow`` are the private networks that may be reached from here; ``trusted_proxies`` those whose word on callers
    is believed; ``hosts`` the names under which the site is reached, all if there are none. ``catalog`` knows which
    models vendors have, and what they cost; the other options are those of the gateway."""

    def __init__(
        self,
        storage: SQLStorage,
        upstream: Upstream,
        *,
        allow: Iterable[str] = (),
        trusted_proxies: Iterable[str] = (),
        hosts: Iterable[str] = (),
        body_timeout: float = 20.0,
        catalog: Catalog | None = None,
        prices: Mapping[str, Price] | None = None,
        groups: Iterable[Group] = (),
        unknown_model: UnknownModel = "refuse",
        default_price: Price | None = None,
    ) -> None:
        self._storage = storage
        self._upstream = upstream
        self._catalog = catalog
        self._groups = tuple(groups)
        self._prices = Prices(
            SQLPrices(storage),
            storage,
            declared=prices,
            groups=self._groups,
            catalog=catalog,
            unknown=unknown_model,
            default=default_price,
        )
        self._rounds = Rounds()
        self._channel_health, self._calls = ChannelHealth(), Calls(SQLHeldCalls(storage))
        self._trusted = tuple(trusted_proxies)
        self._allow = tuple(allow)
        self.options = Options(SQLOptions(storage))
        self.members = SQLMembers(storage)
        self._events = SQLEvents(storage)
        self._fetcher = Fetcher(upstream, allow=self._allow)
        mail = Mail(self.options, AddressGuard(self._allow))
        self._outbox = Outbox(mail, self.options)
        webhook = Webhook(self._fetcher)
        self._alerts = Alerts(self.options, self.members, SQLReminders(storage), mail, self._outbox, webhook)
        sessions, cookies = SQLSessions(storage), Cookies(networks(self._trusted))
        self.admin = Admin(
            self._described([*self._people(sessions, cookies), *self._channels(), *self._things()]),
            doorkeeper=SessionDoorkeeper(sessions, cookies),
            events=self._events,
            trusted_proxies=self._trusted,
        )
        refuse: OnError = lambda error, _: refusal(error)  # noqa: E731 - a name for its type
        self._app: ASGIApp = EdgeGuard(
            self.admin, max_body=MAX_ADMIN_BODY, body_timeout=body_timeout, hosts=hosts, on_error=refuse
        )
        self._running: AsyncExitStack | None = None

    def _people(self, sessions: SQLSessions, cookies: Cookies) -> list[Route]:
        """Users, and how they get in."""
        storage, members, options = self._storage, self.members, self.options
        passwords, tries, secrets = Passwords(), SQLTries(storage), SQLSecrets(storage)
        factor = SecondFactor(sessions, members, tries)
        signing = SignIns(members, sessions, passwords, factor, tries, cookies, options)
        turnstile = Turnstile(self._fetcher, options)
        registration = Registration(
            members, passwords, secrets, SQLCodes(storage), tries, turnstile, self._outbox, options
        )
        github = GitHub(self._fetcher, options)
        providers = (OIDC(self._fetcher, options), github) if installed("authlib", "joserfc") else (github,)
        oauth = OAuth(providers, SQLIdentities(storage), members, secrets, signing, self._events, options)
        return [
            *signing.routes(),
            *TwoFactor(factor, sessions, options).routes(),
            *Sessions(sessions, members).routes(),
            *registration.routes(),
            *oauth.routes(),
            *OwnAccount(members, passwords, storage, tries).routes(),
            *Redemptions(SQLRedemptions(storage), storage, tries).routes(),
            *Statistics(SQLStatistics(storage)).routes(),
            *Users(members, passwords, allowance=self._allowance).routes(),
        ]

    def _channels(self) -> list[Route]:
        store, upstream = SQLChannels(self._storage), self._upstream
        hosts = ChannelHosts(allow=self._allow)
        return [
            *ChannelTests(store, upstream, self._rounds).routes(),
            *ChannelBalances(store, self._fetcher, self._rounds).routes(),
            *ChannelModels(store, upstream, hosts, catalog=self._catalog).routes(),
            *self._channel_health.routes(),
            *Channels(store, hosts).routes(),
        ]

    def _things(self) -> list[Route]:
        """What else is managed."""
        storage, prices, logs = self._storage, SQLPrices(self._storage), SQLLogs(self._storage)
        return [
            *Site(self.options, version=version("oneapi-asgi")).routes(),
            *Tokens(SQLTokens(storage)).routes(),
            *Logs(logs).routes(),
            *LogCalls(logs).routes(),
            *self._calls.routes(),
            *Audit(self._events).routes(),
            *OptionRoutes(self.options, PriceRatios(prices)).routes(),
            *Orders(SQLOrders(storage), self.options).routes(),
            *self._prices.routes(),
            *Groups(prices, declared=self._groups).routes(),
            *self._alerts.routes(),
        ]

    def _described(self, routes: list[Route]) -> list[Route]:
        return [*routes, *Description(routes, version=version("oneapi-asgi")).routes()]

    async def _allowance(self) -> int:
        return nano_of(await self.options.number("QuotaForNewUser"))

    async def asks_for_turnstile(self) -> bool:
        """Whether people have to show that they are people."""
        return await self.options.flag("TurnstileCheckEnabled")

    def channel_disabled(self, channel: Channel, because: str) -> None:
        """To be told of channels that the gateway has switched off."""
        self._alerts.channel_disabled(channel, because)

    def observe(self, gateway: Observed) -> None:
        """Tell of this gateway what only its own process knows."""
        self._channel_health.observe(gateway)
        self._calls.observe(gateway.quota)

    def watch(self, health: Refusals) -> None:
        """Tell of channels that are out, for a gateway that switches none off."""
        self._alerts.watch(health)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._running is None:
            await refusal(_not_started())(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._outbox)
            await stack.enter_async_context(self._alerts)
            await stack.enter_async_context(self._rounds)
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        running, self._running = self._running, None
        if running is not None:
            await running.__aexit__(exc_type, exc, traceback)


def _not_started() -> NotStarted:
    return NotStarted(
        "The administration was not started: write 'async with gateway, administration:' in the lifespan of the app "
        "that it is mounted in."
    )
