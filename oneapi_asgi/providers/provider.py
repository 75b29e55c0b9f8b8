"""What the gateway has to know of a vendor to reach it: the formats it speaks, where, how it wants to see a key, and
where it differs from others that speak the same."""

from __future__ import annotations

from msgspec import Struct

from ..wire.quirks import Quirk
from .access import Access

__all__ = ["Provider"]


class Provider(Struct, frozen=True, kw_only=True):
    """A vendor, a kind of server, or one more way to the same vendor.

    ``base_url`` is what precedes the dialect's paths (its version may be left out), with ``{names}`` for options of the
    channel; None where each customer has one of their own. ``dialects`` are the formats it speaks, by the names of
    ``wire``: the first is the one that calls are translated to. ``bases`` are the base URLs of those of them that lie
    elsewhere. ``families`` tells which of the dialects a model is asked in (globs of upstream models, the first that
    matches; all of them where none does): a cloud that resells models often has each in the format of its maker only.

    ``access`` is how a key is shown; None is the dialect's own header. ``quirks`` are where it differs.
    ``cancel_stops_billing`` is False where a call that was hung up is generated, and billed, to its end.
    ``one_api_types`` are the numbers of the same kinds of channels in One API. ``key_format`` is what an operator has
    to paste; with ``schemes`` that may be all that follows "Authorization:", such as "Bearer TOKEN". ``options`` are
    the options of a channel, each with a line on what it is; ``required: `` begins the lines of those that have to be
    set.
    """

    id: str
    name: str
    base_url: str | None = None
    dialects: tuple[str, ...] = ("openai",)
    bases: dict[str, str] = {}
    families: dict[str, tuple[str, ...]] = {}
    access: Access | None = None
    quirks: frozenset[Quirk] = frozenset()
    cancel_stops_billing: bool = True
    one_api_types: tuple[int, ...] = ()
    key_format: str = "API key"
    schemes: bool = False
    options: dict[str, str] = {}
    note: str = ""
