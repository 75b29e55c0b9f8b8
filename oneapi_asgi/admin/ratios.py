"""One API's options ``ModelRatio``, ``CompletionRatio`` and ``GroupRatio``, read and written over prices and groups.

What ratios cannot say is refused or left alone, never changed along: see ``desk.ratios``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec

from ..desk.prices import PriceDesk
from ..desk.ratios import (
    parse_ratios,
    ratios_from_prices,
    ratios_of_groups,
    revise_completions,
    revise_groups,
    revise_models,
    said_by_ratios,
    write_ratios,
)
from ..models import Price

__all__ = ["PriceRatios"]

_REVISIONS: Mapping[str, Callable[[Mapping[str, Price], Mapping[str, Decimal]], Mapping[str, Price | None]]] = {
    "ModelRatio": revise_models,
    "CompletionRatio": revise_completions,
}


class PriceRatios:
    """``admin.options.Ratios``."""

    def __init__(self, desk: PriceDesk) -> None:
        self._desk = desk

    async def ratio_options(self) -> Mapping[str, str]:
        models, completions = ratios_from_prices(said_by_ratios(await self._desk.list_prices()))
        groups = ratios_of_groups({group.name: group for group in await self._desk.list_groups()})
        return {
            "ModelRatio": _json(models),
            "CompletionRatio": _json(completions),
            "GroupRatio": _json(groups),
        }

    async def set_ratio_option(self, name: str, value: str) -> None:
        given = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
        wanted = parse_ratios({model: bytes(ratio).decode().strip() for model, ratio in given.items()})
        if name == "GroupRatio":
            await self._desk.revise_groups(lambda groups: revise_groups(groups, wanted))
        else:
            await self._desk.revise_prices(lambda prices: _REVISIONS[name](prices, wanted))


def _json(ratios: Mapping[str, Decimal]) -> str:
    """Numbers as they are written, by the name of what they are of."""
    written = {name: msgspec.Raw(text.encode()) for name, text in sorted(write_ratios(ratios).items())}
    return msgspec.json.format(msgspec.json.encode(written), indent=2).decode()
