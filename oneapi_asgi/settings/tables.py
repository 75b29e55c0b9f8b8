"""Lists and tables, read with the readers of their parts; every mistake in them is told, not only the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, TypeVar, get_args, get_type_hints

from msgspec import Struct, structs

from ..models import Secret
from .places import Mistakes, Place, SettingsError, did_you_mean
from .readers import Reader, text

__all__ = ["listed", "mapping", "readers_of", "table"]

T = TypeVar("T")
S = TypeVar("S", bound=Struct)


def table(kind: type[S], check: Callable[[S, Place], Iterable[SettingsError]] | None = None) -> Reader[S]:
    """A table whose keys are the fields of ``kind``; ``check`` looks at what no field shows alone."""

    def read(value: object, at: Place) -> S:
        if not isinstance(value, Mapping):
            raise at.mistake("must be a table")
        section = _fill(kind, value, at)
        lines = [line for mistake in (check(section, at) if check else ()) for line in mistake.lines]
        if lines:
            raise SettingsError(lines)
        return section

    return read


def _fill(kind: type[S], raw: Mapping[str, object], at: Place) -> S:
    readers = readers_of(kind)
    mistakes, values = Mistakes(), dict[str, Any]()
    for key, value in raw.items():
        with mistakes:
            if key not in readers:
                raise at.key(key).mistake(f"unknown key{did_you_mean(key, readers)}")
            values[key] = readers[key](value, at.key(key))
    for name in _required(kind):
        with mistakes:
            if name not in raw:
                raise at.key(name).mistake("missing")
    mistakes.done()
    return kind(**values)


@cache
def readers_of(kind: type[Struct]) -> Mapping[str, Reader[Any]]:
    """The reader that each field of ``kind`` names in its annotation."""
    return {name: get_args(hint)[1] for name, hint in get_type_hints(kind, include_extras=True).items()}


@cache
def _required(kind: type[Struct]) -> tuple[str, ...]:
    return tuple(field.name for field in structs.fields(kind) if field.required)


def listed(item: Reader[T], *, least: int = 0, unique: tuple[str, ...] = ()) -> Reader[tuple[T, ...]]:
    """A list of what ``item`` reads. In a list of tables, no two may agree on a key in ``unique``."""

    def read(value: object, at: Place) -> tuple[T, ...]:
        if not isinstance(value, list | tuple):
            if isinstance(value, Mapping) and str(at).isalpha():  # a section of a file
                raise at.mistake(f"must be a list of tables: write [[{at}]] before each, not [{at}]")
            raise at.mistake("must be a list, in square brackets")  # not shown: it may be a list of secrets
        if len(value) < least:
            raise at.mistake("must not be empty")
        mistakes, items = Mistakes(), dict[int, T]()
        for index, raw in enumerate(value):
            with mistakes:
                items[index] = item(raw, at.item(index))
        for key in unique:
            mistakes.lines += _repeated({i: _part(items.get(i, raw), key) for i, raw in enumerate(value)}, key, at)
        mistakes.done()
        return tuple(items.values())

    return read


def _part(entry: object, key: str) -> object:
    """A key of a table, also of one that could not be read: its mistakes do not hide that it repeats another."""
    part = entry.get(key) if isinstance(entry, Mapping) else getattr(entry, key, None)
    return part.reveal() if isinstance(part, Secret) else part


def _repeated(values: Mapping[int, object], key: str, at: Place) -> Iterator[str]:
    first = dict[str | int, int]()
    for index, value in values.items():
        if isinstance(value, str | int) and first.setdefault(value, index) != index:
            yield from at.item(index).key(key).mistake(f"the same as {at.item(first[value]).key(key)}").lines


def mapping(example: str) -> Reader[dict[str, str]]:
    """A table of texts, such as the ``example``."""

    def read(value: object, at: Place) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise at.mistake(f"must be a table of texts, such as {example}")
        mistakes, found = Mistakes(), dict[str, str]()
        for key, item in value.items():
            with mistakes:
                found[str(key)] = text(item, at.key(str(key)))
        mistakes.done()
        return found

    return read
