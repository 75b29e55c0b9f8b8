"""What an upstream's answer means: has it begun, is it whole, what did it cost, did it fail. Bytes are only looked at.

``read_answer`` looks at a body that came at once, ``StreamReader`` at the events of a stream, with the only state.
"""

from __future__ import annotations

import re

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from ..models import Usage
from .sse import datas
from .usage import guess_output, parse_usage

__all__ = ["Answer", "StreamReader", "error_text", "has_error_object", "read_answer"]

_LAST_EVENTS = frozenset(
    {
        "response.completed",
        "response.incomplete",
        "transcript.text.done",
        "speech.audio.done",
        "image_generation.completed",
        "image_edit.completed",
    }
)
_FAILED_EVENTS = frozenset({"error", "response.failed"})
_PREAMBLE_EVENTS = frozenset(
    {
        "response.created",
        "response.queued",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    }
)


# A union with None would admit nothing but null: a missing key is told by identity, null by its bytes.
_ABSENT = Raw()


class _Body(Struct, gc=False):
    usage: Raw = _ABSENT
    error: Raw = _ABSENT


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(Struct, gc=False):
    function: _Function | None = None


class _Delta(Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None
    audio: Raw = _ABSENT


class _Choice(Struct, gc=False):
    delta: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    usage: Raw = _ABSENT


class _Event(Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: Raw = _ABSENT
    error: Raw = _ABSENT
    type: str | None = None
    response: _Body | None = None
    delta: Raw = _ABSENT


_text = re.compile(rb'"(?:content|reasoning_content|reasoning|text)"\s*:\s*"((?:[^"\\]|\\.)+)"')

_body = msgspec.json.Decoder(_Body)
_event = msgspec.json.Decoder(_Event)


class Answer(Struct, frozen=True):
    """A body that came at once. ``failed`` says that it holds an error under a status of success."""

    usage: Usage | None
    failed: bool


def _given(raw: Raw) -> bool:
    return raw is not _ABSENT and bytes(raw) != b"null"


def read_answer(body: bytes) -> Answer:
    try:
        parsed = _body.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return Answer(None, failed=False)
    return Answer(parse_usage(parsed.usage) if _given(parsed.usage) else None, failed=_given(parsed.error))


class _ErrorBody(Struct):
    error: object = None
    message: object = None
    detail: object = None
    msg: object = None


_error_body = msgspec.json.Decoder(_ErrorBody)
_MAX_ERROR_TEXT = 2_000


def has_error_object(body: bytes) -> bool:
    """Whether a body is an error in OpenAI's envelope."""
    return isinstance(_parsed_error(body).error, dict)


def error_text(body: bytes) -> str:
    """The message of an error in one of the other envelopes that compatible servers use, empty if it is in none."""
    parsed = _parsed_error(body)
    texts = (parsed.error, parsed.message, parsed.detail, parsed.msg)
    return next((text[:_MAX_ERROR_TEXT] for text in texts if isinstance(text, str)), "")


def _parsed_error(body: bytes) -> _ErrorBody:
    try:
        return _error_body.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _ErrorBody()


class StreamReader:
    """Follows one stream. Feed it whole events; it never changes or delays them.

    Runs of plain content, which is nearly all there is, need not be decoded: the first piece shows how such an event
    ends (no reason to finish, no usage) and how much of it is not text, and what ends the same way is only weighed. An
    upstream that reports usage as it goes is read event by event.

    ``started``: content, an end or a failure was seen. ``finished``: the answer is whole. ``done``: ``[DONE]`` was
    seen. ``failed``: the upstream itself told of an error. ``usage``: the last counts that made sense. ``output``: a
    guess at the output tokens so far, for when no counts come.
    """

    __slots__ = ("_envelope", "_tail", "_told", "done", "failed", "finished", "output", "started", "usage")

    def __init__(self) -> None:
        self.started = False
        self.finished = False
        self.done = False
        self.failed = False
        self.usage: Usage | None = None
        self.output = 0
        self._told = 0
        self._envelope = 0
        self._tail = b""

    @property
    def counts(self) -> Usage | None:
        """What was reported and, of an answer that is not whole, a guess at what came since: some report from the first
        event on."""
        since = self.output - self._told
        if self.usage is None or self.finished or self.done or not since:
            return self.usage
        return replace(self.usage, output=self.usage.output + since, estimated=True)

    def plain(self, events: bytes) -> tuple[int, int]:
        """``(size, pieces)``: how many bytes at the start of a run are plain content, and how many events they are.

        They are when each of these events ends as the first piece of content did; strings cannot feign that, since
        quotes within them are escaped.
        """
        pieces = events.count(self._tail) if self._tail else 0
        if not pieces:
            return 0, 0
        end = events.rfind(self._tail) + len(self._tail)
        # Each line of a run of such events is one of theirs, or empty; one character is found faster than two.
        return (end, pieces) if events.count(b"\n", 0, end) == 2 * pieces else (0, 0)

    def weigh(self, size: int, pieces: int) -> None:
        """Count what ``plain`` found, without reading it: the text is what the envelope leaves of the bytes."""
        text = max(size // pieces - self._envelope, 1)
        self.output += pieces * guess_output(text)

    def read(self, events: bytes) -> None:
        for data in datas(events):
            if data.startswith(b"[DONE]"):
                self.started = self.done = True
            else:
                before = self.usage
                self._read(data)
                if self.usage is not before:
                    self._told = self.output

    def _read(self, data: bytes) -> None:
        try:
            event = _event.decode(data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            self._content(len(data))  # not a shape that is known here: the caller will know it
            return
        if _given(event.error):
            self.failed = self.started = True
        if _given(event.usage):
            self.usage = parse_usage(event.usage) or self.usage
        if event.choices is not None:
            for choice in event.choices:
                self._choice(choice)
            if not self._tail and self.output and not self.finished and self.usage is None:
                self._learn(data)
        elif event.type is not None:
            self._typed(event, event.type)
        elif not self.started:
            self._content(len(data))

    def _choice(self, choice: _Choice) -> None:
        if _given(choice.usage):
            self.usage = parse_usage(choice.usage) or self.usage
        if choice.delta is not None and (text := _length(choice.delta)):
            self._content(text)
        elif choice.text:
            self._content(_bytes(choice.text))
        if choice.finish_reason:
            self.started = self.finished = True

    def _typed(self, event: _Event, kind: str) -> None:
        if event.response is not None and _given(event.response.usage):
            self.usage = parse_usage(event.response.usage) or self.usage
        if kind in _FAILED_EVENTS:
            self.failed = self.started = True
        elif kind in _LAST_EVENTS:
            self.started = self.finished = True
        elif kind.endswith(".delta"):
            self._content(_size(event.delta) - 2)
        elif kind not in _PREAMBLE_EVENTS:
            self.started = True

    def _learn(self, data: bytes) -> None:
        """Take the first piece of content as the pattern of those to come."""
        end = data.rfind(b'"finish_reason"')
        if end > 0 and (found := _text.search(data, 0, end)):
            self._tail = data[end:] + b"\n\n"
            self._envelope = len(data) - len(found[1]) + len(b"data: \n\n")

    def _content(self, text: int) -> None:
        self.started = True
        self.output += guess_output(text)


def _length(delta: _Delta) -> int:
    if delta.content:
        return _bytes(delta.content)
    other = delta.reasoning_content or delta.reasoning or delta.refusal
    if other:
        return _bytes(other)
    if delta.tool_calls:
        return sum(_function(call.function) for call in delta.tool_calls)
    return _function(delta.function_call) or _size(delta.audio)


def _function(function: _Function | None) -> int:
    return _bytes(function.name or "") + _bytes(function.arguments or "") if function else 0


def _size(raw: Raw) -> int:
    return len(memoryview(raw)) if _given(raw) else 0


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
