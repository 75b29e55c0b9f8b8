"""Prices: what each model costs and why, shown to administrators and, as they pay it, to users; set by root.

A price is one of the settings, else one that was set here, else one of the catalog, else what the policy for unknown
models says. Amounts are dollars per million tokens (per minute of audio, per call), decimal, exactly; a part that is
not there is priced as plain input or output.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Literal

from cachetools import TTLCache
from msgspec import Meta, Struct
from msgspec.structs import asdict

from ..desk.prices import PriceDesk
from ..desk.roles import Role
from ..errors import BadRequest, Conflict, NotFound
from ..models import NANO, Channel, Price
from ..pool import named_models, upstream_model
from ..ports import ChannelStore
from ..pricebook import PriceCatalog, UnknownModel
from ..pricing import matched
from ..settings import PriceSettings, SettingsError, read_section
from ..tariffs import Group
from .groups import decimal_of
from .routes import Nothing, PageQuery, Reply, Route, Visit

__all__ = ["Prices"]

MOST_AT_ONCE = 1_000

_REMEMBERED, _AN_HOUR = 10_000, 3_600.0
_PARTS = (
    "input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning", "input_audio", "output_audio",
    "input_image", "output_image", "audio_minute", "per_call",
)  # fmt: skip
_NEVER_NONE = frozenset(("input", "output"))

Source = Literal["settings", "set", "catalog", "policy"]


class _Shown(Struct, frozen=True, kw_only=True):
    input: str | None = None
    output: str | None = None
    cache_read: str | None = None
    cache_write: str | None = None
    cache_write_1h: str | None = None
    reasoning: str | None = None
    input_audio: str | None = None
    output_audio: str | None = None
    input_image: str | None = None
    output_image: str | None = None
    audio_minute: str | None = None
    per_call: str | None = None


class TierRow(_Shown, frozen=True, kw_only=True):
    """In place of the whole price for calls with more than ``above`` input tokens."""

    above: int


class PriceRow(_Shown, frozen=True, kw_only=True):
    """A model's price at a ``ratio``, that of the group that was asked for, 1 for none. ``matched`` is the name or glob
    that it was found under. One by ``policy`` without any part is refused to whoever has a limit of money."""

    model: str
    source: Source
    matched: str = ""
    ratio: str = "1"
    max_output: int | None = None
    tiers: tuple[TierRow, ...] = ()


class _Given(Struct, frozen=True, kw_only=True):
    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    reasoning: Decimal | None = None
    input_audio: Decimal | None = None
    output_audio: Decimal | None = None
    input_image: Decimal | None = None
    output_image: Decimal | None = None
    audio_minute: Decimal | None = None
    per_call: Decimal | None = None

    def given(self) -> dict[str, object]:
        return {name: value for name, value in asdict(self).items() if value is not None}


class TierEdit(_Given, frozen=True, kw_only=True):
    above: int


class PriceEdit(_Given, frozen=True, kw_only=True):
    """The whole price: what is not sent is as plain input or output. Numbers, or texts with one; nine decimals."""

    max_output: int | None = None
    tiers: Annotated[tuple[TierEdit, ...], Meta(max_length=20)] = ()

    def given(self) -> dict[str, object]:
        found = super().given()
        return found | {"tiers": [tier.given() for tier in self.tiers]}


class PriceBatch(Struct, frozen=True):
    """By model name or glob; null removes a price. All of them, or none."""

    prices: Annotated[dict[str, PriceEdit | None], Meta(min_length=1, max_length=MOST_AT_ONCE)]


class PricesQuery(PageQuery, frozen=True, kw_only=True):
    """``keyword`` is a part of names; ``own`` are those that were set or declared, or those that were not."""

    keyword: Annotated[str, Meta(max_length=255)] = ""
    own: Literal["", "true", "false"] = ""


class GroupQuery(Struct, frozen=True):
    group: Annotated[str, Meta(max_length=255)] = ""


_READ_ONLY = frozenset(("model", "source", "matched", "ratio"))


class Prices:
    """``declared`` and ``groups`` are those of the settings, as are the ``catalog`` and the policy for models without a
    price (``unknown``, ``default``): the same that the gateway's ``PriceBook`` has."""

    def __init__(
        self,
        desk: PriceDesk,
        channels: ChannelStore,
        *,
        declared: Mapping[str, Price] | None = None,
        groups: Iterable[Group] = (),
        catalog: PriceCatalog | None = None,
        unknown: UnknownModel = "refuse",
        default: Price | None = None,
    ) -> None:
        self._desk = desk
        self._channels = channels
        self._declared = declared or {}
        self._groups = {group.name: group for group in groups}
        self._catalog = catalog
        self._otherwise = {"default": default, "free": Price(), "refuse": None}[unknown]
        self._listed: TTLCache[str, Price | None] = TTLCache(_REMEMBERED, _AN_HOUR)

    def routes(self) -> tuple[Route, ...]:
        root, row, rows = Role.ROOT, PriceRow, list[PriceRow]
        return (
            Route("GET", "/price", self.list, role=Role.ADMIN, summary="List prices, and where each is from",
                  query=PricesQuery, data=rows),
            Route("POST", "/price/batch", self.batch, role=root, summary="Set and remove many prices at once",
                  body=PriceBatch, data=int, action="price.batch"),
            Route("GET", "/price/{model:path}", self.show, role=Role.ADMIN, query=GroupQuery, data=row,
                  summary="Show what a model costs, as a group pays it"),
            Route("PUT", "/price/{model:path}", self.set, role=root, summary="Set the price of a model or glob",
                  body=PriceEdit, ignored=_READ_ONLY, data=row, action="price.set"),
            Route("DELETE", "/price/{model:path}", self.delete, role=root, summary="Remove a price that was set",
                  action="price.delete"),
            Route("GET", "/pricing", self.pricing, role=Role.COMMON, data=rows,
                  summary="The models of one's group, and what one pays for them"),
        )  # fmt: skip

    async def list(self, visit: Visit[PricesQuery, Nothing]) -> Reply:
        """The operator's own, and the models that channels name."""
        query, listed = visit.query, await self._own()
        served = _served(await self._channels.list_channels())
        found = [(name, *served.get(name, ())) for name in sorted({*listed, *served}) if query.keyword in name]
        if query.own:
            own = query.own == "true"
            found = [names for names in found if any(matched(name, listed) for name in names) is own]
        page = found[query.offset : query.offset + query.page_size]
        return Reply(data=[await self._row(names, listed) for names in page], total=len(found))

    async def show(self, visit: Visit[GroupQuery, Nothing]) -> PriceRow:
        model, group = visit.path["model"], visit.query.group
        upstreams = _served(await self._channels.list_channels()).get(model, ())
        return await self._row((model, *upstreams), await self._own(), await self._ratio(group) if group else NANO)

    async def set(self, visit: Visit[Nothing, PriceEdit]) -> PriceRow:
        model = visit.path["model"]
        await self._change({model: self._price(model, visit.body)})
        visit.note(target=f"price {model}", text=f"set the price of {model}")
        return await self._row((model,), await self._own())

    async def delete(self, visit: Visit[Nothing, Nothing]) -> None:
        model = visit.path["model"]
        await self._change({model: None})
        visit.note(target=f"price {model}", text=f"removed the price of {model}")

    async def batch(self, visit: Visit[Nothing, PriceBatch]) -> int:
        """How many were set or removed."""
        given = visit.body.prices
        await self._change({model: None if edit is None else self._price(model, edit) for model, edit in given.items()})
        visit.note(text=f"set or removed {len(given)} prices", count=len(given))
        return len(given)

    async def pricing(self, visit: Visit[Nothing, Nothing]) -> Sequence[PriceRow]:
        group = visit.me.group
        channels = [one for one in await self._channels.list_channels() if one.enabled and group in one.groups]
        listed, ratio = await self._own(), await self._ratio(group)
        served = sorted(_served(channels).items())
        return [await self._row((model, *upstreams), listed, ratio) for model, upstreams in served]

    # --- what holds ---------------------------------------------------------------------------------------------------

    async def _own(self) -> Mapping[str, Price]:
        return {**await self._desk.list_prices(), **self._declared}

    async def _ratio(self, group: str) -> int:
        groups = {each.name: each for each in await self._desk.list_groups()} | self._groups
        return groups[group].ratio if group in groups else NANO

    async def _row(self, names: Sequence[str], listed: Mapping[str, Price], ratio: int = NANO) -> PriceRow:
        """The price of the first of these names that has one: what callers say, then what upstreams do."""
        for name in names:
            found = matched(name, listed)
            if found is not None:
                source: Source = "settings" if found in self._declared else "set"
                return _shown(names[0], source, found, listed[found], ratio)
            price = await self._of_catalog(name)
            if price is not None:
                return _shown(names[0], "catalog", name, price, ratio)
        return _shown(names[0], "policy", "", self._otherwise, ratio)

    async def _of_catalog(self, name: str) -> Price | None:
        if self._catalog is not None and name not in self._listed:
            self._listed[name] = await self._catalog.price(name)
        return self._listed.get(name)

    # --- changes ------------------------------------------------------------------------------------------------------

    def _price(self, model: str, edit: PriceEdit) -> Price:
        """By the rules of the settings.

        :raises BadRequest: an amount cannot be, or there is none
        """
        given = edit.given()
        if not any(part in given for part in _PARTS):
            raise BadRequest(
                f"The price of {model[:64]!r} has no part: send at least one, such as input, 0 for free.",
                code="invalid_price",
                param="input",
            )
        try:
            return read_section(PriceSettings, {"model": model, **given}, {}).price()
        except SettingsError as error:
            told = "; ".join(error.lines)
            raise BadRequest(f"The price of {model[:64]!r} cannot be: {told}.", code="invalid_price") from None

    async def _change(self, changes: Mapping[str, Price | None]) -> None:
        """
        :raises Conflict: the settings have such a price
        :raises NotFound: one that is to go is not there
        """
        declared = next((model for model in changes if model in self._declared), None)
        if declared is not None:
            raise Conflict(
                f"The price of {declared[:64]!r} is declared in the gateway's settings: change it there.",
                code="price_declared",
                param="model",
            )

        def revise(prices: Mapping[str, Price]) -> Mapping[str, Price | None]:
            gone = next((model for model, price in changes.items() if price is None and model not in prices), None)
            if gone is not None:
                raise NotFound(
                    f"No price is set for {gone[:64]!r}. GET /api/price?own=true lists them.",
                    code="price_not_found",
                    param="model",
                )
            return changes

        try:
            await self._desk.revise_prices(revise)
        except ValueError as error:
            raise BadRequest(f"This {error}.", code="invalid_model", param="model") from None


def _served(channels: Iterable[Channel]) -> Mapping[str, Iterable[str]]:
    """The models that channels name, and what else these call each."""
    found: dict[str, dict[str, None]] = {}
    for channel in channels:
        for model in named_models(channel):
            found.setdefault(model, {})[upstream_model(channel, model)] = None
    return {model: [name for name in names if name != model] for model, names in found.items()}


def _shown(model: str, source: Source, name: str, price: Price | None, ratio: int) -> PriceRow:
    if price is None:
        return PriceRow(model=model, source=source, matched=name, ratio=decimal_of(ratio))
    tiers = tuple(TierRow(above=tier.above, **_parts(tier.price, ratio)) for tier in price.tiers)
    return PriceRow(
        model=model,
        source=source,
        matched=name,
        ratio=decimal_of(ratio),
        max_output=price.max_output,
        tiers=tiers,
        **_parts(price, ratio),
    )


def _parts(price: Price, ratio: int) -> dict[str, str]:
    """Those that are priced, in dollars."""
    parts = {name: getattr(price, name) for name in _PARTS}
    return {
        name: decimal_of(nano * ratio, 18)
        for name, nano in parts.items()
        if nano is not None and (nano or name in _NEVER_NONE or getattr(Price(), name) is None)
    }
