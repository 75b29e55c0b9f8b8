"""The sections of a configuration file. A field says its key, what it holds, its reader and its default.

Money is in nano-dollars here, as everywhere, and in dollars in the file; durations are seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args

from msgspec import Struct

from ..keys import key_digest, key_prefix
from ..models import Channel, Limit, LimitScope, Period, Price, Secret, Tier, TokenDraft
from ..providers.catalog import find_provider
from ..upstream import Timeouts
from .places import Place, SettingsError
from .readers import (
    base_url,
    choice,
    dollars,
    flag,
    moment,
    network,
    provider_id,
    seconds,
    secret,
    text,
    whole,
)
from .tables import listed, mapping, table
from .urls import SecretUrl, redis_url, storage_url

__all__ = [
    "CacheSettings",
    "ChannelSettings",
    "IdempotencySettings",
    "LimitSettings",
    "OutboundSettings",
    "PriceSettings",
    "PricingSettings",
    "RoutingSettings",
    "ServerSettings",
    "Settings",
    "StorageSettings",
    "TierSettings",
    "TimeoutSettings",
    "TokenSettings",
    "read_channel",
    "read_limit",
    "read_price",
    "read_settings",
    "read_token",
]

_texts = listed(text)
_some_texts = listed(text, least=1)
_networks = listed(network)
_rate = whole(1, 1_000_000)
_count = whole(0, 1_000_000_000)
_tokens = whole(1, 100_000_000)


class ServerSettings(Struct, frozen=True, kw_only=True):
    """``trusted_proxies`` are the networks whose ``X-Forwarded-For`` is believed. ``requests_per_minute`` holds for
    tokens that have no such number of their own; None for no limit."""

    host: Annotated[str, text] = "127.0.0.1"
    port: Annotated[int, whole(1, 65535)] = 3000
    workers: Annotated[int, whole(1, 256)] = 1
    trusted_proxies: Annotated[tuple[str, ...], _networks] = ()
    graceful_timeout: Annotated[float, seconds] = 30.0
    body_bytes: Annotated[int, whole(1024, 1 << 30)] = 32 << 20
    requests_per_minute: Annotated[int | None, _rate] = None


class StorageSettings(Struct, frozen=True, kw_only=True):
    """``redis`` is what replicas share beside the database, ``replicas`` how many gateways share both, at least.
    Records are kept for ``retention_days``; None for ever. ``spool`` is the folder for settlements that the database
    does not take."""

    url: Annotated[SecretUrl, storage_url] = SecretUrl("sqlite:///oneapi.db")
    redis: Annotated[SecretUrl | None, redis_url] = None
    replicas: Annotated[int, whole(1, 1000)] = 1
    retention_days: Annotated[int | None, whole(1, 36_500)] = None
    spool: Annotated[str, text] = "oneapi.spool"

    @property
    def in_memory(self) -> bool:
        return self.url.scheme == "memory"


class RoutingSettings(Struct, frozen=True, kw_only=True):
    max_attempts: Annotated[int, whole(1, 100)] = 3
    cool_down: Annotated[bool, flag] = True


class TimeoutSettings(Struct, frozen=True, kw_only=True):
    """Of a call to an upstream: to connect, until the first byte, between two bytes, in all."""

    connect: Annotated[float, seconds] = 5.0
    first_byte: Annotated[float, seconds] = 60.0
    idle: Annotated[float, seconds] = 60.0
    total: Annotated[float, seconds] = 1800.0

    def timeouts(self) -> Timeouts:
        return Timeouts(connect=self.connect, first_byte=self.first_byte, idle=self.idle, total=self.total)


class IdempotencySettings(Struct, frozen=True, kw_only=True):
    """How long the answer to an Idempotency-Key is kept, and the most bytes that it may have."""

    keep_hours: Annotated[int, whole(1, 720)] = 24
    max_answer: Annotated[int, whole(0, (1 << 24) - 1)] = 1 << 20


class OutboundSettings(Struct, frozen=True, kw_only=True):
    """``allow`` are the private networks that channels may reach."""

    allow: Annotated[tuple[str, ...], _networks] = ()


class PricingSettings(Struct, frozen=True, kw_only=True):
    """What a model costs that no price is known of. Defaults are nano-dollars per million tokens."""

    unknown_model: Annotated[Literal["refuse", "free", "default"], choice("refuse", "free", "default")] = "refuse"
    default_input: Annotated[int | None, dollars] = None
    default_output: Annotated[int | None, dollars] = None
    default_max_output: Annotated[int, _tokens] = 4096


class CacheSettings(Struct, frozen=True, kw_only=True):
    """How long a token is known without asking the storage, and how often the storage is asked for changes."""

    token_ttl: Annotated[float, seconds] = 30.0
    poll_interval: Annotated[float, seconds] = 0.5


class ChannelSettings(Struct, frozen=True, kw_only=True):
    name: Annotated[str, text]
    provider: Annotated[str, provider_id] = "openai"
    base_url: Annotated[str | None, base_url] = None
    api_key: Annotated[Secret | None, secret] = None
    api_keys: Annotated[tuple[Secret, ...], listed(secret, least=1)] = ()
    models: Annotated[tuple[str, ...], _some_texts] = ("*",)
    model_map: Annotated[dict[str, str], mapping] = {}
    groups: Annotated[tuple[str, ...], _some_texts] = ("default",)
    priority: Annotated[int, whole(-1_000_000, 1_000_000)] = 0
    weight: Annotated[int, whole(1, 1_000_000)] = 1
    enabled: Annotated[bool, flag] = True

    def channel(self) -> Channel:
        """As a channel that has not been saved yet."""
        return Channel(
            id=0,
            name=self.name,
            provider=self.provider,
            base_url=self.base_url,
            api_keys=(self.api_key,) if self.api_key else self.api_keys,
            models=self.models,
            model_map=self.model_map,
            groups=self.groups,
            priority=self.priority,
            weight=self.weight,
            enabled=self.enabled,
        )


class TokenSettings(Struct, frozen=True, kw_only=True):
    """``quota_usd`` is in nano-dollars once read, None for no cap; ``expires_at`` in Unix seconds, None for never."""

    name: Annotated[str, text]
    key: Annotated[Secret, secret]
    quota_usd: Annotated[int | None, dollars] = None
    models: Annotated[tuple[str, ...], _texts] = ()
    subnets: Annotated[tuple[str, ...], _networks] = ()
    expires_at: Annotated[float | None, moment] = None
    requests_per_minute: Annotated[int | None, _rate] = None

    def draft(self) -> TokenDraft:
        key = self.key.reveal()
        return TokenDraft(
            name=self.name,
            digest=key_digest(key),
            prefix=key_prefix(key),
            quota=self.quota_usd,
            expires_at=self.expires_at,
            models=self.models,
            subnets=self.subnets,
            requests_per_minute=self.requests_per_minute,
        )


class LimitSettings(Struct, frozen=True, kw_only=True):
    """A ``Limit``. ``budget_usd`` is in nano-dollars once read."""

    scope: Annotated[LimitScope, choice(*get_args(LimitScope))]
    name: Annotated[str, text] = "*"
    requests_per_minute: Annotated[int | None, _count] = None
    tokens_per_minute: Annotated[int | None, _count] = None
    concurrent_calls: Annotated[int | None, _count] = None
    budget_usd: Annotated[int | None, dollars] = None
    period: Annotated[Period, choice(*get_args(Period))] = "month"
    rolling: Annotated[bool, flag] = False

    def limit(self) -> Limit:
        """As a limit that has not been saved yet."""
        return Limit(
            scope=self.scope,
            name=self.name,
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
            concurrent_calls=self.concurrent_calls,
            budget=self.budget_usd,
            period=self.period,
            rolling=self.rolling,
        )


class _Parts(Struct, frozen=True, kw_only=True):
    """The parts of a ``Price``, None where they are not given."""

    input: Annotated[int | None, dollars] = None
    output: Annotated[int | None, dollars] = None
    cache_read: Annotated[int | None, dollars] = None
    cache_write: Annotated[int | None, dollars] = None
    cache_write_1h: Annotated[int | None, dollars] = None
    reasoning: Annotated[int | None, dollars] = None
    input_audio: Annotated[int | None, dollars] = None
    output_audio: Annotated[int | None, dollars] = None
    input_image: Annotated[int | None, dollars] = None
    output_image: Annotated[int | None, dollars] = None
    audio_minute: Annotated[int | None, dollars] = None
    per_call: Annotated[int | None, dollars] = None

    def given(self) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in _Parts.__struct_fields__}
        return {name: part for name, part in parts.items() if part is not None}


class TierSettings(_Parts, frozen=True, kw_only=True):
    """The price of calls with more than ``above`` input tokens."""

    above: Annotated[int, _tokens]


class PriceSettings(_Parts, frozen=True, kw_only=True):
    """A ``Price``, and the model name or glob that it holds for."""

    model: Annotated[str, text]
    max_output: Annotated[int | None, _tokens] = None
    tiers: Annotated[tuple[TierSettings, ...], listed(table(TierSettings), unique=("above",))] = ()

    def price(self) -> Price:
        tiers = tuple(Tier(tier.above, Price(**tier.given())) for tier in self.tiers)
        return Price(**self.given(), max_output=self.max_output, tiers=tiers)


def _check_channel(channel: ChannelSettings, at: Place) -> Iterator[SettingsError]:
    provider = find_provider(channel.provider)
    if channel.api_key and channel.api_keys:
        yield at.key("api_keys").mistake("give either api_key or api_keys")
    if channel.base_url is None and provider.base_url is None:
        yield at.key("base_url").mistake(f'missing; provider "{provider.id}" has none of its own ({provider.note})')
    # Servers of one's own are often open; a vendor's never are.
    hosted = channel.base_url is None and (provider.base_url or "").startswith("https:")
    if hosted and not channel.api_key and not channel.api_keys:
        yield at.key("api_key").mistake(f'missing; provider "{provider.id}" needs one')


def _check_limit(limit: LimitSettings, at: Place) -> Iterator[SettingsError]:
    limited = ("requests_per_minute", "tokens_per_minute", "concurrent_calls", "budget_usd")
    if all(getattr(limit, key) is None for key in limited):
        yield at.key("budget_usd").mistake(f"missing; a limit has at least one of {', '.join(limited)}")
    elif limit.budget_usd is None and (limit.period != "month" or limit.rolling):
        yield at.key("budget_usd").mistake("missing; only a budget has a period: rates are per minute")


def _check_price(price: PriceSettings, at: Place) -> Iterator[SettingsError]:
    # A tier replaces the price whole: what it left out by mistake would be free, or cost what plain tokens cost.
    for index, tier in enumerate(price.tiers):
        place = at.key("tiers").item(index)
        for part in price.given():
            if part not in tier.given():
                yield place.key(part).mistake(f"missing; a tier holds in place of the whole price, which has {part}")


def _check_pricing(pricing: PricingSettings, at: Place) -> Iterator[SettingsError]:
    if pricing.unknown_model != "default":
        return
    for key in ("default_input", "default_output"):
        if getattr(pricing, key) is None:
            yield at.key(key).mistake('missing; unknown_model = "default" needs it')


read_channel = table(ChannelSettings, _check_channel)
read_token = table(TokenSettings)
read_limit = table(LimitSettings, _check_limit)
read_price = table(PriceSettings, _check_price)


_all_limits = listed(read_limit)


def _limits(value: object, at: Place) -> tuple[LimitSettings, ...]:
    if isinstance(value, Mapping):
        raise at.mistake(
            "must be a list: write [[limits]] before each; body_bytes and the requests_per_minute of tokens without a "
            "number of their own belong into [server]"
        )
    limits = _all_limits(value, at)
    first: dict[tuple[object, ...], int] = {}
    for index, limit in enumerate(limits):
        same = first.setdefault((limit.scope, limit.name, limit.period, limit.rolling), index)
        if same != index:
            raise at.item(index).mistake(f"has the scope, name and period of {at.item(same)}: make one of them")
    return limits


class Settings(Struct, frozen=True, kw_only=True):
    """Everything an operator can set."""

    server: Annotated[ServerSettings, table(ServerSettings)] = ServerSettings()
    storage: Annotated[StorageSettings, table(StorageSettings)] = StorageSettings()
    routing: Annotated[RoutingSettings, table(RoutingSettings)] = RoutingSettings()
    timeouts: Annotated[TimeoutSettings, table(TimeoutSettings)] = TimeoutSettings()
    idempotency: Annotated[IdempotencySettings, table(IdempotencySettings)] = IdempotencySettings()
    outbound: Annotated[OutboundSettings, table(OutboundSettings)] = OutboundSettings()
    pricing: Annotated[PricingSettings, table(PricingSettings, _check_pricing)] = PricingSettings()
    cache: Annotated[CacheSettings, table(CacheSettings)] = CacheSettings()
    channels: Annotated[tuple[ChannelSettings, ...], listed(read_channel, unique=("name",))] = ()
    tokens: Annotated[tuple[TokenSettings, ...], listed(read_token, unique=("name", "key"))] = ()
    prices: Annotated[tuple[PriceSettings, ...], listed(read_price, unique=("model",))] = ()
    limits: Annotated[tuple[LimitSettings, ...], _limits] = ()


def _check_settings(settings: Settings, at: Place) -> Iterator[SettingsError]:
    if not settings.storage.in_memory:
        return
    for section, key in (("server", "workers"), ("storage", "replicas")):
        several = getattr(getattr(settings, section), key)
        if several > 1:
            place = at.key(section).key(key)
            yield place.wrong(several, 'must be 1 with storage.url = "memory:", which processes cannot share')


read_settings = table(Settings, _check_settings)
