"""What Cohere's API, version 2, answers to a chat: the whole answer and the stream of events, read and written.

Reference: https://docs.cohere.com/reference/chat and https://docs.cohere.com/docs/streaming.

A stream has events with a ``type``; blocks of content, tool calls and citations are counted each for themselves. It
tells of an error in its ``message-end``, and has no other word for it. Real ones end with ``data: [DONE]`` after that.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from ...errors import GatewayError, UpstreamFailed, UpstreamTimeout
from ...models import Usage
from ...unreadable import UNREADABLE
from ..chat import File, Part, Reasoning, Refusal, Text, ToolCall
from ..dialect import MalformedAnswerError
from ..events import (
    Answer,
    Broken,
    Choice,
    Citation,
    Cited,
    Ended,
    Event,
    FileMade,
    Finished,
    FinishReason,
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
from ..frames import SSEFrames
from ..reading import new_call_id
from ..sealed import Signature, seal
from ..usage import count_of, counts_of

__all__ = [
    "NAME",
    "CohereDecoder",
    "CohereEncoder",
    "Used",
    "answer_of",
    "decode_answer",
    "error_frame",
    "json_text",
    "told",
    "usage_of",
    "uuid_of",
]

NAME: Final = "cohere"


def json_text(value: object) -> str:
    return msgspec.json.encode(value).decode()


# --- the answer, as it is on the wire ---------------------------------------------------------------------------------


_ABSENT: Final = Raw()


class Used(Struct):
    tokens: Raw = _ABSENT
    billed_units: Raw = _ABSENT
    cached_tokens: Raw = _ABSENT


class _Block(Struct):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None


class _SourceDocument(Struct):
    title: Any = None
    url: Any = None
    text: Any = None
    snippet: Any = None


class _Source(Struct):
    document: _SourceDocument | None = None


class _Cited(Struct):
    start: int | None = None
    end: int | None = None
    type: str | None = None
    sources: list[_Source] | None = None


class _AnsweredFunction(Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _AnsweredCall(Struct):
    id: str | None = None
    function: _AnsweredFunction | None = None


class _Logprob(Struct):
    text: str | None = None
    logprobs: list[float] | None = None


class _Said(Struct):
    """A message: whole, or what a delta adds to it, where lists are single things."""

    content: list[_Block] | _Block | str | None = None
    tool_plan: str | None = None
    tool_calls: list[_AnsweredCall] | _AnsweredCall | None = None
    citations: list[_Cited] | _Cited | None = None


class _Answered(Struct):
    id: str | None = None
    message: _Said | str | None = None
    finish_reason: str | None = None
    usage: Used | None = None
    logprobs: list[_Logprob] | None = None


_answered = msgspec.json.Decoder(_Answered)

_FINISHES: Final[dict[str, FinishReason]] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_LIMIT": "length",
    "ERROR_TOXIC": "content_filter",
}
_FAILURES: Final[dict[str, Callable[[], GatewayError]]] = {
    "ERROR": lambda: UpstreamFailed("The model's provider broke its answer off with an error. Try again."),
    "TIMEOUT": lambda: UpstreamTimeout("The model's provider ran out of time. Try again, or ask for less."),
}


def decode_answer(body: bytes) -> Iterator[Event]:
    answered = told(_answered, body)
    said = answered.message
    if not isinstance(said, _Said):
        if isinstance(said, str) and answered.finish_reason is None:
            yield Broken(_FAILURES["ERROR"]())
            return
        raise MalformedAnswerError("the answer has no message")
    yield Started(id=answered.id or "")
    yield from _content(said)
    for index, call in enumerate(_listed(said.tool_calls)):
        yield from _whole_call(index, call)
    for cited in _listed(said.citations):
        yield from _citations(cited)
    for logprob in answered.logprobs or ():
        yield from _probabilities(logprob)
    yield from _end(answered.finish_reason, answered.usage)


def told(decoder: msgspec.json.Decoder[Any], data: bytes) -> Any:
    try:
        return decoder.decode(data)
    except UNREADABLE as error:
        raise MalformedAnswerError(f"not an answer of this format: {error}") from None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _blocks(said: _Said) -> list[_Block]:
    return [_Block(text=block) if isinstance(block, str) else block for block in _listed(said.content)]


def _content(said: _Said) -> Iterator[Event]:
    """The plan comes where a stream has it: after the thoughts, before what is said aloud."""
    blocks = _blocks(said)
    for block in blocks:
        if block.thinking:
            yield ReasoningDelta(block.thinking)
            yield ReasoningEnded()
    if said.tool_plan:
        yield ReasoningDelta(said.tool_plan)
    yield from (TextDelta(block.text) for block in blocks if block.text)


def _whole_call(index: int, call: _AnsweredCall) -> Iterator[Event]:
    function = call.function or _AnsweredFunction()
    yield ToolStarted(index=index, id=call.id or new_call_id(), name=function.name or "")
    if arguments := _arguments(function):
        yield ToolDelta(index, arguments)
    yield ToolEnded(index)


def _arguments(function: _AnsweredFunction) -> str:
    given = function.arguments
    return json_text(given) if isinstance(given, dict) else given or ""


def _citations(cited: _Cited) -> Iterator[Event]:
    """One for each source. Offsets are those of the text; citations of thoughts and plans have others."""
    if cited.type not in (None, "TEXT_CONTENT"):
        return
    for source in cited.sources or [_Source()]:
        document = source.document or _SourceDocument()
        url, title, quote = (
            value if isinstance(value, str) else ""
            for value in (document.url, document.title, document.snippet or document.text)
        )
        yield Cited(Citation(url=url, title=title, quote=quote, start=cited.start, end=cited.end))


def _probabilities(logprob: _Logprob) -> Iterator[Event]:
    """A piece of text may be several tokens: its probability is their product."""
    if logprob.text is not None and logprob.logprobs:
        told: dict[str, Any] = {"token": logprob.text, "logprob": sum(logprob.logprobs)}
        yield Probabilities(({**told, "bytes": None, "top_logprobs": []},))


def _end(reason: str | None, used: Used | None) -> Iterator[Event]:
    if used is not None and (usage := usage_of(used)):
        yield usage
    if reason in _FAILURES:
        yield Broken(_FAILURES[reason]())
        return
    yield Finished(reason=_FINISHES.get(reason or "", "stop"))
    yield Ended()


def usage_of(used: Used) -> Usage | None:
    """``tokens`` are all that the model saw and made; ``billed_units`` leave out what the provider added, and are all
    that embeddings have."""
    counts = counts_of(used.tokens) or counts_of(used.billed_units)
    input_, output = counts.get("input_tokens") or 0, counts.get("output_tokens") or 0
    cached = min(count_of(used.cached_tokens) or 0, input_)
    return Usage(input=input_, output=output, cache_read=cached) if input_ + output else None


# --- the stream -------------------------------------------------------------------------------------------------------


class _Delta(Struct):
    message: _Said | None = None
    finish_reason: str | None = None
    usage: Used | None = None


class _StreamEvent(Struct):
    type: str | None = None
    id: str | None = None
    index: int | None = None
    delta: _Delta | None = None
    logprobs: _Logprob | None = None


class _Kind(Struct):
    type: Any = None
    message: Any = None


_stream_event = msgspec.json.Decoder(_StreamEvent)
_kind = msgspec.json.Decoder(_Kind)


class CohereDecoder:
    def __init__(self) -> None:
        self._frames = SSEFrames()
        self._calls: dict[int, int] = {}
        self._thinking = False
        self._over = False
        self._steps: dict[str, Callable[[_StreamEvent, _Said], Iterator[Event]]] = {
            "message-start": self._start,
            "content-start": self._say,
            "content-delta": self._say,
            "content-end": self._said,
            "tool-plan-delta": self._plan,
            "tool-call-start": self._call,
            "tool-call-delta": self._argue,
            "tool-call-end": self._called,
            "citation-start": self._cite,
            "message-end": self._end,
        }

    @property
    def whole(self) -> bool:
        return self._over

    def feed(self, chunk: bytes) -> list[Event]:
        return [event for data in self._frames.feed(chunk) for event in self._events(data)]

    def finish(self) -> list[Event]:
        """A last event that was cut is none."""
        with suppress(MalformedAnswerError):
            return [event for data in self._frames.finish() for event in self._events(data)]
        return []

    def _events(self, data: bytes) -> Iterator[Event]:
        if self._over or data == b"[DONE]":
            return
        kind = told(_kind, data)
        step = self._steps.get(kind.type) if isinstance(kind.type, str) else None
        if step is not None:
            event = told(_stream_event, data)
            said = event.delta.message if event.delta is not None else None
            yield from step(event, said or _Said())
        elif kind.type is None and isinstance(kind.message, str):  # the body of an error, as an event
            self._over = True
            yield Broken(_FAILURES["ERROR"]())

    def _start(self, event: _StreamEvent, _: _Said) -> Iterator[Event]:
        yield Started(id=event.id or "")

    def _say(self, event: _StreamEvent, said: _Said) -> Iterator[Event]:
        for block in _blocks(said):
            if block.thinking:
                self._thinking = True
                yield ReasoningDelta(block.thinking)
            if block.text:
                yield TextDelta(block.text)
        if event.logprobs is not None:
            yield from _probabilities(event.logprobs)

    def _said(self, _: _StreamEvent, __: _Said) -> Iterator[Event]:
        if self._thinking:
            self._thinking = False
            yield ReasoningEnded()

    def _plan(self, _: _StreamEvent, said: _Said) -> Iterator[Event]:
        if said.tool_plan:
            yield ReasoningDelta(said.tool_plan)

    def _call(self, event: _StreamEvent, said: _Said) -> Iterator[Event]:
        """Their index counts what came before as well, with some models."""
        for call in _listed(said.tool_calls):
            index = len(self._calls)
            self._calls[index if event.index is None else event.index] = index
            function = call.function or _AnsweredFunction()
            yield ToolStarted(index=index, id=call.id or new_call_id(), name=function.name or "")
            if arguments := _arguments(function):
                yield ToolDelta(index, arguments)

    def _argue(self, event: _StreamEvent, said: _Said) -> Iterator[Event]:
        for call in _listed(said.tool_calls):
            if call.function is not None and (arguments := _arguments(call.function)):
                yield ToolDelta(self._index(event), arguments)

    def _called(self, event: _StreamEvent, _: _Said) -> Iterator[Event]:
        yield ToolEnded(self._index(event))

    def _index(self, event: _StreamEvent) -> int:
        if not self._calls:
            raise MalformedAnswerError("arguments of a tool call that was not started")
        last = next(reversed(self._calls.values()))
        return last if event.index is None else self._calls.get(event.index, last)

    def _cite(self, _: _StreamEvent, said: _Said) -> Iterator[Event]:
        for cited in _listed(said.citations):
            yield from _citations(cited)

    def _end(self, event: _StreamEvent, _: _Said) -> Iterator[Event]:
        self._over = True
        delta = event.delta or _Delta()
        yield from _end(delta.finish_reason, delta.usage)


# --- answering a client -----------------------------------------------------------------------------------------------

_REASONS: Final[dict[FinishReason, str]] = {
    "stop": "COMPLETE",
    "length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "pause": "COMPLETE",
    "content_filter": "ERROR",
    "malformed_call": "ERROR",
    "error": "ERROR",
}


def _reason(finish: FinishReason | None, stop_sequence: str | None) -> str:
    if finish == "stop" and stop_sequence is not None:
        return "STOP_SEQUENCE"
    return _REASONS[finish or "stop"]


def uuid_of(call_id: str) -> str:
    return str(uuid.UUID(hex=call_id))


def _used(usage: Usage | None) -> dict[str, Any]:
    if usage is None:
        return {}
    counts = {"input_tokens": usage.input, "output_tokens": usage.output}
    return {"usage": {"billed_units": counts, "tokens": counts, "cached_tokens": usage.cache_read}}


def _sealed(signature: Signature | None) -> dict[str, str]:
    if signature is None:
        return {}
    return {"signature": signature.value if signature.dialect == NAME else seal(signature)}


def answer_of(answer: Answer, call_id: str) -> bytes:
    choice = answer.choices[0] if answer.choices else Choice()
    message: dict[str, Any] = {"role": "assistant"}
    if content := _written_content(choice.parts):
        message["content"] = content
    if choice.calls:
        message["tool_calls"] = [_written_call(call) for call in choice.calls]
    if choice.citations:
        text = _aloud(choice)
        message["citations"] = [_written_citation(cited, text, at) for at, cited in enumerate(choice.citations)]
    written: dict[str, Any] = {
        "id": uuid_of(call_id),
        "message": message,
        "finish_reason": _reason(choice.finish, choice.stop_sequence),
        **_used(answer.usage),
    }
    if choice.logprobs:
        written["logprobs"] = [_written_logprob(token) for token in choice.logprobs]
    return msgspec.json.encode(written)


def _aloud(choice: Choice) -> str:
    return "".join(block["text"] for block in _written_content(choice.parts) if block["type"] == "text")


def _written_content(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """Neighbouring texts are one block, as in a stream, which cannot tell them apart."""
    blocks: list[dict[str, Any]] = []
    going_on = False
    for part in parts:
        if isinstance(part, Text | Refusal | File):
            text = _drawn(part) if isinstance(part, File) else part.text
            if text and going_on:
                blocks[-1]["text"] += text
            elif text:
                blocks.append({"type": "text", "text": text})
                going_on = True
        elif isinstance(part, ToolCall):
            going_on = False
        elif isinstance(part, Reasoning) and (part.text or part.signature is not None):
            blocks.append({"type": "thinking", "thinking": part.text, **_sealed(part.signature)})
            going_on = False
    return blocks


def _drawn(file: File) -> str:
    """This format has only text for an answer: an image becomes Markdown."""
    if file.kind != "image" or (file.data is None and file.url is None):
        return ""
    url = file.url if file.data is None else f"data:{file.media_type or 'image/png'};base64,{file.data}"
    return f"![image]({url})"


def _written_call(call: ToolCall) -> dict[str, Any]:
    arguments = json_text({"input": call.arguments}) if call.custom else call.arguments
    function = {"name": call.name, "arguments": arguments}
    return {"id": call.id, "type": "function", "function": function, **_sealed(call.signature)}


def _written_citation(cited: Citation, text: str, at: int) -> dict[str, Any]:
    start, end = cited.start, cited.end
    told = {"title": cited.title, "url": cited.url, "snippet": cited.quote}
    name = f"doc:{at}"
    document = {"id": name} | {key: value for key, value in told.items() if value}
    return {
        "start": start,
        "end": end,
        "text": text[start:end] if start is not None and end is not None else cited.quote,
        "sources": [{"type": "document", "id": name, "document": document}],
        "type": "TEXT_CONTENT",
    }


def _written_logprob(token: Mapping[str, Any]) -> dict[str, Any]:
    return {"text": token.get("token"), "token_ids": [], "logprobs": [token.get("logprob")]}


_MOST_TEXT: Final = 1 << 17
"""Characters of one delta: the SDK takes no line of more than a million, and an image is one text."""


class _OpenCall:
    """One call on its way: ``held`` is what waits for the calls before it to end."""

    def __init__(self, started: ToolStarted) -> None:
        self.started = started
        self.held: list[str] = []
        self.ended = False


class CohereEncoder:
    """Calls are told one after another: of several that are open, all but the first wait."""

    def __init__(self, call_id: str) -> None:
        self._call_id = call_id
        self._started = False
        self._over = False
        self._block: str | None = None
        self._blocks = 0
        self._waiting: dict[int, _OpenCall] = {}
        self._empty = True
        self._number = 0
        self._text = ""
        self._cited = 0
        self._usage: Usage | None = None
        self._finished: Finished | None = None

    def encode(self, events: Sequence[Event]) -> bytes:
        return b"".join(frame for event in events for frame in self._frames(event))

    def finish(self) -> bytes:
        if self._over:
            return b""
        ended = b"".join((*self._begin(), *self._close(), *self._end_calls()))
        self._over = True
        finish = self._finished
        reason = _reason(finish.reason, finish.stop_sequence) if finish else "COMPLETE"
        delta = {"finish_reason": reason, **_used(self._usage)}
        return ended + _frame("message-end", id=uuid_of(self._call_id), delta=delta) + b"data: [DONE]\n\n"

    def fail(self, error: GatewayError) -> bytes:
        if self._over:
            return b""
        self._over = True
        return error_frame(error)

    def _frames(self, event: Event) -> Iterator[bytes]:
        if self._over or getattr(event, "choice", 0) != 0:
            return
        yield from self._begin()
        match event:
            case TextDelta(text) | RefusalDelta(text):
                yield from self._say("text", text)
            case FileMade(file):
                yield from self._say("text", _drawn(file))
            case ReasoningDelta(text):
                yield from self._say("thinking", text)
            case ReasoningEnded():
                yield from self._thought(event)
            case ToolStarted() | ToolDelta() | ToolEnded():
                yield from self._call(event)
            case Cited(citation):
                yield from self._cite(citation)
            case Probabilities(content):
                yield from self._probable(content)
            case _:
                yield from self._last(event)

    def _last(self, event: Event) -> Iterator[bytes]:
        match event:
            case Finished():
                yield from self._close()
                yield from self._end_calls()
                self._finished = event
            case Usage():
                self._usage = event
            case Broken(error):
                yield self.fail(error)
            case _:
                pass

    def _begin(self) -> Iterator[bytes]:
        if not self._started:
            self._started = True
            message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
            yield _frame("message-start", id=uuid_of(self._call_id), delta={"message": message})

    def _open(self, kind: str) -> Iterator[bytes]:
        if self._block != kind:
            yield from self._close()
            yield from self._end_calls()
            self._block = kind
            content = {"type": kind, kind: ""}
            yield _frame("content-start", index=self._blocks, delta={"message": {"content": content}})

    def _close(self) -> Iterator[bytes]:
        if self._block is not None:
            self._block = None
            yield _frame("content-end", index=self._blocks)
            self._blocks += 1

    def _say(self, kind: str, text: str) -> Iterator[bytes]:
        for start in range(0, len(text), _MOST_TEXT):
            yield from self._open(kind)
            piece = text[start : start + _MOST_TEXT]
            yield _frame("content-delta", index=self._blocks, delta={"message": {"content": {kind: piece}}})
        if kind == "text":
            self._text += text

    def _thought(self, event: ReasoningEnded) -> Iterator[bytes]:
        if event.signature is not None:
            yield from self._open("thinking")
            content = {"thinking": "", **_sealed(event.signature)}
            yield _frame("content-delta", index=self._blocks, delta={"message": {"content": content}})
        if self._block == "thinking":
            yield from self._close()

    def _cite(self, citation: Citation) -> Iterator[bytes]:
        at = self._cited
        self._cited += 1
        written = _written_citation(citation, self._text, at)
        yield _frame("citation-start", index=at, delta={"message": {"citations": written}})
        yield _frame("citation-end", index=at)

    def _probable(self, content: Iterable[dict[str, Any]]) -> Iterator[bytes]:
        yield from self._open("text")
        delta = {"message": {"content": {"text": ""}}}
        for token in content:
            yield _frame("content-delta", index=self._blocks, delta=delta, logprobs=_written_logprob(token))

    def _call(self, event: ToolStarted | ToolDelta | ToolEnded) -> Iterator[bytes]:
        if isinstance(event, ToolStarted):
            yield from self._close()
            self._waiting[event.index] = _OpenCall(event)
            if len(self._waiting) == 1:
                yield self._start_call(event)
        elif (call := self._waiting.get(event.index)) is not None:
            if isinstance(event, ToolDelta):
                call.held.append(event.arguments)
            else:
                call.ended = True
        yield from self._tell()

    def _tell(self) -> Iterator[bytes]:
        """What the first open call has, and, if that ended, what waited behind it."""
        while self._waiting:
            index, call = next(iter(self._waiting.items()))
            yield from self._argue("".join(call.held))
            call.held.clear()
            if not call.ended:
                return
            if self._empty:
                yield from self._argue("{}")
            yield _frame("tool-call-end", index=self._number)
            self._number += 1
            del self._waiting[index]
            for waiting in list(self._waiting.values())[:1]:
                yield self._start_call(waiting.started)

    def _start_call(self, started: ToolStarted) -> bytes:
        self._empty = True
        function = {"name": started.name, "arguments": ""}
        call = {"id": started.id, "type": "function", "function": function, **_sealed(started.signature)}
        return _frame("tool-call-start", index=self._number, delta={"message": {"tool_calls": call}})

    def _argue(self, arguments: str) -> Iterator[bytes]:
        if arguments:
            self._empty = False
            delta = {"message": {"tool_calls": {"function": {"arguments": arguments}}}}
            yield _frame("tool-call-delta", index=self._number, delta=delta)

    def _end_calls(self) -> Iterator[bytes]:
        for call in self._waiting.values():
            call.ended = True
        yield from self._tell()


def _frame(kind: str, **fields: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))


def error_frame(error: GatewayError) -> bytes:
    return _frame("message-end", delta={"finish_reason": "ERROR", "error": error.message})
