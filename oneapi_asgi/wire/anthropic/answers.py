"""Anthropic's Messages, the answer: as an upstream tells it, whole or as a stream, and its complaints.

The reference is https://platform.claude.com/docs/en/api/messages and .../build-with-claude/streaming.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from ...errors import UpstreamRefused
from ...models import Usage
from ...unreadable import UNREADABLE
from ..chat import Target
from ..dialect import MalformedAnswerError
from ..events import (
    Broken,
    Citation,
    Cited,
    Ended,
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    ReasoningEnded,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    ToolEnded,
    ToolStarted,
)
from ..frames import SSEFrames
from ..reading import new_call_id
from ..sealed import Signature
from ..usage import count_of, counts_of
from .reading import NAME, Block
from .writing import ANSWER_TOOL

__all__ = ["AnswerDecoder", "decode", "decode_count", "refusal"]


_ABSENT: Final = Raw()


class _Usage(Struct):
    """``input_tokens`` leaves out what was read from or written to a cache. Totals of a stream only grow."""

    input_tokens: Raw = _ABSENT
    cache_creation_input_tokens: Raw = _ABSENT
    cache_read_input_tokens: Raw = _ABSENT
    cache_creation: Raw = _ABSENT
    output_tokens: Raw = _ABSENT
    output_tokens_details: Raw = _ABSENT


class _Refused(Struct):
    explanation: str | None = None


class _Message(Struct):
    type: str | None = None
    id: str | None = None
    model: str | None = None
    content: list[Block] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: _Refused | None = None
    usage: _Usage | None = None
    error: Any = None


class _Delta(Struct):
    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: Any = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: _Refused | None = None


class _Event(Struct):
    type: str | None = None
    index: int | None = None
    message: _Message | None = None
    content_block: Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: Any = None


_message_decoder = msgspec.json.Decoder(_Message)
_event_decoder = msgspec.json.Decoder(_Event)

_FINISHES: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "pause",
}


class _Counting:
    """The counts of one answer so far."""

    __slots__ = ("_cached", "_hour", "_input", "_output", "_reasoning", "_written")

    def __init__(self) -> None:
        self._input = self._cached = self._written = self._hour = self._output = self._reasoning = 0

    def add(self, usage: _Usage | None) -> list[Event]:
        if usage is None:
            return []
        lives = counts_of(usage.cache_creation)
        hour = lives.get("ephemeral_1h_input_tokens") or 0
        both = (lives.get("ephemeral_5m_input_tokens") or 0) + hour
        thoughts = counts_of(usage.output_tokens_details).get("thinking_tokens") or 0
        self._input = max(self._input, count_of(usage.input_tokens) or 0)
        self._cached = max(self._cached, count_of(usage.cache_read_input_tokens) or 0)
        self._written = max(self._written, count_of(usage.cache_creation_input_tokens) or 0, both)
        self._hour = max(self._hour, hour)
        self._output = max(self._output, count_of(usage.output_tokens) or 0)
        self._reasoning = max(self._reasoning, thoughts)
        entire = self._input + self._cached + self._written
        if entire + self._output == 0:
            return []
        hour = min(self._hour, self._written)
        return [
            Usage(
                input=entire,
                output=self._output,
                cache_read=self._cached,
                cache_write=self._written - hour,
                cache_write_1h=hour,
                reasoning=min(self._reasoning, self._output),
            )
        ]


class _Open:
    """A block that has begun. ``call`` is the number of the call, for one of a tool that the caller runs."""

    __slots__ = ("begin", "call", "citations", "given", "kind", "signature")

    def __init__(self, kind: str, begin: int) -> None:
        self.kind = kind
        self.begin = begin
        self.call = -1
        self.given = False
        self.signature = ""
        self.citations: list[Any] = []


class _Reading:
    """One answer, block by block, whole or in pieces."""

    __slots__ = ("_calls", "_counting", "_length", "_open", "_target", "finished")

    def __init__(self, target: Target) -> None:
        self._target = target
        self._open: dict[int, _Open] = {}
        self._calls = 0
        self._length = 0
        self._counting = _Counting()
        self.finished = False

    def start(self, message: _Message) -> list[Event]:
        begun = Started(id=message.id or "", model=message.model or "")
        return [begun, *self._counting.add(message.usage)]

    def usage(self, usage: _Usage | None) -> list[Event]:
        return self._counting.add(usage)

    def begin(self, index: int, block: Block) -> list[Event]:
        """All of a block that came at once, or what its start tells of it."""
        kind = "answer" if block.type == "tool_use" and block.name == ANSWER_TOOL else block.type
        opened = self._open[index] = _Open(kind, self._length)
        match kind:
            case "text":
                opened.citations += block.citations if isinstance(block.citations, list) else []
                return self._text(block.text)
            case "thinking":
                opened.signature = block.signature or ""
                return _thoughts(block.thinking)
            case "redacted_thinking":
                return [ReasoningEnded(self._signature(block.data), redacted=True)]
            case "tool_use":
                opened.call = self._calls
                self._calls += 1
                called = ToolStarted(index=opened.call, id=block.id or new_call_id("toolu_"), name=block.name or "")
                return [called, *self._arguments(opened, _written(block.input))]
            case "answer":
                return self._arguments(opened, _written(block.input))
            case _:
                return []  # tools that the provider ran: its own business

    def delta(self, index: int, delta: _Delta) -> list[Event]:
        opened = self._open.get(index)
        if opened is None:
            raise MalformedAnswerError(f"a delta of the block {index}, which has not begun")
        match delta.type:
            case "text_delta" if opened.kind == "text":
                return self._text(delta.text)
            case "thinking_delta" if opened.kind == "thinking":
                return _thoughts(delta.thinking)
            case "signature_delta" if opened.kind == "thinking":
                opened.signature = delta.signature or opened.signature
            case "input_json_delta" if opened.kind in ("tool_use", "answer"):
                return self._arguments(opened, delta.partial_json)
            case "citations_delta" if opened.kind == "text":
                opened.citations.append(delta.citation)
            case _:
                pass
        return []

    def end(self, index: int) -> list[Event]:
        opened = self._open.pop(index, None)
        if opened is None:
            return []
        match opened.kind:
            case "text":
                return _cited(opened.citations, opened.begin, self._length)
            case "thinking":
                return [ReasoningEnded(self._signature(opened.signature))]
            case "tool_use":
                return [*self._nothing(opened), ToolEnded(opened.call)]
            case "answer":
                return self._nothing(opened)
            case _:
                return []

    def finish(self, reason: str | None, sequence: str | None, details: _Refused | None) -> list[Event]:
        if self.finished:
            return []
        self.finished = True
        finish = _FINISHES.get(reason or "", "tool_calls" if self._calls and not reason else "stop")
        if finish == "tool_calls" and not self._calls:
            finish = "stop"  # of the tool that stands for the answer
        told: list[Event] = [event for index in sorted(self._open) for event in self.end(index)]
        if finish == "content_filter" and details is not None and details.explanation:
            told.append(RefusalDelta(details.explanation))
        return [*told, Finished(reason=finish, stop_sequence=sequence if reason == "stop_sequence" else None)]

    def _text(self, text: str | None) -> list[Event]:
        self._length += len(text or "")
        return [TextDelta(text)] if text else []

    def _arguments(self, opened: _Open, text: str | None) -> list[Event]:
        if not text:
            return []
        opened.given = True
        return self._text(text) if opened.kind == "answer" else [ToolDelta(opened.call, text)]

    def _nothing(self, opened: _Open) -> list[Event]:
        return [] if opened.given else self._arguments(opened, "{}")

    def _signature(self, value: str | None) -> Signature | None:
        return Signature(NAME, self._target.model, value) if value else None


def _thoughts(text: str | None) -> list[Event]:
    return [ReasoningDelta(text)] if text else []


def _written(given: Any) -> str:
    """The input of a tool; a stream begins with an empty one."""
    if isinstance(given, str):
        return given
    return msgspec.json.encode(given).decode() if given else ""


def _cited(citations: list[Any], begin: int, end: int) -> list[Event]:
    """Those with an address: what was found in the web. They hold for all of the block."""
    found = []
    for citation in citations:
        url = (citation.get("url") or citation.get("source")) if isinstance(citation, dict) else None
        if isinstance(url, str) and url.startswith(("http://", "https://")):
            title, quote = str(citation.get("title") or ""), str(citation.get("cited_text") or "")
            found.append(Cited(Citation(url=url, title=title, quote=quote, start=begin, end=end)))
    return [*found]


def decode(body: bytes, target: Target) -> list[Event]:
    message: _Message = _told(_message_decoder, body)
    if message.type == "error" or message.error is not None:
        return [Broken(_in_band(message.error))]
    if message.content is None:
        raise MalformedAnswerError("an answer without content")
    reading = _Reading(target)
    told: list[Event] = [Started(id=message.id or "", model=message.model or "")]
    for index, block in enumerate(message.content):
        told += reading.begin(index, block)
        told += reading.end(index)
    told += reading.finish(message.stop_reason, message.stop_sequence, message.stop_details)
    return [*told, *reading.usage(message.usage), Ended()]


def _told(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except UNREADABLE as error:
        raise MalformedAnswerError(f"not what Anthropic answers: {error}") from None


class AnswerDecoder:
    """``message_stop`` is the terminator."""

    __slots__ = ("_ended", "_frames", "_last", "_reading")

    ends = (b"message_stop",)

    def __init__(self, target: Target) -> None:
        self._frames = SSEFrames()
        self._reading = _Reading(target)
        self._ended = False
        self._last = 0

    @property
    def whole(self) -> bool:
        return self._ended

    def feed(self, chunk: bytes) -> list[Event]:
        return self._events(self._frames.feed(chunk))

    def finish(self) -> list[Event]:
        try:
            return self._events(self._frames.finish())
        except MalformedAnswerError:
            return []  # cut within a frame

    def _events(self, frames: list[bytes]) -> list[Event]:
        told: list[Event] = []
        for frame in frames:
            if not self._ended and frame.strip() != b"[DONE]":
                told += self._event(_told(_event_decoder, frame))
        return told

    def _event(self, event: _Event) -> list[Event]:
        reading, index = self._reading, self._last if event.index is None else event.index
        if event.type == "error" or event.error is not None:
            self._ended = True
            return [Broken(_in_band(event.error))]
        match event.type:
            case "message_start":
                return reading.start(event.message or _Message())
            case "content_block_start":
                self._last = index = self._last + 1 if event.index is None else index
                return reading.begin(index, event.content_block or Block())
            case "content_block_delta":
                return reading.delta(index, event.delta or _Delta())
            case "content_block_stop":
                return reading.end(index)
            case "message_delta":
                return self._message_delta(event.delta or _Delta(), event.usage)
            case "message_stop":
                self._ended = True
                return [*reading.finish(None, None, None), Ended()]
            case _:
                return []  # pings, and what is yet to be invented

    def _message_delta(self, delta: _Delta, usage: _Usage | None) -> list[Event]:
        told: list[Event] = []
        if delta.stop_reason is not None:
            told = self._reading.finish(delta.stop_reason, delta.stop_sequence, delta.stop_details)
        return told + self._reading.usage(usage)


class _Count(Struct):
    input_tokens: int


_count_decoder = msgspec.json.Decoder(_Count)


def decode_count(body: bytes) -> int:
    """
    :raises MalformedAnswerError: it is no count
    """
    count: int = _told(_count_decoder, body).input_tokens
    return count


# Complaints, https://platform.claude.com/docs/en/api/errors

_STATUSES: Final[dict[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_TOO_LONG = re.compile(r"prompt is too long|exceeds? (?:the )?(?:context|model's context)", re.IGNORECASE)
"""The API has no code for it: https://platform.claude.com/docs/en/build-with-claude/context-windows."""

