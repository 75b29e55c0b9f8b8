"""What an upstream's answer means: has it begun, is it whole, what did it cost, did it fail. Bytes are only looked at.

``read_answer`` looks at a body that came at once, ``StreamReader`` at the events of a stream, with the only state.
"""

from __future__ import annotations

import re

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from ..models import Usage
from ..unreadable import UNREADABLE
from .sse import datas
from .usage import Reported, guess_output, parse_usage, usage_of

__all__ = ["Answer", "StreamReader", "has_error_object", "read_answer"]

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
_TERMINATORS = frozenset({"response.completed", "response.incomplete"})
"""There may be several of the others: one for each picture."""

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
    base_resp: Raw = _ABSENT
    error_code: Raw = _ABSENT


class _Usual(Struct, gc=False):
    """The same of nearly all answers: their counts have the types that they should."""

    usage: Reported | None = None
    error: Raw = _ABSENT
    base_resp: Raw = _ABSENT
    error_code: Raw = _ABSENT


class _Alone(Struct, gc=False):
    """What some servers say in the place of an answer: a code and a message, and nothing else that is one."""

    code: Raw = _ABSENT
    message: Raw = _ABSENT
    msg: Raw = _ABSENT
    choices: Raw = _ABSENT
    data: Raw = _ABSENT
    id: Raw = _ABSENT
    output: Raw = _ABSENT
    results: Raw = _ABSENT
    text: Raw = _ABSENT


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
    base_resp: Raw = _ABSENT
    error_code: Raw = _ABSENT
    type: str | None = None
    response: _Body | None = None
    delta: Raw = _ABSENT


_KEY, _SPACED = b'":', b'" :'
"""What ends a key, and how it seldom does."""

_text = re.compile(rb'"(?:content|reasoning_content|reasoning|text)"\s*:\s*"((?:[^"\\]|\\.)+)"')

_body = msgspec.json.Decoder(_Body)
_usual = msgspec.json.Decoder(_Usual)
_alone = msgspec.json.Decoder(_Alone)
_event = msgspec.json.Decoder(_Event)


class Answer(Struct, frozen=True):
    """A body that came at once. ``failed`` says that it holds an error under a status of success."""

    usage: Usage | None
    failed: bool


def _given(raw: Raw) -> bool:
    return raw is not _ABSENT and bytes(raw) != b"null"


def read_answer(body: bytes) -> Answer:
    try:
        usual = _usual.decode(body)
    except UNREADABLE:
        return _read_unusual(body)
    if usual.usage is not None:
        return Answer(usage_of(usual.usage), failed=_fails(usual))
    return Answer(None, failed=_fails(usual) or _is_refusal(body))


def _read_unusual(body: bytes) -> Answer:
    try:
        parsed = _body.decode(body)
    except UNREADABLE:
        return Answer(None, failed=False)
    if _given(parsed.usage):
        return Answer(parse_usage(parsed.usage), failed=_fails(parsed))
    return Answer(None, failed=_fails(parsed) or _is_refusal(body))


def _is_refusal(body: bytes) -> bool:
    told = _alone.decode(body)
    if not _given(told.code) or bytes(told.code) in _FINE:
        return False
    answers = (told.choices, told.data, told.id, told.output, told.results, told.text)
    return (_given(told.message) or _given(told.msg)) and not any(map(_given, answers))


class _Status(Struct, gc=False):
    status_code: int = 0


_status = msgspec.json.Decoder(_Status)


def _fails(told: _Body | _Event | _Usual) -> bool:
    """In OpenAI's envelope, or in those of compatible servers that answer 200 whatever happened."""
    if told.error is _ABSENT and told.base_resp is _ABSENT and told.error_code is _ABSENT:
        return False
    if _given(told.error) or (_given(told.error_code) and bytes(told.error_code) not in _FINE):
        return True
    try:
        return _given(told.base_resp) and _status.decode(told.base_resp).status_code != 0
    except UNREADABLE:
        return False


