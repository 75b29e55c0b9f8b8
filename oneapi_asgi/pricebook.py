"""What a model is sold for: the operator's prices, then a catalog, then a policy for models that nobody knows."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Literal, Protocol

from .errors import Forbidden
from .models import Price
from .ports import PriceStore
from .pricing import lookup
from .revision import Revision

__all__ = ["PriceBook", "PriceCatalog", "UnknownModel"]

UnknownModel = Literal["refuse", "free", "default"]

_log = logging.getLogger(__name__)


class PriceCatalog(Protocol):
    async def price(self, model: str) -> Price | None:
        """The list price of a model by any of its names."""
        ...


class PriceBook:
    """Prices by model name. ``declared`` ones win over the store's, the ``catalog`` comes after both.

    ``unknown`` is the policy for models without a price: ``refuse`` calls whose money is limited (and let the others
    pass free), let all pass ``free``, or charge the ``default`` price.
    """

    def __init__(
        self,
        store: PriceStore,
        *,
        revision: Revision | None = None,
        declared: Mapping[str, Price] | None = None,
        catalog: PriceCatalog | None = None,
        unknown: UnknownModel = "refuse",
        default: Price | None = None,
    ) -> None:
        if unknown == "default" and default is None:
            raise ValueError('unknown="default" needs a default price')
        self._store = store
        self._revision = revision or Revision(store)
        self._declared = declared or {}
        self._catalog = catalog
        self._unknown = unknown
        self._default = default
        self._seen = -1
        self._prices: Mapping[str, Price] = {}
        self._found: dict[str, Price | None] = {}

    async def refresh(self) -> None:
        """Load the prices anew if the store has changed. Call it first."""
        if self._revision.is_still(self._seen):
            return
        revision = await self._revision.current()
        if revision != self._seen:
            self._prices = {**await self._store.list_prices(), **self._declared}
            self._found.clear()
            self._seen = revision

    async def price(self, models: Iterable[str], *, limited: bool) -> Price:
        """The price of the first of these names that has one: what the caller named, then what the upstream will see.

        :raises Forbidden: there is none, and the policy is to refuse
        """
        names = tuple(models)
        for name in names:
            if (price := await self._known(name)) is not None:
                return price
        if self._unknown == "default" and self._default is not None:
            return self._default
        if self._unknown == "free" or not limited:
            return Price()
        _log.warning("no price for the model %r: set one with 'price set'", names[0])
        raise Forbidden(
            f"The model {names[0]!r} has no price, so calls with a quota cannot be charged for it. "
            "Ask the operator to set one.",
            code="model_not_priced",
            param="model",
        )

    async def _known(self, name: str) -> Price | None:
        if name not in self._found:
            if len(self._found) > 10_000:  # callers choose the names
                self._found.clear()
            price = lookup(name, self._prices)
            if price is None and self._catalog is not None:
                price = await self._catalog.price(name)
            self._found[name] = price
            return price
        return self._found[name]
