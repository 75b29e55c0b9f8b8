"""One API's ratios as prices, and back: a model's ratio of 1 is 2 dollars for a million tokens of input, its completion
ratio is how many times as dear output is, and a group's is what of a price its members pay.

Numbers are decimal all the way, so that what was read is what is shown again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

from msgspec.structs import replace

from ..models import NANO, Price
from ..tariffs import MAX_GROUP_RATIO, Group

__all__ = [
    "MAX_RATIO",
    "RATIO_NANO",
    "nearest",
    "parse_ratios",
    "prices_from_ratios",
    "ratios_from_prices",
    "ratios_of_groups",
    "revise_completions",
    "revise_groups",
    "revise_models",
    "said_by_ratios",
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


# --- options that are written over what is set ------------------------------------------------------------------------


def said_by_ratios(prices: Mapping[str, Price]) -> dict[str, Price]:
    """Those of the prices that two ratios say whole. ``max_output`` is no price."""
    return {model: price for model, price in prices.items() if not _beyond(price)}


def _beyond(price: Price) -> list[str]:
    """What of a price no ratio says."""
    plain = Price()
    parts = [
        name
        for name in Price.__struct_fields__
        if name not in ("input", "output", "max_output", "ratio") and getattr(price, name) != getattr(plain, name)
    ]
    return parts or (["output without input"] if price.output and not price.input else [])


def revise_models(prices: Mapping[str, Price], wanted: Mapping[str, Decimal]) -> dict[str, Price | None]:
    """What to change for ``wanted`` to be all model ratios. Output stays as many times as dear; that of a new model is
    as dear as its input. Prices that are more than ratios say stay as they are.

    :raises ValueError: a ratio is no price in whole nano-dollars, or names one that is more than ratios say
    """
    known = said_by_ratios(prices)
    models, completions = ratios_from_prices(known)
    changes: dict[str, Price | None] = {model: None for model in models if model not in wanted}
    for model, ratio in wanted.items():
        if models.get(model) == ratio:
            continue
        _check_known(model, prices, known)
        source = _EXACT.multiply(ratio, Decimal(RATIO_NANO))
        if source != nearest(source):
            near = _written(_EXACT.divide(Decimal(nearest(source)), Decimal(RATIO_NANO)))
            raise ValueError(f"has {ratio} for {model[:64]!r}, which is no price with nine decimals; {near} is")
        price = replace(known.get(model, Price()), input=nearest(source))
        changes[model] = _with_output(model, price, completions.get(model, _ONE))
    return changes


def revise_completions(prices: Mapping[str, Price], wanted: Mapping[str, Decimal]) -> dict[str, Price | None]:
    """What to change for ``wanted`` to be all completion ratios: 1 where they say nothing.

    :raises ValueError: there is no such model ratio, or output would be too dear, or free though it is not to be
    """
    known = said_by_ratios(prices)
    models, completions = ratios_from_prices(known)
    for model in wanted:
        _check_known(model, prices, known)
        if not models.get(model):
            raise ValueError(f"has {model[:64]!r}, whose input has no price to multiply: set its ModelRatio first")
    changed = {model: wanted.get(model, _ONE) for model, price in known.items() if price.input}
    return {
        model: _with_output(model, known[model], ratio)
        for model, ratio in changed.items()
        if ratio != completions.get(model, _ONE)
    }


def _check_known(model: str, prices: Mapping[str, Price], known: Mapping[str, Price]) -> None:
    if model in prices and model not in known:
        parts = ", ".join(_beyond(prices[model]))
        raise ValueError(f"has {model[:64]!r}, whose price has what no ratio says ({parts}): set it by PUT /api/price")


def _with_output(model: str, price: Price, completion: Decimal) -> Price:
    """At so many times the input, to the nearest nano-dollar: ratios are quotients, which may have no end."""
    output = nearest(_EXACT.multiply(Decimal(price.input), completion))
    if output > _DEAREST:
        raise ValueError(f"makes the output of {model[:64]!r} dearer than two dollars a token")
    if price.input and completion and not output:
        raise ValueError(f"makes the output of {model[:64]!r} free, as it is less than a billionth of a dollar")
    return replace(price, output=output)


def ratios_of_groups(groups: Mapping[str, Group]) -> dict[str, Decimal]:
    return {name: Decimal(group.ratio).scaleb(-9) for name, group in groups.items()}


def revise_groups(groups: Mapping[str, Group], wanted: Mapping[str, Decimal]) -> dict[str, Group | None]:
    """What to change for ``wanted`` to be the ratios of all groups.

    :raises ValueError: a ratio has over nine decimals, or is too large
    """
    changes: dict[str, Group | None] = {name: None for name in groups if name not in wanted}
    for name, ratio in wanted.items():
        exact = _EXACT.multiply(ratio, Decimal(NANO))
        if exact != nearest(exact) or ratio > MAX_GROUP_RATIO:
            raise ValueError(f"has {ratio} for {name[:64]!r}; it is 0 to {MAX_GROUP_RATIO}, with at most nine decimals")
        changes[name] = replace(groups.get(name, Group(name=name)), ratio=nearest(exact))
    return {name: group for name, group in changes.items() if group != groups.get(name)}
