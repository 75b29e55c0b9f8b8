"""What the events of an answer say about it: has it begun, is it whole, what did it cost, did it fail.

``Watch`` looks at events that somebody else decodes, ``EventReader`` decodes the bytes of an answer that passes
untouched. Both tell the same as ``answer.StreamReader`` does of OpenAI's streams.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from ..errors import GatewayError
from ..models import Usage
from .dialect import Decoder, MalformedAnswerError
from .events import (
    Broken,
    Ended,
    Event,
    FileMade,
    Finished,
    ReasoningDelta,
    ReasoningEnded,
    RefusalDelta,
    TextDelta,
    ToolDelta,
    ToolStarted,
)
from .sse import split
from .usage import guess_output

__all__ = ["EventReader", "Watch"]


_TEXTS = (TextDelta, ReasoningDelta, RefusalDelta)

_LESSONS = 8
"""Patterns that are tried one after the other while none of them holds."""

_LONGEST = 4096
"""Bytes of an event that becomes a pattern."""


class Watch:
    """``started``: content, an end or a failure was seen. ``finished``: the answer is whole. ``done``: the upstream's
    terminator was seen. ``failed``: the upstream itself told of an error. ``usage``: the last counts. ``output``: a
    guess at the output tokens so far."""

    __slots__ = ("_told", "done", "error", "failed", "finished", "output", "started", "usage")

    def __init__(self) -> None:
        self.started = False
        self.finished = False
        self.done = False
        self.failed = False
        self.error: GatewayError | None = None
        self.usage: Usage | None = None
        self.output = 0
        self._told = 0

    @property
    def counts(self) -> Usage | None:
        """What was reported and, of an answer that is not whole, a guess at what came since."""
        since = self.output - self._told
        whole = (self.finished or self.done) and not self.failed  # decoders take an error for an end, too
        if self.usage is None or whole or not since:
            return self.usage
        return replace(self.usage, output=self.usage.output + since, estimated=True)

    def see(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, _TEXTS):
                self._content(event.text)
                continue
            match event:
                case ToolStarted():
                    self._content(event.name)
                case ToolDelta(_, arguments):
                    self._content(arguments)
                case FileMade(file):
                    self._content(file.data or file.url or "")
                case ReasoningEnded() | Finished():
                    self.started = True
                case Usage():
                    self.usage = event
                    self._told = self.output
                case Ended():
                    self.started = self.done = True
                case Broken(error):
                    self.started = self.failed = True
                    self.error = error
                case _:
                    pass

    def _content(self, text: str) -> None:
        if text:
            self.started = True
            self.output += guess_output(len(text) if text.isascii() else len(text.encode(errors="surrogatepass")))


class EventReader(Watch):
    """Follows a stream that only passes. What it cannot read is taken for content: the caller may know it.

    Many formats tell their text in events that differ in nothing else: one that was decoded is the pattern of those to
    come. What has the same ``head`` up to the text, and the same ``tail`` after the next quote, is only weighed.
    """

    __slots__ = ("_decoder", "_head", "_lessons", "tail")

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self._decoder = decoder
        self._head = self.tail = b""
        self._lessons = _LESSONS

    def skim(self, events: bytes) -> int:
        """How many bytes at the start of a run are plain content; they are counted."""
        head, tail, end = self._head, self.tail, 0
        while tail and events.startswith(head, end):
            start = end + len(head)
            quote = events.find(b'"', start)
            if not events.startswith(tail, quote):
                break
            self.output += guess_output(quote - start)
            end = quote + len(tail)
        if end:
            self._lessons = _LESSONS
        return end

    def read(self, events: bytes) -> None:
        for event in split(events) if b"data" in events else (events,):  # who cannot be read costs none of the others
            try:
                told = self._decoder.feed(event)
            except MalformedAnswerError:
                self.started = True
                self.output += guess_output(len(event))
                continue
            if len(told) == 1 and isinstance(told[0], _TEXTS) and self._lessons and self.output:
                self._learn(event, told[0].text)
            self.see(told)
        self.finished = self._decoder.whole

    def _learn(self, event: bytes, text: str) -> None:
        """The first piece is no pattern: it is all of the text so far, and where all is told again that shows with the
        second."""
        self._lessons -= 1
        said = msgspec.json.encode(text)
        at = event.find(said)
        if at > 0 and len(event) <= _LONGEST and event.endswith(b"\n\n") and event.count(said) == 1:
            self._head, self.tail = event[: at + 1], event[at + len(said) - 1 :]
