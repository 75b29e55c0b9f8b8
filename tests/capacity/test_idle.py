"""Thousands of open streams that wait: what each of them costs."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from e2e.serving import KEY
from lab.figures import Figure

from .pacer import Pace
from .rig import KIB, opened
from .streams import request_of

STREAMS = 5_000
EVERY = 15.0
EVENTS = 12


@pytest.mark.slow
@pytest.mark.figures
@pytest.mark.timeout(400)
async def test_thousands_of_open_streams(tmp_path: Path, figure: Figure) -> None:
    with opened(tmp_path) as rig:
        await rig.warm()
        base, began = rig.resident(), time.monotonic()
        await rig.callers.open_gently(request_of(KEY, Pace(events=EVENTS, every=EVERY)), STREAMS)
        opening = time.monotonic() - began
        assert opening < (EVENTS - 4) * EVERY, "the first may have ended"
        took = rig.took()
        await asyncio.sleep(2 * EVERY)
        cpu, each = took.share(), (rig.resident() - base) / STREAMS
        assert rig.callers.open_count() == STREAMS
        assert (await rig.seen()).open == STREAMS
        figure(f"{STREAMS} open streams: memory of each", f"{each / KIB:.1f} KiB", "≤ 64 KiB")
        figure(f"{STREAMS} open streams: CPU", f"{cpu:.0%} of a core", "< 60 %")
        assert await rig.callers.ended(within=EVENTS * EVERY + 60) == {"done": STREAMS}
        assert each <= 64 * KIB
        assert cpu < 0.6


@pytest.mark.slow
@pytest.mark.figures
async def test_what_a_stream_was_asked_with_is_not_kept_twice(tmp_path: Path, figure: Figure) -> None:
    """A long conversation is sent upstream, and may be sent again until the answer has begun."""
    count, size = 500, 100 * KIB
    with opened(tmp_path) as rig:
        await rig.warm()
        base = rig.resident()
        await rig.callers.open_gently(request_of(KEY, Pace(events=8, every=5.0), prompt="x" * size), count)
        await asyncio.sleep(3)
        each = (rig.resident() - base) / count
        assert rig.callers.open_count() == count
        figure(
            f"{count} open streams asked with {size // KIB} KiB: memory of each", f"{each / KIB:.1f} KiB", "≤ 160 KiB"
        )
        assert await rig.callers.ended(within=80) == {"done": count}
        assert each <= 160 * KIB
