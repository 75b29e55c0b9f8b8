"""For formats of upstreams that know a prompt rather than a conversation: what they share.

A conversation as one text, what such a format leaves out, answers that always come whole, and complaints.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from ..errors import BadRequest, UpstreamRefused
from ..unreadable import UNREADABLE
from .chat import Chat, File, Message, Part, Refusal, Text, ToolCall, ToolResult
from .dialect import MalformedAnswerError
from .events import Broken, Event
from .sse import MAX_EVENT, EventTooLargeError

__all__ = [
    "WholeDecoder",
    "broken",
    "files_of",
    "left_out",
    "nothing_asked",
    "refused",
    "said",
    "transcript",
    "understood",
]

Value = TypeVar("Value")

# --- requests ---------------------------------------------------------------------------------------------------------

_UNSET: Final = Chat(model="", messages=())
_NOT_ASKED: Final = {"model", "messages", "stream", "include_usage", "functions", "others"}
_ASKED: Final = tuple(name for name in Chat.__struct_fields__ if name not in _NOT_ASKED)

_SPEAKERS: Final = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}


def left_out(chat: Chat, told: Collection[str], others: Collection[str] = ()) -> tuple[str, ...]:
    """What the caller set, but for the fields ``told`` and the keys ``others`` of ``chat.others``."""
    fields = [name for name in _ASKED if name not in told and getattr(chat, name) != getattr(_UNSET, name)]
    return (*fields, *(name for name in chat.others if name not in others))


def said(parts: Iterable[Part]) -> str:
    """The text of a message; calls of tools and their results are told in words, thoughts and files are not."""
    return "\n".join(filter(None, map(_words, parts)))


def _words(part: Part) -> str:
    match part:
        case Text(text=text) | Refusal(text=text):
            return text
        case File(text=str(text)):
            return text
        case ToolCall():
            return f"[calls {part.name} with {part.arguments}]"
        case ToolResult():
            failed = " failed" if part.error else ""
            return f"[{part.name or part.call_id}{failed}: {said(part.parts)}]"
    return ""


def transcript(messages: Sequence[Message]) -> str:
    """A conversation as one text; a single question stays as it is.

    :raises BadRequest: nobody says anything but the system
    """
    lines = [(message.role, text) for message in messages if (text := said(message.parts))]
    if all(role == "system" for role, _ in lines):
        raise nothing_asked()
    if len(lines) == 1:
        return lines[0][1]
    return "\n\n".join(f"{_SPEAKERS[role]}: {text}" for role, text in lines)


def nothing_asked() -> BadRequest:
    return BadRequest(
        "There is no message to answer. Send at least one message of role user with a text.",
        param="messages",
        code="invalid_value",
    )


def files_of(messages: Iterable[Message]) -> list[tuple[int, File]]:
    """The files that users and tools show, each with the index of its message; not those that are but text."""
    found = []
    for index, message in enumerate(messages):
        for part in message.parts if message.role != "assistant" else ():
            parts = part.parts if isinstance(part, ToolResult) else (part,)
            found += [(index, file) for file in parts if isinstance(file, File) and file.text is None]
    return found


# --- answers ----------------------------------------------------------------------------------------------------------


class WholeDecoder:
    """The answer of an upstream that never streams: its bytes are kept until they are all there."""

    def __init__(self, decode: Callable[[bytes], list[Event]], limit: int = MAX_EVENT) -> None:
        self._decode = decode
        self._held = bytearray()
        self._limit = limit
        self._whole = False

    def feed(self, chunk: bytes) -> list[Event]:
        self._held += chunk
        if len(self._held) > self._limit:
            raise EventTooLargeError(f"the answer has more than {self._limit} bytes")
        return []

    def finish(self) -> list[Event]:
        """
        :raises MalformedAnswerError: it was cut, or is not in this format
        """
        if not self._held.strip():
            return []
        events = self._decode(bytes(self._held))
        self._whole = True
        return events

    @property
    def whole(self) -> bool:
        return self._whole


# --- errors -----------------------------------------------------------------------------------------------------------

_LONGEST: Final = 500


class _Complaint(Struct):
    message: str | None = None
    msg: str | None = None
    detail: str | None = None
    title: str | None = None
    code: str | int | None = None


_complaint = msgspec.json.Decoder(_Complaint)


def refused(status: int, body: bytes) -> UpstreamRefused:
    """What a refusal says, in any of the words that these formats have for it."""
    try:
        told = _complaint.decode(body)
    except UNREADABLE:
        told = _Complaint()
    text = told.message or told.msg or told.detail or told.title or f"The provider answered with the status {status}."
    code = None if told.code is None or told.code == 0 else str(told.code)
    return UpstreamRefused(text[:_LONGEST], status=status, code=code)


def broken(status: int, text: str | None, code: str | int | None = None) -> Broken:
    """An error told within an answer."""
    message = (text or "The provider could not answer.")[:_LONGEST]
    return Broken(UpstreamRefused(message, status=status, code=None if code is None else str(code)))


def understood(decoder: msgspec.json.Decoder[Value], body: bytes) -> Value:
    """
    :raises MalformedAnswerError: the body is not what ``decoder`` is for
    """
    try:
        return decoder.decode(body)
    except UNREADABLE as error:
        raise MalformedAnswerError(str(error)) from None
