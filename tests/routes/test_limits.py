"""Accounts that are too fast, and channels that have as many calls as they take."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from lab.audit import Audit
from lab.upstream import Script, Seen

from oneapi_asgi import Channel, Secret

from .rig import Routes, after, channel, fails, open_loop, open_routes, statuses

WAIT = 7.0
SHARED = ("first", "second", "third")
TELLS: dict[str, dict[str, str]] = {
    "retry-after": {"retry_after": "7"},
    "retry-after-ms": {"retry_after_ms": "7000"},
    "reset": {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "7s"},
}


def one_account(root: str) -> list[Channel]:
    """Three channels to the same place with the same key, and a fourth with a key of its own, asked last."""
    place = f"{root}/shared/v1"
    three = [channel(name, root, base_url=place, api_keys=(Secret("k" * 20),), priority=1) for name in SHARED]
    return [*three, channel("other", root, base_url=place, api_keys=(Secret("o" * 20),))]


def keys(asked: Sequence[Seen]) -> Counter[str]:
    """How often each was used, by its first letter."""
    given = (dict(seen.request.headers)["authorization"] for seen in asked)
    return Counter(value.removeprefix("Bearer ")[0] for value in given)


async def throttled(routes: Routes, headers: dict[str, str]) -> None:
    """The account is told to wait; one call finds out, and is served by the other."""
    too_fast = fails(429, **headers)

    def act(request: Any) -> Script:
        return too_fast if dict(request.headers)["authorization"] == "Bearer " + "k" * 20 else after(0)

    routes.acts["shared"] = act
    assert (await routes.ask()).status == 200
    assert keys(routes.seen())["k"] == 1
    routes.acts.clear()
    routes.upstream.forget()


@pytest.mark.parametrize("headers", TELLS.values(), ids=TELLS)
async def test_all_that_share_an_account_wait_as_long_as_it_was_told(
    tmp_path: Path, audited: Audit, headers: dict[str, str]
) -> None:
    async with open_routes(tmp_path, audited, one_account) as routes:
        routes.clock.stop()
        await throttled(routes, headers)
        for ahead in (0.0, 3.0, WAIT - 0.01):
            routes.clock.ahead = ahead
            assert statuses(await routes.asks(6)) == {200}
        assert keys(routes.seen()) == {"o": 18}
        routes.clock.ahead = WAIT
        assert statuses(await routes.asks(6)) == {200}
        assert keys(routes.seen()) == {"o": 18, "k": 6}


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_they_wait_by_the_clock_on_the_wall(tmp_path: Path, audited: Audit) -> None:
    async with open_routes(tmp_path, audited, one_account) as routes:
        await throttled(routes, TELLS["retry-after"])
        began = time.monotonic()
        assert statuses(await open_loop(routes.ask, rate=50, seconds=WAIT + 1)) == {200}
        again = next(seen.at for seen in routes.seen() if keys([seen])["k"])
        assert WAIT - 0.5 <= again - began <= WAIT + 0.5


async def test_when_no_account_is_left_callers_are_told_when_to_come_back(tmp_path: Path, audited: Audit) -> None:
    async with open_routes(tmp_path, audited, lambda root: one_account(root)[:3]) as routes:
        routes.clock.stop()
        routes.always(fails(429, **TELLS["retry-after"]), "shared")
        said = await routes.asks(5)
        assert statuses(said) == {429}
        assert len(routes.seen()) == 1
        assert {each.retry_after for each in said} == {WAIT}
        routes.acts.clear()
        routes.clock.ahead = WAIT
        assert (await routes.ask()).status == 200


# --- as many as it takes ----------------------------------------------------------------------------------------------


def most_at_once(asked: Sequence[Seen]) -> int:
    """Answers that were under way at one moment."""
    ends = [(seen.ended or seen.aborted or 0.0, -1) for seen in asked]
    now = most = 0
    for _, step in sorted([*((seen.at, 1) for seen in asked), *ends]):
        now += step
        most = max(most, now)
    return most


@pytest.mark.parametrize(
    ("limits", "at_once"),
    [
        pytest.param({"concurrent_calls": 4}, 4, id="the channel's"),
        pytest.param({"concurrent_calls_per_key": 2}, 4, id="each key's"),
        pytest.param({"concurrent_calls": 3, "concurrent_calls_per_key": 2}, 3, id="both"),
    ],
)
async def test_a_channel_never_has_more_calls_than_it_takes(
    tmp_path: Path, audited: Audit, limits: dict[str, int], at_once: int
) -> None:
    two_keys = (Secret("1" * 20), Secret("2" * 20))
    channels = lambda root: [channel("only", root, api_keys=two_keys, **limits)]  # noqa: E731
    async with open_routes(tmp_path, audited, channels) as routes:
        routes.always(after(0.3), "only")
        said = await asyncio.gather(*[routes.ask() for _ in range(20)])
        counts = Counter(each.status for each in said)
        assert set(counts) == {200, 503}  # there is no room for all of them to wait
        assert counts[200] > at_once  # some have waited for their turn
        assert all(each.retry_after >= 1 for each in said if each.status == 503)
        asked = routes.seen()
        assert most_at_once(asked) == at_once
        for key in "12":
            assert most_at_once([seen for seen in asked if keys([seen])[key]]) <= limits.get(
                "concurrent_calls_per_key", at_once
            )
        assert routes.gateway.pool.health.calm
        assert {tried.status for each in await routes.tried() for tried in each if not tried.failure} == {200}


async def test_who_has_room_is_asked_before_anybody_waits(tmp_path: Path, audited: Audit) -> None:
    def channels(root: str) -> list[Channel]:
        return [channel("narrow", root, priority=1, concurrent_calls=2), channel("wide", root)]

    async with open_routes(tmp_path, audited, channels) as routes:
        routes.always(after(0.2), "narrow", "wide")
        said = await asyncio.gather(*[routes.ask() for _ in range(10)])
        assert statuses(said) == {200}
        assert most_at_once(routes.seen("narrow")) == 2
        assert len(routes.seen("wide")) > 2
