"""Coze, as bots are asked by POST /v3/chat (https://www.coze.com/docs/developer_guides/chat_v3).

The model is a bot's id. A bot has its own prompt, tools and settings, so that little can be said but messages. Asked
without a stream it answers that it has begun, and has to be asked again and again: a stream is all that is used here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from ..errors import BadRequest, GatewayError, UpstreamRefused
from ..models import Usage
from .chat import Chat, File, Message, Part, Target, Written, check_calls
from .dialect import MalformedAnswerError
from .events import (
    Broken,
    Ended,
    Event,
    FileMade,
    Finished,
    ReasoningDelta,
    ReasoningEnded,
    Started,
    TextDelta,
)
from .operations import Operation
from .plain import broken, files_of, left_out, nothing_asked, refused, said, understood
from .sse import Framer, event_data, split
from .usage import counts_of

__all__ = ["COZE", "Coze"]

# --- request ----------------------------------------------------------------------------------------------------------
#
# {bot_id, user_id, stream, auto_save_history, additional_messages: [{role: user | assistant, type: question | answer,
# content, content_type: text | object_string}], custom_variables, meta_data, parameters, extra_params}
# An object_string is the JSON of [{type: text, text} | {type: image | file | audio, file_id | file_url}].

_TOLD: Final = {"user", "metadata"}
_OTHERS: Final = ("custom_variables", "parameters", "shortcut_command", "extra_params", "publish_status")
_NOBODY: Final = "oneapi"
_KINDS: Final = {"image": "image", "audio": "audio", "video": "file", "document": "file"}


def _message(index: int, message: Message) -> dict[str, str] | None:
    if message.role == "assistant":
        text = said(message.parts)
        return {"role": "assistant", "type": "answer", "content": text, "content_type": "text"} if text else None
    if not files_of([message]):
        text = said(message.parts)
        return {"role": "user", "type": "question", "content": text, "content_type": "text"} if text else None
    content = [part for given in message.parts for part in _objects_of(index, given)]
    text = msgspec.json.encode(content).decode()
    return {"role": "user", "type": "question", "content": text, "content_type": "object_string"}


def _objects_of(index: int, part: Part) -> Iterator[dict[str, str]]:
    text = said([part])
    if text:
        yield {"type": "text", "text": text}
    for _, file in files_of([Message(role="user", parts=(part,))]):
        yield _file(index, file)


def _file(index: int, file: File) -> dict[str, str]:
    kind = _KINDS[file.kind]
    if file.file_id is not None:
        return {"type": kind, "file_id": file.file_id}
    if file.url is not None:
        return {"type": kind, "file_url": file.url}
    raise BadRequest(
        f"The {file.kind} of message {index} comes inline, and this model takes files by URL only. Send its URL.",
        param=f"messages[{index}]",
        code="invalid_value",
    )


def _meta(metadata: dict[str, Any] | None) -> dict[str, str] | None:
    """Up to 16 texts; None for what has other values."""
    if not metadata or not all(isinstance(value, str) for value in metadata.values()):
        return None
    return dict(metadata)


# --- stream -----------------------------------------------------------------------------------------------------------
#
# event:conversation.chat.created | .in_progress | .completed | .failed | .requires_action
# data:{id, created_at, status, last_error: {code, msg}, usage: {token_count, output_count, input_count}}
#
# event:conversation.message.delta | .completed
# data:{id, role, type: answer | function_call | tool_output | tool_response | follow_up | verbose, content,
#       content_type, reasoning_content}
#
# event:error      data:{code, msg}
# event:done       data:"[DONE]"


class _Error(Struct):
    code: int | None = None
    msg: str | None = None


class _Chat(Struct):
    id: str | int | None = None
    created_at: int | None = None
    last_error: _Error | None = None
    usage: Raw = Raw()


class _Message(Struct):
    id: str | int | None = None
    role: str | None = None
    type: str | None = None
    content: str | None = None
    content_type: str | None = None
    reasoning_content: str | None = None


class _Object(Struct):
    type: str | None = None
    text: str | None = None
    file_url: str | None = None


_chat = msgspec.json.Decoder(_Chat)
_message_decoder = msgspec.json.Decoder(_Message)
_objects = msgspec.json.Decoder(list[_Object])
_error = msgspec.json.Decoder(_Error)

_NAME = re.compile(rb"(?:^|[\r\n])event: ?([^\r\n]*)")

# https://www.coze.com/docs/developer_guides/coze_error_codes
_STATUSES: Final = {
    4008: 429,
    4009: 429,
    4011: 402,
    4013: 502,
    4016: 409,
    4019: 402,
    4020: 429,
    4022: 402,
    4100: 401,
    4101: 403,
    4102: 403,
    4200: 404,
    700012006: 401,
}


_BY_TEXT: Final = {str(code): status for code, status in _STATUSES.items()}


def _status(code: int | None) -> int:
    if code in _STATUSES:
        return _STATUSES[code]
    return 400 if code is not None and 4000 <= code < 5000 else 502


def _failure(error: _Error | None) -> Broken:
    error = error or _Error()
    return broken(_status(error.code), error.msg, error.code)


class CozeDecoder:
    def __init__(self, target: Target) -> None:
        self._model = target.model
        self._framer = Framer()
        self._started = False
        self._thinking = False
        self._whole = False
        self._over = False
        self._told: set[str | int | None] = set()
        self._handlers: dict[bytes, Callable[[bytes], Iterator[Event]]] = {
            b"conversation.chat.created": self._created,
            b"conversation.message.delta": self._delta,
            b"conversation.message.completed": self._completed_message,
            b"conversation.chat.completed": self._completed,
            b"conversation.chat.failed": self._failed,
            b"conversation.chat.requires_action": self._stuck,
            b"error": self._error,
            b"done": self._done,
        }

    @property
    def whole(self) -> bool:
        return self._whole

    def feed(self, chunk: bytes) -> list[Event]:
        return self._read(self._framer.feed(chunk))

    def finish(self) -> list[Event]:
        rest, self._framer = self._framer.rest, Framer()
        with suppress(MalformedAnswerError):  # a last event that was cut is none
            return self._read(rest) if rest.strip() else []
        return []

    def _read(self, run: bytes) -> list[Event]:
        found: list[Event] = []
        for event in split(run):
            if self._over:
                break
            name = _NAME.search(event)
            data = event_data(event)
            if name is not None and data is not None and (handler := self._handlers.get(name[1].strip())):
                found += handler(data)
            elif name is None and data is None and event.lstrip().startswith(b"{"):
                # A refusal: status 200, and no stream at all.
                found += self._error(event)
        return found

    def _start(self, chat: _Chat) -> Iterator[Event]:
        if not self._started:
            self._started = True
            yield Started(id=str(chat.id or ""), model=self._model, created=chat.created_at or 0)

    def _created(self, data: bytes) -> Iterator[Event]:
        return self._start(understood(_chat, data))

    def _delta(self, data: bytes) -> Iterator[Event]:
        message = understood(_message_decoder, data)
        if message.type not in ("answer", None) or message.content_type not in ("text", None):
            return
        yield from self._start(_Chat())
        self._told.add(message.id)
        if message.reasoning_content:
            self._thinking = True
            yield ReasoningDelta(message.reasoning_content)
        if message.content:
            yield from self._thought()
            yield TextDelta(message.content)

    def _completed_message(self, data: bytes) -> Iterator[Event]:
        """A message whole: news only if it was not told in pieces."""
        message = understood(_message_decoder, data)
        if message.type != "answer" or message.id in self._told:
            return
        yield from self._start(_Chat())
        self._told.add(message.id)
        if message.reasoning_content:
            self._thinking = True
            yield ReasoningDelta(message.reasoning_content)
        yield from self._thought()
        if message.content_type == "object_string":
            yield from _parts(understood(_objects, (message.content or "[]").encode()))
        elif message.content and message.content_type in ("text", None):
            yield TextDelta(message.content)

    def _thought(self) -> Iterator[Event]:
        if self._thinking:
            self._thinking = False
            yield ReasoningEnded()

    def _completed(self, data: bytes) -> Iterator[Event]:
        chat = understood(_chat, data)
        yield from self._start(chat)
        yield from self._thought()
        self._whole = True
        yield Finished(reason="stop")
        usage = _usage(chat.usage)
        if usage is not None:
            yield usage

    def _failed(self, data: bytes) -> Iterator[Event]:
        yield self._break(_failure(understood(_chat, data).last_error))

    def _stuck(self, data: bytes) -> Iterator[Event]:  # noqa: ARG002
        # What a bot's local plugins answer goes to a path of its own, with ids of this very chat.
        yield self._break(broken(422, "The bot calls a local plugin, which cannot be answered here. Take it out."))

    def _error(self, data: bytes) -> Iterator[Event]:
        yield self._break(_failure(understood(_error, data)))

    def _done(self, data: bytes) -> Iterator[Event]:  # noqa: ARG002
        self._over = True
        yield Ended()

    def _break(self, event: Broken) -> Broken:
        self._whole = self._over = True
        return event


def _parts(objects: list[_Object]) -> Iterator[Event]:
    for part in objects:
        if part.text:
            yield TextDelta(part.text)
        elif part.type == "image" and part.file_url:
            yield FileMade(File(kind="image", url=part.file_url))


def _usage(told: Raw) -> Usage | None:
    counts = counts_of(told)
    before, after = counts.get("input_count", 0), counts.get("output_count", 0)
    return Usage(input=before, output=after) if before is not None and after is not None and before + after else None


# --- the format -------------------------------------------------------------------------------------------------------


class Coze:
    name = "coze"
    skims = False
    takes_links = True
    version = "v3"
    key_header = ("authorization", "Bearer ")
    headers: tuple[tuple[str, str], ...] = ()
    tasks = frozenset({"chat"})

    def path(self, operation: Operation, model: str, *, stream: bool) -> str | None:  # noqa: ARG002
        return "/chat" if operation.task == "chat" else None

    def write(self, chat: Chat, target: Target) -> Written:
        check_calls(chat)
        messages = [_message(index, message) for index, message in enumerate(chat.messages)]
        turns = zip(messages, chat.messages, strict=True)
        if not any(turn for turn, message in turns if message.role != "system"):
            raise nothing_asked()
        meta = _meta(chat.metadata)
        body: dict[str, Any] = {
            "bot_id": target.model.removeprefix("bot-"),
            "user_id": chat.user or target.options.get("user_id") or _NOBODY,
            "stream": True,
            "auto_save_history": False,
            "additional_messages": [message for message in messages if message],
            **{name: chat.others[name] for name in _OTHERS if name in chat.others},
        }
        if meta is not None:
            body["meta_data"] = meta
        told = _TOLD if meta is not None else {"user"}
        return Written(body=body, dropped=left_out(chat, told, _OTHERS))

    def decode(self, body: bytes, target: Target) -> list[Event]:
        decoder = CozeDecoder(target)
        events = decoder.feed(body) + decoder.finish()
        if not decoder.whole:
            raise MalformedAnswerError("the answer of the bot has no end")
        return events

    def decoder(self, target: Target) -> CozeDecoder:
        return CozeDecoder(target)

    def refusal(self, status: int, body: bytes) -> GatewayError:
        error = refused(status, body)
        known = _BY_TEXT.get(error.code or "")
        return UpstreamRefused(error.message, status=known or status, code=error.code)


COZE: Final = Coze()