_PLACE = re.compile(r"(?P<param>[a-z_]+(?:\.[a-z0-9_]+)*): ")


class _Complaint(Struct):
    error: Any = None
    message: Any = None


_complaint_decoder = msgspec.json.Decoder(_Complaint | list[_Complaint])


def refusal(status: int, body: bytes) -> UpstreamRefused:
    try:
        told = _complaint_decoder.decode(body)
    except UNREADABLE:
        told = _Complaint()
    complaint = next(iter(told), _Complaint()) if isinstance(told, list) else told
    return _refused(status, complaint.message if complaint.error is None else complaint.error)


def _in_band(error: Any) -> UpstreamRefused:
    kind = error.get("type") if isinstance(error, dict) else None
    return _refused(_STATUSES.get(kind, 500) if isinstance(kind, str) else 500, error)


def _refused(status: int, error: Any) -> UpstreamRefused:
    """``error`` is an object as Anthropic sends it, or whatever else a gateway before it does."""
    told = error if isinstance(error, dict) else {"message": error}
    given, kind, details = told.get("message"), told.get("type"), told.get("details")
    message = given if isinstance(given, str) and given else f"The provider answered with status {status}."
    code = details.get("error_code") if isinstance(details, dict) else None
    if not isinstance(code, str):
        code = None
    if status in (400, 413) and _TOO_LONG.search(message):
        code = "context_length_exceeded"
    elif status == 404 and message.startswith("model:"):
        code = "model_not_found"
    place = _PLACE.match(message) if status == 400 else None
    return UpstreamRefused(
        message,
        status=status,
        code=code,
        kind=kind if isinstance(kind, str) else None,
        param=place["param"] if place else None,
    )
