"""Notes of callers, as calls use a store of them: asked with little patience, told beside the call.

    notes = NoteBook(store, keep=3600, what="the owners of answers")
    key = note_key(call, "answer", response_id)
    notes.tell({key: value})
    found = await notes.ask([key])

A store that fails costs a call nothing but what it would have known.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from hashlib import sha256
from types import TracebackType
from typing import Self

from .call import Call
from .kept import KeptNote
from .ports import NoteStore

__all__ = ["NoteBook", "note_key"]

_log = logging.getLogger(__name__)

_PATIENCE = 1.0
"""Seconds that a call waits for the store."""

_TELLING = 10.0
"""Seconds after which the store is not waited for when it is told: a gateway that closes waits for it."""


class NoteBook:
    """Notes are kept for ``keep`` seconds. ``store`` None keeps none. An async context manager: it ends when all has
    been told."""

    def __init__(self, store: NoteStore | None, *, keep: float, what: str) -> None:
        self._store = store
        self._keep = keep
        self._what = what
        self._untold: dict[str, bytes] = {}
        self._telling: asyncio.Task[None] | None = None

    async def ask(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """Those that there are, as far as the store answers."""
        if self._store is None:
            return {}
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._store.get_notes(keys)
        except Exception as error:  # whatever the store is: a call without its notes is better than none
            _log.warning("%s cannot be read: %s", self._what, type(error).__name__)
            return {}

    def tell(self, notes: Mapping[str, bytes]) -> None:
        """Have the store keep them. What comes while one writing runs makes up the next one."""
        if self._store is None or not notes:
            return
        self._untold.update(notes)
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell(self._store), name=f"{self._what} to the store")

    async def told(self) -> None:
        """Wait until the store has everything."""
        if self._telling is not None:
            await asyncio.wait([self._telling])

    async def _tell(self, store: NoteStore) -> None:
        while self._untold:
            untold, self._untold = self._untold, {}
            kept = [KeptNote(key=key, value=value, keep=self._keep) for key, value in untold.items()]
            try:
                async with asyncio.timeout(_TELLING):
                    await store.put_notes(kept)
            except Exception as error:  # this process still knows
                _log.warning("%s cannot be kept: %s", self._what, type(error).__name__)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.told()


def note_key(call: Call, *parts: str) -> str:
    """Of the caller's own notes: those of one user, or of one token that is no user's."""
    token = call.token
    owner = "" if token is None else f"user {token.user_id}" if token.user_id else f"token {token.id}"
    return sha256("\0".join((owner, *parts)).encode(errors="surrogatepass")).hexdigest()
