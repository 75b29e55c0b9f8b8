"""The neutral events: what a model answers, piece by piece, in none of the formats in which it can be told.

Decoders of upstreams make them of bytes, encoders of clients make bytes of them. An answer that came at once is the
same events at one time (``collect`` puts them together for whoever has to tell it at once), so that a stream and a
whole answer cannot differ.

Order: ``Started``; any of the pieces; per choice one ``Finished``; ``models.Usage`` any number of times, the last one
counts (it may come before or after ``Finished``); ``Ended`` when the upstream's own terminator was seen. ``Broken`` is
an error told in-band; nothing follows it. Reasoning, text and calls of one choice come one after another; only the
arguments of several open calls may interleave. ``ToolEnded`` is told where the upstream says so; ``Finished`` ends all
that is open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from ..errors import GatewayError
from ..models import Usage
from .chat import File, Part, Reasoning, Refusal, Text, ToolCall
from .sealed import Signature

__all__ = [
    "Answer",
    "Broken",
    "Choice",
    "Citation",
    "Cited",
    "Ended",
    "Event",
    "FileMade",
    "FinishReason",
    "Finished",
    "Probabilities",
    "ReasoningDelta",
    "ReasoningEnded",
    "RefusalDelta",
    "Started",
    "TextDelta",
    "ToolDelta",
    "ToolEnded",
    "ToolStarted",
    "collect",
]

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "pause", "malformed_call", "error"]
"""``pause``: the upstream wants the conversation sent back to go on. ``malformed_call``: it failed to call a tool. A
format without such a word says what is nearest, and never plain ``stop`` for the last two."""


class Started(Struct, frozen=True, kw_only=True):
    """``id`` is the upstream's, empty if it has none; ``created`` in Unix seconds, 0 if untold."""

    id: str = ""
    model: str = ""
    created: int = 0


class TextDelta(Struct, frozen=True):
    text: str
    choice: int = 0


class ReasoningDelta(Struct, frozen=True):
    text: str
    choice: int = 0


class ReasoningEnded(Struct, frozen=True):
    """The thoughts so far are complete, and signed if the upstream signs. ``redacted``: they were not shown at all."""

    signature: Signature | None = None
    redacted: bool = False
    choice: int = 0


class RefusalDelta(Struct, frozen=True):
    text: str
    choice: int = 0


class ToolStarted(Struct, frozen=True, kw_only=True):
    """``index`` counts the calls of a choice: 0, 1, 2 … ``id`` is never empty (``new_call_id``)."""

    index: int
    id: str
    name: str
    custom: bool = False
    signature: Signature | None = None
    choice: int = 0


class ToolDelta(Struct, frozen=True):
    index: int
    arguments: str
    choice: int = 0


class ToolEnded(Struct, frozen=True):
    index: int
    choice: int = 0


class Citation(Struct, frozen=True, kw_only=True):
    """``start`` and ``end`` are offsets in characters of the choice's text, None where untold."""

    url: str = ""
    title: str = ""
    quote: str = ""
    start: int | None = None
    end: int | None = None


class Cited(Struct, frozen=True):
    citation: Citation
    choice: int = 0


class FileMade(Struct, frozen=True):
    """An image or a recording within the answer, whole."""

    file: File
    choice: int = 0


class Probabilities(Struct, frozen=True):
    """In the shape of OpenAI's ``logprobs.content``: ``[{token, logprob, bytes, top_logprobs}]``."""

    content: tuple[dict[str, Any], ...]
    choice: int = 0


class Finished(Struct, frozen=True, kw_only=True):
    """``stop_sequence`` is the one that was met, if told."""

    reason: FinishReason
    stop_sequence: str | None = None
    choice: int = 0


class Ended(Struct, frozen=True):
    """The upstream's terminator."""


class Broken(Struct, frozen=True):
    """The upstream told of an error inside its answer."""

    error: GatewayError


Event: TypeAlias = (
    Started
    | TextDelta
    | ReasoningDelta
    | ReasoningEnded
    | RefusalDelta
    | ToolStarted
    | ToolDelta
    | ToolEnded
    | Cited
    | FileMade
    | Probabilities
    | Finished
    | Usage
    | Ended
    | Broken
)


