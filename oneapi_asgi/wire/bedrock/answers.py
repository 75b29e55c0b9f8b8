"""What Amazon Bedrock's Converse answers: at once, as a stream, and when it refuses. (The request: ``bedrock``.)

The answer
    {"output": {"message": {"content": [block]}}, "stopReason", "usage": {"inputTokens", "outputTokens", …}}

The stream
    binary frames (``eventstream``): messageStart, then per block contentBlockStart (of tools; text has none),
    contentBlockDelta …, contentBlockStop, then messageStop, then metadata with the usage. Exceptions are frames too.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from ...errors import UpstreamRefused
from ...models import Usage
from ...unreadable import UNREADABLE
from ..chat import File, Target
from ..dialect import MalformedAnswerError
from ..events import (
    Broken,
    Citation,
    Cited,
    Ended,
    Event,
    FileMade,
    Finished,
    FinishReason,
    ReasoningDelta,
    ReasoningEnded,
    Started,
    TextDelta,
    ToolDelta,
    ToolEnded,
    ToolStarted,
)
from ..reading import new_call_id
from ..sealed import Signature
from ..usage import count_of
from .eventstream import EventStreamFrames, Message

__all__ = ["FORMAT_TOOL", "NAME", "StreamDecoder", "answered", "refused"]

NAME: Final = "bedrock"

FORMAT_TOOL: Final = "json_answer_of_the_gateway"
"""Where a model cannot be held to a schema otherwise, it is made to call this tool, whose input is the answer."""

# --- the answer -------------------------------------------------------------------------------------------------------

_ABSENT: Final = Raw()


class _Wire(Struct, rename="camel"):
    """Part of an answer; members that are not known are skipped."""


class _ToolUse(_Wire):
    tool_use_id: str | None = None
    name: str | None = None
    type: str | None = None
    input: Raw = _ABSENT


class _ReasoningText(_Wire):
    text: str | None = None
    signature: str | None = None


class _ReasoningContent(_Wire):
    """Of a block (reasoningText) and of a delta (text, signature)."""

    reasoning_text: _ReasoningText | None = None
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class _Quote(_Wire):
    text: str | None = None


class _Web(_Wire):
    url: str | None = None


class _Location(_Wire):
    web: _Web | None = None


class _Cite(_Wire):
    title: str | None = None
    source_content: list[_Quote] | None = None
    location: _Location | None = None


class _CitationsContent(_Wire):
    content: list[_Quote] | None = None
    citations: list[_Cite] | None = None


class _Source(_Wire):
    bytes: str | None = None


class _Image(_Wire):
    format: str | None = None
    source: _Source | None = None


class _Block(_Wire):
    text: str | None = None
    tool_use: _ToolUse | None = None
    reasoning_content: _ReasoningContent | None = None
    citations_content: _CitationsContent | None = None
    image: _Image | None = None


class _OutputMessage(_Wire):
    content: list[_Block] | None = None


class _Output(_Wire):
    message: _OutputMessage | None = None


class _Answer(_Wire):
    output: _Output | None = None
    stop_reason: str | None = None
    usage: Raw = _ABSENT
    additional_model_response_fields: Raw = _ABSENT


class _CacheDetail(_Wire):
    ttl: str | None = None
    input_tokens: Raw = _ABSENT


class _Counts(_Wire):
    input_tokens: Raw = _ABSENT
    output_tokens: Raw = _ABSENT
    cache_read_input_tokens: Raw = _ABSENT
    cache_write_input_tokens: Raw = _ABSENT
    cache_details: list[_CacheDetail] | None = None


class _ClaudeFields(Struct):
    stop_sequence: str | None = None


Shape = TypeVar("Shape")

_answer = msgspec.json.Decoder(_Answer)
_counts = msgspec.json.Decoder(_Counts | None)
_claude_fields = msgspec.json.Decoder(_ClaudeFields | None)
_arguments = msgspec.json.Decoder(dict[str, Raw] | str | None)
_object = msgspec.json.Decoder(dict[str, Raw])


def _decoded(decoder: msgspec.json.Decoder[Shape], raw: bytes | Raw) -> Shape:
    try:
        return decoder.decode(raw)
    except RecursionError:
        raise MalformedAnswerError("the answer is nested too deeply") from None
    except UNREADABLE as error:
        raise MalformedAnswerError(f"the answer is not Converse's: {error}") from None


def _optional(decoder: msgspec.json.Decoder[Shape], raw: Raw) -> Shape | None:
    """What is worth nothing when it cannot be read, but does not spoil the rest."""
    try:
        return decoder.decode(raw) if raw is not _ABSENT else None
    except UNREADABLE:
        return None


def _usage(raw: Raw) -> Usage | None:
    """inputTokens counts neither what was read from the cache nor what was written to it."""
    counts = _optional(_counts, raw)
    if counts is None:
        return None
    read, written = count_of(counts.cache_read_input_tokens) or 0, count_of(counts.cache_write_input_tokens) or 0
    hour = sum(count_of(detail.input_tokens) or 0 for detail in counts.cache_details or () if detail.ttl == "1h")
    hour = min(hour, written)
    input_ = (count_of(counts.input_tokens) or 0) + read + written
    output = count_of(counts.output_tokens) or 0
    if not input_ + output:
        return None
    return Usage(input=input_, output=output, cache_read=read, cache_write=written - hour, cache_write_1h=hour)


_FINISH: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_tool_use": "malformed_call",
    "malformed_model_output": "error",
}


class _Open:
    """The block that is being told."""

    __slots__ = ("call", "format", "index", "kind", "pieces", "signature", "told")

    def __init__(self, index: int, kind: str) -> None:
        self.index = index
        self.kind = kind
        self.call = 0
        self.told = False
        self.format = ""
        self.signature: list[str] = []
        self.pieces: list[str] = []


class _Reader:
    """Blocks into events. A whole block is a start, one delta and a stop: a stream cannot tell another story."""

    def __init__(self, target: Target) -> None:
        self._model = target.model
        self._open: _Open | None = None
        self._calls = 0
        self._answered_by_tool = False

    def block(self, index: int, block: _Block) -> list[Event]:
        events: list[Event] = []
        if block.tool_use is not None:
            events += self.start(index, _Start(tool_use=block.tool_use))
            events += self.delta(index, _Delta(tool_use=_ToolUse(input=_text_of(block.tool_use.input))))
        elif block.reasoning_content is not None:
            given = block.reasoning_content.reasoning_text or _ReasoningText()
            redacted = block.reasoning_content.redacted_content
            events += self.delta(
                index,
                _Delta(
                    reasoning_content=_ReasoningContent(
                        text=given.text, signature=given.signature, redacted_content=redacted
                    )
                ),
            )
        elif block.citations_content is not None:
            text = "".join(quoted.text or "" for quoted in block.citations_content.content or ())
            events += self.delta(index, _Delta(text=text))
            for cite in block.citations_content.citations or ():
                events += self.delta(index, _Delta(citation=cite))
        elif block.image is not None:
            events += self.start(index, _Start(image=block.image))
            events += self.delta(index, _Delta(image=block.image))
        elif block.text is not None:
            events += self.delta(index, _Delta(text=block.text))
        return events + self.stop(index)

    def start(self, index: int, start: _Start) -> list[Event]:
        events = self._close()
        if start.tool_use is not None:
            return events + self._start_tool(index, start.tool_use)
        if start.image is not None:
            self._open = _Open(index, "image")
            self._open.format = start.image.format or "png"
        elif start.tool_result is not _ABSENT:
            self._open = _Open(index, "skipped")
        return events

    def _start_tool(self, index: int, tool: _ToolUse) -> list[Event]:
        if tool.type == "server_tool_use":  # the provider called it, and has answered it
            self._open = _Open(index, "skipped")
            return []
        if tool.name == FORMAT_TOOL:
            self._answered_by_tool = True
            self._open = _Open(index, "answer")
            return []
        if not tool.name:
            raise MalformedAnswerError("a toolUse has no name")
        self._open = _Open(index, "tool")
        self._open.call = self._calls
        self._calls += 1
        return [ToolStarted(index=self._open.call, id=tool.tool_use_id or new_call_id("tooluse_"), name=tool.name)]

    def delta(self, index: int, delta: _Delta) -> list[Event]:
        events = self._close() if self._open is not None and self._open.index != index else []
        if self._open is None:
            self._open = _Open(index, _kind_of(delta))
        block = self._open
        if block.kind == "skipped":
            return events
        if delta.tool_use is not None:
            return events + self._tool_delta(block, _plain(delta.tool_use.input))
        if delta.reasoning_content is not None:
            return events + _reasoning_delta(block, delta.reasoning_content)
        if delta.citation is not None:
            return [*events, Cited(_citation(delta.citation))]
        if delta.image is not None and delta.image.source is not None and delta.image.source.bytes:
            block.pieces.append(delta.image.source.bytes)
        if delta.text:
            events.append(TextDelta(delta.text))
        return events

    def _tool_delta(self, block: _Open, text: str) -> list[Event]:
        if block.kind not in ("tool", "answer"):
            raise MalformedAnswerError("the input of a tool came before its start")
        if not text:
            return []
        block.told = True
        return [ToolDelta(block.call, text) if block.kind == "tool" else TextDelta(text)]

    def stop(self, index: int) -> list[Event]:
        return self._close() if self._open is not None and self._open.index == index else []

    def _close(self) -> list[Event]:
        block, self._open = self._open, None
        if block is None:
            return []
        if block.kind == "tool":
            told: list[Event] = [] if block.told else [ToolDelta(block.call, "{}")]
            return [*told, ToolEnded(block.call)]
        if block.kind == "answer" and not block.told:
            return [TextDelta("{}")]
        if block.kind == "reasoning":
            return [self._thought(block)]
        if block.kind == "image" and block.pieces:
            data = _joined_base64(block.pieces)
            return [FileMade(File(kind="image", media_type=f"image/{block.format}", data=data))]
        return []

    def _thought(self, block: _Open) -> ReasoningEnded:
        value = _joined_base64(block.pieces) if block.pieces else "".join(block.signature)
        signature = Signature(NAME, self._model, value) if value else None
        return ReasoningEnded(signature, redacted=bool(block.pieces))

    def finish(self, stop_reason: str | None, fields: Raw) -> list[Event]:
        reason = _FINISH.get(stop_reason or "end_turn", "stop")
        if reason in ("stop", "tool_calls"):  # some models say end_turn when they have called
            reason = "tool_calls" if self._calls or (reason == "tool_calls" and not self._answered_by_tool) else "stop"
        told = _optional(_claude_fields, fields)
        met = told.stop_sequence if told is not None and stop_reason == "stop_sequence" else None
        return [*self._close(), Finished(reason=reason, stop_sequence=met)]


def _kind_of(delta: _Delta) -> str:
    return "reasoning" if delta.reasoning_content is not None else "text"


def _reasoning_delta(block: _Open, delta: _ReasoningContent) -> list[Event]:
    if delta.signature:
        block.signature.append(delta.signature)
    if delta.redacted_content:
        block.pieces.append(delta.redacted_content)
    return [ReasoningDelta(delta.text)] if delta.text else []


def _citation(cite: _Cite) -> Citation:
    quoted = "".join(piece.text or "" for piece in cite.source_content or ())
    web = cite.location.web if cite.location else None
    return Citation(url=(web.url if web else None) or "", title=cite.title or "", quote=quoted)


def _text_of(raw: Raw) -> Raw:
    """The input of a whole toolUse, an object, as a stream tells it: a JSON string of its text, as it was written."""
    given = _decoded(_arguments, raw) if raw is not _ABSENT else None
    if isinstance(given, str):
        text = given if given.strip() else "{}"
        _decoded(_object, text.encode())
    else:
        text = "{}" if given is None else _utf8(raw)
    return Raw(msgspec.json.encode(text))


def _plain(raw: Raw) -> str:
    given = _decoded(_arguments, raw) if raw is not _ABSENT else None
    if isinstance(given, dict):
        return _utf8(raw)
    return given or ""


def _utf8(raw: Raw) -> str:
    """Decoders skip over strings that nobody asked for, without a look at their encoding."""
    try:
        return bytes(raw).decode()
    except UnicodeDecodeError as error:
        raise MalformedAnswerError(f"the answer is not UTF-8: {error}") from None


def _joined_base64(pieces: list[str]) -> str:
    if len(pieces) == 1:
        return pieces[0]
    try:
        return base64.b64encode(b"".join(base64.b64decode(piece, validate=True) for piece in pieces)).decode()
    except (binascii.Error, ValueError):
        raise MalformedAnswerError("a part of the answer is not base64") from None


def answered(body: bytes, target: Target) -> list[Event]:
    """A whole answer.

    :raises MalformedAnswerError: it is none
    """
    answer = _decoded(_answer, body)
    content = answer.output.message.content if answer.output and answer.output.message else None
    if content is None:
        raise MalformedAnswerError("the answer has no output.message.content")
    reader = _Reader(target)
    events: list[Event] = [Started()]
    for index, block in enumerate(content):
        events += reader.block(index, block)
    events += reader.finish(answer.stop_reason, answer.additional_model_response_fields)
    usage = _usage(answer.usage)
    return [*events, *([usage] if usage else []), Ended()]


# --- the stream -------------------------------------------------------------------------------------------------------


class _Start(_Wire):
    tool_use: _ToolUse | None = None
    tool_result: Raw = _ABSENT
    image: _Image | None = None


class _Delta(_Wire):
    text: str | None = None
    tool_use: _ToolUse | None = None
    reasoning_content: _ReasoningContent | None = None
    citation: _Cite | None = None
    image: _Image | None = None


class _Payload(_Wire):
    """Of every event; each has some of it."""

    content_block_index: int | None = None
    start: _Start | None = None
    delta: _Delta | None = None
    stop_reason: str | None = None
    additional_model_response_fields: Raw = _ABSENT
    usage: Raw = _ABSENT


_payload = msgspec.json.Decoder(_Payload)


class StreamDecoder:
    """Complete with messageStop; metadata, which tells the usage, comes after it."""

    def __init__(self, target: Target) -> None:
        self._frames = EventStreamFrames()
        self._reader = _Reader(target)
        self._started = False
        self._stopped = False
        self._ended = False

    @property
    def whole(self) -> bool:
        return self._stopped

    def feed(self, chunk: bytes) -> list[Event]:
        return [event for frame in self._frames.feed(chunk) for event in self._read(frame)]

    def finish(self) -> list[Event]:
        self._frames.finish()
        if not self._stopped or self._ended:
            return []
        self._ended = True
        return [Ended()]

    def _read(self, frame: Message) -> list[Event]:
        if self._ended:
            return []
        kind = frame.headers.get(":message-type", "event")
        if kind != "event":
            self._stopped = self._ended = True
            return [Broken(_exception(frame))]
        handle = _EVENTS.get(frame.headers.get(":event-type", ""))
        if handle is None:
            return []
        events: list[Event] = [] if self._started else [Started()]
        self._started = True
        return events + handle(self, _decoded(_payload, frame.payload))

    def message_start(self, payload: _Payload) -> list[Event]:  # noqa: ARG002
        return []

    def block_start(self, payload: _Payload) -> list[Event]:
        return self._reader.start(payload.content_block_index or 0, payload.start or _Start())

    def block_delta(self, payload: _Payload) -> list[Event]:
        return self._reader.delta(payload.content_block_index or 0, payload.delta or _Delta())

    def block_stop(self, payload: _Payload) -> list[Event]:
        return self._reader.stop(payload.content_block_index or 0)

    def message_stop(self, payload: _Payload) -> list[Event]:
        if self._stopped:
            return []
        self._stopped = True
        return self._reader.finish(payload.stop_reason, payload.additional_model_response_fields)

    def metadata(self, payload: _Payload) -> list[Event]:
        usage = _usage(payload.usage)
        events: list[Event] = [usage] if usage else []
        if self._stopped:
            self._ended = True
            events.append(Ended())
        return events


_EVENTS: Final[dict[str, Callable[[StreamDecoder, _Payload], list[Event]]]] = {
    "messageStart": StreamDecoder.message_start,
    "contentBlockStart": StreamDecoder.block_start,
    "contentBlockDelta": StreamDecoder.block_delta,
    "contentBlockStop": StreamDecoder.block_stop,
    "messageStop": StreamDecoder.message_stop,
    "metadata": StreamDecoder.metadata,
}


# --- errors -----------------------------------------------------------------------------------------------------------

_STATUSES: Final = {
    "ValidationException": 400,
    "AccessDeniedException": 403,
    "ResourceNotFoundException": 404,
    "ModelTimeoutException": 408,
    "ModelErrorException": 424,
    "ModelStreamErrorException": 424,
    "ThrottlingException": 429,
    "ModelNotReadyException": 429,
    "InternalServerException": 500,
    "ServiceUnavailableException": 503,
}
_CODES: Final = {400: "ValidationException", 403: "AccessDeniedException", 404: "ResourceNotFoundException"} | {
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}

# There is no code for it; this names the error and decides nothing.
_TOO_LONG: Final = re.compile(
    r"(?:input|prompt) is too long|too many input tokens|maximum context length", re.IGNORECASE
)


class _Complaint(Struct):
    message: object = None
    Message: object = None
    type: object = msgspec.field(name="__type", default=None)


_complaint = msgspec.json.Decoder(_Complaint)


def _told(body: bytes) -> tuple[str, str]:
    """Message and type, empty where they are not told."""
    try:
        complaint = _complaint.decode(body)
    except UNREADABLE:
        return "", ""
    message = complaint.message or complaint.Message
    kind = complaint.type.rpartition("#")[2] if isinstance(complaint.type, str) else ""
    return message if isinstance(message, str) else "", kind


def refused(status: int, body: bytes) -> UpstreamRefused:
    message, code = _told(body)
    code = code or _CODES.get(status, "")
    if status == 400 and _TOO_LONG.search(message):
        code = "context_length_exceeded"
    kind = "rate_limit_error" if status == 429 else "server_error" if status >= 500 else None
    return UpstreamRefused(message or f"The provider answered {status}.", status=status, code=code or None, kind=kind)


def _exception(frame: Message) -> UpstreamRefused:
    """Of a frame that is an exception (one of the model's service) or an error (of any service)."""
    headers = frame.headers
    name = headers.get(":exception-type") or headers.get(":error-code") or "InternalServerException"
    name = name[:1].upper() + name[1:80]
    status = _STATUSES.get(name, 500)
    message = f"The provider broke off its answer ({name})."
    if status in (400, 404):  # what is said of the request is the caller's to read, the rest is the operator's
        message = _told(frame.payload)[0] or headers.get(":error-message") or message
    return refused(status, msgspec.json.encode({"message": message, "__type": name}))
