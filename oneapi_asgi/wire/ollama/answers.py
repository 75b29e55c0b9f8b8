"""What Ollama's own API answers to a chat or a prompt: a line of JSON, or a stream of them, read and written.

Reference: https://github.com/ollama/ollama/blob/main/docs/api.md.

``created_at`` is a time with nanoseconds. ``done_reason`` is a word of an open set; "stop" and "length" are all that
its servers say of an answer that came to its end. Counts come with the last line alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from ...errors import BadRequest, GatewayError, UpstreamFailed
from ...models import Usage
from ...unreadable import UNREADABLE
from ..chat import Chat, File, Refusal, Text, ToolCall
from ..dialect import MalformedAnswerError
from ..events import (
    Answer,
    Broken,
    Choice,
    Ended,
    Event,
    FileMade,
    Finished,
    FinishReason,
    Probabilities,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    ToolEnded,
    ToolStarted,
)
from ..frames import LineFrames
from ..reading import new_call_id, object_of
from ..sealed import Signature, seal
from ..usage import count_of

__all__ = [
    "NAME",
    "OllamaDecoder",
    "OllamaEncoder",
    "Prompted",
    "answer_of",
    "error_of",
    "image_of",
    "json_text",
    "stamp_of",
    "told",
]

NAME: Final = "ollama"


class Prompted(Chat, frozen=True, kw_only=True):
    """A request that was made as a prompt, and is answered in the shape for such."""


def json_text(value: object) -> str:
    return msgspec.json.encode(value).decode()


_TYPES: Final = (
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
)
"""How images begin, in base64."""

_LINKS: Final = ("http:", "https:")


def image_of(data: str, param: str) -> File:
    if data.startswith("data:") and ";base64," in data[:100]:
        head, _, data = data.partition(",")
        return File(kind="image", media_type=head[5:].partition(";")[0], data=data)
    if data.startswith(_LINKS):
        raise BadRequest("Images are base64, not URLs. Send the image itself.", param=param, code="invalid_value")
    return File(
        kind="image", media_type=next((kind for start, kind in _TYPES if data.startswith(start)), ""), data=data
    )


def _painted(data: str) -> File:
    """What a model made may be a link as well, as in other formats."""
    return File(kind="image", url=data) if data.startswith(_LINKS) else image_of(data, "")


# --- the answer, which is also a line of the stream -------------------------------------------------------------------


_ABSENT: Final = Raw()


class _AnsweredFunction(Struct):
    name: str | None = None
    arguments: Any = None


class _AnsweredCall(Struct):
    id: str | None = None
    function: _AnsweredFunction | None = None


class _Said(Struct):
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[_AnsweredCall] | None = None


class _Alternative(Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _Token(_Alternative):
    top_logprobs: list[_Alternative] | None = None


class _Line(Struct):
    created_at: Any = None
    message: _Said | None = None
    done: bool | None = None
    done_reason: str | None = None
    prompt_eval_count: Raw = _ABSENT
    eval_count: Raw = _ABSENT
    logprobs: list[_Token] | None = None
    error: Any = None


_line = msgspec.json.Decoder(_Line)

_FINISHES: Final[dict[str, FinishReason]] = {reason: reason for reason in ("stop", "length", "content_filter", "error")}


def told(decoder: msgspec.json.Decoder[Any], data: bytes) -> Any:
    try:
        return decoder.decode(data)
    except UNREADABLE as error:
        raise MalformedAnswerError(f"not an answer of this format: {error}") from None


class OllamaDecoder:
    def __init__(self) -> None:
        self._frames = LineFrames()
        self._started = False
        self._calls = 0
        self._over = False

    @property
    def whole(self) -> bool:
        return self._over

    def feed(self, chunk: bytes) -> list[Event]:
        return [event for data in self._frames.feed(chunk) for event in self.line(data)]

    def finish(self) -> list[Event]:
        """A last line that was cut is none."""
        with suppress(MalformedAnswerError):
            return [event for data in self._frames.finish() for event in self.line(data)]
        return []

    def line(self, data: bytes) -> Iterator[Event]:
        if self._over or not data.strip():
            return
        line: _Line = told(_line, data)
        if line.error is not None:
            self._over = True
            yield Broken(UpstreamFailed("The model's server broke its answer off with an error. Try again."))
            return
        if not self._started:
            self._started = True
            yield Started(created=_created(line.created_at))
        yield from self._said(line.message or _Said())
        if line.logprobs:
            yield Probabilities(tuple(_probability(token) for token in line.logprobs))
        if line.done:
            yield from self._end(line)

    def _said(self, said: _Said) -> Iterator[Event]:
        if said.thinking:
            yield ReasoningDelta(said.thinking)
        if said.content:
            yield TextDelta(said.content)
        for data in said.images or ():
            yield FileMade(_painted(data))
        for call in said.tool_calls or ():
            function = call.function or _AnsweredFunction()
            index, self._calls = self._calls, self._calls + 1
            yield ToolStarted(index=index, id=call.id or new_call_id(), name=function.name or "")
            if arguments := _arguments(function.arguments):
                yield ToolDelta(index, arguments)
            yield ToolEnded(index)

    def _end(self, line: _Line) -> Iterator[Event]:
        self._over = True
        # A prompt that is cached as a whole is not evaluated, and not counted.
        input_, output = count_of(line.prompt_eval_count), count_of(line.eval_count)
        if input_ is not None and output is not None and input_ + output:
            yield Usage(input=input_, output=output)
        reason = _FINISHES.get(line.done_reason or "", "stop")
        yield Finished(reason="tool_calls" if reason == "stop" and self._calls else reason)
        yield Ended()


def _arguments(given: object) -> str:
    """Of an object; some proxies send its text."""
    if given is None:
        return ""
    return given if isinstance(given, str) else json_text(given)


def _probability(token: _Token) -> dict[str, Any]:
    alternatives = [_alternative(other) for other in token.top_logprobs or ()]
    return {**_alternative(token), "top_logprobs": alternatives}


def _alternative(token: _Alternative) -> dict[str, Any]:
    return {"token": token.token, "logprob": token.logprob, "bytes": token.bytes}


def _created(stamp: object) -> int:
    """Unix seconds of a time with nanoseconds, 0 if it is none."""
    try:
        return max(int(datetime.fromisoformat(str(stamp)).timestamp()), 0)
    except (ValueError, OverflowError):
        return 0


# --- answering a client -----------------------------------------------------------------------------------------------

_REASONS: Final[dict[FinishReason, str]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "stop",
    "pause": "stop",
    "content_filter": "content_filter",
    "malformed_call": "error",
    "error": "error",
}


def stamp_of(seconds: float) -> str:
    """Now, where there is no such time: some upstreams count milliseconds."""
    try:
        time_of = datetime.fromtimestamp(max(seconds, 0), UTC)
    except (ValueError, OverflowError, OSError):
        time_of = datetime.now(UTC)
    return time_of.strftime("%Y-%m-%dT%H:%M:%SZ")


class _Shape:
    """How an answer is told: to a chat, or to a prompt."""

    def __init__(self, chat: Chat, created: int) -> None:
        self._head = {"model": chat.model, "created_at": stamp_of(created or time.time())}
        self._prompted = isinstance(chat, Prompted)

    def said(self, content: str, **more: object) -> dict[str, Any]:
        """A prompt cannot offer tools, so its answer has no calls."""
        if self._prompted:
            return {**self._head, "response": content, **more}
        return {**self._head, "message": {"role": "assistant", "content": content, **more}}

    def done(self, finish: FinishReason | None, usage: Usage | None) -> dict[str, Any]:
        counts = {"prompt_eval_count": usage.input, "eval_count": usage.output} if usage else {}
        return {"done": True, "done_reason": _REASONS[finish or "stop"], **counts}


def answer_of(answer: Answer, chat: Chat) -> bytes:
    choice = answer.choices[0] if answer.choices else Choice()
    spoken = (_drawn(part) if isinstance(part, File) else part for part in choice.parts)
    content = "".join(part.text for part in spoken if isinstance(part, Text | Refusal))
    more: dict[str, Any] = {"thinking": choice.reasoning} if choice.reasoning else {}
    if choice.calls:
        more["tool_calls"] = [_written_call(at, call) for at, call in enumerate(choice.calls)]
    shape = _Shape(chat, answer.created)
    probabilities = {"logprobs": choice.logprobs} if choice.logprobs else {}
    return _encoded({**shape.said(content, **more), **probabilities, **shape.done(choice.finish, answer.usage)})


def _drawn(file: File) -> Text:
    """As Markdown: an answer may have ``images``, but its SDK cannot read them."""
    if file.kind != "image" or (file.data is None and file.url is None):
        return Text(text="")
    url = file.url if file.data is None else f"data:{file.media_type or 'image/png'};base64,{file.data}"
    return Text(text=f"![image]({url})")


def _written_call(index: int, call: ToolCall) -> dict[str, Any]:
    function = {"index": index, "name": call.name, "arguments": _object(call)}
    return {"id": call.id, "function": function, **_sealed(call.signature)}


def _sealed(signature: Signature | None) -> dict[str, str]:
    if signature is None:
        return {}
    return {"signature": signature.value if signature.dialect == NAME else seal(signature)}


def _object(call: ToolCall) -> dict[str, Any]:
    """What a model failed to write as an object is handed on for the caller to see."""
    if call.custom:
        return {"input": call.arguments}
    try:
        return object_of(call.arguments, call.name, "")
    except BadRequest:
        return {"_raw": call.arguments}


_BREAKS: Final = ((b"\xe2\x80\xa8", rb"\u2028"), (b"\xe2\x80\xa9", rb"\u2029"), (b"\xc2\x85", rb"\u0085"))


def _encoded(value: object) -> bytes:
    """JSON without what some clients' splitters of lines take for the end of one: its SDK's does."""
    text = msgspec.json.encode(value)
    for found, escaped in _BREAKS:
        text = text.replace(found, escaped)
    return text


class OllamaEncoder:
    """Calls are told whole, in their order: each waits for those before it to end."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._shape: _Shape | None = None
        self._calls: dict[int, tuple[ToolStarted, list[str]]] = {}
        self._ended: set[int] = set()
        self._told = 0
        self._usage: Usage | None = None
        self._finish: FinishReason | None = None
        self._over = False

    def encode(self, events: Sequence[Event]) -> bytes:
        return b"".join(line for event in events for line in self._lines(event))

    def finish(self) -> bytes:
        if self._over:
            return b""
        calls = b"".join(self._tell(everything=True))
        self._over = True
        shape = self._shaped()
        return calls + _encoded({**shape.said(""), **shape.done(self._finish, self._usage)}) + b"\n"

    def fail(self, error: GatewayError) -> bytes:
        if self._over:
            return b""
        self._over = True
        return error_of(error) + b"\n"

    def _lines(self, event: Event) -> Iterator[bytes]:
        if self._over or getattr(event, "choice", 0) != 0:
            return
        match event:
            case Started():
                self._shaped(event.created)
            case TextDelta(text) | RefusalDelta(text) if text:
                yield self._line(text)
            case ReasoningDelta(text) if text:
                yield self._line("", thinking=text)
            case FileMade(file) if drawn := _drawn(file).text:
                yield self._line(drawn)
            case Probabilities(content):
                yield _encoded({**self._shaped().said(""), "logprobs": content, "done": False}) + b"\n"
            case ToolStarted() | ToolDelta() | ToolEnded():
                yield from self._call(event)
            case _:
                yield from self._last(event)

    def _last(self, event: Event) -> Iterator[bytes]:
        match event:
            case Finished():
                yield from self._tell(everything=True)
                self._finish = event.reason
            case Usage():
                self._usage = event
            case Broken(error):
                yield self.fail(error)
            case _:
                pass

    def _shaped(self, created: int = 0) -> _Shape:
        if self._shape is None:
            self._shape = _Shape(self._chat, created)
        return self._shape

    def _line(self, content: str, **more: object) -> bytes:
        return _encoded({**self._shaped().said(content, **more), "done": False}) + b"\n"

    def _call(self, event: ToolStarted | ToolDelta | ToolEnded) -> Iterator[bytes]:
        if isinstance(event, ToolStarted):
            self._calls[event.index] = (event, [])
        elif isinstance(event, ToolEnded):
            self._ended.add(event.index)
            yield from self._tell()
        elif event.index in self._calls:
            self._calls[event.index][1].append(event.arguments)

    def _tell(self, *, everything: bool = False) -> Iterator[bytes]:
        while self._calls:
            index, (started, pieces) = next(iter(self._calls.items()))
            if not everything and index not in self._ended:
                return
            del self._calls[index]
            call = ToolCall(
                id=started.id,
                name=started.name,
                arguments="".join(pieces),
                custom=started.custom,
                signature=started.signature,
            )
            yield self._line("", tool_calls=[_written_call(self._told, call)])
            self._told += 1


def error_of(error: GatewayError) -> bytes:
    return _encoded({"error": error.message})
