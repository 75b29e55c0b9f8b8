"""Prices and groups as they are managed, in the database: whoever revises them waits for whoever does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from ....desk.prices import GroupRevision, PriceRevision, check_model
from ....models import Price
from ....tariffs import Group
from ..channels import delete_group, list_groups, list_prices, lock_revision, set_group, set_price
from ..store import SQLStorage

__all__ = ["SQLPrices"]


class SQLPrices:
    """``desk.prices.PriceDesk``."""

    def __init__(self, storage: SQLStorage) -> None:
        self._storage = storage

    async def list_prices(self) -> Mapping[str, Price]:
        return await self._storage.list_prices()

    async def list_groups(self) -> Sequence[Group]:
        return await self._storage.list_groups()

    async def revise_prices(self, revise: PriceRevision) -> None:
        await self._storage.administer(_revise_prices, revise)

    async def revise_groups(self, revise: GroupRevision) -> None:
        await self._storage.administer(_revise_groups, revise)


def _revise_prices(connection: Connection, revise: PriceRevision) -> None:
    lock_revision(connection)
    for model, price in revise(list_prices(connection)).items():
        if price is not None:
            check_model(model)
        set_price(connection, model, price)


def _revise_groups(connection: Connection, revise: GroupRevision) -> None:
    lock_revision(connection)
    for name, group in revise({group.name: group for group in list_groups(connection)}).items():
        if group is None:
            delete_group(connection, name)
        else:
            set_group(connection, group)
