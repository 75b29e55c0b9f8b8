"""Who watches over a call, and from when on: one timer for all that have just begun."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from oneapi_asgi.pace import Pace
from oneapi_asgi.vigil import Lookout, Vigil

SOON = 5.0


WHOSE: ContextVar[str] = ContextVar("whose")


class Call:
    """``receive`` says that the caller has gone once ``gone`` is set."""

    def __init__(self, lookout: Lookout) -> None:
        self.heard: list[str] = []
        self.asked = False
        self.gone = asyncio.Event()
        self.pace = Pace(0.005)
        self.vigil = Vigil.of(self.receive, self.pace, lookout)

    async def receive(self) -> Any:
        self.asked = True
        self.whose = WHOSE.get("nobody's")
        await self.gone.wait()
        return {"type": "http.disconnect"}

    def begin(self, seconds: float) -> None:
        self.vigil.begin(self, time.monotonic() + seconds)

    def late(self) -> None:
        self.heard.append("late")

    def left(self) -> None:
        self.heard.append("left")

    def tick(self, now: float) -> None:
        if "tick" not in self.heard:
            self.heard.append("tick")


async def until(there: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not there():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.002)


async def test_whoever_takes_long_is_watched() -> None:
    call = Call(Lookout())
    call.begin(60)
    await until(lambda: call.asked)
    await until(lambda: "tick" in call.heard)
    call.gone.set()
    await until(lambda: "left" in call.heard)
    call.vigil.close(call)
    assert "late" not in call.heard


async def test_each_is_watched_in_a_context_of_its_own() -> None:
    """What hosts write into logs and traces is not another call's."""
    lookout, calls = Lookout(), dict[str, Call]()
    for name in ("a", "b"):
        WHOSE.set(name)
        calls[name] = Call(lookout)
        calls[name].begin(60)
    await until(lambda: all(call.asked for call in calls.values()))
    assert {name: call.whose for name, call in calls.items()} == {"a": "a", "b": "b"}
    for call in calls.values():
        call.vigil.close(call)


async def test_whoever_is_soon_over_is_not() -> None:
    lookout = Lookout()
    short, long = Call(lookout), Call(lookout)
    short.begin(60)
    long.begin(60)
    short.vigil.close(short)
    await until(lambda: long.asked)
    long.vigil.close(long)
    assert (short.asked, short.heard) == (False, [])


async def test_whoever_comes_later_is_watched_too() -> None:
    lookout = Lookout()
    calls = [Call(lookout) for _ in range(5)]
    for call in calls:
        call.begin(60)
        await asyncio.sleep(0.007)
    await until(lambda: all(call.asked for call in calls))
    for call in calls:
        call.vigil.close(call)
    again = Call(lookout)
    again.begin(60)
    await until(lambda: again.asked)
    again.vigil.close(again)


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.001, 0.015, 0.05])
async def test_it_is_late_in_time(seconds: float) -> None:
    call, began = Call(Lookout()), time.monotonic()
    call.begin(seconds)
    await until(lambda: "late" in call.heard)
    assert time.monotonic() - began >= seconds - 0.002  # the loop's clock has milliseconds
    call.vigil.close(call)
    assert call.heard.count("late") == 1


async def test_nothing_runs_for_nobody() -> None:
    """Else the timer of a loop that has ended would be waited for in the next one."""
    lookout = Lookout()
    for _ in range(2):
        call = Call(lookout)
        call.begin(60)
        call.vigil.close(call)
        assert lookout._timer is None
