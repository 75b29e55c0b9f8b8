"""Ratios, as prices and as what groups pay of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from msgspec.structs import replace

from ..desk.moving import Remarks
from ..desk.ratios import MAX_RATIO, RATIO_NANO, nearest, prices_from_ratios
from ..models import NANO, Price
from ..tariffs import Group, check_group
from .values import fraction, json_object

__all__ = ["groups_of", "prices_of"]

_OF_A_TYPE = re.compile(r"\(\d+\)\Z")
_TABLE = "options"

_AFTER = (
    (r"gpt-3\.5-turbo|gpt-3\.5.*0125", "3"),
    (r"gpt-3\.5.*1106", "2"),
    (r"gpt-4o-2024-05-13", "3"),
    (r"gpt-4o", "4"),
    (r"gpt-4-turbo|gpt-4.*preview", "3"),
    (r"gpt-4", "2"),
    (r"o1", "4"),
    (r"chatgpt-4o-latest", "3"),
    (r"claude-3", "5"),
    (r"claude-|mistral-|gemini-", "3"),
    (r"deepseek-", "2"),
)
"""What One API took for output where its options say nothing, by how the name begins."""


def prices_of(options: Mapping[str, str], remarks: Remarks) -> dict[str, Price]:
    """By model: of ``ModelRatio``, ``CompletionRatio`` and ``CacheRatio``, and of ``ModelPrice``, which is per call."""
    inputs, outputs = _ratios(options, "ModelRatio", remarks), _ratios(options, "CompletionRatio", remarks)
    cached, calls = _ratios(options, "CacheRatio", remarks), _ratios(options, "ModelPrice", remarks)
    found = {}
    for model, ratio in inputs.items():
        if model in calls:
            continue
        output = outputs.get(model, _output_ratio(model))
        try:
            (price,) = prices_from_ratios({model: ratio}, {model: output}).values()
        except ValueError as error:
            remarks.add("skipped", _TABLE, f"a ratio {error}", model[:50])
            continue
        if model in cached:
            price = replace(price, cache_read=nearest(ratio * cached[model] * RATIO_NANO))
        found[model] = price
    return found | {model: Price(per_call=nearest(dollars * NANO)) for model, dollars in calls.items()}


def groups_of(options: Mapping[str, str], remarks: Remarks) -> dict[str, int]:
    """Ratios in billionths."""
    found = {}
    for name, ratio in _ratios(options, "GroupRatio", remarks).items():
        exact = ratio * NANO
        group = Group(name=name, ratio=nearest(exact))
        try:
            check_group(group)
        except ValueError as error:
            cure = "its members pay the whole price: set what they are to pay by oneapi-asgi group set"
            remarks.add("skipped", _TABLE, "GroupRatio has what no group can have", f"{error}", cure=cure)
            continue
        if group.ratio != exact:
            remarks.add("changed", _TABLE, "ratio of a group: rounded to nine decimals", f"{name}: {ratio}"[:80])
        found[name] = group.ratio
    return found


def _ratios(options: Mapping[str, str], name: str, remarks: Remarks) -> dict[str, Decimal]:
    found = json_object(options.get(name))
    if found is None:
        remarks.add("skipped", _TABLE, f"{name} is no JSON object", cure="set prices by oneapi-asgi price set")
    good = {}
    for key, value in (found or {}).items():
        number = fraction(value)
        if not key or len(key) > 255 or number is None or number > MAX_RATIO:
            remarks.add("skipped", _TABLE, f"{name} has what is no ratio", f"{key[:50]}: {value!s:.30}")
        elif name != "GroupRatio" and _OF_A_TYPE.search(key):
            what = f"{name} of one type of channels: prices here are of a model, whoever serves it"
            remarks.add("skipped", _TABLE, what, key[:50])
        else:
            good[key] = number
    return good


def _output_ratio(model: str) -> Decimal:
    found = next((ratio for pattern, ratio in _AFTER if re.match(pattern, model)), "1")
    return Decimal(found)
