"""Twice as many calls as can be served: as many are served as ever, and the others are told at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from statistics import quantiles

import pytest
from e2e.serving import KEY, chat, eventually, make_storage, open_rig
from lab.figures import Figure

from .pacer import Pace
from .rig import Rig, opened
from .streams import Answered, Asking, request_of

HEALTH = b"GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n"


async def test_calls_beyond_the_most_are_refused_and_probes_are_not(tmp_path: Path) -> None:
    async with open_rig(make_storage("memory", tmp_path), most_calls=2) as rig:
        slow = [asyncio.create_task(rig.post(chat(stream=True, tokens=3, delay=0.2))) for _ in range(2)]

        async def both_are_open() -> bool:
            return len(rig.fake.journal) == 2

        await eventually(both_are_open, within=10)
        refused = await rig.post(chat())
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        assert [(await rig.http.get(rig.url + path)).status_code for path in ("/healthz", "/readyz")] == [200, 200]
        assert [(await task).status_code for task in slow] == [200, 200]
        assert (await rig.post(chat())).status_code == 200


def p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100)[98] if len(values) > 1 else 0.0


def rate_of(answers: Sequence[Answered], since: float, until: float) -> float:
    return sum(each.status == 200 and since <= each.at < until for each in answers) / (until - since)


async def probed(rig: Rig) -> list[float]:
    """Seconds that each answer of ``/healthz`` takes, until it is cancelled."""
    asking = Asking(rig.port, HEALTH)
    with suppress(asyncio.CancelledError):
        await asking.steadily(10, 3600)
    assert all(each.status == 200 for each in asking.answered)
    return [each.took for each in asking.answered]


async def overloaded(
    rig: Rig, request: bytes, rate: float, seconds: float
) -> tuple[list[Answered], float, list[float]]:
    """The answers, when it began, and the times of probes."""
    probes = asyncio.create_task(probed(rig))
    await asyncio.sleep(0)
    asking = Asking(rig.port, request, connections=4_000)
    await asking.connect(int(rate / 4) + 1)
    began = time.monotonic()
    await asking.steadily(rate, seconds)
    probes.cancel()
    return asking.answered, began, await probes


@pytest.mark.slow
@pytest.mark.figures
@pytest.mark.timeout(240)
async def test_twice_the_calls_that_may_be_open(tmp_path: Path, figure: Figure) -> None:
    request, most, seconds = request_of(KEY, Pace(wait=0.2)), 20, 60.0
    with opened(tmp_path, server=f"max_concurrent_calls = {most}", watched=True) as rig:
        await rig.warm()
        peak, began = Asking(rig.port, request), time.monotonic()
        await peak.closely(most, 10)
        best = rate_of(peak.answered, began + 2, began + 10)
        peak.close()
        await rig.lags()
        answers, began, probes = await overloaded(rig, request, 2 * best, seconds)
        lags = await rig.lags()
    served = rate_of(answers, began + 2, began + seconds)
    refused = [each.took for each in answers if each.status == 503]
    what = f"twice the {best:.0f} calls a second that may be open"
    figure(f"{what}: served", f"{served / best:.0%} of the peak", "≥ 90 %")
    figure(f"{what}: refusals, p99", f"{p99(refused) * 1000:.0f} ms", "≤ 100 ms")
    figure(f"{what}: /healthz, p99", f"{p99(probes) * 1000:.0f} ms", "≤ 200 ms")
    figure(
        f"{what}: lag of the loop, p99 and most", f"{p99(lags) * 1000:.0f}, {max(lags) * 1000:.0f} ms", "< 50, 250 ms"
    )
    assert {each.status for each in answers} == {200, 503}
    assert served >= 0.9 * best
    assert p99(refused) <= 0.1
    assert p99(probes) <= 0.2
    assert p99(lags) < 0.05
    assert max(lags) < 0.25


@pytest.mark.slow
@pytest.mark.figures
@pytest.mark.timeout(240)
async def test_twice_the_calls_that_the_processor_can_do(tmp_path: Path, figure: Figure) -> None:
    """A refusal costs something, too: of ten calls beyond what can be done it takes the place of one."""
    request, seconds = request_of(KEY, Pace(wait=0.02)), 30.0
    with opened(tmp_path, watched=True) as rig:
        await rig.warm()
        peak, began = Asking(rig.port, request), time.monotonic()
        await peak.closely(48, 10)
        best = rate_of(peak.answered, began + 2, began + 10)
        peak.close()
        await rig.lags()
        answers, began, probes = await overloaded(rig, request, 2 * best, seconds)
        lags = await rig.lags()
    settled = began + seconds / 3
    served = rate_of(answers, settled, began + seconds)
    refused = [each.took for each in answers if each.status == 503 and each.at >= settled]
    taken = [each.took for each in answers if each.status == 200 and each.at >= settled]
    what = f"twice the {best:.0f} calls a second that the processor can do"
    figure(f"{what}: served", f"{served / best:.0%} of the peak", "≥ 90 %")
    figure(f"{what}: refusals, p99", f"{p99(refused) * 1000:.0f} ms", "≤ 100 ms")
    figure(f"{what}: answers, p99", f"{p99(taken) * 1000:.0f} ms")
    figure(f"{what}: /healthz, p99", f"{p99(probes) * 1000:.0f} ms", "≤ 200 ms")
    figure(
        f"{what}: lag of the loop, p99 and most", f"{p99(lags) * 1000:.0f}, {max(lags) * 1000:.0f} ms", "< 50, 250 ms"
    )
    assert {each.status for each in answers} <= {200, 503}
    assert served >= 0.6 * best
