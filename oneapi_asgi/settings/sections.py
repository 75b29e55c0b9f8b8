"""The sections of a configuration file, and all of it. A field says its key, what it holds, its reader and its default.

Money is in nano-dollars here, as everywhere, and in dollars in the file; durations are seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Struct

from ..models import Secret
from ..pace import Pacing
from ..strategies import StrategyName
from ..upstream import Timeouts
from .places import Place, SettingsError
from .readers import (
    choice,
    cipher_key,
    dollars,
    flag,
    host,
    network,
    pause,
    rate,
    seconds,
    sign,
    strategy,
    text,
    token_count,
    whole,
)
from .rows import (
    ChannelSettings,
    GroupSettings,
    LimitSettings,
    PriceSettings,
    RouteSettings,
    TokenSettings,
    read_channel,
    read_group,
    read_limits,
    read_price,
    read_routes,
    read_token,
)
from .tables import listed, table
from .urls import SecretUrl, redis_url, storage_url

__all__ = [
    "AdminSettings",
    "CacheSettings",
    "IdempotencySettings",
    "OutboundSettings",
    "PricingSettings",
    "RoutingSettings",
    "ServerSettings",
    "Settings",
    "StorageSettings",
    "StreamSettings",
    "TimeoutSettings",
    "read_settings",
]

_networks = listed(network)
_hosts = listed(host)


class ServerSettings(Struct, frozen=True, kw_only=True):
    """``trusted_proxies`` are the networks whose ``X-Forwarded-For`` is believed. ``hosts`` are the names or globs
    under which callers reach it, all if there are none. ``body_timeout`` is how long a body may keep it waiting.
    ``requests_per_minute`` holds for tokens that have no such number of their own; None for no limit. ``batches``
    "unlimited" lets those alone start batches who have no limit of money, "allow" everybody. Each process refuses new
    calls beyond ``max_concurrent_calls`` (None: as many as there may be connections), and while its event loop is more
    than ``max_lag`` late (0: however late it is)."""

    host: Annotated[str, text] = "127.0.0.1"
    port: Annotated[int, whole(1, 65535)] = 3000
    workers: Annotated[int, whole(1, 256)] = 1
    trusted_proxies: Annotated[tuple[str, ...], _networks] = ()
    graceful_timeout: Annotated[float, seconds] = 30.0
    drain_delay: Annotated[float, pause] = 0.0
    header_timeout: Annotated[float, seconds] = 10.0
    max_concurrent_calls: Annotated[int | None, whole(1, 1_000_000)] = None
    max_lag: Annotated[float, pause] = 0.05
    hosts: Annotated[tuple[str, ...], _hosts] = ()
    body_bytes: Annotated[int, whole(1024, 1 << 30)] = 32 << 20
    body_timeout: Annotated[float, seconds] = 20.0
    requests_per_minute: Annotated[int | None, rate] = None
    batches: Annotated[Literal["unlimited", "allow"], choice("unlimited", "allow")] = "unlimited"


class StorageSettings(Struct, frozen=True, kw_only=True):
    """``redis`` is what replicas share beside the database, ``replicas`` how many gateways share both, at least.
    Records are kept for ``retention_days``; None for ever. ``spool`` is the folder for settlements that the database
    does not take. Secrets in the database are sealed with ``encryption_key`` (None: with that of a file), and opened
    with the ``old_encryption_keys`` as well."""

    url: Annotated[SecretUrl, storage_url] = SecretUrl("sqlite:///oneapi.db")
    redis: Annotated[SecretUrl | None, redis_url] = None
    replicas: Annotated[int, whole(1, 1000)] = 1
    retention_days: Annotated[int | None, whole(1, 36_500)] = None
    spool: Annotated[str, text] = "oneapi.spool"
    encryption_key: Annotated[Secret | None, cipher_key] = None
    old_encryption_keys: Annotated[tuple[Secret, ...], listed(cipher_key)] = ()

    @property
    def in_memory(self) -> bool:
        return self.url.scheme == "memory"


class AdminSettings(Struct, frozen=True, kw_only=True):
    """The administration at ``/api``, which needs a database."""

    enabled: Annotated[bool, flag] = True


class RoutingSettings(Struct, frozen=True, kw_only=True):
    """``strategy`` is how the channels of one priority share the calls that no route says more about. ``disable_on``
    are the statuses and codes for which a channel is switched off, once every key of it is refused so.
    ``effort_suffixes`` lets callers ask for effort by a model's name: ``gpt-5-high``."""

    strategy: Annotated[StrategyName, strategy] = "weighted"
    max_attempts: Annotated[int, whole(1, 100)] = 3
    cool_down: Annotated[bool, flag] = True
    disable_on: Annotated[tuple[str, ...], listed(sign)] = ()
    effort_suffixes: Annotated[bool, flag] = False


class TimeoutSettings(Struct, frozen=True, kw_only=True):
    """Of a call to an upstream: to connect, until the first byte, between two bytes, between two pieces of content, in
    all."""

    connect: Annotated[float, seconds] = 5.0
    first_byte: Annotated[float, seconds] = 60.0
    idle: Annotated[float, seconds] = 60.0
    progress: Annotated[float, seconds] = 300.0
    total: Annotated[float, seconds] = 1800.0

    def timeouts(self) -> Timeouts:
        return Timeouts(
            connect=self.connect,
            first_byte=self.first_byte,
            idle=self.idle,
            progress=self.progress,
            total=self.total,
        )


