"""Callers who stop reading an answer that comes fast: memory, the upstream, and everybody else."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from statistics import quantiles

import pytest
from e2e.serving import KEY
from lab.figures import Figure

from .pacer import Pace
from .rig import KIB, MIB, Rig, opened
from .streams import request_of

STALLED = 200
SIZE = 4_000
BYTES = 100_000_000
LET_GO = 40
"""Seconds after which a caller that does not read is let go here; a minute by default."""


async def stall(rig: Rig, count: int) -> list[socket.socket]:
    """Callers whose sockets nobody reads."""
    loop, request = asyncio.get_running_loop(), request_of(KEY, Pace(events=BYTES // SIZE, size=SIZE))
    sockets = []
    for _ in range(count):
        each = socket.socket()
        each.setblocking(False)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # or the system would take megabytes of each
        await loop.sock_connect(each, ("127.0.0.1", rig.port))
        await loop.sock_sendall(each, request)
        sockets.append(each)
    return sockets


async def answer_time(rig: Rig) -> float:
    """Seconds that nine of ten short streams take from end to end at most, asked one after another: the best of some
    rounds, since others work on this machine, too."""
    rounds, request = [], request_of(KEY, Pace(events=5, every=0.005))
    for _ in range(4):
        took = []
        for _ in range(50):
            caller = await rig.callers.call(request)
            await caller.done
            assert caller.outcome == "done"
            took.append(caller.took)
            caller.leave()
        rounds.append(quantiles(took, n=10)[-1])
    return min(rounds)


@pytest.mark.slow
@pytest.mark.figures
@pytest.mark.timeout(240)
async def test_callers_who_do_not_read(tmp_path: Path, figure: Figure) -> None:
    more = f"[streams]\nreader_seconds = {LET_GO}\n"
    with opened(tmp_path, more=more, server="max_lag = 0") as rig:  # so many at once are an overload
        await rig.warm()
        usual = await answer_time(rig)
        base = rig.resident()
        began = time.monotonic()
        sockets = await stall(rig, STALLED)
        while (seen := await rig.seen()).blocked < STALLED:
            assert time.monotonic() - began < LET_GO, seen
            await asyncio.sleep(0.1)
        each = (rig.resident() - base) / STALLED
        others = await answer_time(rig)
        sent = (await rig.seen()).sent
        await asyncio.sleep(1)
        assert (await rig.seen()).sent == sent, "the upstream is read on"
        while (seen := await rig.seen()).open:
            assert time.monotonic() - began < 3 * LET_GO + 30, seen
            await asyncio.sleep(0.2)
        figure(f"{STALLED} stalled readers: memory of each", f"{each / KIB:.0f} KiB", "≤ 256 KiB")
        figure(
            f"{STALLED} stalled readers: all let go within", f"{time.monotonic() - began:.0f} s", f"{LET_GO} s and some"
        )
        figure("stalled readers: p90 of others", f"{others / usual - 1:+.0%}", "< +20 %")
        assert each <= 256 * KIB
        assert others <= 1.2 * usual + 0.02
        assert seen.aborted == STALLED
        assert rig.resident() - base <= 256 * KIB * STALLED
        for each_socket in sockets:
            each_socket.close()


@pytest.mark.slow
@pytest.mark.figures
async def test_a_large_answer_is_fast(tmp_path: Path, figure: Figure) -> None:
    """What is read at once is small; it must not be so small that large answers are slow."""
    with opened(tmp_path) as rig:
        await rig.warm()
        for size in (100, 16_000):
            took, began = rig.took(), time.monotonic()
            request = request_of(KEY, Pace(events=40_000_000 // (size + 180), size=size))
            caller = await rig.callers.call(request)
            await caller.done
            seconds = time.monotonic() - began
            assert caller.outcome == "done"
            rate = caller.received / seconds / MIB
            cpu = took.share() * seconds / (caller.received / MIB) * 1000
            figure(f"a stream of events of {size} bytes", f"{rate:.0f} MiB/s, {cpu:.1f} ms of CPU per MiB")
            assert rate > 2
            caller.leave()
