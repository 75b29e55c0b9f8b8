"""One API's ratios as prices, and back: a model's ratio of 1 is 2 dollars for a million tokens of input, its completion
ratio is how many times as dear output is, and a group's is what of a price its members pay.

Numbers are decimal all the way, so that what was read is what is shown again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

from ..models import Price

__all__ = [
    "MAX_RATIO",
    "RATIO_NANO",
    "nearest",
    "parse_ratios",
    "prices_from_ratios",
    "ratios_from_prices",
    "write_ratios",
]

RATIO_NANO = 2_000_000_000
"""Nano-dollars for a million tokens at a ratio of 1."""

MAX_RATIO = 1_000_000
"""Two dollars a token: beyond what sums hold."""

_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_QUOTIENT = Context(prec=32, rounding=ROUND_HALF_EVEN)
_ONE = Decimal(1)
_DEAREST = MAX_RATIO * RATIO_NANO
_NUMBER = re.compile(r"[0-9]{1,30}(\.[0-9]{1,60})?([eE][+-]?[0-9]{1,2})?")


def parse_ratios(values: Mapping[str, str]) -> dict[str, Decimal]:
    """Ratios by name, of numbers as they are written in JSON.

    :raises ValueError: one of them is no number from 0 to a million
    """
    return {name: _ratio(name, value) for name, value in values.items()}


def _ratio(name: str, value: str) -> Decimal:
    try:
        ratio = Decimal(value) if _NUMBER.fullmatch(value) else Decimal("NaN")
    except InvalidOperation:
        ratio = Decimal("NaN")
    if not name or len(name) > 255 or ratio.is_nan() or ratio > MAX_RATIO:
        raise ValueError(f"has {value[:40]!r} for {name[:64]!r}; ratios are numbers from 0 to {MAX_RATIO}")
    return ratio


def prices_from_ratios(model_ratio: Mapping[str, Decimal], completion_ratio: Mapping[str, Decimal]) -> dict[str, Price]:
    """The price of each model that has a ratio, to the nearest nano-dollar a million tokens. Output is as dear as input
    where ``completion_ratio`` says nothing of a model.

    :raises ValueError: output would be dearer than two dollars a token
    """
    prices = {}
    for model, ratio in model_ratio.items():
        source = nearest(_EXACT.multiply(ratio, Decimal(RATIO_NANO)))
        output = nearest(_EXACT.multiply(Decimal(source), completion_ratio.get(model, _ONE)))
        if output > _DEAREST:
            raise ValueError(f"makes the output of {model[:64]!r} dearer than two dollars a token")
        prices[model] = Price(input=source, output=output)
    return prices


def ratios_from_prices(prices: Mapping[str, Price]) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """The model ratios, and the completion ratios of those whose output costs more or less than their input. What only
    a price can say (free input with paid output, cache, audio, tiers, calls) is not in them."""
    models = {model: _EXACT.divide(Decimal(price.input), Decimal(RATIO_NANO)) for model, price in prices.items()}
    completions = {
        model: _QUOTIENT.divide(Decimal(price.output), Decimal(price.input))
        for model, price in prices.items()
        if price.input and price.output != price.input
    }
    return models, completions


def write_ratios(ratios: Mapping[str, Decimal]) -> dict[str, str]:
    """As numbers of JSON, without exponents and zeros at the end."""
    return {name: _written(ratio) for name, ratio in ratios.items()}


def _written(ratio: Decimal) -> str:
    text = f"{ratio:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def nearest(value: Decimal) -> int:
    """The whole number that is nearest, of two the even one."""
    return int(value.to_integral_value(rounding=ROUND_HALF_EVEN))
