"""Channels that fail, and those that only pass on what the caller did wrong: who is asked again, and who is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lab.audit import Audit

from .rig import MODEL, OUTPUT, Routes, channel, fails, open_loop, open_routes, statuses

NAMES = ("one", "two", "three", "four", "bad")
LONG = [pytest.mark.slow, pytest.mark.timeout(300)]

OUT = 5
"""Failures in a row that put a channel out."""


@pytest.fixture
async def five(tmp_path: Path, audited: Audit) -> AsyncIterator[Routes]:
    async with open_routes(tmp_path, audited, lambda root: [channel(name, root) for name in NAMES]) as opened:
        yield opened


@pytest.mark.parametrize(
    ("count", "rate"), [pytest.param(150, 100.0, id="150"), pytest.param(2_000, 100.0, id="2000", marks=LONG)]
)
async def test_one_of_five_that_fails_is_left_alone(five: Routes, count: int, rate: float) -> None:
    five.always(fails(), "bad")
    said = await open_loop(five.ask, rate=rate, seconds=count / rate)
    assert len(said) == count
    assert statuses(said) == {200}
    bad = five.seen("bad")
    found_out = bad[OUT - 1].ended
    assert found_out is not None
    assert found_out - said[0].began < 2
    assert [seen for seen in bad if seen.at > found_out + 0.25] == []  # but for those that were on their way
    assert len(bad) <= OUT + 2
    assert len(await five.tried()) == count
    assert (await five.lab.books()).settled == count * OUTPUT

    for _ in range(2):  # it still fails when its time is over
        before = len(five.seen("bad"))
        five.clock.ahead += 100
        assert statuses(await five.asks(40)) == {200}
        assert len(five.seen("bad")) <= before + 1


@pytest.mark.parametrize("each", [pytest.param(8, id="8"), pytest.param(200, id="200", marks=LONG)])
@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_what_the_caller_has_to_mend_is_nobodys_fault(five: Routes, status: int, each: int) -> None:
    five.always(fails(status, code="invalid_request"), *NAMES)
    said = await five.asks(each)
    assert statuses(said) == {status}
    assert len(five.seen()) == each
    assert five.gateway.pool.health.calm
    assert {len(tried) for tried in await five.tried()} == {1}
    assert (await five.lab.books()).settled == 0
    five.acts.clear()
    assert statuses(await five.asks(len(NAMES))) == {200}


PROSE = "credit balance permission denied insufficient_quota billing_not_active account deactivated 401 429"


async def test_what_callers_write_takes_no_channel_away(tmp_path: Path, audited: Audit) -> None:
    """Upstreams repeat it in what they refuse."""
    signs = ["401", "insufficient_quota", "billing_not_active"]
    async with open_routes(tmp_path, audited, lambda root: [channel("only", root)], disable_on=signs) as routes:
        routes.always(fails(400, code="invalid_prompt", message=f"The prompt is not allowed: {PROSE}"), "only")
        said = [await routes.ask(text=PROSE) for _ in range(4 * OUT)]
        assert statuses(said) == {400}
        assert len(routes.seen()) == len(said)
        assert routes.gateway.pool.health.calm
        (only,) = await routes.gateway.storage.list_channels()
        assert (only.enabled, only.disabled_because) == (True, "")
        routes.acts.clear()
        assert (await routes.ask(MODEL)).status == 200
