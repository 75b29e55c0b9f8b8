"""In which format a channel is asked: the caller's own where the channel speaks it, else one to translate to."""

from __future__ import annotations

from functools import cache
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ..models import Channel
from ..wire.dialect import UpstreamDialect
from ..wire.dialects import UPSTREAMS
from ..wire.operations import Operation
from ..wire.quirks import Quirk
from .access import Access, KeyAccess, Place
from .catalog import base_url_of, offered, provider_of, quirks_of
from .provider import Provider

__all__ = ["Route", "access_of", "place_of", "route_of"]


class Route(Struct, frozen=True, kw_only=True):
    """``native``: the answer passes untouched, as caller and upstream speak one format. ``stream``: whether the
    upstream is asked for a stream. ``path`` is what the dialect says, with its query."""

    provider: Provider
    dialect: UpstreamDialect
    native: bool
    stream: bool
    path: str
    quirks: frozenset[Quirk]


def route_of(
    channel: Channel, operation: Operation, model: str, *, stream: bool, rewritten: bool = False
) -> Route | None:
    """None when no format of the channel can do what is asked. ``rewritten``: the request is to be changed, so that it
    cannot pass as it is even between equals.

    :raises ValueError: the channel's provider is not in the catalog, or one of its formats is none
    """
    provider = provider_of(channel)
    quirks = quirks_of(channel, provider)
    streams = (stream or "stream_only" in quirks) and "never_streams" not in quirks
    names = offered(channel, provider, model)
    own = UPSTREAMS.get(operation.dialect) if operation.dialect in names else None
    if own is not None and _passes(operation, quirks, changes=streams != stream or rewritten):
        path = own.path(operation, model, stream=stream)
        if path is not None:
            return Route(provider=provider, dialect=own, native=True, stream=stream, path=path, quirks=quirks)
    translated = replace(operation, dialect="")  # also where it comes back to the format that it was
    for name in (operation.dialect, *names) if own is not None else names:
        dialect = UPSTREAMS.get(name)
        if dialect is None:
            raise ValueError(f'channel "{channel.name}": there is no format "{name}"')
        path = dialect.path(translated, model, stream=streams) if operation.task in dialect.tasks else None
        if path is not None:
            return Route(provider=provider, dialect=dialect, native=False, stream=streams, path=path, quirks=quirks)
    return None


_RENAMED: Final = {"embeddings": "output_dimension", "rerank": "rerank_top_k"}
"""By task: the quirk of a provider that calls a field otherwise than its format does."""


def _passes(operation: Operation, quirks: frozenset[Quirk], *, changes: bool) -> bool:
    return not changes if operation.task == "chat" else _RENAMED.get(operation.task) not in quirks


def access_of(provider: Provider, dialect: UpstreamDialect) -> Access:
    """How the provider wants to see its key, else how the format shows it."""
    return provider.access or _by_key(*dialect.key_header)


@cache
def _by_key(header: str, prefix: str) -> KeyAccess:
    return KeyAccess(header, prefix)


def place_of(channel: Channel, route: Route, model: str, path: str) -> Place:
    """
    :raises ValueError: there is no base URL
    """
    return Place(
        base_url=base_url_of(channel, route.provider, route.dialect.name),
        dialect=route.dialect.name,
        version=route.dialect.version,
        path=path,
        model=model,
        stream=route.stream,
        options=channel.options,
    )
