"""What models thought and signed, kept for clients that cannot carry it: ``Thoughts`` is asked before a conversation is
translated, and told after.

Kept in this process, and in a ``NoteStore`` if there is one, so that the next request of a conversation may come to
another replica, or after a restart. Notes are the caller's own: nobody is reminded of another's thoughts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from types import TracebackType
from typing import Self

import msgspec
from cachetools import LRUCache

from .call import Call
from .kept import NOTE_BYTES
from .notes import NoteBook, note_key
from .ports import NoteStore
from .unreadable import UNREADABLE
from .wire.chat import Chat, Text
from .wire.events import Event
from .wire.memory import Note, forgotten, noted, reminded

__all__ = ["Thoughts"]

_MOST_ASKED = 256

_UNIQUE = 20
"""Characters of a call's id that is no other's. Shorter ones (functions.f:0) are counted anew in each conversation."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Note)


class Thoughts:
    """Notes are kept for ``keep`` seconds in the store, and ``size`` bytes of them here."""

    def __init__(
        self, store: NoteStore | None = None, *, keep: float = 6 * 3600.0, size: int = 32 * 1024 * 1024
    ) -> None:
        self._notes = NoteBook(store, keep=keep, what="notes")
        self._here: LRUCache[str, bytes] = LRUCache(size, getsizeof=len)

    async def prepared(self, chat: Chat, call: Call) -> Chat:
        """The conversation with what its client could not carry."""
        call.conversation = _beginning(chat)
        wanted = {call_id: _keys(call, call_id) for call_id in forgotten(chat)[-_MOST_ASKED:]}
        keys = [key for either in wanted.values() for key in either]
        found = {key: self._here[key] for key in keys if key in self._here}
        missing = [key for either in wanted.values() if not found.keys() & set(either) for key in either]
        if missing and (told := await self._notes.ask(missing)):
            self._hold(told)
            found |= told
        notes: dict[str, Note] = {}
        for call_id, either in wanted.items():
            value = next((found[key] for key in either if key in found), None)
            if value is not None and (note := _read(value)) is not None:
                notes[call_id] = note
        return reminded(chat, notes)

    def remember(self, events: Iterable[Event], call: Call) -> None:
        """Keep what an answer will be asked for again. The store is told beside the call, which need not wait."""
        made = {key: _encoder.encode(note) for call_id, note in noted(events).items() for key in _keys(call, call_id)}
        notes = {key: value for key, value in made.items() if len(value) <= NOTE_BYTES}
        self._hold(notes)
        self._notes.tell(notes)

    async def told(self) -> None:
        """Wait until the store has everything."""
        await self._notes.told()

    def _hold(self, notes: Mapping[str, bytes]) -> None:
        self._here.update({key: value for key, value in notes.items() if len(value) <= self._here.maxsize})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._notes.told()


def _read(value: bytes) -> Note | None:
    """None of a note that another version wrote."""
    try:
        return _decoder.decode(value)
    except UNREADABLE:
        return None


def _keys(call: Call, call_id: str) -> tuple[str, ...]:
    """Of the caller's own notes. An id that may be used again is looked for in this conversation first, and then in the
    caller's last one that had it: clients may have cut off how this one began."""
    scopes = ("",) if len(call_id) >= _UNIQUE else (call.conversation, "")
    return tuple(note_key(call, scope, call_id) for scope in scopes)


def _beginning(chat: Chat) -> str:
    """The first words of a user, which clients send along to the end of a conversation."""
    first = next((message for message in chat.messages if message.role == "user"), None)
    texts = [part.text for part in first.parts if isinstance(part, Text)] if first else []
    return sha256("\0".join(texts).encode(errors="surrogatepass")).hexdigest()
