"""A call that is over is gone at once. What holds itself in a circle waits for a full collection, which a process that
has loaded much and collects seldom does not make for hours: each call would leave its body lying for as long."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from e2e.serving import Rig, chat, make_storage, open_rig

LONGER = 0.05
"""Seconds between events: a call that takes longer than a moment has a watcher of its caller."""


@contextmanager
def uncollected() -> Iterator[Counter[str]]:
    """What of the package is garbage at the end that only a collection finds."""
    gc.collect()
    gc.disable()
    found: Counter[str] = Counter()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found.update(type(each).__name__ for each in gc.garbage if str(type(each).__module__).startswith("oneapi_asgi"))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def whole(rig: Rig, body: dict[str, Any], status: int) -> None:
    assert (await rig.post(body)).status_code == status


CALLS: dict[str, tuple[dict[str, Any], int]] = {
    "plain": (chat(), 200),
    "stream": (chat(stream=True, tokens=3, delay=LONGER), 200),
    "refused": (chat(status=400), 400),
    "failed": (chat(status=500), 502),
}


@pytest.mark.parametrize("kind", CALLS)
async def test_calls_leave_nothing_to_collect(kind: str, tmp_path: Path) -> None:
    body, status = CALLS[kind]
    async with open_rig(make_storage("memory", tmp_path)) as rig:
        await whole(rig, body, status)
        await rig.records()
        with uncollected() as found:
            for _ in range(3):
                await whole(rig, body, status)
            await rig.records()
            await asyncio.sleep(0)
    assert not found
