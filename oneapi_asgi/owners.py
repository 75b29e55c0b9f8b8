"""Who keeps the answers that callers go on from: ``previous_response_id`` means something to one account alone.

``Owners`` is told of each answer that its provider keeps, and asked before a call that goes on from one is planned. It
remembers in this process, and in a ``NoteStore`` if there is one, so that the next call may come to another replica, or
after a restart. What it remembers is the caller's own: nobody is led to another's account by an id.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import Self

import msgspec
from cachetools import TTLCache

from .call import Call
from .keys import key_digest
from .models import Candidate, Holder
from .notes import NoteBook, note_key
from .ports import NoteStore
from .unreadable import UNREADABLE

__all__ = ["Owners", "holder_of"]

_log = logging.getLogger(__name__)

_LONGEST_ID = 256

_decoder = msgspec.msgpack.Decoder(Holder)


def holder_of(candidate: Candidate) -> Holder:
    """The channel of a candidate, with the digest of its key: the index of a key changes when others go."""
    keys = candidate.channel.api_keys
    return Holder(candidate.channel.id, key_digest(keys[candidate.key].reveal() if keys else ""))


class Owners:
    """An answer's owner is remembered for ``keep`` seconds, of ``size`` answers here."""

    def __init__(
        self,
        store: NoteStore | None = None,
        *,
        keep: float = 30 * 86_400.0,
        size: int = 20_000,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._notes = NoteBook(store, keep=keep, what="the owners of answers")
        self._here: TTLCache[str, Holder] = TTLCache(size, keep, clock)

    async def holder(self, call: Call, response_id: str) -> Holder | None:
        """Who keeps the caller's answer of that id, None if nobody knows."""
        key = _key(call, response_id)
        found = self._here.get(key)
        if found is None:
            found = _read((await self._notes.ask([key])).get(key))
            if found is not None:
                self._here[key] = found
        return found

    def remember(self, call: Call, candidate: Candidate, response_id: str) -> None:
        """The answer of that id is kept by this candidate. The store is told beside the call, which need not wait."""
        if not 0 < len(response_id) <= _LONGEST_ID:
            return
        key, holder = _key(call, response_id), holder_of(candidate)
        self._here[key] = holder
        self._notes.tell({key: msgspec.msgpack.encode(holder)})

    async def told(self) -> None:
        """Wait until the store has everything."""
        await self._notes.told()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._notes.told()


def _key(call: Call, response_id: str) -> str:
    return note_key(call, "answer", response_id)


def _read(value: bytes | None) -> Holder | None:
    """None of a note that another version wrote."""
    try:
        return _decoder.decode(value) if value is not None else None
    except UNREADABLE as error:
        _log.warning("the owner of an answer cannot be read: %s", type(error).__name__)
        return None
