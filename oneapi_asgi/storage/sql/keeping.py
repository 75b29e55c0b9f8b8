"""Notes, and what callers own at upstreams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, and_, bindparam, delete, or_, select

from ...kept import KeptNote, OwnedObject
from ..keeping import NOTES_PURGED_AT_ONCE, about_text, check_limit, check_notes, check_object, is_id, owner_of
from .clock import Epoch
from .ledger import Clock, moment
from .purging import purge_due
from .schema import notes, objects
from .statements import Lookup, Replacement, cursor

__all__ = ["delete_object", "get_notes", "get_object", "list_objects", "purge_notes", "put_notes", "put_object"]

_PUT_NOTES = Replacement(notes, ("key",), ("value", "keep_until"))
_notes = Lookup(lambda among: select(notes.c.key, notes.c.value, notes.c.keep_until, Epoch()).where(among(notes.c.key)))


def put_notes(connection: Connection, put: Sequence[KeptNote], clock: Clock) -> None:
    """See ``ports.NoteStore.put_notes``."""
    check_notes(put)
    now = moment(connection, clock)
    last = {note.key: note for note in put}
    with cursor(connection) as opened:  # everybody locks rows in the order of their keys
        opened.insert(_PUT_NOTES, [(key, bytes(note.value), now + note.keep) for key, note in sorted(last.items())])


def get_notes(connection: Connection, keys: Sequence[str], clock: Clock) -> dict[str, bytes]:
    """See ``ports.NoteStore.get_notes``."""
    with cursor(connection) as opened:
        found = opened.rows(_notes, keys)
    return {key: bytes(value) for key, value, keep_until, now in found if keep_until > clock(float(now))}


def purge_notes(connection: Connection, clock: Clock) -> int:
    """See ``ports.NoteStore.purge_notes``."""
    return purge_due(connection, notes, notes.c.keep_until <= moment(connection, clock), NOTES_PURGED_AT_ONCE)


_FIELDS = OwnedObject.__struct_fields__
_KEY = ("owner", "id", "channel_id")
_REST = tuple(name for name in _FIELDS if name not in _KEY)
_PUT_OBJECT = Replacement(objects, _KEY, _REST)

_NEWEST_FIRST = (objects.c.created.desc(), objects.c.seq.desc())
_OBJECTS = select(objects.c.seq, *[objects.c[name] for name in _FIELDS]).order_by(*_NEWEST_FIRST)
_NAMED = _OBJECTS.where(objects.c.owner == bindparam("of_owner"), objects.c.id == bindparam("of_id")).limit(1)
_OF_KIND = _OBJECTS.where(objects.c.owner == bindparam("of_owner"), objects.c.kind == bindparam("of_kind"))


def put_object(connection: Connection, owned: OwnedObject) -> None:
    """See ``ports.ObjectStore.put_object``."""
    check_object(owned)
    values = {name: getattr(owned, name) for name in _FIELDS}
    values |= {"owner": owner_of(owned.user_id, owned.token_id), "about": about_text(owned)}
    with cursor(connection) as opened:
        opened.insert(_PUT_OBJECT, [tuple(values[name] for name in (*_KEY, *_REST))])


def get_object(connection: Connection, object_id: str, user_id: int, token_id: int) -> OwnedObject | None:
    """See ``ports.ObjectStore.get_object``."""
    row = _first(connection, _NAMED, object_id, of_owner=owner_of(user_id, token_id), of_id=object_id)
    return None if row is None else _object_of(row)


def list_objects(
    connection: Connection, kind: str, user_id: int, token_id: int, limit: int, after: str | None
) -> list[OwnedObject]:
    """See ``ports.ObjectStore.list_objects``."""
    check_limit(limit)
    given = {"of_owner": owner_of(user_id, token_id), "of_kind": kind}
    page = _OF_KIND.limit(limit)
    if after is not None:
        last = _first(connection, _OF_KIND.where(objects.c.id == after).limit(1), after, **given)
        if last is None:
            raise KeyError(after)
        older = objects.c.created < last.created
        page = page.where(or_(older, and_(objects.c.created == last.created, objects.c.seq < last.seq)))
    return [_object_of(row) for row in connection.execute(page, given)]


def delete_object(connection: Connection, object_id: str, user_id: int, token_id: int) -> bool:
    """See ``ports.ObjectStore.delete_object``."""
    row = _first(connection, _NAMED, object_id, of_owner=owner_of(user_id, token_id), of_id=object_id)
    return row is not None and connection.execute(delete(objects).where(objects.c.seq == row.seq)).rowcount > 0


def _first(connection: Connection, query: Select[Any], object_id: str, **given: object) -> Row[Any] | None:
    """What callers name may be no text that a database takes."""
    return connection.execute(query, given).first() if is_id(object_id) else None


def _object_of(row: Row[Any]) -> OwnedObject:
    values = {name: getattr(row, name) for name in _FIELDS}
    return OwnedObject(**values | {"about": msgspec.json.decode(row.about, type=dict[str, str])})
