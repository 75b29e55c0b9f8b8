"""The providers that a channel can name, a row each, and where a channel's calls go.

A vendor that is not listed is reached as ``openai-compatible`` (or ``custom``, if it refuses ``stream_options``) or
``anthropic-compatible`` with a ``base_url`` of its own. Which vendors bill a cancelled call in full is what OpenRouter
publishes on stream cancellation; vendors of whom nothing is known are taken to stop.

Every kind of channel that One API knows has its row, but for three: 0 (unknown), 11 (PaLM, which Google has shut down)
and 21 (AIProxy's library, of which no documentation is left).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final, cast

from ..globs import matches
from ..models import Channel
from ..wire.quirks import QUIRKS, Quirk
from .access import options_in
from .china import CHINA
from .clouds import CLOUDS
from .hosted import HOSTED
from .local import LOCAL
from .provider import Provider

__all__ = [
    "CATALOG",
    "COMMON_OPTIONS",
    "base_url_of",
    "cost_factor",
    "find_provider",
    "mistaken_options",
    "offered",
    "provider_of",
    "quirks_of",
]

CATALOG: Final[Mapping[str, Provider]] = MappingProxyType(
    {row.id: row for row in (*CLOUDS, *LOCAL, *sorted((*HOSTED, *CHINA), key=lambda row: row.id))}
)

COMMON_OPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "quirks": "where the server differs from its kind, after a - where it does not: stream_only -usage_option",
        "files": "yes or no: whether it keeps files and carries out batches, at /files and /batches",
        "cost_factor": "what it costs of a model's price, for the strategy cheapest: 0.8 for a fifth less",
    }
)
"""What can be said of every channel, whatever its provider."""

_OPTIONS: Final = frozenset(COMMON_OPTIONS) | {name for row in CATALOG.values() for name in row.options}
_MOST_HINTS: Final = 4
_FACTOR: Final = re.compile(r"[0-9]{1,6}(\.[0-9]{1,9})?")


def find_provider(provider_id: str) -> Provider:
    """
    :raises ValueError: there is no such provider; the message names the nearest, else all
    """
    provider = CATALOG.get(provider_id)
    if provider is None:
        near = " or ".join(f'"{name}"' for name in _near(provider_id.lower()))
        hint = f"did you mean {near}?" if near else f"there are {', '.join(CATALOG)}"
        raise ValueError(f"no such provider; {hint}")
    return provider


def _near(said: str) -> list[str]:
    """The providers that may have been meant: one that is written nearly so, else those with the same words in their
    names, "claude" or "azure-openai"."""
    words = _words(said)
    shared = {row.id: len(words & _words(f"{row.id} {row.name}")) for row in CATALOG.values()}
    most = max(shared.values())
    alike = [name for name, count in shared.items() if count == most > 0][:_MOST_HINTS]
    return get_close_matches(said, CATALOG, n=1, cutoff=0.8) or alike or get_close_matches(said, CATALOG, n=1)


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]{3,}", text.lower())) - {"api", "dialect"}


def provider_of(channel: Channel) -> Provider:
    """
    :raises ValueError: the channel names a provider that is not in the catalog
    """
    try:
        return find_provider(channel.provider)
    except ValueError as error:
        raise ValueError(f'channel "{channel.name}": provider "{channel.provider}": {error}') from None


def offered(channel: Channel, provider: Provider, model: str = "") -> tuple[str, ...]:
    """The dialects in which a channel can be asked for a model (named as upstream does), the preferred one first.

    What the channel says is so, whatever the row says. A base URL of the channel's own is where the row's dialects are,
    but for those that the vendor has elsewhere.
    """
    if channel.dialects:
        return channel.dialects
    moved = provider.bases if channel.base_url else {}
    known = tuple(dialect for dialect in provider.dialects if dialect not in moved)
    for pattern, dialects in provider.families.items():
        if model and matches(model, pattern):
            return tuple(dialect for dialect in dialects if dialect in known)
    return known


def base_url_of(channel: Channel, provider: Provider, dialect: str) -> str:
    """What precedes the paths of a dialect; ``{names}`` in it stand for options of the channel.

    :raises ValueError: neither the channel nor its provider has a base URL
    """
    base_url = channel.base_url or provider.bases.get(dialect) or provider.base_url
    if base_url is None:
        raise ValueError(f'channel "{channel.name}" needs a base_url: its provider "{provider.id}" has none')
    return base_url


def quirks_of(channel: Channel, provider: Provider) -> frozenset[Quirk]:
    """The provider's quirks, and what the channel says otherwise: its option ``quirks`` names more of them, after a
    ``-`` those that are not so ("stream_only -usage_option").

    :raises ValueError: there is no such quirk
    """
    said = channel.options.get("quirks", "").replace(",", " ").split()
    if not said:
        return provider.quirks
    unknown = [name for name in said if name.removeprefix("-") not in QUIRKS]
    if unknown:
        raise ValueError(f'channel "{channel.name}": there is no quirk "{unknown[0]}"')
    added = frozenset(cast("Quirk", name) for name in said if not name.startswith("-"))
    return (provider.quirks | added) - {cast("Quirk", name[1:]) for name in said if name.startswith("-")}


def cost_factor(channel: Channel) -> float | None:
    """What the channel costs of a model's price: 1.0 unless it says otherwise, None where it says no such number."""
    said = channel.options.get("cost_factor", "1").strip()
    return float(said) if _FACTOR.fullmatch(said) else None


def mistaken_options(channel: Channel) -> Iterator[tuple[str, str]]:
    """The options of a channel that nothing reads, and the quirks that are none: each with what is wrong with it."""
    known = _OPTIONS | options_in(channel.base_url or "")
    for name in channel.options:
        if name not in known:
            yield name, f"no such option{_hint(name, known)}"
    for said in channel.options.get("quirks", "").replace(",", " ").split():
        if said.removeprefix("-") not in QUIRKS:
            yield "quirks", f'there is no quirk "{said}"{_hint(said.removeprefix("-"), QUIRKS)}'
    if cost_factor(channel) is None:
        yield "cost_factor", "must be a number such as 0.8"


def _hint(word: str, known: frozenset[str]) -> str:
    near = get_close_matches(word.lower(), sorted(known), n=1)
    return f'; did you mean "{near[0]}"?' if near else f"; there are {', '.join(sorted(known))}"
