"""List prices of the well-known models, offline, from the snapshot that genai-prices ships (an extra).

    book = PriceBook(store, catalog=GenaiPrices())

The snapshot is large, so it is loaded in a thread when somebody first asks for a model that the operator has not
priced.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

import anyio
from msgspec.structs import replace

from .models import NANO, Price, Tier

__all__ = ["GenaiPrices"]

_TOKENS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "reasoning": "output_reasoning_mtok",
    "input_audio": "input_audio_mtok",
    "output_audio": "output_audio_mtok",
    "input_image": "input_image_mtok",
    "output_image": "output_image_mtok",
}


class GenaiPrices:
    """A ``PriceCatalog``. Prices that depend on the length of the input become tiers."""

    async def price(self, model: str) -> Price | None:
        return await anyio.to_thread.run_sync(_price, model)

    async def models(self) -> Mapping[str, Sequence[str]]:
        """The names of all models, by vendor."""
        return await anyio.to_thread.run_sync(_models)


def _snapshot() -> Any:
    # By name, for it is an extra, and its import costs more than a gateway's start.
    return importlib.import_module("genai_prices.data_snapshot").get_snapshot()


def _models() -> Mapping[str, Sequence[str]]:
    return {vendor.id: [model.id for model in vendor.models] for vendor in _snapshot().providers}


def _price(model: str) -> Price | None:
    snapshot = _snapshot()
    for vendor in (None, "openai"):  # some names are only known as their vendor's
        try:
            _, found = snapshot.find_provider_model(model, None, vendor, None)
        except LookupError:
            continue
        return _converted(vars(found.get_prices(datetime.now(UTC))))
    return None


def _converted(rates: Mapping[str, Any]) -> Price | None:
    bounds = sorted({tier.start for rate in rates.values() for tier in getattr(rate, "tiers", ())})
    price = _flat(rates, 0)
    if price is None:
        return None
    tiers = [Tier(bound, flat) for bound in bounds if (flat := _flat(rates, bound)) is not None]
    return replace(price, tiers=tuple(tiers))


def _flat(rates: Mapping[str, Any], bound: int) -> Price | None:
    """The price of calls beyond this many input tokens; None when it is neither for tokens nor for minutes."""
    parts: dict[str, Any] = {
        name: _nano(_at(rates[unit], bound)) for name, unit in _TOKENS.items() if rates.get(unit) is not None
    }
    hours = rates.get("input_audio_hours") or rates.get("audio_hours")
    calls = rates.get("requests_kcount")
    if not parts and hours is None:
        return None
    return Price(
        **parts,
        audio_minute=_nano(_at(hours, bound) / 60) if hours is not None else 0,
        per_call=_nano(_at(calls, bound) / 1000) if calls is not None else 0,
    )


def _at(rate: Any, bound: int) -> Decimal:
    reached = [tier.price for tier in getattr(rate, "tiers", ()) if tier.start <= bound]
    return Decimal(reached[-1] if reached else getattr(rate, "base", rate))


def _nano(dollars: Decimal) -> int:
    return int((dollars * NANO).to_integral_value(ROUND_CEILING))
