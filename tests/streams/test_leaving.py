"""Callers that leave: the upstream learns of it at once, and what was relayed is what they pay for."""

from __future__ import annotations

import asyncio
import random
import time
from functools import partial
from typing import NamedTuple

import pytest
from e2e.serving import eventually
from faults.load import share
from lab.caller import Leave
from lab.dialects import DIALECTS, Name, named, word
from lab.figures import Figure
from lab.rig import PER_TOKEN, Lab, percentile
from lab.upstream import Script, Step, answer, chunk, head

LONG = [pytest.mark.slow, pytest.mark.figures, pytest.mark.timeout(600)]
BEGUN = {"openai": 0, "anthropic": 1}
"""Tokens of output that a stream tells of before its first content."""

LEAVES: tuple[Leave, ...] = ("rst", "fin")


class Left(NamedTuple):
    """``read``: pieces of content that the caller had; ``at``: when it left, on the monotonic clock."""

    name: str
    read: int
    at: float


def paced(name: Name, count: int, delay: float) -> Script:
    """A stream whose every piece comes ``delay`` seconds after the one before."""
    stream = DIALECTS[name].stream(count)
    content = [Step(event, delay) for event in stream.content]
    return answer([b"".join(stream.preamble), *content, b"".join(stream.ending)])


async def leave(lab: Lab, number: int, chance: random.Random, left: list[Left], *, most: int) -> None:
    client, how = ("openai", "anthropic")[number % 2], LEAVES[number // 2 % 2]
    wanted = chance.randint(1, most)
    async with lab.asking("openai" if client == "openai" else "anthropic", name=f"left-{number}", leave=how) as asked:
        await asked.begun()
        assert asked.status == 200
        await asked.until(word(wanted - 1).encode())
        read = sum(word(n).encode() in asked.body for n in range(40))
        left.append(Left(f"left-{number}", read, time.monotonic()))


@pytest.mark.parametrize(
    ("count", "delay"), [pytest.param(40, 0.05, id="40"), pytest.param(1_000, 0.5, id="1000", marks=LONG)]
)
async def test_in_the_middle(lab: Lab, figure: Figure, count: int, delay: float) -> None:
    chance, left = random.Random(11), list[Left]()
    lab.upstream.play = lambda request: paced("openai" if "chat" in request.path else "anthropic", 40, delay)
    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            tasks.create_task(leave(lab, number, chance, left, most=15))
            await asyncio.sleep(delay * 4 / count)
    books = await lab.books()
    assert all(seen.aborted for seen in lab.upstream.seen)
    aborted = {named(seen.request.body): seen.aborted or 0.0 for seen in lab.upstream.seen}
    late = [aborted[each.name] - each.at for each in left]
    charged = {each.name: books.reservations[each.name].cost / PER_TOKEN for each in left}
    beyond = max(charged[each.name] - each.read for each in left)
    figure(f"{count} callers leave: their upstreams see it, p99", f"{percentile(late, 0.99):.3f} s", "≤ 1 s")
    figure(f"{count} callers leave: charged beyond what they read", f"{beyond:.0f} events", "≤ 1")
    assert percentile(late, 0.99) <= 1
    assert all(0 <= charged[each.name] - each.read <= 1 for each in left)
    assert {record.reason for record in books.records.values()} == {"client_gone"}
    assert lab.upstream.open == 0


@pytest.mark.parametrize("client", ["openai", "anthropic"])
@pytest.mark.parametrize("how", LEAVES)
async def test_before_the_first_byte(lab: Lab, client: Name, how: Leave) -> None:
    """Also between the head and the first content, of which the caller has seen nothing."""
    silent = [Script(then="hang"), Script([head(), chunk(DIALECTS[client].stream(1).preamble[0])], "hang")]
    lab.upstream.play = lambda request: silent[int(named(request.body))]
    for number in range(len(silent)):
        async with lab.asking(client, f"spared-{client}", name=str(number), leave=how):
            await eventually(partial(_asked, lab, number + 1), within=5)
            await asyncio.sleep(0.1)
            left = time.monotonic()
        await lab.quiet()
        aborted = lab.upstream.seen[number].aborted
        assert aborted is not None
        assert aborted - left < 1
    books = await lab.books()
    assert len(lab.upstream.seen) == len(silent)  # nobody else was asked
    assert [record.reason for record in books.records.values()] == ["client_gone"] * 2
    assert books.settled == BEGUN[client] * PER_TOKEN


async def _asked(lab: Lab, count: int) -> bool:
    return len(lab.upstream.seen) == count


@pytest.mark.parametrize("count", [pytest.param(100, id="100"), pytest.param(2_000, id="2000", marks=LONG)])
async def test_at_the_end(lab: Lab, figure: Figure, count: int) -> None:
    """As clients do that close at the terminator: within two milliseconds of it, whatever is still to come."""
    chance = random.Random(13)
    stream = DIALECTS["openai"].stream(5)
    lab.upstream.play = lambda _: answer([*stream.preamble, *stream.content, b"".join(stream.ending)])

    async def ask(number: int) -> None:
        async with lab.asking("openai", name=f"end-{number}", leave=LEAVES[number % 2]) as asked:
            await asked.begun()
            await asked.until(b"[DONE]")
            await asyncio.sleep(chance.uniform(0, 0.002))

    await share([partial(ask, number) for number in range(count)], 20)
    books = await lab.books()
    settled = sum(reservation.cost == 5 * PER_TOKEN for reservation in books.reservations.values())
    figure(f"{count} callers leave at [DONE]: settled in full", settled, f"{count}")
    assert settled == len(books.reservations) == len(books.records) == count
    assert {record.reason for record in books.records.values()} == {"done"}