class StreamSettings(Struct, frozen=True, kw_only=True):
    """A ``Pacing``: how a stream is kept up, and when its reader, or who bills on without one, is given up."""

    keep_alive: Annotated[float, pause] = 15.0
    reader_seconds: Annotated[float, seconds] = 60.0
    reader_rate: Annotated[int, whole(1, 1 << 30)] = 1024
    drain_seconds: Annotated[float, seconds] = 60.0
    drain_bytes: Annotated[int, whole(0, 1 << 30)] = 32 << 20

    def pacing(self) -> Pacing:
        return Pacing(
            keep_alive=self.keep_alive,
            reader_seconds=self.reader_seconds,
            reader_rate=self.reader_rate,
            drain_seconds=self.drain_seconds,
            drain_bytes=self.drain_bytes,
        )


class IdempotencySettings(Struct, frozen=True, kw_only=True):
    """How long the answer to an Idempotency-Key is kept, and the most bytes that it may have."""

    keep_hours: Annotated[int, whole(1, 720)] = 24
    max_answer: Annotated[int, whole(0, (1 << 24) - 1)] = 1 << 20


class OutboundSettings(Struct, frozen=True, kw_only=True):
    """``allow`` are the private networks that channels may reach. ``fetch_hosts`` are the hosts, by name or glob, from
    which files behind callers' links may be fetched, for upstreams that take bytes alone."""

    allow: Annotated[tuple[str, ...], _networks] = ()
    fetch_hosts: Annotated[tuple[str, ...], listed(host)] = ()


class PricingSettings(Struct, frozen=True, kw_only=True):
    """What a model costs that no price is known of. Defaults are nano-dollars per million tokens."""

    unknown_model: Annotated[Literal["refuse", "free", "default"], choice("refuse", "free", "default")] = "refuse"
    default_input: Annotated[int | None, dollars] = None
    default_output: Annotated[int | None, dollars] = None
    default_max_output: Annotated[int, token_count] = 4096


class CacheSettings(Struct, frozen=True, kw_only=True):
    """How long a token is known without asking the storage, and how often the storage is asked for changes."""

    token_ttl: Annotated[float, seconds] = 30.0
    poll_interval: Annotated[float, seconds] = 0.5


def _check_routing(routing: RoutingSettings, at: Place) -> Iterator[SettingsError]:
    if routing.disable_on and not routing.cool_down:
        yield at.key("disable_on").mistake("needs cool_down = true: without it nobody counts failures")


def _check_pricing(pricing: PricingSettings, at: Place) -> Iterator[SettingsError]:
    if pricing.unknown_model != "default":
        return
    for key in ("default_input", "default_output"):
        if getattr(pricing, key) is None:
            yield at.key(key).mistake('missing; unknown_model = "default" needs it')


class Settings(Struct, frozen=True, kw_only=True):
    """Everything an operator can set."""

    server: Annotated[ServerSettings, table(ServerSettings)] = ServerSettings()
    storage: Annotated[StorageSettings, table(StorageSettings)] = StorageSettings()
    admin: Annotated[AdminSettings, table(AdminSettings)] = AdminSettings()
    routing: Annotated[RoutingSettings, table(RoutingSettings, _check_routing)] = RoutingSettings()
    timeouts: Annotated[TimeoutSettings, table(TimeoutSettings)] = TimeoutSettings()
    streams: Annotated[StreamSettings, table(StreamSettings)] = StreamSettings()
    idempotency: Annotated[IdempotencySettings, table(IdempotencySettings)] = IdempotencySettings()
    outbound: Annotated[OutboundSettings, table(OutboundSettings)] = OutboundSettings()
    pricing: Annotated[PricingSettings, table(PricingSettings, _check_pricing)] = PricingSettings()
    cache: Annotated[CacheSettings, table(CacheSettings)] = CacheSettings()
    channels: Annotated[tuple[ChannelSettings, ...], listed(read_channel, unique=("name",))] = ()
    tokens: Annotated[tuple[TokenSettings, ...], listed(read_token, unique=("name", "key"))] = ()
    prices: Annotated[tuple[PriceSettings, ...], listed(read_price, unique=("model",))] = ()
    groups: Annotated[tuple[GroupSettings, ...], listed(read_group, unique=("name",))] = ()
    limits: Annotated[tuple[LimitSettings, ...], read_limits] = ()
    routes: Annotated[tuple[RouteSettings, ...], read_routes] = ()


def _check_settings(settings: Settings, at: Place) -> Iterator[SettingsError]:
    if not settings.storage.in_memory:
        return
    for section, key in (("server", "workers"), ("storage", "replicas")):
        several = getattr(getattr(settings, section), key)
        if several > 1:
            place = at.key(section).key(key)
            yield place.wrong(several, 'must be 1 with storage.url = "memory:", which processes cannot share')


read_settings = table(Settings, _check_settings)
