"""Prices and groups as they are managed: changed together, by what they were."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from ..models import Price
from ..tariffs import Group

__all__ = ["GroupRevision", "PriceDesk", "PriceRevision", "check_model"]

_LONGEST = 255

PriceRevision: TypeAlias = Callable[[Mapping[str, Price]], Mapping[str, Price | None]]
"""Of the prices that are set, to those that are to be others; None removes one."""

GroupRevision: TypeAlias = Callable[[Mapping[str, Group]], Mapping[str, Group | None]]


class PriceDesk(Protocol):
    async def list_prices(self) -> Mapping[str, Price]:
        """Those that were set, by model name or glob."""
        ...

    async def list_groups(self) -> Sequence[Group]:
        """Those that were set, by name."""
        ...

    async def revise_prices(self, revise: PriceRevision) -> None:
        """Change what ``revise`` says, all at once, while nobody else changes a price. It may be asked more than once.

        :raises ValueError: ``revise`` refused it, or a name cannot be; nothing was changed
        """
        ...

    async def revise_groups(self, revise: GroupRevision) -> None:
        """
        :raises ValueError: ``revise`` refused it, or a group cannot be; nothing was changed
        """
        ...


def check_model(name: str) -> None:
    """
    :raises ValueError: no model, and no glob, has such a name
    """
    if not 0 < len(name) <= _LONGEST or not name.isprintable():
        raise ValueError(f"names a model {name[:64]!r}; names have 1 to {_LONGEST} characters that can be shown")
