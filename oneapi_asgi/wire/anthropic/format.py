"""Anthropic's Messages: what its clients speak, and what its API and those like it (Bedrock, Vertex, Foundry) speak.

The reference is https://platform.claude.com/docs/en/api/messages; the names below are its own. Here is what a client is
told: the answer, its stream, errors. ``reading`` has the request and reads it, ``writing`` writes it,
``answers`` reads what an upstream answers.

Clients are not told of citations: the one form with an address has an ``encrypted_index`` that only Anthropic can make,
and a conversation that came back with another would be refused. Files that a model made are links in Markdown, since no
block of an answer holds one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Raw

from ...errors import GatewayError
from ...models import Usage
from ...unreadable import UNREADABLE
from ..chat import Chat, File, Part, Reasoning, Refusal, Target, Text, ToolCall, Written
from ..dialect import Decoder, Encoder, ModelCard
from ..events import (
    Answer,
    Broken,
    Choice,
    Ended,
    Event,
    FileMade,
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
from ..operations import ARRAY, BOOLEAN, NULL, NUMBER, OBJECT, STRING, Operation
from ..sealed import Signature, seal
from .answers import AnswerDecoder, decode, decode_count, refusal
from .reading import NAME, read, sealed_call
from .writing import write

__all__ = ["ANTHROPIC", "Anthropic"]

_OPERATIONS: Final = {
    "/messages": Operation(
        name="messages",
        dialect=NAME,
        path="/messages",
        task="chat",
        required={"max_tokens": NUMBER, "messages": ARRAY},
        optional={"system": STRING + ARRAY + NULL, "tools": ARRAY + NULL, "stream": BOOLEAN + NULL},
        output_limits=("max_tokens",),
        choice_fields=(),
    ),
    "/messages/count_tokens": Operation(
        name="count_tokens",
        dialect=NAME,
        path="/messages/count_tokens",
        task="count",
        required={"messages": ARRAY},
        optional={"system": STRING + ARRAY + NULL, "tools": ARRAY + NULL, "thinking": OBJECT + NULL},
        choice_fields=(),
        free=True,
        output=False,
    ),
}

# The answer, told to a client

_STOPS: Final[dict[FinishReason, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "pause": "pause_turn",
    "malformed_call": "refusal",
    "error": "refusal",
}
_EXPLAINED: Final[dict[FinishReason, str]] = {
    "malformed_call": "The model failed to call a tool.",
    "error": "The model broke off its answer.",
}
"""There is no word for these; a refusal is what clients do not take for a whole answer."""


def _stop(finish: FinishReason | None, sequence: str | None, *, called: bool, refused: bool) -> dict[str, Any]:
    """A limit that was hit outweighs a refusal; calls are waited for whatever the upstream says besides."""
    reason = finish or "stop"
    if reason in ("stop", "tool_calls"):
        reason = "content_filter" if refused else "tool_calls" if called else "stop"
    word = "stop_sequence" if reason == "stop" and sequence is not None else _STOPS[reason]
    details = {"type": "refusal", "category": None, "explanation": _EXPLAINED.get(reason)}
    return {
        "stop_reason": word,
        "stop_sequence": sequence if word == "stop_sequence" else None,
        "stop_details": details if word == "refusal" else None,
    }


def _counts(usage: Usage) -> dict[str, Any]:
    """``input_tokens`` are those that have to do with no cache."""
    written = usage.cache_write + usage.cache_write_1h
    return {
        "input_tokens": max(usage.input - usage.cache_read - written, 0),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
    }


def _usage(usage: Usage) -> dict[str, Any]:
    lives = {"ephemeral_5m_input_tokens": usage.cache_write, "ephemeral_1h_input_tokens": usage.cache_write_1h}
    return _counts(usage) | {"cache_creation": lives}


def _message(chat: Chat, call_id: str, content: Sequence[object], usage: Usage, **stop: Any) -> dict[str, Any]:
    head = {"id": f"msg_{call_id}", "type": "message", "role": "assistant", "model": chat.model, "content": content}
    return head | _NOT_STOPPED | stop | {"usage": _usage(usage)}


_NOT_STOPPED: Final = {"stop_reason": None, "stop_sequence": None, "stop_details": None}


def _hides(chat: Chat) -> bool:
    """``display`` is "omitted": thoughts come without their text, for their signature alone."""
    return chat.thinking is not None and chat.thinking.shown is False


def _signed(signature: Signature) -> str:
    return signature.value if signature.dialect == NAME else seal(signature)


def _redacted(data: str) -> dict[str, str]:
    return {"type": "redacted_thinking", "data": data}


def _picture(file: File) -> str:
    """A file that the model made, as a link in the text."""
    address = file.url or (f"data:{file.media_type};base64,{file.data}" if file.data else "")
    return f"![{file.name or file.kind}]({address})" if address else ""


def _answer(answer: Answer, chat: Chat, call_id: str) -> bytes:
    choice = answer.choices[0] if answer.choices else Choice()
    stop = _stop(choice.finish, choice.stop_sequence, called=bool(choice.calls), refused=any(_refusals(choice.parts)))
    content = list(_joined(block for part in choice.parts for block in _blocks(part, hidden=_hides(chat))))
    return msgspec.json.encode(_message(chat, call_id, content, answer.usage or Usage(), **stop))


def _refusals(parts: Iterable[Part]) -> Iterable[str]:
    return (part.text for part in parts if isinstance(part, Refusal))


def _blocks(part: Part, *, hidden: bool) -> list[dict[str, Any]]:
    match part:
        case Text(text=text) | Refusal(text=text):
            return [{"type": "text", "text": text, "citations": None}] if text else []
        case File():
            return [{"type": "text", "text": text, "citations": None}] if (text := _picture(part)) else []
        case Reasoning():
            return _thought(part, hidden=hidden)
        case ToolCall(signature=signature):
            sealed = [_redacted(sealed_call(signature))] if signature is not None else []
            return [*sealed, {"type": "tool_use", "id": part.id, "name": part.name, "input": _input(part)}]
        case _:
            return []


def _thought(part: Reasoning, *, hidden: bool) -> list[dict[str, Any]]:
    signature = _signed(part.signature) if part.signature is not None else ""
    text = "" if hidden else part.text
    if part.redacted and not part.text:
        return [_redacted(signature)] if signature else []
    return [{"type": "thinking", "thinking": text, "signature": signature}] if text or signature else []


def _input(call: ToolCall) -> dict[str, Any]:
    """Whatever the model wrote is told; what is no object cannot be told as one."""
    if call.custom:
        return {"input": call.arguments}
    given = _object(call.arguments)
    return {"_raw": call.arguments} if given is None else given


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(text or "{}")
    except UNREADABLE:
        return None
    return value if isinstance(value, dict) else None


def _joined(blocks: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Neighbouring texts are one block, as they are in a stream."""
    held: dict[str, Any] | None = None
    for block in blocks:
        if held is not None and held["type"] == block["type"] == "text":
            held = held | {"text": held["text"] + block["text"]}
            continue
        if held is not None:
            yield held
        held = block
    if held is not None:
        yield held


