"""What has to come back with a conversation although its client cannot carry it: thoughts and signatures of turns that
call tools, found again by the ids of the calls.

Some models refuse a result of a tool unless the thoughts that led to its call come with it, and many clients drop what
their format has no field for. ``noted`` takes out of an answer what will be needed, ``reminded`` puts it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from .chat import Chat, Message, Part, Reasoning, ToolCall
from .events import Event, ReasoningDelta, ReasoningEnded, ToolStarted, collect
from .sealed import Signature

__all__ = ["Note", "forgotten", "noted", "reminded"]

_LONGEST = 256 * 1024
"""Bytes of all that is kept of one answer."""


class Note(Struct, frozen=True, array_like=True):
    """Of one call: the thoughts before it (with the first call of a turn), and its own signature."""

    thoughts: tuple[Reasoning, ...] = ()
    signature: Signature | None = None


def noted(events: Iterable[Event]) -> dict[str, Note]:
    """By call id: what is to be kept of an answer. Nothing, where nothing was thought or signed, or no tool called."""
    answer = collect(event for event in events if isinstance(event, ReasoningDelta | ReasoningEnded | ToolStarted))
    notes: dict[str, Note] = {}
    for choice in answer.choices:
        thoughts: list[Reasoning] = []
        for part in choice.parts:
            if isinstance(part, Reasoning):
                thoughts.append(part)
            elif isinstance(part, ToolCall):
                if thoughts or part.signature is not None:
                    notes[part.id] = Note(tuple(thoughts), part.signature)
                thoughts = []
    return notes if sum(map(_size, notes.values())) <= _LONGEST else {}


def _size(note: Note) -> int:
    """Bytes."""
    signatures = [note.signature, *(thought.signature for thought in note.thoughts)]
    texts = [thought.text for thought in note.thoughts] + [each.value for each in signatures if each is not None]
    return sum(len(text.encode(errors="surrogatepass")) for text in texts)


def forgotten(chat: Chat) -> list[str]:
    """The ids of the calls in a conversation that came without their thoughts or signatures."""
    return [part.id for message in chat.messages for part in _bare(message)]


def _bare(message: Message) -> Iterator[ToolCall]:
    thought = any(isinstance(part, Reasoning) and part.signature is not None for part in message.parts)
    for part in message.parts:
        if isinstance(part, ToolCall) and part.signature is None and not thought:
            yield part


def reminded(chat: Chat, notes: Mapping[str, Note]) -> Chat:
    """The conversation with what was noted of its calls in its place."""
    if not notes:
        return chat
    return replace(chat, messages=tuple(_with_notes(message, notes) for message in chat.messages))


def _with_notes(message: Message, notes: Mapping[str, Note]) -> Message:
    bare = {part.id for part in _bare(message)} & notes.keys()
    if not bare:
        return message
    told = any(notes[call].thoughts for call in bare)
    parts: list[Part] = []
    for part in message.parts:
        if isinstance(part, Reasoning) and told:
            continue  # the same thoughts, without what proves them
        if isinstance(part, ToolCall) and part.id in bare:
            parts += notes[part.id].thoughts
            part = replace(part, signature=notes[part.id].signature)
        parts.append(part)
    return replace(message, parts=tuple(_thoughts_first(parts)))


def _thoughts_first(parts: list[Part]) -> list[Part]:
    """Thoughts of a turn's first call go before its text: that is where they were made."""
    first = next(index for index, part in enumerate(parts) if isinstance(part, ToolCall))
    before = parts[:first]
    return [
        *(part for part in before if isinstance(part, Reasoning)),
        *(part for part in before if not isinstance(part, Reasoning)),
        *parts[first:],
    ]
