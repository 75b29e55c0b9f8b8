"""Upstreams that send without end and get nowhere: bytes keep a connection alive, only content keeps a call alive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lab.audit import Audit
from lab.caller import Answered
from lab.dialects import DIALECTS, Name, named, word
from lab.rig import PER_TOKEN, Lab, is_spare, open_lab
from lab.upstream import Script, Step, answer

from oneapi_asgi import Timeouts
from oneapi_asgi.testing.upstream.http import Request

PROGRESS = 1.0
LATE = 5.0
"""Seconds, of the twenty that an upstream would go on."""

PIECES = 3
SILENT: tuple[Name, ...] = ("openai", "anthropic")
IDLE: dict[Name, bytes] = {
    "openai": b": PROCESSING\n\n",
    "responses": b": PROCESSING\n\n",
    "anthropic": b'event: ping\ndata: {"type":"ping"}\n\n',
    "gemini": b": PROCESSING\n\n",
}
"""What means nothing."""


@pytest.fixture
async def impatient(tmp_path: Path, audited: Audit) -> AsyncIterator[Lab]:
    async with open_lab(tmp_path, audited, timeouts=Timeouts(progress=PROGRESS)) as opened:
        yield opened


def stalling(name: Name, *, begun: bool) -> Script:
    stream = DIALECTS[name].stream(PIECES)
    content = stream.content[:PIECES] if begun else []
    return answer([*stream.preamble, *content, Step(IDLE[name], 0.05, times=400)])


async def test_no_progress(impatient: Lab) -> None:
    """After content the caller is told, before it another channel answers; either way at its time."""

    def play(request: Request) -> Script:
        told, _, when = named(request.body).partition("-")
        name = next(known for known in DIALECTS if known == told)
        good = answer([DIALECTS[name].stream(PIECES).raw])
        return good if is_spare(request) else stalling(name, begun=when == "begun")

    async def ask(name: Name, when: str) -> tuple[Answered, float]:
        began = time.monotonic()
        given = await impatient.ask(name, f"spared-{name}", name=f"{name}-{when}")
        return given, time.monotonic() - began

    impatient.upstream.play = play
    stalled, spared = await asyncio.gather(
        asyncio.gather(*[ask(name, "begun") for name in DIALECTS]),
        asyncio.gather(*[ask(name, "silent") for name in SILENT]),
    )
    books = await impatient.books()
    for name, (given, took) in zip(DIALECTS, stalled, strict=True):
        heard = DIALECTS[name].hear(given.body)
        assert given.whole
        assert (heard.text, heard.finish) == ("".join(map(word, range(PIECES))), None)
        assert heard.error is not None
        assert PROGRESS <= took <= PROGRESS + LATE
        assert 0 <= books.reservations[f"{name}-begun"].cost / PER_TOKEN - PIECES <= 1
        assert books.records[f"{name}-begun"].reason == "upstream_cut"
    for name, (given, took) in zip(SILENT, spared, strict=True):
        assert DIALECTS[name].hear(given.body).finish
        assert PROGRESS <= took <= PROGRESS + LATE
    assert all(seen.aborted for seen in impatient.upstream.seen if not is_spare(seen.request))
