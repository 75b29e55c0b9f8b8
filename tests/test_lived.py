"""Seconds that a loop lives through, and those that it does not."""

from __future__ import annotations

import asyncio
import time

import pytest

from oneapi_asgi.lived import Alarm

SECONDS = 0.2


def rung() -> tuple[list[float], Alarm]:
    """When it rings, in seconds from now."""
    loop, at = asyncio.get_running_loop(), list[float]()
    began = loop.time()
    return at, Alarm(loop.call_later, SECONDS, lambda: at.append(loop.time() - began))


async def test_it_rings_once_when_its_time_is_over() -> None:
    at, _ = rung()
    await asyncio.sleep(3 * SECONDS)
    assert len(at) == 1
    assert at[0] >= SECONDS


@pytest.mark.parametrize("parts", range(4))
async def test_it_does_not_ring_once_it_is_cancelled(parts: int) -> None:
    at, alarm = rung()
    await asyncio.sleep(parts * SECONDS / 4)
    alarm.cancel()
    await asyncio.sleep(2 * SECONDS)
    assert at == []


async def test_of_a_loop_that_stands_still_one_part_is_counted() -> None:
    at, _ = rung()
    await asyncio.sleep(0)
    time.sleep(5 * SECONDS)  # noqa: ASYNC251 - the loop stands still
    await asyncio.sleep(0)
    assert at == []
    await asyncio.sleep(2 * SECONDS)
    assert len(at) == 1
    assert at[0] >= 5 * SECONDS + SECONDS / 2
