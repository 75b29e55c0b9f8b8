"""What one caller has at providers, as it is kept: found by id, told in order, noted anew, forgotten.

Whatever is not the caller's own is not there. A caller is a user or, where a token has none, the token.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from .errors import NotFound, Unavailable
from .kept import ObjectStore, OwnedObject
from .models import Token
from .wire.objects import Listing, Seen, is_id

__all__ = ["Shelf"]

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_PAGE = 1_000


class Shelf:
    """``token`` is the caller's, ``at`` the moment of the call (Unix seconds)."""

    def __init__(self, store: ObjectStore, token: Token, at: float) -> None:
        self._store = store
        self._user_id = token.user_id
        self._token_id = token.id
        self._at = at

    async def find(self, object_id: str, kind: str, *, param: str = "id") -> OwnedObject:
        """
        :raises NotFound: the caller has none of that id, whoever else may
        :raises Unavailable: the store does not answer
        """
        found = None
        if is_id(object_id):
            found = await _stored(self._store.get_object(object_id, user_id=self._user_id, token_id=self._token_id))
        if found is None or found.kind != kind:
            raise NotFound(f"No such {kind.capitalize()} object: {object_id[:80]!r}.", param=param)
        return found

    async def keep(self, seen: Seen, *, kind: str, channel_id: int, key: str, about: dict[str, str]) -> None:
        """A new object, made with a key of this digest.

        :raises Unavailable: it was not kept
        """
        owned = OwnedObject(
            id=seen.id,
            kind=kind,
            channel_id=channel_id,
            key=key,
            user_id=self._user_id,
            token_id=self._token_id,
            created=self._at,
            about=about | _about(seen),
        )
        await self._put(owned, seen)

    async def note(self, owned: OwnedObject, seen: Seen) -> OwnedObject:
        """What its provider says of it now.

        :raises Unavailable: the store does not answer
        """
        if seen.id != owned.id:
            return owned
        changed = replace(owned, about=owned.about | _about(seen))
        return await self._put(changed, seen) if changed.about != owned.about else owned

    async def _put(self, owned: OwnedObject, seen: Seen) -> OwnedObject:
        """The files that a batch has made are its owner's from when they are first seen; one that was deleted since
        does not come back."""
        known = owned.about.get("made", "").split()
        made = [name for name in seen.made if name not in known] if owned.kind == "batch" else []
        for name in made:
            file = replace(owned, id=name, kind="file", created=self._at, about={"purpose": "batch_output"})
            await _stored(self._store.put_object(file))
        if made:
            owned = replace(owned, about=owned.about | {"made": " ".join((*known, *made))})
        await _stored(self._store.put_object(owned))
        return owned

    async def forget(self, owned: OwnedObject) -> None:
        """
        :raises Unavailable: the store does not answer
        """
        await _stored(self._store.delete_object(owned.id, user_id=self._user_id, token_id=self._token_id))

    async def listed(self, kind: str, asked: Listing) -> Sequence[OwnedObject]:
        """One more than asked for, if there are more.

        :raises KeyError: there is no object to begin after
        """
        found: list[OwnedObject] = []
        async for owned in self._in_order(kind, asked):
            if asked.purpose in (None, owned.about.get("purpose")):
                found.append(owned)
            if len(found) > asked.limit:
                break
        return found

    async def _in_order(self, kind: str, asked: Listing) -> AsyncIterator[OwnedObject]:
        size = min(_PAGE, asked.limit + 1) if asked.purpose is None else _PAGE
        if not asked.rising:
            async for owned in self._all(kind, asked.after, size):
                yield owned
            return
        everything = [owned async for owned in self._all(kind, None, _PAGE)][::-1]
        start = 0
        if asked.after is not None:
            start = next((place for place, owned in enumerate(everything, 1) if owned.id == asked.after), 0)
            if not start:
                raise KeyError(asked.after)
        for owned in everything[start:]:
            yield owned

    async def _all(self, kind: str, after: str | None, size: int) -> AsyncIterator[OwnedObject]:
        begun, owner = False, {"user_id": self._user_id, "token_id": self._token_id}
        while True:
            try:
                page = await _stored(self._store.list_objects(kind, **owner, limit=size, after=after))
            except KeyError:
                if begun:  # the last of the page before was deleted meanwhile
                    return
                raise
            begun = True
            for owned in page:
                yield owned
            if len(page) < size:
                return
            after = page[-1].id


async def _stored(asking: Awaitable[Answer]) -> Answer:
    """
    :raises KeyError: what the store says is not there
    :raises Unavailable: it does not answer
    """
    try:
        return await asking
    except KeyError:
        raise
    except Exception as error:  # whatever the store is
        _log.error("the store of objects failed: %s", type(error).__name__)
        raise Unavailable("Files and batches cannot be looked up at the moment.", retry_after=1) from error


def _about(seen: Seen) -> dict[str, str]:
    """What is kept of it."""
    told = {"seen": seen.json, "purpose": seen.purpose, "final": "yes" if seen.final else ""}
    return {name: value for name, value in told.items() if value}
