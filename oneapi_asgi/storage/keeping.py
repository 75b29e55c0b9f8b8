"""Notes, and what callers own at upstreams: what every storage checks, and both in memory."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from ..kept import NOTE_BYTES, KeptNote, OwnedObject

__all__ = [
    "NOTES_PURGED_AT_ONCE",
    "Notes",
    "Objects",
    "about_text",
    "check_limit",
    "check_notes",
    "check_object",
    "is_id",
    "owner_of",
]

NOTES_PURGED_AT_ONCE: Final = 1_000
_MOST_LISTED: Final = 10_000

_DIGEST = re.compile(r"[0-9a-f]{64}")
_ID_LENGTH: Final = 256
_KIND_LENGTH: Final = 16
_ABOUT_BYTES: Final = 48 * 1024


def check_notes(notes: Sequence[KeptNote]) -> None:
    """
    :raises ValueError: see ``ports.NoteStore.put_notes``
    """
    for note in notes:
        if not _DIGEST.fullmatch(note.key):
            raise ValueError("the key of a note is a hex SHA-256 digest")
        if len(note.value) > NOTE_BYTES:
            raise ValueError(f"a note has at most {NOTE_BYTES} bytes, not {len(note.value)}")
        if not math.isfinite(note.keep):
            raise ValueError("a note is kept for a number of seconds")


def check_object(owned: OwnedObject) -> None:
    """
    :raises ValueError: see ``ports.ObjectStore.put_object``
    """
    if not is_id(owned.id):
        raise ValueError(f"the id of an object has 1 to {_ID_LENGTH} printable characters")
    if not owned.kind.isprintable() or not 1 <= len(owned.kind) <= _KIND_LENGTH:
        raise ValueError(f"the kind of an object has 1 to {_KIND_LENGTH} printable characters")
    if not _DIGEST.fullmatch(owned.key):
        raise ValueError("the key of an object is the hex SHA-256 digest of the channel's key")
    if owned.user_id < 0 or owned.token_id < 0 or not owner_of(owned.user_id, owned.token_id):
        raise ValueError("an object belongs to a user or a token")
    about_text(owned)


def about_text(owned: OwnedObject) -> str:
    """
    :raises ValueError: it is too much, or no Unicode
    """
    text = msgspec.json.encode(owned.about)
    if len(text) > _ABOUT_BYTES:
        raise ValueError(f"what is told about an object has at most {_ABOUT_BYTES} bytes as JSON")
    return text.decode()


def is_id(text: str) -> bool:
    """Whether an object may have it as its id. Callers name whatever they like."""
    return 1 <= len(text) <= _ID_LENGTH and text.isprintable()


def owner_of(user_id: int, token_id: int) -> int:
    """One number for whoever owns: a user, or, below 0, a token. 0 is nobody, who owns nothing."""
    return user_id or -token_id


def check_limit(limit: int) -> None:
    """
    :raises ValueError: see ``ports.ObjectStore.list_objects``
    """
    if not 1 <= limit <= _MOST_LISTED:
        raise ValueError(f"a list has 1 to {_MOST_LISTED} objects")


class Notes:
    """At most ``most_bytes`` of values; beyond that, those that were put first are forgotten."""

    def __init__(self, most_bytes: int = 64 * 1024 * 1024) -> None:
        self._most = most_bytes
        self._size = 0
        self._notes: dict[str, tuple[bytes, float]] = {}

    def put(self, notes: Sequence[KeptNote], now: float) -> None:
        check_notes(notes)
        for note in notes:
            self._forget(note.key)
            self._notes[note.key] = (bytes(note.value), now + note.keep)
            self._size += len(note.value)
        while self._size > self._most:
            self._forget(next(iter(self._notes)))

    def get(self, keys: Sequence[str], now: float) -> dict[str, bytes]:
        found = ((key, self._notes.get(key)) for key in keys)
        return {key: note[0] for key, note in found if note is not None and note[1] > now}

    def purge(self, now: float) -> int:
        due = (key for key, (_, keep_until) in self._notes.items() if keep_until <= now)
        purged = list(itertools.islice(due, NOTES_PURGED_AT_ONCE))
        for key in purged:
            self._forget(key)
        return len(purged)

    def _forget(self, key: str) -> None:
        value, _ = self._notes.pop(key, (b"", 0.0))
        self._size -= len(value)


class _Row(Struct):
    """In which order they were put tells apart what was made in one moment."""

    seq: int
    owned: OwnedObject


class Objects:
    """At most ``most`` of them; beyond that, those that were put first are forgotten."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seq = itertools.count()
        self._count = 0
        self._rows: dict[tuple[int, str], dict[int, _Row]] = {}
        """By owner and id, then by channel."""

    def put(self, owned: OwnedObject) -> None:
        check_object(owned)
        rows = self._rows.setdefault((owner_of(owned.user_id, owned.token_id), owned.id), {})
        before = rows.get(owned.channel_id)
        rows[owned.channel_id] = _Row(before.seq if before else next(self._seq), owned)
        self._count += before is None
        if self._count > self._most:
            first = next(iter(self._rows))
            self._remove(first, next(iter(self._rows[first])))

    def get(self, object_id: str, owner: int) -> OwnedObject | None:
        return next(iter(_newest_first(self._rows.get((owner, object_id), {}).values())), None)

    def page(self, kind: str, owner: int, limit: int, after: str | None) -> Sequence[OwnedObject]:
        check_limit(limit)
        owns = (row for (of, _), rows in self._rows.items() if of == owner for row in rows.values())
        found = _newest_first(row for row in owns if row.owned.kind == kind)
        if after is None:
            return found[:limit]
        start = next((place for place, one in enumerate(found, 1) if one.id == after), None)
        if start is None:
            raise KeyError(after)
        return found[start : start + limit]

    def delete(self, object_id: str, owner: int) -> bool:
        found = self.get(object_id, owner)
        if found is not None:
            self._remove((owner, object_id), found.channel_id)
        return found is not None

    def _remove(self, named: tuple[int, str], channel_id: int) -> None:
        rows = self._rows[named]
        del rows[channel_id]
        if not rows:
            del self._rows[named]
        self._count -= 1


def _newest_first(rows: Iterable[_Row]) -> list[OwnedObject]:
    return [row.owned for row in sorted(rows, key=lambda row: (row.owned.created, row.seq), reverse=True)]
