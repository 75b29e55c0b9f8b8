"""The standalone app, made from settings."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Awaitable, Callable
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from .announced import REVISION
from .drain import Drain
from .extra import needs
from .gateway import Gateway
from .genai import GenaiPrices
from .health import Ejection, Refusals
from .models import Channel, Price
from .planning import Route
from .ports import Storage
from .rates import LocalRates
from .settings import PricingSettings, Settings, find_config, load_settings
from .spool import Spool
from .storage.memory import MemoryStorage
from .upstream import AddressGuard, Upstream
from .upstream.installed import installed_sockets

if TYPE_CHECKING:
    from .storage.redis import SharedRedis
    from .upstream.httptools import HttptoolsUpstream

__all__ = [
    "announcer",
    "app_from_environ",
    "app_of",
    "create_app",
    "create_gateway",
    "need_driver",
    "open_shared",
    "open_storage",
    "open_upstream",
]

_DRIVERS = {
    "mariadb": ("mysql", "asyncmy"),
    "mysql": ("mysql", "asyncmy"),
    "postgres": ("postgres", "asyncpg"),
    "postgresql": ("postgres", "asyncpg"),
}
"""Of each kind of database on a server: the extra, and the module that it brings."""

_EXPOSED = (
    "x-request-id",
    "retry-after",
    "retry-after-ms",
    "idempotency-replayed",
    "request-id",
    "x-debug-trace-id",
    "x-oneapi-dropped-params",
    "x-oneapi-fallback-model",
    *(f"x-ratelimit-{what}-{kind}" for what in ("limit", "remaining", "reset") for kind in ("requests", "tokens")),
)
"""Headers of an answer that a page in a browser may read."""


def open_storage(settings: Settings, *, lost_key: bool = False) -> Storage:
    """The storage that the settings name, not opened yet: ``async with`` opens it, with ``lost_key`` even if secrets
    in it are sealed with a key that the settings do not have.

    :raises MissingExtra: it needs what is not installed
    """
    if settings.storage.in_memory:
        return MemoryStorage()
    url, key, old_keys = settings.storage.url, settings.storage.encryption_key, settings.storage.old_encryption_keys
    with needs("standalone"):
        from .storage.sql import SQLStorage, key_file
        from .storage.vault import KeyFile, Vault
    need_driver(url.scheme)
    _need("standalone", "cryptography")  # it is imported with the first secret
    vault = Vault(key, old_keys) if key is not None else KeyFile(key_file(url.reveal()), old_keys)
    return SQLStorage(url.reveal(), vault=vault, lost_key=lost_key)


def need_driver(scheme: str) -> None:
    """Tell of what a database of this kind needs and is not installed; of no other scheme is there anything to tell.

    :raises MissingExtra: it is missing
    """
    if scheme in _DRIVERS:
        _need(*_DRIVERS[scheme])


def open_shared(settings: Settings) -> SharedRedis | None:
    """What replicas share beside the storage, not opened yet: ``async with`` opens it.

    :raises MissingExtra: it needs what is not installed
    """
    url = settings.storage.redis
    if url is None:
        return None
    with needs("redis"):
        from .storage.redis import SharedRedis
    return SharedRedis(url.reveal(), local=LocalRates(), prefix=_redis_prefix(settings), replicas=_processes(settings))


def _redis_prefix(settings: Settings) -> str:
    return f"oneapi:{_database(settings)}:"


def announcer(settings: Settings) -> Callable[[int], Awaitable[object]] | None:
    """What tells the gateways that run of a change that was made beside them; never raises. Without a Redis, None: they
    find out by themselves, within the poll interval.

    :raises MissingExtra: it needs what is not installed
    """
    url = settings.storage.redis
    if url is None:
        return None
    with needs("redis"):
        from .storage.redis import tell
    return lambda revision: tell(url.reveal(), REVISION, str(revision), prefix=_redis_prefix(settings))


def _processes(settings: Settings) -> int:
    return settings.server.workers * settings.storage.replicas


def open_upstream(settings: Settings) -> HttptoolsUpstream:
    """The way out, not opened yet: ``async with`` opens it.

    :raises MissingExtra: it needs what is not installed
    """
    with needs("standalone"):
        from .upstream.httptools import HttptoolsUpstream
    return HttptoolsUpstream(guard=AddressGuard(settings.outbound.allow))


def _built_in_prices() -> GenaiPrices:
    """They are loaded when a call first needs them; that they are missing shall not be left until then."""
    _need("standalone", "genai_prices")
    return GenaiPrices()


def _need(extra: str, module: str) -> None:
    """Tell of a module that is missing now, though it is imported later.

    :raises MissingExtra: it is
    """
    with needs(extra):
        if find_spec(module) is None:
            raise ModuleNotFoundError(name=module)


def create_gateway(
    settings: Settings,
    *,
    storage: Storage | None = None,
    upstream: Upstream | None = None,
    on_disabled: Callable[[Channel, str], None] | None = None,
) -> Gateway:
    """The gateway that the settings describe, with the channels and tokens that they declare. ``storage`` and
    ``upstream`` are what the settings name, if somebody has made them already.

    :raises MissingExtra: it needs what is not installed
    """
    pricing, days = settings.pricing, settings.storage.retention_days
    return Gateway(
        storage or open_storage(settings),
        upstream=upstream or open_upstream(settings),
        sockets=installed_sockets(AddressGuard(settings.outbound.allow)),
        channels=[row.channel() for row in settings.channels],
        tokens=[row.draft() for row in settings.tokens],
        limits=[row.limit() for row in settings.limits],
        prices={row.model: row.price() for row in settings.prices},
        groups=[row.group() for row in settings.groups],
        shared=open_shared(settings),
        processes=_processes(settings),
        max_attempts=settings.routing.max_attempts,
        routes=_routes(settings),
        effort_suffixes=settings.routing.effort_suffixes,
        fetch_hosts=settings.outbound.fetch_hosts,
        health=None if settings.routing.cool_down else Ejection(judge=False),
        disable_on=settings.routing.disable_on,
        on_disabled=on_disabled,
        timeouts=settings.timeouts.timeouts(),
        pacing=settings.streams.pacing(),
        max_body=settings.server.body_bytes,
        body_timeout=settings.server.body_timeout,
        hosts=settings.server.hosts,
        most_calls=settings.server.max_concurrent_calls,
        max_lag=settings.server.max_lag or None,
        requests_per_minute=settings.server.requests_per_minute,
        batches=settings.server.batches,
        trusted_proxies=settings.server.trusted_proxies,
        price_catalog=_built_in_prices(),
        unknown_model=pricing.unknown_model,
        default_price=_default_price(pricing),
        default_max_output=pricing.default_max_output,
        token_ttl=settings.cache.token_ttl,
        poll_interval=settings.cache.poll_interval,
        keep_answers=settings.idempotency.keep_hours * 3600,
        max_answer=settings.idempotency.max_answer,
        keep_records=None if days is None else days * 86_400,
        spool=_spool(settings),
        draining=Drain(grace=settings.server.graceful_timeout, delay=settings.server.drain_delay),
        drain_on_signals=True,
    )


def _routes(settings: Settings) -> list[Route]:
    """Those of the settings, and for all that they do not concern one of the usual strategy."""
    usual = settings.routing.strategy
    return [*(row.route(usual) for row in settings.routes), Route(strategy=usual)]


def _spool(settings: Settings) -> Spool | None:
    return None if settings.storage.in_memory else Spool(settings.storage.spool, ledger=_database(settings))


def _database(settings: Settings) -> str:
    """A name for the database that stays when it moves to another host, or its password changes: gateways on others
    may share a Redis, or a folder, with those on this one."""
    scheme, _, rest = settings.storage.url.reveal().partition("://")
    family = scheme.partition("+")[0].replace("postgresql", "postgres").replace("mariadb", "mysql")
    path = rest.partition("?")[0].partition("/")[2]
    name = str(Path(path).absolute()) if family == "sqlite" else path
    return sha256(f"{family}:{name}".encode()).hexdigest()[:16]


def _default_price(pricing: PricingSettings) -> Price | None:
    if pricing.default_input is None or pricing.default_output is None:
        return None
    return Price(input=pricing.default_input, output=pricing.default_output)


def create_app(settings: Settings) -> ASGIApp:
    """The gateway as an app of its own, with its administration at ``/api`` if it has a database.

    :raises MissingExtra: it needs what is not installed
    """
    if settings.storage.in_memory or not settings.admin.enabled:
        return _for_browsers(create_gateway(settings))
    with needs("standalone"):
        from .administration import Administration
        from .standalone import Standalone
        from .storage.sql import SQLStorage
    storage, upstream = open_storage(settings), open_upstream(settings)
    assert isinstance(storage, SQLStorage)  # noqa: S101 - it is not in memory; narrows for the type checker
    administration = Administration(
        storage,
        upstream,
        allow=settings.outbound.allow,
        trusted_proxies=settings.server.trusted_proxies,
        hosts=settings.server.hosts,
        body_timeout=settings.server.body_timeout,
        catalog=_built_in_prices(),
        prices={row.model: row.price() for row in settings.prices},
        groups=[row.group() for row in settings.groups],
        unknown_model=settings.pricing.unknown_model,
        default_price=_default_price(settings.pricing),
    )
    told = administration.channel_disabled
    gateway = create_gateway(settings, storage=storage, upstream=upstream, on_disabled=told)
    administration.observe(gateway)
    if not settings.routing.disable_on and isinstance(gateway.pool.health, Refusals):
        administration.watch(gateway.pool.health)
    return Standalone(gateway, administration, calls=_for_browsers(gateway))


def _for_browsers(gateway: Gateway) -> ASGIApp:
    """Which browsers may call from any page: keys do not travel in cookies."""
    browsers = CORSMiddleware(
        gateway,
        allow_origins=["*"],
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=_EXPOSED,
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        """Only browsers name an origin, and only they need the middleware."""
        inner: ASGIApp = gateway
        if scope["type"] == "http":
            for name, _ in scope["headers"]:
                if name == b"origin":
                    inner = browsers
        await inner(scope, receive, send)

    return app


def app_from_environ() -> ASGIApp:
    """What a server of one's own runs: settings found as the command line finds them.

    :raises SettingsError: they are mistaken
    """
    return app_of(load_settings(find_config(os.environ), os.environ))


def app_of(settings: Settings) -> ASGIApp:
    """What a process runs that is there for nothing else: ``create_app``, with its log and its memory seen to."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("oneapi_asgi").setLevel(logging.INFO)
    app = create_app(settings)
    _settle_memory()
    return app


def _settle_memory() -> None:
    """What a process has loaded by now it keeps: the collector need not walk it again for every few calls."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
