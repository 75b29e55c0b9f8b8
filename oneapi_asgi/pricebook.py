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

from cachetools import LRUCache

from .errors import Forbidden, Unavailable
from .models import Price
from .ports import PriceStore
from .pricing import lookup
from .revision import Revision

__all__ = ["PriceBook", "PriceCatalog", "UnknownModel"]

UnknownModel = Literal["refuse", "free", "default"]

_log = logging.getLogger(__name__)

_REMEMBERED = 10_000  # callers choose the names


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
        self._found = _no_prices()

    async def refresh(self) -> None:
        """Load the prices anew if the store has changed. Call it first.

        :raises Unavailable: the store does not answer
        """
        if self._revision.is_still(self._seen):
            return
        try:
            await self._load()
        except Exception as error:
            _log.error("the price store failed: %s", type(error).__name__)
            raise Unavailable("Prices cannot be read at the moment.", retry_after=1) from error

    async def _load(self) -> None:
        revision = await self._revision.current()
        if revision != self._seen:
            self._prices = {**await self._store.list_prices(), **self._declared}
            self._found = _no_prices()
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
        found = self._found  # a refresh that comes meanwhile begins another one: what was asked before stays here
        if name in found:
            return found[name]
        price = lookup(name, self._prices)
        if price is None and self._catalog is not None:
            price = await self._catalog.price(name)
        found[name] = price
        return price


def _no_prices() -> LRUCache[str, Price | None]:
    return LRUCache(_REMEMBERED)
