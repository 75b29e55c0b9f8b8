"""What operators change while calls run: nobody notices, and each call costs what its price was when it began."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from e2e.serving import eventually
from lab.audit import Audit
from msgspec.structs import replace
from servers.databases import rows

from oneapi_asgi import Channel, Price
from oneapi_asgi.storage.sql import SQLStorage

from .rig import MODEL, OUTPUT, Routes, Said, channel, name_of, open_routes, statuses

POLL = 0.05
"""Seconds between two looks of the gateway at the storage."""

RATE = 100.0


class Operator:
    """Changes prices every other time, else channels; ``steady`` always serves."""

    def __init__(self, storage: SQLStorage, root: str) -> None:
        self._storage = storage
        self._root = root
        self._chance = random.Random(33)
        self._made = 0
        self._changes = (self._add, self._remove, self._switch, self._rename, self._weigh)

    async def change(self) -> None:
        self._made += 1
        if self._made % 2:
            return await self.reprice()
        others = [each for each in await self._storage.list_channels() if each.name != "steady"]
        return await self._chance.choice(self._changes if others else [self._add])(others)

    async def reprice(self) -> None:
        await self._storage.set_price(MODEL, Price(output=1_000_000 * (self._made + 1)))

    async def _add(self, _: Sequence[Channel]) -> None:
        await self._storage.save_channel(channel(f"added-{self._made}", self._root, weight=self._chance.randint(1, 5)))

    async def _remove(self, others: Sequence[Channel]) -> None:
        await self._storage.delete_channel(self._chance.choice(others).id)

    async def _switch(self, others: Sequence[Channel]) -> None:
        one = self._chance.choice(others)
        await self._storage.save_channel(replace(one, enabled=not one.enabled))

    async def _rename(self, others: Sequence[Channel]) -> None:
        await self._storage.save_channel(replace(self._chance.choice(others), name=f"renamed-{self._made}"))

    async def _weigh(self, others: Sequence[Channel]) -> None:
        one, weight, priority = self._chance.choice(others), self._chance.randint(1, 9), self._chance.randint(0, 1)
        await self._storage.save_channel(replace(one, weight=weight, priority=priority))


async def changed(routes: Routes, operator: Operator, changes: int) -> list[Said]:
    """The answers to those who call all the while: so many changes long, and until some of them have been noticed."""
    calls: list[asyncio.Task[Said]] = []
    over = asyncio.Event()

    async def call() -> None:
        while not over.is_set():
            calls.append(asyncio.create_task(routes.ask()))
            await asyncio.sleep(1 / RATE)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(call())
        made = 0
        while made < changes or len({name_of(seen.request) for seen in routes.seen()}) <= 2:
            made += 1
            await operator.change()
            await asyncio.sleep(POLL / 2)
        over.set()
    return await asyncio.gather(*calls)


@pytest.mark.parametrize("changes", [30, pytest.param(1_000, marks=[pytest.mark.slow, pytest.mark.timeout(300)])])
async def test_changes_are_not_noticed(tmp_path: Path, audited: Audit, changes: int) -> None:
    async with open_routes(tmp_path, audited, None, prices=None, poll_interval=POLL) as routes:
        async with SQLStorage(routes.lab.database) as storage:
            operator = Operator(storage, routes.upstream.root)
            await storage.save_channel(channel("steady", routes.upstream.root))
            await operator.reprice()

            async def serves() -> bool:
                return (await routes.ask()).status == 200

            await eventually(serves, within=5, every=POLL)
            said = await changed(routes, operator, changes)
        assert statuses(said) == {200}
        await routes.lab.quiet()
        found = rows(
            routes.lab.database,
            "SELECT records.price, records.cost, reservations.amount, reservations.cost FROM records "
            "JOIN reservations ON reservations.id = records.id WHERE records.status = 200",
        )
    assert len(found) == len(said) + 1
    charged = [json.loads(price)["output"] // 1_000_000 for price, *_ in found]
    assert len(set(charged)) > changes / 6
    assert all(cost == settled == OUTPUT * price for price, (_, cost, _, settled) in zip(charged, found, strict=True))
    assert (
        len({amount / price for price, (_, _, amount, _) in zip(charged, found, strict=True)}) == 1
    )  # held by it, too
