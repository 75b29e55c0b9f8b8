"""Streams without end: memory, files and the ledger stay as they are."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from pathlib import Path
from statistics import linear_regression

import pytest
from e2e.serving import KEY
from lab.figures import Figure
from servers.databases import rows

from .pacer import Pace
from .rig import MIB, Rig, opened
from .streams import request_of

CONCURRENT = 200
MINUTES = float(os.environ.get("ONEAPI_TEST_SOAK_MINUTES", "3"))
"""Two hours show a leak of a few bytes a call, minutes one of some hundred."""

STREAM = Pace(events=40, every=0.05, size=64)


async def soaked(rig: Rig, until: float) -> tuple[Counter[str], list[tuple[float, int]]]:
    """How the streams ended, and the memory from time to time."""
    outcomes: Counter[str] = Counter()
    resident: list[tuple[float, int]] = []
    request = request_of(KEY, STREAM)

    async def stream_after_stream() -> None:
        while time.monotonic() < until:
            caller = await rig.callers.call(request)
            await caller.done
            outcomes[caller.outcome] += 1
            rig.callers.all.remove(caller)
            caller.leave()

    async def look() -> None:
        while time.monotonic() < until:
            resident.append((time.monotonic(), rig.resident()))
            await asyncio.sleep(1)

    async with asyncio.TaskGroup() as group:
        group.create_task(look())
        for number in range(CONCURRENT):
            await asyncio.sleep(0.001 * (number % 10))
            group.create_task(stream_after_stream())
    return outcomes, resident


@pytest.mark.slow
@pytest.mark.figures
@pytest.mark.timeout(int(MINUTES * 60) + 240)
async def test_nothing_grows(tmp_path: Path, figure: Figure) -> None:
    with opened(tmp_path, server="max_lag = 0") as rig:  # others may have the machine, too
        await rig.warm()
        files = rig.process.num_fds()
        outcomes, resident = await soaked(rig, time.monotonic() + MINUTES * 60)
        settled = resident[len(resident) // 3 :]
        slope = linear_regression(*zip(*settled, strict=True)).slope
        growth = slope * (settled[-1][0] - settled[0][0])
        await asyncio.sleep(2)
        what = f"{outcomes.total()} streams, {CONCURRENT} at once"
        figure(f"{what}: memory grows in the last two thirds by", f"{growth / MIB:.1f} MiB", "≤ 8 MiB")
        figure(f"{what}: files more", rig.process.num_fds() - files, "connections that are kept")
        assert outcomes.keys() == {"done"}
        assert growth <= 8 * MIB
        assert rig.process.num_fds() - files <= CONCURRENT + 8  # connections that are kept
    path = f"sqlite:///{tmp_path}/gateway.db"
    assert rows(path, "SELECT count(*) FROM reservations WHERE state = 'held'") == [(0,)]
