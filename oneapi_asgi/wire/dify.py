"""Dify, as its apps are asked by POST /chat-messages (https://docs.dify.ai/api-reference/chat-messages).

A key is one app, and the app knows its model and prompt: the model's name is not sent. A conversation lives on Dify's
side under an id; a caller who gives none (``conversation_id``) has the whole conversation told as one question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from ..errors import BadRequest, GatewayError
from .chat import Chat, File, Message, Target, Written, check_calls
from .dialect import MalformedAnswerError
from .events import (
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
)
from .frames import SSEFrames
from .operations import Operation
from .plain import broken, files_of, left_out, refused, transcript, understood
from .usage import parse_usage

__all__ = ["DIFY", "Dify"]

# --- request ----------------------------------------------------------------------------------------------------------
#
# {query, inputs, response_mode: streaming | blocking, user, conversation_id, files: [{type: image | document | audio |
# video, transfer_method: remote_url | local_file, url | upload_file_id}], auto_generate_name, workflow_id, trace_id}

_TOLD: Final = {"user"}
_OTHERS: Final = ("inputs", "conversation_id", "auto_generate_name", "workflow_id", "trace_id")
_NOBODY: Final = "oneapi"


def _file(index: int, file: File) -> dict[str, str]:
    if file.file_id is not None:
        return {"type": file.kind, "transfer_method": "local_file", "upload_file_id": file.file_id}
    if file.url is not None:
        return {"type": file.kind, "transfer_method": "remote_url", "url": file.url}
    raise BadRequest(
        f"The {file.kind} of message {index} comes inline, and this model takes files by URL only. Send its URL.",
        param=f"messages[{index}]",
        code="invalid_value",
    )


def _asked(chat: Chat) -> tuple[Message, ...]:
    """All messages, or, of a conversation that goes on at Dify, those since the last answer."""
    if not chat.others.get("conversation_id"):
        return chat.messages
    answers = [index for index, message in enumerate(chat.messages) if message.role == "assistant"]
    return chat.messages[answers[-1] + 1 :] if answers else chat.messages


# --- answer and stream ------------------------------------------------------------------------------------------------
#
# data: {event, message_id, created_at, …}; an answer that comes at once is a ``message`` with the metadata of its end.
#   message, agent_message {answer}; of agents, a last ``message`` repeats all of it
#   message_replace {answer}: moderation takes back what was told
#   reasoning_chunk {data: {reasoning, is_final}}
#   message_file {type: image, url, belongs_to: assistant | user}
#   message_end {metadata: {usage, retriever_resources: [{document_name, content}]}}
#   workflow_finished {data: {status: succeeded | failed …, error}}, workflow_paused, error {status, code, message}


class _Resource(Struct):
    document_name: str | None = None
    content: str | None = None


class _Metadata(Struct):
    usage: Raw = Raw()
    retriever_resources: list[_Resource] | None = None


class _Data(Struct):
    reasoning: str | None = None
    is_final: bool | None = None
    status: str | None = None
    error: str | None = None


class _Kind(Struct):
    event: str | None = None


class _Frame(Struct):
    event: str | None = None
    message_id: str | None = None
    created_at: float | None = None
    answer: str | None = None
    type: str | None = None
    url: str | None = None
    belongs_to: str | None = None
    metadata: _Metadata | None = None
    data: Raw = Raw()
    status: int | None = None
    code: str | int | None = None
    message: str | None = None


_kind = msgspec.json.Decoder(_Kind)
_frame = msgspec.json.Decoder(_Frame)
_data = msgspec.json.Decoder(_Data | None)


class DifyDecoder:
    def __init__(self, target: Target) -> None:
        self._model = target.model
        self._frames = SSEFrames()
        self._started = False
        self._agent = False
        self._told = False
        self._thinking = False
        self._whole = False
        self._reason: FinishReason = "stop"
        self._failure: str | None = None
        self._handlers: dict[str, Callable[[_Frame], Iterator[Event]]] = {
            "message": self._message,
            "agent_message": self._agent_message,
            "message_replace": self._replace,
            "reasoning_chunk": self._reasoning,
            "message_file": self._file,
            "message_end": self._end,
            "workflow_finished": self._finished,
            "workflow_paused": self._paused,
            "error": self._error,
        }

    @property
    def whole(self) -> bool:
        return self._whole

    def feed(self, chunk: bytes) -> list[Event]:
        return self._read(self._frames.feed(chunk))

    def finish(self) -> list[Event]:
        events: list[Event] = []
        with suppress(MalformedAnswerError):  # a last event that was cut is none
            events = self._read(self._frames.finish())
        if self._failure is not None and not self._whole:
            events.append(self._break(broken(502, self._failure)))
        return events

    def at_once(self, frame: _Frame) -> list[Event]:
        """The events of an answer that came without a stream."""
        found = [*self._start(frame), *self._text(frame.answer)]
        return [*found, *self._end(frame)]

    def _read(self, frames: list[bytes]) -> list[Event]:
        found: list[Event] = []
        for data in frames:
            if self._whole or data == b"[DONE]":
                continue
            kind = understood(_kind, data).event
            if handler := self._handlers.get(kind or ""):
                found += handler(understood(_frame, data))
        return found

    def _start(self, frame: _Frame) -> Iterator[Event]:
        if not self._started:
            self._started = True
            yield Started(id=frame.message_id or "", model=self._model, created=int(frame.created_at or 0))

    def _message(self, frame: _Frame) -> Iterator[Event]:
        yield from self._start(frame)
        if not self._agent:
            yield from self._text(frame.answer)

    def _agent_message(self, frame: _Frame) -> Iterator[Event]:
        yield from self._start(frame)
        self._agent = True
        yield from self._text(frame.answer)

    def _text(self, text: str | None) -> Iterator[Event]:
        if text:
            yield from self._thought()
            self._told = True
            yield TextDelta(text)

    def _replace(self, frame: _Frame) -> Iterator[Event]:
        yield from self._start(frame)
        # What was streamed cannot be taken back; that it should not have been said can be told.
        self._reason = "content_filter"
        if not self._told:
            yield from self._text(frame.answer)

    def _reasoning(self, frame: _Frame) -> Iterator[Event]:
        data = _nested(frame)
        yield from self._start(frame)
        if data.reasoning:
            self._thinking = True
            yield ReasoningDelta(data.reasoning)
        if data.is_final:
            yield from self._thought()

    def _thought(self) -> Iterator[Event]:
        if self._thinking:
            self._thinking = False
            yield ReasoningEnded()

    def _file(self, frame: _Frame) -> Iterator[Event]:
        if frame.type == "image" and frame.url and frame.belongs_to != "user":
            yield from self._start(frame)
            yield FileMade(File(kind="image", url=frame.url))

    def _end(self, frame: _Frame) -> Iterator[Event]:
        yield from self._start(frame)
        yield from self._thought()
        metadata = frame.metadata or _Metadata()
        for resource in metadata.retriever_resources or ():
            yield Cited(Citation(title=resource.document_name or "", quote=resource.content or ""))
        yield Finished(reason=self._reason)
        usage = parse_usage(metadata.usage)
        if usage is not None:
            yield usage
        self._whole = True
        yield Ended()

    def _finished(self, frame: _Frame) -> Iterator[Event]:
        data = _nested(frame)
        if data.status in ("failed", "stopped"):  # the error that follows says more
            self._failure = data.error or f"The workflow has {data.status}."
        yield from ()

    def _paused(self, frame: _Frame) -> Iterator[Event]:  # noqa: ARG002
        yield self._break(broken(422, "The app waits for the input of a human, which cannot be given here."))

    def _error(self, frame: _Frame) -> Iterator[Event]:
        yield self._break(broken(frame.status or 502, frame.message or self._failure, frame.code))

    def _break(self, event: Broken) -> Broken:
        self._whole = True
        return event


def _nested(frame: _Frame) -> _Data:
    return understood(_data, bytes(frame.data) or b"null") or _Data()


# --- the format -------------------------------------------------------------------------------------------------------


class Dify:
    name = "dify"
    skims = False
    takes_links = True
    version = "v1"
    key_header = ("authorization", "Bearer ")
    headers: tuple[tuple[str, str], ...] = ()
    tasks = frozenset({"chat"})

    def path(self, operation: Operation, model: str, *, stream: bool) -> str | None:  # noqa: ARG002
        return "/chat-messages" if operation.task == "chat" else None

    def write(self, chat: Chat, target: Target) -> Written:
        check_calls(chat)
        messages = _asked(chat)
        body: dict[str, Any] = {
            "inputs": {},
            "query": transcript(messages),
            "response_mode": "streaming" if target.stream else "blocking",
            "user": chat.user or target.options.get("user_id") or _NOBODY,
            **{name: chat.others[name] for name in _OTHERS if name in chat.others},
        }
        files = [_file(index, file) for index, file in files_of(messages)]
        if files:
            body["files"] = files
        return Written(body=body, dropped=left_out(chat, _TOLD, _OTHERS))

    def decode(self, body: bytes, target: Target) -> list[Event]:
        frame = understood(_frame, body)
        if frame.answer is None:
            return [broken(frame.status or 502, frame.message, frame.code)]
        return DifyDecoder(target).at_once(frame)

    def decoder(self, target: Target) -> DifyDecoder:
        return DifyDecoder(target)

    def refusal(self, status: int, body: bytes) -> GatewayError:
        return refused(status, body)


DIFY: Final = Dify()
