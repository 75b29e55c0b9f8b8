"""The rows of a configuration file: its ``[[channels]]``, ``[[tokens]]``, ``[[prices]]``, ``[[groups]]``,
``[[limits]]`` and ``[[routes]]``.

Money is in nano-dollars here, as everywhere, and in dollars in the file; durations are seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args

from msgspec import Struct

from ..keys import key_digest, key_prefix
from ..models import Channel, Limit, LimitScope, Period, Price, Secret, Tier, TokenDraft
from ..overrides import mistaken_overrides
from ..planning import Route
from ..providers.catalog import find_provider, mistaken_options
from ..strategies import StrategyName
from ..tariffs import Group, check_group
from .overriding import headers, parameters
from .places import Place, SettingsError
from .readers import (
    WITH_SCHEME,
    base_url,
    choice,
    dialect,
    dollars,
    flag,
    moment,
    network,
    provider_id,
    rate,
    ratio,
    secret,
    strategy,
    text,
    token_count,
    upstream_key,
    whole,
)
from .tables import listed, mapping, table
from .urls import SecretUrl, proxy_url

__all__ = [
    "ChannelSettings",
    "GroupSettings",
    "LimitSettings",
    "PriceSettings",
    "RouteSettings",
    "TierSettings",
    "TokenSettings",
    "read_channel",
    "read_group",
    "read_limit",
    "read_limits",
    "read_price",
    "read_routes",
    "read_token",
]

_REQUIRED = "required: "
"""How the lines of those options of a provider begin that have to be set."""


def _name(value: object, at: Place) -> str:
    found = text(value, at)
    if "*" in found or "?" in found:
        raise at.wrong(found, "must be one name, without * and ?")
    return found


def _names(value: object, at: Place) -> tuple[str, ...]:
    found = _all_names(value, at)
    for index, name in enumerate(found):
        if found.index(name) < index:
            raise at.item(index).wrong(name, f"the same as {at.item(found.index(name))}")
    return found


_all_names = listed(_name)
_texts = listed(text)
_some_texts = listed(text, least=1)
_networks = listed(network)
_count = whole(0, 1_000_000_000)
_calls = whole(1, 1_000_000)


class ChannelSettings(Struct, frozen=True, kw_only=True):
    """A ``Channel``. ``options`` are no secrets; what there is to set, its provider says."""

    name: Annotated[str, text]
    provider: Annotated[str, provider_id] = "openai"
    base_url: Annotated[str | None, base_url] = None
    dialects: Annotated[tuple[str, ...], listed(dialect, least=1)] = ()
    options: Annotated[dict[str, str], mapping('{ region = "eu-west-1" }')] = {}
    unsupported: Annotated[Literal["drop", "refuse"], choice("drop", "refuse")] = "drop"
    api_key: Annotated[Secret | None, upstream_key] = None
    api_keys: Annotated[tuple[Secret, ...], listed(upstream_key, least=1)] = ()
    models: Annotated[tuple[str, ...], _some_texts] = ("*",)
    model_map: Annotated[dict[str, str], mapping('{ "gpt-4o" = "my-deployment" }')] = {}
    groups: Annotated[tuple[str, ...], _some_texts] = ("default",)
    priority: Annotated[int, whole(-1_000_000, 1_000_000)] = 0
    weight: Annotated[int, whole(1, 1_000_000)] = 1
    concurrent_calls: Annotated[int | None, _calls] = None
    concurrent_calls_per_key: Annotated[int | None, _calls] = None
    headers: Annotated[dict[str, str], headers] = {}
    parameters: Annotated[dict[str, Any], parameters] = {}
    system_prompt: Annotated[str, text] = ""
    proxy: Annotated[SecretUrl | None, proxy_url] = None
    enabled: Annotated[bool, flag] = True

    def channel(self) -> Channel:
        """As a channel that has not been saved yet."""
        return Channel(
            id=0,
            name=self.name,
            provider=self.provider,
            base_url=self.base_url,
            dialects=self.dialects,
            options=self.options,
            unsupported=self.unsupported,
            api_keys=(self.api_key,) if self.api_key else self.api_keys,
            models=self.models,
            model_map=self.model_map,
            groups=self.groups,
            priority=self.priority,
            weight=self.weight,
            concurrent_calls=self.concurrent_calls,
            concurrent_calls_per_key=self.concurrent_calls_per_key,
            headers=self.headers,
            parameters=self.parameters,
            system_prompt=self.system_prompt,
            proxy=self.proxy,
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
    requests_per_minute: Annotated[int | None, rate] = None

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


class RouteSettings(Struct, frozen=True, kw_only=True):
    """A ``Route``."""

    models: Annotated[tuple[str, ...], _some_texts] = ()
    groups: Annotated[tuple[str, ...], _some_texts] = ()
    strategy: Annotated[StrategyName | None, strategy] = None
    fallbacks: Annotated[tuple[str, ...], _names] = ()
    tiers: Annotated[tuple[str, ...], _names] = ()

    def route(self, usual: StrategyName) -> Route:
        """``usual`` is the strategy where the row names none."""
        return Route(
            models=self.models,
            groups=self.groups,
            strategy=self.strategy or usual,
            fallbacks=self.fallbacks,
            tiers=self.tiers,
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

    above: Annotated[int, token_count]


class PriceSettings(_Parts, frozen=True, kw_only=True):
    """A ``Price``, and the model name or glob that it holds for."""

    model: Annotated[str, text]
    max_output: Annotated[int | None, token_count] = None
    tiers: Annotated[tuple[TierSettings, ...], listed(table(TierSettings), unique=("above",))] = ()

    def price(self) -> Price:
        tiers = tuple(Tier(tier.above, Price(**tier.given())) for tier in self.tiers)
        return Price(**self.given(), max_output=self.max_output, tiers=tiers)


class GroupSettings(Struct, frozen=True, kw_only=True):
    """A ``Group``. ``ratio`` is in billionths once read."""

    name: Annotated[str, text]
    ratio: Annotated[int, ratio]
    note: Annotated[str, text] = ""

    def group(self) -> Group:
        return Group(name=self.name, ratio=self.ratio, note=self.note)


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
    if not provider.schemes:
        yield from _check_schemes(channel, at)
    # A URL of one's own may say itself what an option would.
    needed = provider.options if channel.base_url is None else {}
    for name, what in needed.items():
        if what.startswith(_REQUIRED) and name not in channel.options:
            told = f'missing; provider "{provider.id}" needs it: {what.removeprefix(_REQUIRED)}'
            yield at.key("options").key(name).mistake(told)
    yield from _check_options(channel, at)
    for field, key, what in mistaken_overrides(channel.channel()):
        place = at.key(field)
        yield (place.key(key) if key else place).mistake(what)


def _check_schemes(channel: ChannelSettings, at: Place) -> Iterator[SettingsError]:
    several = ((at.key("api_keys").item(index), key) for index, key in enumerate(channel.api_keys))
    for place, key in ((at.key("api_key"), channel.api_key), *several):
        scheme = WITH_SCHEME.fullmatch(key.reveal()) if key else None
        if scheme:
            yield place.mistake(f'must be the key alone, without "{scheme[1]}"')


def _check_options(channel: ChannelSettings, at: Place) -> Iterator[SettingsError]:
    for name, what in mistaken_options(channel.channel()):
        yield at.key("options").key(name).mistake(what)


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


def _check_group(group: GroupSettings, at: Place) -> Iterator[SettingsError]:
    try:
        check_group(group.group())
    except ValueError as error:
        yield at.mistake(f"is wrong: {error}")


read_channel = table(ChannelSettings, _check_channel)
read_token = table(TokenSettings)
read_limit = table(LimitSettings, _check_limit)
read_price = table(PriceSettings, _check_price)
read_group = table(GroupSettings, _check_group)

_all_limits = listed(read_limit)


def read_limits(value: object, at: Place) -> tuple[LimitSettings, ...]:
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


_all_routes = listed(table(RouteSettings))


def read_routes(value: object, at: Place) -> tuple[RouteSettings, ...]:
    routes = _all_routes(value, at)
    for index, route in enumerate(routes[:-1]):
        if not route.models and not route.groups:
            raise at.item(index + 1).mistake(
                f"is never used: {at.item(index)} holds for all models and groups. Move that one to the end"
            )
    return routes
