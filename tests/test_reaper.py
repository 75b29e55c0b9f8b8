"""The reaper: what a dead process held comes back, and what only waited for the database is left alone."""

from __future__ import annotations

import asyncio
import logging

import pytest

from oneapi_asgi.models import Pulse, Reserve
from oneapi_asgi.reaper import Reaper
from oneapi_asgi.storage.memory import MemoryStorage


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Ledger:
    """Away, there, away again. It keeps what it was asked."""

    def __init__(self) -> None:
        self.away = False
        self.asked: list[str] = []
        self.heard = asyncio.Event()

    async def pulse(self) -> Pulse:
        self._answer("pulse")
        return Pulse(1, 0.0)

    async def expire(self) -> int:
        self._answer("expire")
        return 0

    def _answer(self, question: str) -> None:
        self.asked.append(question)
        self.heard.set()
        if self.away:
            raise ConnectionError

    async def rounds(self, count: int) -> list[str]:
        """What is asked in the next rounds."""
        self.asked.clear()
        async with asyncio.timeout(5):
            while len(self.asked) < count:
                self.heard.clear()
                await self.heard.wait()
        return self.asked[:count]


async def test_what_a_dead_process_held_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    storage = MemoryStorage(clock=clock)
    await storage.add_user("ann", wallet=100)
    await storage.apply([Reserve("call", (2,), 60, 60, lease=10.0)])
    clock.now += 10
    async with Reaper(storage, interval=0.001, grace=0):
        async with asyncio.timeout(5):
            while (await storage.balances([2]))[0].available != 100:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
    assert "released 1 reservations" in caplog.text


async def test_after_an_outage_settlements_go_first(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    ledger, clock = Ledger(), Clock()
    async with Reaper(ledger, interval=0.001, grace=60, clock=clock):
        assert set(await ledger.rounds(3)) == {"pulse"}, "nobody knows what was before"
        clock.now += 60
        assert set((await ledger.rounds(4))[1:]) == {"expire"}
        ledger.away = True
        assert (await ledger.rounds(4))[1:] == ["pulse"] * 3
        clock.now += 1000  # the outage lasts: no time of it counts
        assert set(await ledger.rounds(3)) == {"pulse"}
        ledger.away = False
        assert set(await ledger.rounds(3)) == {"pulse"}
        clock.now += 59.9
        assert set(await ledger.rounds(3)) == {"pulse"}
        ledger.away = True  # once more: the grace begins anew
        await ledger.rounds(2)
        ledger.away = False
        await ledger.rounds(2)
        clock.now += 1
        assert set(await ledger.rounds(3)) == {"pulse"}
        clock.now += 59
        assert set((await ledger.rounds(4))[1:]) == {"expire"}
    assert "the reaper failed: ConnectionError" in caplog.text


async def test_leaving_ends_it() -> None:
    ledger = Ledger()
    async with Reaper(ledger, interval=0.001):
        await ledger.rounds(1)
    ledger.asked.clear()
    await asyncio.sleep(0.01)
    assert ledger.asked == []


async def test_one_that_was_never_entered_can_be_left() -> None:
    await Reaper(Ledger()).__aexit__(None, None, None)
