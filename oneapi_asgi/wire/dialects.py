"""The formats there are: the one place that lists them.

A new one is a module or a package beside this, and a row here. A format is loaded when it is first spoken: few
processes need all of them, and one that only passes OpenAI's along should start in no time. So that a path can be told
without loading anything, the row of a client's format says where it may be meant; its ``operation`` and ``owns`` then
decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from importlib import import_module
from typing import Any, Final, Generic, TypeVar, cast

from msgspec import Struct
from msgspec.structs import replace

from .dialect import ClientDialect, UpstreamDialect
from .openai.paths import OPENAI_PATHS
from .operations import Operation

__all__ = ["CLIENTS", "UPSTREAMS", "client_of", "listed", "load_formats", "operation_at"]


class _Row(Struct, frozen=True):
    """``name``; where the object lies ("module:OBJECT"). Of a client's format: its ``paths``, and the ``marks`` of its
    requests to paths that others have too: headers, and a parameter of the query."""

    name: str
    place: str
    paths: str = r"(?!)"
    headers: tuple[bytes, ...] = ()
    parameter: str = "\0"


_ROWS: Final = (
    _Row("openai", "openai.format:OPENAI"),
    _Row("responses", "responses:RESPONSES", r"/responses(?:/.*)?"),
    _Row("anthropic", "anthropic:ANTHROPIC", r"/messages(?:/.*)?", (b"anthropic-version",)),
    _Row(
        "gemini",
        "gemini:GEMINI",
        r"/v1[a-z]+\d*/.*|/(?:models|tunedModels|projects)/.*:[a-zA-Z]+",
        (b"x-goog-api-key",),
        "key=",
    ),
    _Row("cohere", "cohere:COHERE", r"/v2/.*", (b"x-fern-sdk-name",)),
    _Row("ollama", "ollama:OLLAMA", r"/api/.*"),
    _Row("bedrock", "bedrock:BEDROCK"),
    _Row("coze", "coze:COZE"),
    _Row("dify", "dify:DIFY"),
    _Row("replicate", "replicate:REPLICATE"),
    _Row("deepl", "deepl:DEEPL"),
)
"""Of clients the order matters: the first that knows a path, or owns a request, has it. What is left is OpenAI's."""

_PLACES: Final = {row.name: row.place for row in _ROWS}
_CLIENTS: Final = tuple((row, re.compile(row.paths)) for row in _ROWS if row.paths != _Row("", "").paths)


@cache
def _load(name: str) -> Any:
    module, _, found = _PLACES[name].partition(":")
    return getattr(import_module(f".{module}", __package__), found)


Dialect = TypeVar("Dialect")


class _Formats(Mapping[str, Dialect], Generic[Dialect]):
    """Formats by name, each loaded when it is asked for."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._loaded: dict[str, Dialect] = {}

    def __getitem__(self, name: str) -> Dialect:
        found = self._loaded.get(name)
        if found is None:
            if name not in self._names:
                raise KeyError(name)
            found = self._loaded[name] = cast("Dialect", _load(name))
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names


CLIENTS: Final[Mapping[str, ClientDialect]] = _Formats(("openai", *(row.name for row, _ in _CLIENTS)))
UPSTREAMS: Final[Mapping[str, UpstreamDialect]] = _Formats(tuple(row.name for row in _ROWS))


def load_formats(names: Iterable[str]) -> None:
    """Load what is going to be spoken, so that no call has to wait for it."""
    for name in {"openai", *names} & _PLACES.keys():
        _load(name)


def operation_at(path: str, query: str = "") -> Operation | None:
    """The operation at a path below the API's root, None when there is none."""
    found = _operation_at(path)
    return replace(found, query=query) if found is not None and query else found


@lru_cache(maxsize=256)
def _operation_at(path: str) -> Operation | None:
    found = OPENAI_PATHS.operation(path)
    for row, paths in _CLIENTS if found is None else ():
        if paths.fullmatch(path):
            return CLIENTS[row.name].operation(path)
    return found


def client_of(path: str, headers: Mapping[bytes, bytes], query: str) -> ClientDialect:
    """Whose format answers at a path that several have, or none."""
    for row, paths in _CLIENTS:
        meant = paths.fullmatch(path) or row.parameter in query or any(name in headers for name in row.headers)
        if meant and CLIENTS[row.name].owns(path, headers, query):
            return CLIENTS[row.name]
    return OPENAI_PATHS


def listed(path: str, dialect: ClientDialect) -> str | None:
    """The model that is looked up at a path, empty for the list of all; None if it is no such path."""
    for root in ("/models", dialect.list_path):
        if path == root or path.startswith(f"{root}/"):
            return path[len(root) + 1 :]
    return None
