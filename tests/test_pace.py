"""The clocks of open streams."""

from __future__ import annotations

import asyncio

import pytest

from oneapi_asgi.pace import Clocks, Finding, Pace, Pacing, Reading, Standstill

PACING = Pacing(reader_seconds=60, reader_rate=1024)


class Stream:
    def __init__(self) -> None:
        self.ticks = 0

    def tick(self, now: float) -> None:
        assert now > 0
        self.ticks += 1


async def test_it_ticks_what_is_open_and_nothing_else() -> None:
    pace, first, second = Pace(0.01), Stream(), Stream()
    pace.enter(first)
    pace.enter(second)
    async with asyncio.timeout(10):
        while min(first.ticks, second.ticks) < 3:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)
    pace.leave(first)
    ticks = first.ticks
    pace.leave(second)
    await asyncio.sleep(0.05)
    assert first.ticks == ticks
    pace.leave(second)  # once more changes nothing


async def test_one_may_leave_as_it_ticks() -> None:
    pace = Pace(0.01)

    class Leaving(Stream):
        def tick(self, now: float) -> None:
            super().tick(now)
            pace.leave(self)

    one = Leaving()
    pace.enter(one)
    async with asyncio.timeout(10):
        while not one.ticks:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.03)
    assert one.ticks == 1


def test_a_standstill_lasts_until_something_moves() -> None:
    still = Standstill(100.0)
    assert still.seconds("a", 100.0) == 0
    assert still.seconds("a", 130.0) == 30
    assert still.seconds("b", 140.0) == 0
    assert still.seconds("b", 141.0) == 1
    still.restart(150.0)
    assert still.seconds("b", 151.0) == 1


@pytest.mark.parametrize(
    ("rate", "waiting", "slow"),
    [(0, True, True), (1000, True, True), (1024, True, False), (50_000, True, False), (0, False, False)],
)
def test_who_takes_less_than_the_rate_is_slow(rate: int, *, waiting: bool, slow: bool) -> None:
    reading = Reading()
    found = [reading.is_slow(rate * second, float(second), waiting=waiting, pacing=PACING) for second in range(1, 62)]
    assert found == [False] * 60 + [slow]


def test_who_catches_up_in_between_is_not_slow() -> None:
    reading = Reading()
    for second in range(1, 600):
        assert not reading.is_slow(second, float(second), waiting=bool(second % 50), pacing=PACING)


def test_one_good_minute_does_not_excuse_the_next() -> None:
    reading = Reading()
    taken = [10_000 * min(second, 60) for second in range(1, 130)]
    found = [reading.is_slow(each, float(n), waiting=True, pacing=PACING) for n, each in enumerate(taken, 1)]
    assert found.index(True) == 120


@pytest.mark.parametrize(
    ("waiting", "sent", "mark", "found"),
    [
        (False, 1, 1, set()),
        (False, 0, 1, {"silent"}),
        (False, 0, 0, {"silent", "stalled"}),
        (False, 1, 0, {"stalled"}),
        (True, 0, 0, {"unread"}),
        (True, 2000, 0, set()),
    ],
    ids=["all goes on", "nothing to send", "nothing comes", "nothing that is content", "not read", "read, if slowly"],
)
def test_what_is_found(*, waiting: bool, sent: int, mark: int, found: set[Finding]) -> None:
    """``sent`` and ``mark`` are how much there is more each second."""
    clocks = Clocks(20.0, Pacing(keep_alive=15, reader_seconds=60), 0.0)
    seen = [clocks.look(sent=sent * n, waiting=waiting, mark=mark * n, now=float(n)) for n in range(1, 100)]
    assert {finding for finding in seen if finding is not None} == found


def test_what_nobody_can_tell_does_not_stall() -> None:
    clocks = Clocks(20.0, Pacing(keep_alive=0), 0.0)
    assert {clocks.look(sent=n, waiting=False, mark=None, now=float(n)) for n in range(1, 100)} == {None}
