"""What the gateway has to know of a vendor to reach it: the base URL, the header of the key, a few habits."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = ["KeyHeader", "Provider", "auth_headers"]

KeyHeader = Literal["authorization", "api-key"]


class Provider(Struct, frozen=True, kw_only=True):
    """A vendor that speaks OpenAI's dialect.

    ``base_url`` is what precedes ``/chat/completions``; None where each customer has one of their own.
    ``include_usage`` says that a streamed call may ask for its usage (``stream_options``); elsewhere that is an unknown
    field, which some refuse. ``cancel_stops_billing`` is False where a call that was hung up is generated, and billed,
    to its end. ``one_api_type`` is the number of the same kind of channel in One API.
    """

    id: str
    name: str
    base_url: str | None = None
    key_header: KeyHeader = "authorization"
    include_usage: bool = False
    cancel_stops_billing: bool = True
    one_api_type: int | None = None
    note: str = ""


def auth_headers(provider: Provider, key: str) -> tuple[tuple[str, str], ...]:
    """The headers that show ``key`` to the provider; none for an empty key, as local servers need none."""
    if not key:
        return ()
    return ((provider.key_header, f"Bearer {key}" if provider.key_header == "authorization" else key),)
