"""List prices out of genai-prices' snapshot, in exact nano-dollars."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from oneapi_asgi.genai import GenaiPrices, _converted
from oneapi_asgi.models import NANO, Price, Tier


def tiered(base: str, *tiers: tuple[int, str]) -> Any:
    steps = [SimpleNamespace(start=start, price=Decimal(price)) for start, price in tiers]
    return SimpleNamespace(base=Decimal(base), tiers=steps)


@pytest.mark.parametrize(
    ("rates", "price"),
    [
        ({"input_mtok": Decimal("2.5"), "output_mtok": Decimal(10)}, Price(input=2_500_000_000, output=10 * NANO)),
        (
            {"input_mtok": Decimal("0.15"), "cache_read_mtok": Decimal("0.075"), "output_mtok": None},
            Price(input=150_000_000, cache_read=75_000_000),
        ),
        ({"input_mtok": Decimal("0.0000000001")}, Price(input=1)),  # never rounded down to nothing
        ({"input_mtok": Decimal(0)}, Price()),
        ({"input_mtok": Decimal(1), "requests_kcount": Decimal(5)}, Price(input=NANO, per_call=5_000_000)),
        ({"input_audio_hours": Decimal("0.36")}, Price(audio_minute=6_000_000)),
        (
            {"input_mtok": tiered("1.25", (200_000, "2.5")), "output_mtok": Decimal(10)},
            Price(
                input=1_250_000_000,
                output=10 * NANO,
                tiers=(Tier(200_000, Price(input=2_500_000_000, output=10 * NANO)),),
            ),
        ),
        (
            {"input_mtok": tiered("1", (100, "2"), (1000, "3")), "output_mtok": tiered("4", (1000, "5"))},
            Price(
                input=NANO,
                output=4 * NANO,
                tiers=(
                    Tier(100, Price(input=2 * NANO, output=4 * NANO)),
                    Tier(1000, Price(input=3 * NANO, output=5 * NANO)),
                ),
            ),
        ),
        ({"requests_kcount": Decimal(5)}, None),
        ({}, None),
    ],
)
def test_conversion(rates: dict[str, Any], price: Price | None) -> None:
    assert _converted(rates) == price


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-pro", "deepseek-chat"])
async def test_well_known_models_have_a_price(model: str) -> None:
    price = await GenaiPrices().price(model)
    assert price is not None
    assert 0 < price.input <= price.output
    for tier in price.tiers:
        assert tier.above > 0
        assert tier.price.input >= price.input


async def test_a_known_price() -> None:
    price = await GenaiPrices().price("gpt-4o")
    assert price is not None
    assert (price.input, price.output, price.cache_read) == (2_500_000_000, 10 * NANO, 1_250_000_000)


@pytest.mark.parametrize("model", ["no-such-model-at-all", "", "\x00", "x" * 300])
async def test_unknown_models_have_none(model: str) -> None:
    assert await GenaiPrices().price(model) is None
