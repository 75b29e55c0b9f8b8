"""What events say of an answer: begun, whole, failed, and what it cost."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.errors import UpstreamFailed
from oneapi_asgi.models import Usage
from oneapi_asgi.wire.anthropic.answers import AnswerDecoder
from oneapi_asgi.wire.chat import File, Target
from oneapi_asgi.wire.dialect import MalformedAnswerError
from oneapi_asgi.wire.events import (
    Broken,
    Ended,
    Event,
    FileMade,
    Finished,
    Probabilities,
    ReasoningDelta,
    ReasoningEnded,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    ToolEnded,
    ToolStarted,
)
from oneapi_asgi.wire.sse import split
from oneapi_asgi.wire.watch import EventReader, Watch

USAGE = Usage(input=7, output=3)


def watched(*events: Event) -> Watch:
    watch = Watch()
    watch.see(events)
    return watch


@pytest.mark.parametrize(
    "event",
    [
        TextDelta("a"),
        ReasoningDelta("a"),
        RefusalDelta("a"),
        ToolStarted(index=0, id="1", name="f"),
        ToolDelta(0, "{"),
        FileMade(File(kind="image", data="AA==")),
        FileMade(File(kind="image", url="https://a")),
    ],
    ids=lambda event: type(event).__name__,
)
def test_content(event: Event) -> None:
    watch = watched(event)
    assert watch.started
    assert watch.output > 0
    assert (watch.failed, watch.done, watch.finished) == (False, False, False)


@pytest.mark.parametrize(
    "event",
    [Started(id="1"), TextDelta(""), ReasoningDelta(""), ToolDelta(0, ""), ToolEnded(0), Probabilities(()), USAGE],
    ids=lambda event: type(event).__name__,
)
def test_no_content(event: Event) -> None:
    watch = watched(event)
    assert (watch.started, watch.output) == (False, 0)


@pytest.mark.parametrize(
    ("event", "done", "failed"),
    [
        (ReasoningEnded(redacted=True), False, False),
        (Finished(reason="stop"), False, False),
        (Ended(), True, False),
        (Broken(UpstreamFailed("x")), False, True),
    ],
)
def test_ends(event: Event, done: bool, failed: bool) -> None:
    watch = watched(event)
    assert (watch.started, watch.done, watch.failed, watch.output) == (True, done, failed, 0)


def test_letters_of_many_bytes_are_guessed_as_more() -> None:
    assert watched(TextDelta("漢" * 30)).output > watched(TextDelta("a" * 30)).output
    assert watched(TextDelta("\ud800")).output > 0


def test_counts() -> None:
    watch = Watch()
    assert watch.counts is None
    watch.see([TextDelta("a" * 400)])
    assert watch.counts is None, "who asks has to guess the input, too"
    watch.see([USAGE])
    assert watch.counts == USAGE
    watch.see([TextDelta("b" * 40)])
    counts = watch.counts
    assert counts is not None
    assert counts.estimated
    assert (counts.input, counts.output) == (7, 3 + watched(TextDelta("b" * 40)).output)
    watch.finished = True
    assert watch.counts == USAGE, "of a whole answer the upstream's counts are all"
    watch.finished = False
    watch.see([Ended()])
    assert watch.counts == USAGE
    watch.see([Usage(input=8, output=9)])
    assert watch.counts == Usage(input=8, output=9)


class Spelled:
    """Each byte is an event."""

    whole = False

    def feed(self, chunk: bytes) -> list[Event]:
        if b"?" in chunk:
            raise MalformedAnswerError("no such letter")
        self.whole = self.whole or b"." in chunk
        return [TextDelta(letter) for letter in chunk.decode()]

    def finish(self) -> list[Event]:
        return []


def test_a_reader_decodes_what_passes() -> None:
    reader = EventReader(Spelled())
    assert reader.skim(b"abc") == 0
    assert not reader.started
    reader.read(b"ab")
    assert (reader.started, reader.finished) == (True, False)
    reader.read(b".")
    assert reader.finished


def test_what_a_reader_cannot_read_is_content() -> None:
    reader = EventReader(Spelled())
    reader.read(b"???" * 10)
    assert (reader.started, reader.failed, reader.finished) == (True, False, False)
    assert reader.output > 0


# --- text that is weighed ---------------------------------------------------------------------------------------------


def delta(text: str, index: int = 0, kind: str = "text") -> bytes:
    said = {"type": "content_block_delta", "index": index, "delta": {"type": f"{kind}_delta", kind: text}}
    return b"event: content_block_delta\ndata: %b\n\n" % json.dumps(said, ensure_ascii=False).encode()


def block(index: int = 0, kind: str = "text") -> bytes:
    said = {"type": "content_block_start", "index": index, "content_block": {"type": kind, kind: ""}}
    return b"event: content_block_start\ndata: %b\n\n" % json.dumps(said).encode()


END = (
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"input_tokens":7,"output_tokens":3}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)


def follower() -> EventReader:
    """Of a stream that has told two pieces of text."""
    reader = EventReader(AnswerDecoder(Target(model="m", stream=True)))
    reader.read(block() + delta("one") + delta("two"))
    return reader


@pytest.mark.parametrize(
    ("events", "plain"),
    [
        (b"", 0),
        (delta("three"), len(delta("three"))),
        (delta("drei ☃") + delta("four"), len(delta("drei ☃") + delta("four"))),
        (delta("back\\slash\n"), len(delta("back\\slash\n"))),
        (delta("three") + END, len(delta("three"))),
        (delta('"quoted"'), 0),
        (delta("three") + delta('"'), len(delta("three"))),
        (delta("three", index=1), 0),
        (delta("three", kind="thinking"), 0),
        (delta("three")[:-1], 0),
        (b"\n" + delta("three"), 0),
        (END, 0),
    ],
)
def test_text_in_events_of_one_shape_is_not_decoded(events: bytes, plain: int) -> None:
    reader = follower()
    before = reader.output
    assert reader.skim(events) == plain
    assert (reader.output > before) == (plain > 0)


def test_a_new_shape_is_learnt_when_it_comes() -> None:
    reader = follower()
    reader.read(block(1, "thinking") + delta("a", 1, "thinking"))
    assert reader.skim(delta("b", 1, "thinking")) == len(delta("b", 1, "thinking"))


def test_shapes_that_never_come_again_are_not_learnt_for_ever() -> None:
    reader = EventReader(Numbered())
    for number in range(100):
        event = b'data: {"at":%d,"text":"word"}\n\n' % number
        assert reader.skim(event) == 0
        reader.read(event)
    assert reader.output == 100
    reader.read(b'data: {"at":7,"text":"word"}\n\n')
    assert reader.skim(b'data: {"at":7,"text":"word"}\n\n') == 0


class Numbered:
    """Each event says one word."""

    whole = False

    def feed(self, chunk: bytes) -> list[Event]:
        return [TextDelta("word")] if chunk else []

    def finish(self) -> list[Event]:
        return []


class Growing(Numbered):
    """Each event says all that was said so far."""

    def __init__(self) -> None:
        self._said = ""

    def feed(self, chunk: bytes) -> list[Event]:
        before, self._said = self._said, json.loads(chunk.removeprefix(b"data: "))["text"]
        return [TextDelta(self._said.removeprefix(before))]


def test_what_is_told_again_is_not_weighed_again() -> None:
    reader, text = EventReader(Growing()), ""
    for number in range(50):
        text += chr(ord("a") + number % 26)
        event = b'data: {"text":"%b"}\n\n' % text.encode()
        assert reader.skim(event) == 0
        reader.read(event)
    assert reader.output == 50


@given(st.lists(st.text(min_size=1, max_size=40), max_size=8))
def test_whoever_skims_knows_as_much(texts: list[str]) -> None:
    skimming, reading = (EventReader(AnswerDecoder(Target(model="m", stream=True))) for _ in range(2))
    for event in (block(), *map(delta, texts), *split(END)):
        reading.read(event)
        if skimming.skim(event) < len(event):
            skimming.read(event)
    for reader in (skimming, reading):
        assert (reader.started, reader.finished, reader.done, reader.failed) == (True, True, True, False)
        assert reader.usage == Usage(input=7, output=3)
    assert reading.output <= skimming.output <= sum(len(json.dumps(text).encode()) for text in texts)
