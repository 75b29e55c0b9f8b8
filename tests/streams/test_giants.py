"""Events that are too large, too many or too small, and bodies that grow: bounded in memory, and nobody else waits.

The gateway is a process of its own, so that its memory is nobody else's.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator, Iterator
from functools import partial
from itertools import count

import pytest
from lab.audit import audit
from lab.dialects import DIALECTS, Name
from lab.figures import Figure
from lab.process import Remote, Told, open_process
from lab.rig import PER_TOKEN
from lab.upstream import JSON, LAST_CHUNK, Script, Step, answer, chunk, head, repeated

from oneapi_asgi.testing.upstream.http import Request

MIB = 1 << 20
CAP = 16 * MIB
"""Bytes that an event may have."""

pytestmark = pytest.mark.slow  # the process alone takes seconds to start
LONG = [pytest.mark.figures, pytest.mark.timeout(300)]
PAIRS: list[tuple[Name, Name]] = [("openai", "openai"), ("anthropic", "anthropic"), ("anthropic", "openai")]
"""The caller's format and the upstream's: it passes, it is looked at, it is translated."""


@pytest.fixture(scope="module")
async def remote(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Remote]:
    """One for all, as it takes seconds to start; its books are looked at when it has ended."""
    async with audit(memory=False) as audited, open_process(tmp_path_factory.mktemp("giants"), audited) as opened:
        yield opened


_NAMES = map(str, count())


async def warm(remote: Remote, client: Name, upstream: Name) -> Told:
    """What it has when it has done all of that once, so that what it loaded for it does not count."""
    remote.upstream.play = lambda _: answer([DIALECTS[upstream].stream(20).raw])
    for _ in range(5):
        await remote.ask(client, upstream, name=next(_NAMES))
    return await remote.told()


def around(event: bytes, text: bytes) -> tuple[bytes, bytes]:
    before, _, after = event.partition(text)
    return before, after


def giant(name: Name, size: int) -> Iterator[Step | bytes]:
    """A stream with one event of so many bytes between two pieces of content, and an end."""
    stream = DIALECTS[name].stream(2)
    before, after = around(stream.content[0], b"w00")
    block = b"x" * 65_536
    yield head()
    yield chunk(b"".join(stream.preamble) + stream.content[0] + before)
    left = size - len(before + after)
    yield Step(chunk(block), times=left // len(block))
    yield chunk(block[: left % len(block)] + after + b"".join([*stream.content[1:], *stream.ending]))
    yield LAST_CHUNK


@pytest.mark.parametrize(("client", "upstream"), PAIRS, ids=["passes", "looked at", "translated"])
@pytest.mark.parametrize(
    "size",
    [
        pytest.param(MIB, id="1", marks=pytest.mark.figures),
        pytest.param(8 * MIB, id="8", marks=LONG),
        pytest.param(CAP, id="16", marks=LONG),
        pytest.param(64 * MIB, id="64", marks=LONG),
    ],
)
async def test_giant_event(remote: Remote, figure: Figure, client: Name, upstream: Name, size: int) -> None:
    before = await warm(remote, client, upstream)
    remote.upstream.play = lambda _: Script(giant(upstream, size))
    given = await remote.ask(client, upstream, name=next(_NAMES))
    told = await remote.told()
    heard = DIALECTS[client].hear(given.body)
    assert given.whole
    if size <= CAP:
        assert heard.error is None
        assert heard.text.count("x") >= size - 1_000
    else:
        assert heard.text == " w00"
        assert heard.error is not None
        assert heard.finish is None
    grown, longest = (told.most - before.resident) / MIB, told.longest
    name = f"event of {size // MIB} MiB, {client} of {upstream}"
    figure(f"{name}: memory grows by", f"{grown:.0f} MiB", "≤ 32 MiB")
    figure(f"{name}: the loop is held up for", f"{longest * 1000:.0f} ms", "< 250 ms")
    # What only passes is there once; what is read is there as bytes, as an event and as text.
    assert grown <= (2 if client == upstream == "openai" else 4) * CAP / MIB


# --- many small things ------------------------------------------------------------------------------------------------

LINES = 1_000_000


def tiny_lines(many: int) -> Iterator[Step | bytes]:
    """One event of so many empty data lines: it stands for a text of as many line ends, which is no JSON."""
    yield head()
    yield chunk(DIALECTS["openai"].stream(1).raw.partition(b"data: [DONE]")[0])
    yield from repeated(b"data:\n", many)
    yield chunk(b"\ndata: [DONE]\n\n")
    yield LAST_CHUNK


def empty_deltas(many: int) -> Iterator[Step | bytes]:
    stream = DIALECTS["openai"].stream(2)
    yield head()
    yield chunk(b"".join(stream.preamble) + stream.content[0])
    yield from repeated(stream.content[0].replace(b" w00", b""), many)
    yield chunk(stream.content[1] + b"".join(stream.ending))
    yield LAST_CHUNK


def comments(many: int) -> Iterator[Step | bytes]:
    stream = DIALECTS["openai"].stream(2)
    yield head()
    yield chunk(b"".join(stream.preamble) + stream.content[0])
    yield from repeated(b": still here\n\n", many)
    yield chunk(stream.content[1] + b"".join(stream.ending))
    yield LAST_CHUNK


FLOODS = {"tiny lines": tiny_lines, "empty deltas": empty_deltas, "comments": comments}
COUNTS = {"tiny lines": LINES, "empty deltas": 100_000, "comments": LINES}


@pytest.mark.parametrize("client", ["openai", "anthropic"])
@pytest.mark.parametrize("what", FLOODS)
@pytest.mark.parametrize("part", [pytest.param(100, id="a hundredth"), pytest.param(1, id="all", marks=LONG)])
async def test_flood(remote: Remote, figure: Figure, client: Name, what: str, part: int) -> None:
    """They mean nothing: the answer is what stands between them, and others are served meanwhile."""
    before = await warm(remote, client, "openai")
    flood, many = FLOODS[what], COUNTS[what] // part
    remote.upstream.play = lambda _: Script(flood(many))
    call = next(_NAMES)
    given = await remote.ask(client, "openai", name=call)
    told = await remote.told()
    heard = DIALECTS[client].hear(given.body)
    assert given.whole
    if what != "tiny lines":
        assert heard.error is None
        assert heard.text == " w00 w01"
    name = f"{many} {what}, {client} of openai"
    figure(f"{name}: the loop is held up for", f"{told.longest * 1000:.0f} ms", "< 250 ms")
    figure(f"{name}: memory grows by", f"{(told.most - before.resident) / MIB:.0f} MiB", "≤ 32 MiB")
    assert (told.most - before.resident) <= 32 * MIB
    books = await remote.books()
    assert what == "tiny lines" or books.reservations[call].cost <= 4 * PER_TOKEN


# --- compressed, unasked ----------------------------------------------------------------------------------------------


def zeros(size: int) -> bytes:
    """So many of them, compressed to about a thousandth."""
    packing = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(MIB)
    return b"".join([*(packing.compress(block) for _ in range(size // MIB)), packing.flush()])


def _playing(script: Script, _: Request) -> Script:
    return script


BOMBS = [pytest.param(16 * MIB, id="16"), pytest.param(1024 * MIB, id="1024", marks=LONG)]


@pytest.mark.parametrize("size", BOMBS)
async def test_compressed_answer(remote: Remote, figure: Figure, size: int) -> None:
    """Nobody asked for it, and nobody inflates it: another channel is asked."""
    before = await warm(remote, "openai", "openai")
    bomb = zeros(size)
    encodings = {"gzip": bomb, "br": bomb, "zstd": bomb, "gzip, gzip": gzip.compress(bomb)}
    for encoding, body in encodings.items():
        for kind in (JSON, "text/event-stream"):
            script = answer([body], kind=kind, framing="length", content_encoding=encoding)
            remote.upstream.play = partial(_playing, script)
            given = await remote.ask("openai", name=next(_NAMES))
            assert given.status == 502
            assert given.whole
    told = await remote.told()
    grown = (told.most - before.resident) / MIB
    figure(f"gzip of {size // MIB} MiB in {len(bomb) / MIB:.2f} MiB: memory grows by", f"{grown:.0f} MiB", "≤ 32 MiB")
    figure(f"gzip of {size // MIB} MiB: the loop is held up for", f"{told.longest * 1000:.0f} ms", "< 250 ms")
    assert grown <= 32
    assert all(dict(seen.request.headers)["accept-encoding"] == "identity" for seen in remote.upstream.seen)