class _Call:
    """A call on its way: what of its arguments came, and whether all of them did."""

    __slots__ = ("ended", "pieces", "started")

    def __init__(self, started: ToolStarted) -> None:
        self.started = started
        self.pieces: list[str] = []
        self.ended = False

    @property
    def complete(self) -> bool:
        text = "".join(self.pieces)
        return bool(text) and not self.started.custom and _object(text) is not None


_MARKS: Final = (Started, Ended)
_encoded = msgspec.json.Encoder().encode
_TEXT_DELTA: Final = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":%b}}\n\n'
)
"""Nearly all of a stream."""


class _Encoder:
    """Blocks never interleave and are numbered 0, 1, 2 …: one is open at a time. Of calls that come at once, the first
    is told as it comes, the others when it is complete."""

    __slots__ = (
        "_broken",
        "_call_id",
        "_called",
        "_calls",
        "_chat",
        "_current",
        "_finished",
        "_hidden",
        "_index",
        "_kind",
        "_out",
        "_refused",
        "_started",
        "_usage",
    )

    def __init__(self, chat: Chat, call_id: str) -> None:
        self._chat = chat
        self._call_id = call_id
        self._hidden = _hides(chat)
        self._out = bytearray()
        self._started = self._broken = self._called = self._refused = False
        self._kind = ""  # of the open block
        self._index = -1
        self._calls: dict[int, _Call] = {}
        self._current: int | None = None  # the call whose block is open
        self._finished: Finished | None = None
        self._usage = Usage()

    def encode(self, events: Sequence[Event]) -> bytes:
        self._start()
        for event in events:
            if isinstance(event, Usage):
                self._usage = event
            elif isinstance(event, Broken):
                self._break(event.error)
            elif isinstance(event, _MARKS) or event.choice or self._broken:
                continue
            elif isinstance(event, TextDelta):
                self._text(event.text)
            else:
                self._event(event)
        return self._taken()

    def finish(self) -> bytes:
        if self._broken:
            return b""
        self._start()
        self._end_calls()
        self._close()
        finished = self._finished or Finished(reason="stop")
        stop = _stop(finished.reason, finished.stop_sequence, called=self._called, refused=self._refused)
        self._frame("message_delta", delta=stop, usage=_counts(self._usage))
        self._frame("message_stop")
        return self._taken()

    def fail(self, error: GatewayError) -> bytes:
        self._break(error)
        return self._taken()

    def _break(self, error: GatewayError) -> None:
        if not self._broken:
            self._broken = True
            self._out += _error_event(error)

    def _taken(self) -> bytes:
        out = bytes(self._out)
        self._out.clear()
        return out

    def _frame(self, kind: str, **fields: object) -> None:
        self._out += _frame({"type": kind, **fields})

    def _start(self) -> None:
        if not self._started and not self._broken:
            self._started = True
            self._frame("message_start", message=_message(self._chat, self._call_id, [], self._usage))

    def _event(self, event: Event) -> None:
        match event:
            case RefusalDelta(text):
                self._refused = True
                self._text(text)
            case FileMade(file):
                self._text(_picture(file))
            case ReasoningDelta(text):
                self._reason(text)
            case ReasoningEnded():
                self._reasoned(event)
            case ToolStarted():
                self._call(event)
            case ToolDelta(index, arguments):
                self._arguments(index, arguments)
            case ToolEnded(index):
                self._end_call(index)
            case Finished():
                self._end_calls()
                self._close()
                self._finished = event
            case _:
                pass  # no place for citations and probabilities

    # Blocks

    def _open(self, kind: str, block: Mapping[str, object]) -> None:
        self._close()
        self._index += 1
        self._kind = kind
        self._frame("content_block_start", index=self._index, content_block={"type": kind, **block})

    def _delta(self, kind: str, **fields: object) -> None:
        self._frame("content_block_delta", index=self._index, delta={"type": kind, **fields})

    def _close(self) -> None:
        if self._kind:
            self._frame("content_block_stop", index=self._index)
            self._kind = ""

    def _text(self, text: str) -> None:
        if not text:
            if self._kind == "thinking":
                self._close()
            return
        if self._calls:
            self._end_calls()
        if self._kind != "text":
            self._open("text", {"text": "", "citations": None})
        self._out += _TEXT_DELTA % (self._index, _encoded(text))

    # Thoughts

    def _reason(self, text: str) -> None:
        if not text or self._hidden:
            return
        self._end_calls()
        self._think()
        self._delta("thinking_delta", thinking=text)

    def _think(self) -> None:
        if self._kind != "thinking":
            self._open("thinking", {"thinking": "", "signature": ""})

    def _reasoned(self, event: ReasoningEnded) -> None:
        signature = _signed(event.signature) if event.signature is not None else ""
        if signature and event.redacted and self._kind != "thinking":
            self._end_calls()
            self._seal(signature)
        elif signature:
            self._end_calls()
            self._think()
            self._delta("signature_delta", signature=signature)
        if self._kind == "thinking":
            self._close()

    def _seal(self, data: str) -> None:
        self._open("redacted_thinking", {"data": data})
        self._close()

    # Calls

    def _call(self, event: ToolStarted) -> None:
        self._called = True
        self._calls[event.index] = _Call(event)
        self._go_on()

    def _arguments(self, index: int, arguments: str) -> None:
        call = self._calls.get(index)
        if call is None or not arguments:
            return
        call.pieces.append(arguments)
        if index == self._current and not call.started.custom:
            self._delta("input_json_delta", partial_json=arguments)

    def _end_call(self, index: int) -> None:
        if index in self._calls:
            self._calls[index].ended = True
            self._go_on()

    def _end_calls(self) -> None:
        for call in self._calls.values():
            call.ended = True
        self._go_on()

    def _go_on(self) -> None:
        """From the calls that have ended to the first that has not. One that others wait for has, once it is JSON."""
        while self._calls:
            index = min(self._calls) if self._current is None else self._current
            call = self._calls[index]
            if self._current is None:
                self._open_call(index, call)
            if not (call.ended or (len(self._calls) > 1 and call.complete)):
                return
            self._close_call(index)

    def _open_call(self, index: int, call: _Call) -> None:
        started = call.started
        if started.signature is not None:
            self._seal(sealed_call(started.signature))
        self._open("tool_use", {"id": started.id, "name": started.name, "input": {}})
        self._current = index
        if call.pieces and not started.custom:
            self._delta("input_json_delta", partial_json="".join(call.pieces))

    def _close_call(self, index: int) -> None:
        call = self._calls.pop(index)
        if call.started.custom:
            text = msgspec.json.encode({"input": "".join(call.pieces)}).decode()
            self._delta("input_json_delta", partial_json=text)
        self._current = None
        self._close()


