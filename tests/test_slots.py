"""How many calls a channel and its keys take at one moment, and what becomes of those beyond."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress

import pytest

from oneapi_asgi.models import Candidate, Channel, Secret
from oneapi_asgi.slots import Slot, Slots


def candidate(number: int = 1, key: int = 0, *, calls: int | None = None, per_key: int | None = None) -> Candidate:
    keys = (Secret("sk-one"), Secret("sk-two"))
    channel = Channel(
        id=number, name=f"c{number}", api_keys=keys, concurrent_calls=calls, concurrent_calls_per_key=per_key
    )
    return Candidate(channel, key, "gpt-4o")


def taken(slots: Slots, wanted: Candidate, most: int = 50) -> list[Slot]:
    got: list[Slot] = []
    while len(got) < most and (slot := slots.enter(wanted)) is not None:
        got.append(slot)
    return got


@pytest.mark.parametrize(
    ("calls", "per_key", "processes", "first_key", "second_key"),
    [
        (None, None, 1, 50, 50),
        (3, None, 1, 3, 0),
        (None, 2, 1, 2, 2),
        (3, 2, 1, 2, 1),
        (1, 9, 1, 1, 0),
        (9, None, 4, 2, 0),
        (2, None, 4, 1, 0),
    ],
)
def test_as_many_as_both_limits_allow(
    calls: int | None, per_key: int | None, processes: int, first_key: int, second_key: int
) -> None:
    slots = Slots(processes=processes)
    assert len(taken(slots, candidate(calls=calls, per_key=per_key))) == first_key
    assert len(taken(slots, candidate(key=1, calls=calls, per_key=per_key))) == second_key


def test_channels_do_not_share() -> None:
    slots = Slots()
    assert len(taken(slots, candidate(1, calls=1))) == len(taken(slots, candidate(2, calls=1))) == 1


def test_a_place_that_was_left_is_free_once() -> None:
    slots, wanted = Slots(), candidate(calls=2)
    first, _ = taken(slots, wanted)
    first.leave()
    first.leave()
    assert len(taken(slots, wanted)) == 1


async def test_who_waits_gets_the_first_place_of_any() -> None:
    slots = Slots()
    one, two = candidate(1, calls=1), candidate(2, calls=1)
    _, second = taken(slots, one)[0], taken(slots, two)[0]
    waiting = asyncio.create_task(slots.wait([one, two]))
    await asyncio.sleep(0)
    second.leave()
    got = await waiting
    assert got is not None
    assert got[0] is two
    assert slots.enter(two) is None


async def test_those_who_wait_come_before_those_who_come() -> None:
    slots, wanted = Slots(), candidate(calls=1)
    (slot,) = taken(slots, wanted)
    waiting = asyncio.create_task(slots.wait([wanted]))
    await asyncio.sleep(0)
    slot.leave()
    assert slots.enter(wanted) is None
    assert (await waiting) is not None


async def test_a_place_at_another_key_is_of_no_use() -> None:
    slots = Slots(patience=0.05)
    one, two = candidate(key=0, per_key=1), candidate(key=1, per_key=1)
    held, other = taken(slots, one)[0], taken(slots, two)[0]
    waiting = asyncio.create_task(slots.wait([one]))
    await asyncio.sleep(0)
    other.leave()
    assert await waiting is None
    held.leave()


async def test_the_queue_is_as_long_as_the_channel_is_wide() -> None:
    slots, wanted = Slots(patience=30), candidate(calls=2)
    taken(slots, wanted)
    waiting = [asyncio.create_task(slots.wait([wanted])) for _ in range(2)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(slots.wait([wanted]), 1) is None
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_nobody_waits_for_ever() -> None:
    slots, wanted = Slots(patience=0.02), candidate(calls=1)
    (slot,) = taken(slots, wanted)
    assert await asyncio.wait_for(slots.wait([wanted]), 5) is None
    slot.leave()
    assert len(taken(slots, wanted)) == 1


async def test_a_place_that_comes_as_its_call_is_cut_short_is_left() -> None:
    slots, wanted = Slots(), candidate(calls=1)
    (slot,) = taken(slots, wanted)
    waiting = asyncio.create_task(slots.wait([wanted]))
    await asyncio.sleep(0)
    slot.leave()
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
    assert len(taken(slots, wanted)) == 1


@pytest.mark.parametrize("seed", range(20))
async def test_never_more_than_it_takes_and_nothing_is_lost(seed: int) -> None:
    rng, slots = random.Random(seed), Slots(patience=0.01)
    wanted = [candidate(number, key, calls=3, per_key=2) for number in (1, 2) for key in (0, 1)]
    used: dict[tuple[int, int], int] = {}

    async def call() -> None:
        step = rng.choice(wanted)
        slot = slots.enter(step)
        if slot is None:
            got = await slots.wait(rng.sample(wanted, 2))
            if got is None:
                return
            step, slot = got
        lane = (step.channel.id, step.key)
        used[lane] = used.get(lane, 0) + 1
        assert used[lane] <= 2
        assert sum(count for (channel, _), count in used.items() if channel == step.channel.id) <= 3
        try:
            await asyncio.sleep(rng.random() * 0.003)
        finally:
            used[lane] -= 1
            slot.leave()

    tasks = [asyncio.create_task(call()) for _ in range(80)]
    for task in rng.sample(tasks, 20):
        asyncio.get_running_loop().call_later(rng.random() * 0.01, task.cancel)
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [error for error in done if isinstance(error, Exception)] == []
    assert [len(taken(slots, step)) for step in wanted] == [2, 1, 2, 1]


def test_processes_are_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Slots(processes=0)


@pytest.mark.parametrize("ending", ["patience", "cancellation"])
async def test_what_is_granted_in_the_moment_of_giving_up_is_not_lost(ending: str) -> None:
    """A loop that was held up finds both due: the place that was left, and the end of who waits for it."""
    slots, wanted, loop = (
        Slots(patience=0.01 if ending == "patience" else 5),
        candidate(calls=1),
        asyncio.get_running_loop(),
    )
    (held,) = taken(slots, wanted)
    waiting = asyncio.create_task(slots.wait([wanted]))
    await asyncio.sleep(0)
    loop.call_later(0.001, held.leave)
    if ending == "cancellation":
        loop.call_later(0.002, waiting.cancel)
    time.sleep(0.05)  # noqa: ASYNC251 - the loop is held up
    with suppress(asyncio.CancelledError):
        got = await waiting
        assert got is not None
        got[1].leave()
    assert len(taken(slots, wanted)) == 1
