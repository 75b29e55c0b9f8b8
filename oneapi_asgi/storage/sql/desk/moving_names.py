"""What has to be unique here and was not there: who comes later gets another name, or goes without."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace
from sqlalchemy import Connection, select

from ....desk.moving import Key, Person, Remarks
from ..schema import tokens, users

__all__ = ["Taken", "portions", "unused"]

T = TypeVar("T")

_AT_ONCE = 500
_MOST = 255


class Taken:
    """What is taken, as of the transaction's beginning and as the move goes on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        found = connection.execute(select(users.c.name, users.c.email, users.c.access_digest, users.c.invite_code))
        rows = found.all()
        self._names = {row.name for row in rows}
        self._unique = {
            "email": {row.email for row in rows},
            "access_digest": {row.access_digest for row in rows},
            "invite_code": {row.invite_code for row in rows},
        }

    def person(self, person: Person, remarks: Remarks) -> Person:
        """``person``, without what another user has. The name ``root`` is kept."""
        name = person.name
        if name != "root":
            name = unused(name, self._names)
            self._names.add(name)
        if name != person.name:
            what = "another user has the name"
            remarks.add("changed", "users", what, f"{person.name} is {name}", cure="tell them, or rename them")
        lost: dict[str, None] = {}
        for field, taken in self._unique.items():
            value = getattr(person, field)
            if value is not None and value in taken:
                told = field.replace("_digest", " token").replace("_", " ")
                remarks.add("lost", "users", f"another user has the same {told}", name)
                lost[field] = None
            elif value is not None:
                taken.add(value)
        return replace(person, name=name, **lost)

    def keys(self, keys: Sequence[Key], owners: Mapping[int, int], remarks: Remarks) -> list[Key]:
        """Those whose owner is here and whose key nobody has, each with a name that its owner has not used."""
        digests = self._digests(keys)
        names: dict[int, set[str]] = {}
        mine = select(tokens.c.user_id, tokens.c.name)
        for some in portions([*{owners[key.owner] for key in keys if key.owner in owners}]):
            for user, name in self._connection.execute(mine.where(tokens.c.user_id.in_(some))):
                names.setdefault(user, set()).add(name)
        found = []
        for key in keys:
            if key.owner not in owners or key.digest in digests:
                why = "there is a token with its key already" if key.owner in owners else "its user is not here"
                remarks.add("skipped", "tokens", why, f"{key.name} ({key.id})")
                continue
            digests.add(key.digest)
            used = names.setdefault(owners[key.owner], set())
            name = unused(key.name, used)
            used.add(name)
            if name != key.name:
                remarks.add("changed", "tokens", "its user has another one of that name", f"{key.name} is {name}")
            found.append(replace(key, name=name))
        return found

    def _digests(self, keys: Sequence[Key]) -> set[str]:
        return {
            digest
            for some in portions([key.digest for key in keys])
            for digest in self._connection.scalars(select(tokens.c.digest).where(tokens.c.digest.in_(some)))
        }


def unused(name: str, taken: Collection[str]) -> str:
    """``name``, or ``name (2)`` and so on."""
    if name not in taken:
        return name
    number = 2
    while (other := f"{name[: _MOST - 10]} ({number})") in taken:
        number += 1
    return other


def portions(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many as one statement takes."""
    for start in range(0, len(rows), _AT_ONCE):
        yield rows[start : start + _AT_ONCE]