def _frame(event: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), msgspec.json.encode(event))


# Errors, https://platform.claude.com/docs/en/api/errors

_TYPES: Final[dict[int, str]] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def _error(error: GatewayError) -> dict[str, Any]:
    kind = _TYPES.get(error.status) or ("invalid_request_error" if error.status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": error.message}}


def _error_event(error: GatewayError) -> bytes:
    return _frame(_error(error))


# The format


class Anthropic:
    """Clients: ``ClientDialect``, ``ChatDialect``, ``CountDialect``. Upstreams: ``UpstreamDialect``, and counting."""

    name = NAME
    list_path = "/models"
    skims = False
    takes_links = True
    stream_type = "text/event-stream"
    keep_alive = b'event: ping\ndata: {"type": "ping"}\n\n'
    request_id_header = "request-id"
    passed_headers = frozenset({b"anthropic-version", b"anthropic-beta"})
    names: Mapping[str, str] = {
        "stop": "stop_sequences",
        "max_output": "max_tokens",
        "format": "output_config.format",
        "user": "metadata.user_id",
        "web_search": "tools",
        "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
        "server_tools": "tools",
    }
    version = "v1"
    key_header = ("x-api-key", "")
    headers = (("anthropic-version", "2023-06-01"),)  # the last version that takes temperature, top_p and top_k
    tasks = frozenset({"chat", "count"})

    def operation(self, path: str) -> Operation | None:
        return _OPERATIONS.get(path)

    def owns(self, path: str, headers: Mapping[bytes, bytes], query: str) -> bool:  # noqa: ARG002
        """By the version, which all of its clients send. Their keys are no sign: the SDK sends a bearer since 2.0."""
        return b"anthropic-version" in headers or path == "/messages" or path.startswith("/messages/")

    def error(self, error: GatewayError, request_id: str) -> bytes:
        return msgspec.json.encode(_error(error) | {"request_id": request_id})

    def error_event(self, error: GatewayError) -> bytes:
        return _error_event(error)

    def models(self, cards: Sequence[ModelCard]) -> object:
        return {
            "data": [self.model(card) for card in cards],
            "has_more": False,
            "first_id": cards[0].id if cards else None,
            "last_id": cards[-1].id if cards else None,
        }

    def model(self, card: ModelCard) -> object:
        created = datetime.fromtimestamp(card.created, UTC).isoformat().replace("+00:00", "Z")
        return {
            "type": "model",
            "id": card.id,
            "display_name": card.id,
            "created_at": created,
            "lifecycle": "active",
            "deprecated_at": None,
            "retires_at": None,
            "line": None,
            "max_input_tokens": None,
            "max_tokens": None,
            "capabilities": None,
        }

    def read(self, operation: Operation, body: bytes) -> Chat:
        return read(operation, body)

    def answer(self, answer: Answer, chat: Chat, call_id: str) -> bytes:
        return _answer(answer, chat, call_id)

    def encoder(self, chat: Chat, call_id: str) -> Encoder:
        return _Encoder(chat, call_id)

    def answer_count(self, tokens: int) -> bytes:
        return msgspec.json.encode({"input_tokens": tokens})

    def path(self, operation: Operation, model: str, *, stream: bool) -> str | None:  # noqa: ARG002
        if operation.dialect == NAME:
            return operation.path
        return {"chat": "/messages", "count": "/messages/count_tokens"}.get(operation.task)

    def instructed(self, operation: Operation, fields: Mapping[str, Raw], prompt: str) -> Mapping[str, bytes | None]:  # noqa: ARG002
        return {"system": msgspec.json.encode(prompt)}

    def write(self, chat: Chat, target: Target) -> Written:
        return write(chat, target)

    def write_count(self, chat: Chat, target: Target) -> Written:
        """The same, as a question for its tokens: how to answer it may not be said."""
        written = write(chat, target)
        body = {name: value for name, value in written.body.items() if name in _COUNTED}
        return Written(body=body, dropped=written.dropped)

    def decode(self, body: bytes, target: Target) -> list[Event]:
        return decode(body, target)

    def decoder(self, target: Target) -> Decoder:
        return AnswerDecoder(target)

    def decode_count(self, body: bytes) -> int:
        """
        :raises MalformedAnswerError: it is no count
        """
        return decode_count(body)

    def refusal(self, status: int, body: bytes) -> GatewayError:
        return refusal(status, body)


_COUNTED: Final = frozenset(
    ["model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control", "speed"]
)

ANTHROPIC: Final = Anthropic()