class Choice(Struct, kw_only=True):
    """One answer, put together. ``parts`` are in the order in which they were made."""

    parts: list[Part] = []
    citations: list[Citation] = []
    logprobs: list[dict[str, Any]] = []
    finish: FinishReason | None = None
    stop_sequence: str | None = None

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def reasoning(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Reasoning))

    @property
    def refusal(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Refusal))

    @property
    def calls(self) -> list[ToolCall]:
        return [part for part in self.parts if isinstance(part, ToolCall)]

    @property
    def files(self) -> list[File]:
        return [part for part in self.parts if isinstance(part, File)]


class Answer(Struct, kw_only=True):
    """A whole answer. ``usage`` is None when the upstream never told."""

    id: str = ""
    model: str = ""
    created: int = 0
    choices: list[Choice] = []
    usage: Usage | None = None
    error: GatewayError | None = None


def collect(events: Iterable[Event]) -> Answer:
    """Put the events of one answer together. Arguments of a call that never came are ``{}``."""
    collector = _Collector()
    for event in events:
        collector.add(event)
    return collector.answer()


class _Growing:
    """A part that is still being told: ``finish`` makes the part of its pieces."""

    def __init__(self, finish: Callable[[str], Part]) -> None:
        self.pieces: list[str] = []
        self.finish = finish


class _Collector:
    def __init__(self) -> None:
        self._answer = Answer(choices=[])
        self._choices: dict[int, Choice] = {}
        self._parts: dict[int, list[_Growing | File]] = {}
        self._calls: dict[tuple[int, int], _Growing] = {}
        self._open: dict[int, tuple[type, _Growing]] = {}

    def answer(self) -> Answer:
        for number, choice in sorted(self._choices.items()):
            choice.parts = [
                part if isinstance(part, File) else part.finish("".join(part.pieces)) for part in self._parts[number]
            ]
            self._answer.choices.append(choice)
        return self._answer

    def add(self, event: Event) -> None:
        match event:
            case Started():
                self._answer.id, self._answer.model, self._answer.created = event.id, event.model, event.created
            case Usage():
                self._answer.usage = event
            case Broken():
                self._answer.error = event.error
            case Ended():
                pass
            case _:
                if event.choice not in self._choices:
                    self._choices[event.choice] = Choice(parts=[], citations=[], logprobs=[])
                    self._parts[event.choice] = []
                self._piece(event, event.choice, self._choices[event.choice])

    def _piece(self, event: Event, number: int, choice: Choice) -> None:
        match event:
            case TextDelta(text):
                self._growing(number, Text, lambda text: Text(text=text)).append(text)
            case RefusalDelta(text):
                self._growing(number, Refusal, lambda text: Refusal(text=text)).append(text)
            case ReasoningDelta(text):
                self._growing(number, Reasoning, lambda text: Reasoning(text=text)).append(text)
            case ReasoningEnded():
                self._thought(number, event)
            case ToolStarted():
                self._calls[number, event.index] = self._new(number, partial(_call, event))
            case ToolDelta():
                if (number, event.index) in self._calls:  # of a call that never began, nobody knows the name
                    self._calls[number, event.index].pieces.append(event.arguments)
            case Cited():
                choice.citations.append(event.citation)
            case FileMade():
                self._open.pop(number, None)
                self._parts[number].append(event.file)
            case Probabilities():
                choice.logprobs += event.content
            case Finished():
                choice.finish, choice.stop_sequence = event.reason, event.stop_sequence
            case _:
                pass

    def _new(self, number: int, finish: Callable[[str], Part]) -> _Growing:
        self._open.pop(number, None)
        part = _Growing(finish)
        self._parts[number].append(part)
        return part

    def _growing(self, number: int, kind: type, finish: Callable[[str], Part]) -> list[str]:
        if number not in self._open or self._open[number][0] is not kind:
            self._open[number] = (kind, self._new(number, finish))
        return self._open[number][1].pieces

    def _thought(self, number: int, event: ReasoningEnded) -> None:
        if self._open.get(number, (None,))[0] is Reasoning:
            part = self._open.pop(number)[1]
        elif event.signature is None and not event.redacted:
            return
        else:
            part = self._new(number, _nothing)
        part.finish = lambda text: Reasoning(text=text, signature=event.signature, redacted=event.redacted)


def _nothing(text: str) -> Part:
    return Reasoning(text=text)


def _call(event: ToolStarted, arguments: str) -> ToolCall:
    empty = "" if event.custom else "{}"
    return ToolCall(
        id=event.id,
        name=event.name,
        arguments=arguments or empty,
        custom=event.custom,
        signature=event.signature,
    )