_FINE = frozenset((b"0", b'""', b'"0"', b"200", b'"200"', b'"success"'))


class _ErrorBody(Struct):
    error: object = None


_error_body = msgspec.json.Decoder(_ErrorBody)


def has_error_object(body: bytes) -> bool:
    """Whether a body is an error in OpenAI's envelope."""
    try:
        return isinstance(_error_body.decode(body).error, dict)
    except UNREADABLE:
        return False


class StreamReader:
    """Follows one stream. Feed it whole events; it never changes or delays them.

    Runs of plain content, which is nearly all there is, need not be decoded: the first piece shows how such an event
    ends (no reason to finish, no usage), how many keys it has and how much of it is not text, and what is the same in
    these is only weighed. An upstream that reports usage as it goes is read event by event.

    ``started``: content, an end or a failure was seen. ``finished``: the answer is whole. ``done``: the terminator was
    seen. ``failed``: the upstream itself told of an error. ``usage``: the last counts that made sense. ``output``: a
    guess at the output tokens so far, for when no counts come.
    """

    __slots__ = ("_envelope", "_keys", "_told", "done", "failed", "finished", "output", "started", "tail", "usage")

    def __init__(self) -> None:
        self.started = False
        self.finished = False
        self.done = False
        self.failed = False
        self.usage: Usage | None = None
        self.output = 0
        self.tail = b""
        self._told = 0
        self._envelope = self._keys = 0

    @property
    def error(self) -> None:
        """It is not looked into: it passes as it came."""

    @property
    def counts(self) -> Usage | None:
        """What was reported and, of an answer that is not whole, a guess at what came since: some report from the first
        event on."""
        since = self.output - self._told
        if self.usage is None or self.finished or self.done or not since:
            return self.usage
        return replace(self.usage, output=self.usage.output + since, estimated=True)

    def skim(self, events: bytes) -> int:
        """How many bytes at the start of a run are plain content. They are counted, without being read: the text is
        what the envelope leaves of the bytes.

        They are plain when each of these events ends as the first piece of content did, and has no more keys; strings
        cannot feign the end, since quotes within them are escaped, and what looks like a key in them is only read.
        """
        tail = self.tail
        lines = events.count(b"\n")
        if lines == 2 and tail and events.endswith(tail):  # a single one, as most come
            if events.count(_KEY) != self._keys:
                return 0
            size = len(events)
            self.output += guess_output(size - self._envelope)
            return size
        pieces = events.count(tail) if tail else 0
        if not pieces:
            return 0
        end = events.rfind(tail) + len(tail)
        # Each line of a run of such events is one of theirs, or empty; one character is found faster than two.
        if events.count(b"\n", 0, end) != 2 * pieces or events.count(_KEY, 0, end) != self._keys * pieces:
            return 0
        self.output += pieces * guess_output(end // pieces - self._envelope)
        return end

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
        except UNREADABLE:
            self._content(len(data))  # not a shape that is known here: the caller will know it
            return
        if _fails(event):
            self.failed = self.started = True
        if _given(event.usage):
            self.usage = parse_usage(event.usage) or self.usage
        if event.choices is not None:
            for choice in event.choices:
                self._choice(choice)
            if not self.tail and self.output and not self.finished and self.usage is None:
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
            self.done = kind in _TERMINATORS
        elif kind.endswith(".delta"):
            self._content(_size(event.delta) - 2)
        elif kind not in _PREAMBLE_EVENTS:
            self.started = True

    def _learn(self, data: bytes) -> None:
        """Take the first piece of content as the pattern of those to come."""
        end = data.rfind(b'"finish_reason"')
        if end > 0 and _SPACED not in data and (found := _text.search(data, 0, end)):
            self._keys = data.count(_KEY) - found[1].count(_KEY)
            self.tail = data[end:] + b"\n\n"
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
