"""However the bytes of a stream arrive, its events are the same, and the bytes that pass are the upstream's."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import cache, partial
from hashlib import sha256
from itertools import pairwise

import pytest
from faults.load import share
from lab.dialects import DIALECTS, datas, named
from lab.figures import Figure
from lab.rig import Lab
from lab.upstream import Script, Step, answer
from wire.dialects.recordings import target_of

from oneapi_asgi.testing.upstream.http import Request
from oneapi_asgi.wire.dialects import UPSTREAMS
from oneapi_asgi.wire.looked_at import LookedAt
from oneapi_asgi.wire.passage import EVENTS, Passage, Told
from oneapi_asgi.wire.sse import Framer
from oneapi_asgi.wire.sse import datas as found

from .captured import CAPTURED, Captured


def halves(raw: bytes, stride: int) -> Iterator[list[bytes]]:
    return ([raw[:at], raw[at:]] for at in range(0, len(raw) + 1, stride))


def crumbs(raw: bytes, chance: random.Random) -> list[bytes]:
    """One to seven bytes each."""
    places = [0]
    while places[-1] < len(raw):
        places.append(places[-1] + chance.randint(1, 7))
    return [raw[start:end] for start, end in pairwise(places)]


@cache
def passage_kind(name: str) -> bool:
    return UPSTREAMS[name].skims


def passage_of(name: str) -> Passage:
    if passage_kind(name):
        return Passage()
    passage = LookedAt(UPSTREAMS[name].decoder(target_of(name)), lambda body: Told(body), stream=True)
    assert passage.streams(EVENTS)
    return passage


def check(captured: Captured, chunks: Sequence[bytes], expected: list[bytes], digest: str) -> None:
    framer, passage, passed = Framer(), passage_of(captured.dialect), sha256()
    events: list[bytes] = []
    for chunk in chunks:
        events += found(framer.feed(chunk))
        passed.update(passage.feed(chunk))
        passage.count()
    passed.update(passage.finish())
    where = (str(captured), [len(chunk) for chunk in chunks][:2])
    assert events == expected, where
    assert passed.hexdigest() == digest, where
    assert passage.whole, where


def check_all(captured: Captured, stride: int, chance: random.Random) -> int:
    expected, digest = datas(captured.raw), sha256(captured.raw).hexdigest()
    cuts = [*halves(captured.raw, stride), crumbs(captured.raw, chance)]
    for chunks in cuts:
        check(captured, chunks, expected, digest)
    return len(cuts)


def test_there_are_two_hundred() -> None:
    assert len({str(captured) for captured in CAPTURED}) == len(CAPTURED) >= 200
    assert len({captured.raw for captured in CAPTURED}) >= 190


def test_events_and_bytes_are_the_same_wherever_a_stream_is_cut() -> None:
    chance = random.Random(5)
    for number, captured in enumerate(CAPTURED[::3]):
        check_all(captured, 401 + number, chance)


@pytest.mark.slow
@pytest.mark.figures
@pytest.mark.timeout(1_200)
def test_events_and_bytes_are_the_same_cut_at_any_byte(figure: Figure) -> None:
    chance = random.Random(6)
    count = sum(check_all(captured, 1, chance) for captured in CAPTURED)
    figure(f"{len(CAPTURED)} streams cut at any byte: same events, same SHA-256", f"{count} of {count}", "all")


async def passes(lab: Lab, streams: Sequence[Captured], chance: random.Random) -> None:
    by_name = {str(captured): captured for captured in streams}

    def play(request: Request) -> Script:
        return answer([Step(crumb) for crumb in crumbs(by_name[named(request.body)].raw, chance)])

    async def ask(captured: Captured) -> None:
        given = await lab.ask(captured.dialect, name=str(captured))
        assert given.whole
        assert sha256(given.body).digest() == sha256(captured.raw).digest(), str(captured)

    lab.upstream.play = play
    await share([partial(ask, captured) for captured in streams], 4)


PASSING = [captured for captured in CAPTURED if captured.ends and not captured.reports]


async def test_bytes_pass_over_sockets(lab: Lab) -> None:
    await passes(lab, PASSING[::9], random.Random(7))


@pytest.mark.slow
@pytest.mark.figures
@pytest.mark.timeout(600)
async def test_all_bytes_pass_over_sockets(lab: Lab, figure: Figure) -> None:
    await passes(lab, PASSING, random.Random(8))
    figure("streams in pieces of 1 to 7 bytes over sockets: same SHA-256", f"{len(PASSING)} of {len(PASSING)}", "all")


def test_every_dialect_is_among_them() -> None:
    assert {captured.dialect for captured in PASSING[::9]} == set(DIALECTS)
