"""What a model is sold for: the operator's prices, then a catalog, then a policy for models that nobody knows.

    book = PriceBook(store, unknown="free")
    await book.refresh()
    price = await book.price(("gpt-4o", "gpt-4o-2024-11-20"), limited=token.limited)

``QuotaGuard`` asks it for every call; options are those of ``PriceBook``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Literal, Protocol

from msgspec.structs import replace

from .errors import Forbidden
from .models import NANO, Price
from .ports import PriceStore
from .pricing import lookup
from .revision import Following, Revision
from .tariffs import Group, check_group

__all__ = ["PriceBook", "PriceCatalog", "UnknownModel"]

UnknownModel = Literal["refuse", "free", "default"]

_log = logging.getLogger(__name__)

_REMEMBERED = 10_000  # callers choose the names


class PriceCatalog(Protocol):
    async def price(self, model: str) -> Price | None:
        """The list price of a model by any of its names."""
        ...


class _Prices:
    """The prices as of one revision, and which of them names led to. What was asked before a change is answered here,
    and so does not outlive it. ``ratios`` are those of groups, in billionths."""

    def __init__(self, listed: Mapping[str, Price], groups: Iterable[Group]) -> None:
        self.listed = listed
        self.ratios = {group.name: group.ratio for group in groups}
        self.found: dict[str, Price | None] = {}

    def remember(self, name: str, price: Price | None) -> None:
        if len(self.found) >= _REMEMBERED:
            del self.found[next(iter(self.found))]
        self.found[name] = price


class PriceBook:
    """Prices by model name. ``declared`` ones win over the store's, the ``catalog`` comes after both. So do ``groups``,
    what callers pay of a price, over the store's.

    ``unknown`` is the policy for models without a price: ``refuse`` calls whose money is limited (and let the others
    pass free), let all pass ``free``, or charge the ``default`` price.
    """

    def __init__(
        self,
        store: PriceStore,
        *,
        revision: Revision | None = None,
        declared: Mapping[str, Price] | None = None,
        groups: Iterable[Group] = (),
        catalog: PriceCatalog | None = None,
        unknown: UnknownModel = "refuse",
        default: Price | None = None,
    ) -> None:
        if unknown == "default" and default is None:
            raise ValueError('unknown="default" needs a default price')
        self._store = store
        self._prices = Following(revision or Revision(store), self._load, what="prices")
        self._declared = declared or {}
        self._groups = tuple(groups)
        for group in self._groups:
            check_group(group)
        self._catalog = catalog
        self._unknown = unknown
        self._default = default

    @property
    def fresh(self) -> bool:
        """Whether prices may be asked for as they are, without ``refresh``."""
        return self._prices.fresh

    async def refresh(self) -> None:
        """Load the prices anew if the store has changed. Call it first.

        :raises Unavailable: the store does not answer
        """
        await self._prices.refresh()

    async def _load(self) -> _Prices:
        listed, groups = await self._store.list_prices(), await self._store.list_groups()
        return _Prices({**listed, **self._declared}, (*groups, *self._groups))

    async def price(self, models: Iterable[str], *, limited: bool) -> Price:
        """The price of the first of these names that has one: what the caller named, then what the upstream will see.

        :raises Forbidden: there is none, and the policy is to refuse
        """
        names = tuple(models)
        for name in names:
            if (price := await self.find(name)) is not None:
                return price
        if self._unknown == "default" and self._default is not None:
            return self._default
        if self._unknown == "free" or not limited:
            return Price()
        _log.warning("no price for the model %r: set one: oneapi-asgi price set MODEL", names[0])
        raise Forbidden(
            f"The model {names[0]!r} has no price, so calls with a quota cannot be charged for it. "
            "Ask the operator to set one.",
            code="model_not_priced",
            param="model",
        )

    def ratio(self, group: str) -> int:
        """What callers of a group pay of a price, in billionths: all of it where nobody has set anything else."""
        return self._prices.value.ratios.get(group, NANO)

    def of_group(self, group: str, prices: Mapping[str, Price]) -> Mapping[str, Price]:
        """The same prices at the ratio of a group."""
        ratio = self.ratio(group)
        return prices if ratio == NANO else {name: replace(price, ratio=ratio) for name, price in prices.items()}

    async def find(self, name: str) -> Price | None:
        """The price of a model, whatever the policy says of those that have none."""
        price = self.found(name)
        prices = self._prices.value
        if price is not None or name in prices.found:
            return price
        price = lookup(name, prices.listed)
        if price is None and self._catalog is not None:
            price = await self._catalog.price(name)
        prices.remember(name, price)
        return price

    def found(self, name: str) -> Price | None:
        """What is set for this very name, or ``find`` has found before, for those who cannot wait."""
        prices = self._prices.value
        return prices.listed.get(name) or prices.found.get(name)
