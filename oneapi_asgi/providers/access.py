"""How a provider is reached: the URL of a request, the headers that show the credential, and what turns a long-lived
credential into a ticket that is good for an hour. Pure: whoever asks sends the requests and keeps the tickets.

One call goes ``url`` → ``exchange`` (if it gives one and no ticket is at hand: send it, read its answer with
``ticket``) → ``body`` → ``headers``. What is raised here is the operator's to mend; no message holds a secret.

``KeyAccess`` is enough wherever the key itself is a header; ``JwtAccess`` signs a short-lived token with it. Vendors
who do it in another way altogether have a file each beside this one.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar, Protocol
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct

from ..extra import MissingExtra, needs
from ..models import Channel
from ..unreadable import UNREADABLE

__all__ = [
    "FORM",
    "Access",
    "Exchange",
    "JwtAccess",
    "KeyAccess",
    "Place",
    "Unsigned",
    "filled",
    "form",
    "has_version",
    "joined",
    "needed",
    "oauth_ticket",
    "option",
    "options_in",
    "overridden",
    "own_headers",
    "signed",
    "signing",
]


class Place(Struct, frozen=True, kw_only=True):
    """What is to be asked, and where.

    ``base_url`` is the channel's own, or the default of the provider's row; ``{names}`` in it stand for options.
    ``dialect``, ``version`` and ``path`` are those of the upstream's dialect; ``path`` has its query, and the model in
    it percent-encoded. ``options`` are the channel's: region, project, location, api_version …
    """

    base_url: str
    dialect: str
    version: str
    path: str
    model: str
    stream: bool
    options: Mapping[str, str]


class Exchange(Struct, frozen=True):
    """A POST that turns a credential into a ticket. Its body holds secrets: it must not be logged."""

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def __repr__(self) -> str:
        return f"Exchange({self.url!r}, …)"


class Unsigned(Struct, frozen=True):
    """A request as it will be sent, but for the headers that show the credential; ``options`` are the channel's."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    options: Mapping[str, str] = {}


class Access(Protocol):
    """What a provider wants to see of a credential, and where. ``exchanges``: whether it has keys that have to be
    exchanged for a ticket. ``fixed``: bodies stay as they are, and one key is shown in the same way by every request,
    whatever is in it and whenever it is sent."""

    exchanges: ClassVar[bool]
    fixed: ClassVar[bool]

    def url(self, place: Place, key: str = "") -> str:
        """``key`` is looked at where it tells what the options do not (a service account names its project).

        :raises ValueError: an option is missing or cannot be; the message names it
        """
        ...

    def exchange(self, key: str, options: Mapping[str, str], now: float) -> Exchange | None:
        """The request for a ticket; None where the key is shown as it is. ``now`` is in Unix seconds.

        :raises ValueError: the key cannot be read, or an option is missing
        """
        ...

    def ticket(self, body: bytes, now: float) -> tuple[str, float]:
        """What the answer to the exchange holds: the ticket, and when it expires (Unix seconds).

        :raises ValueError: it holds none
        """
        ...

    def body(self, body: bytes, place: Place) -> bytes:
        """The last change of a JSON body: most vendors want none.

        :raises ValueError: it should be changed, and is no JSON object
        """
        ...

    def headers(self, key: str, ticket: str, request: Unsigned, now: float) -> tuple[tuple[str, str], ...]:
        """The headers that go with the request, names in lower case. ``ticket`` is empty where there was no exchange.

        :raises ValueError: the key cannot be read
        """
        ...


def signed(
    access: Access,
    request: Unsigned,
    key: str,
    ticket: str,
    now: float,
    own: tuple[tuple[str, str], ...] = (),
) -> tuple[tuple[str, str], ...]:
    """All headers of a request, in the order in which they are sent: what shows the credential takes the place of
    headers of the same name, and the channel's ``own`` that of all others. Those are in the request already: some sign
    what they send.

    :raises ValueError: the key cannot be read
    """
    sent = overridden(request.headers, access.headers(key, ticket, request, now))
    return overridden(sent, own) if own else sent


def own_headers(channel: Channel) -> tuple[tuple[str, str], ...]:
    """What the channel sets of headers, whoever else sets them; names in lower case."""
    return tuple((name.lower(), value) for name, value in channel.headers.items())


def overridden(headers: tuple[tuple[str, str], ...], by: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The headers, with others in the place of those of the same name."""
    names = {name for name, _ in by}
    return (*(header for header in headers if header[0] not in names), *by)


class KeyAccess(Struct, frozen=True):
    """The key is the value of one header, after ``prefix``; no key, no header (local servers need none)."""

    exchanges: ClassVar[bool] = False
    fixed: ClassVar[bool] = True

    header: str = "authorization"
    prefix: str = "Bearer "

    def url(self, place: Place, key: str = "") -> str:  # noqa: ARG002
        return joined(filled(place.base_url, place.options), place.version, place.path)

    def exchange(self, key: str, options: Mapping[str, str], now: float) -> Exchange | None:  # noqa: ARG002
        return None

    def ticket(self, body: bytes, now: float) -> tuple[str, float]:  # noqa: ARG002
        raise ValueError("this provider takes its key as it is")

    def body(self, body: bytes, place: Place) -> bytes:  # noqa: ARG002
        return body

    def headers(self, key: str, ticket: str, request: Unsigned, now: float) -> tuple[tuple[str, str], ...]:  # noqa: ARG002
        return ((self.header, f"{self.prefix}{key}"),) if key else ()


class JwtAccess(KeyAccess, frozen=True):
    """A key of the form ``id.secret`` signs a token for each request (HS256, with the claims of
    https://open.bigmodel.cn/dev/api/http-call/http-auth); any other key is shown as it is."""

    fixed: ClassVar[bool] = False

    lifetime: int = 180
    """Seconds for which one token is good."""

    def headers(self, key: str, ticket: str, request: Unsigned, now: float) -> tuple[tuple[str, str], ...]:
        name, dot, secret = key.partition(".")
        if not (name and dot and secret) or "." in secret:
            return super().headers(key, ticket, request, now)
        moment = int(now * 1000)
        head = _segment({"alg": "HS256", "sign_type": "SIGN", "typ": "JWT"})
        claims = _segment({"api_key": name, "exp": moment + self.lifetime * 1000, "timestamp": moment})
        signed = f"{head}.{claims}"
        digest = hmac.digest(secret.encode(), signed.encode(), "sha256")
        return super().headers(f"{signed}.{_base64url(digest)}", ticket, request, now)


def _segment(claims: dict[str, object]) -> str:
    return _base64url(msgspec.json.encode(claims))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


# --- URLs -------------------------------------------------------------------------------------------------------------

_NAME = re.compile(r"\{(\w+)\}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")
_VERSION = re.compile(r"/v\d+(?:(?:alpha|beta)\d*)?$")


def option(options: Mapping[str, str], name: str) -> str | None:
    """An option that becomes part of a URL: letters, digits, ``.``, ``_``, ``:`` and ``-``, so that it can lead to no
    other host or path. None if it is not set, or empty.

    :raises ValueError: it has other characters
    """
    value = options.get(name) or None
    if value is not None and not _WORD.fullmatch(value):
        raise ValueError(f"the option {name!r} may have letters, digits and . _ : - only")
    return value


def needed(options: Mapping[str, str], name: str) -> str:
    """
    :raises ValueError: the option is not set, or has characters that it may not have
    """
    value = option(options, name)
    if value is None:
        raise ValueError(f"the option {name!r} is missing: set it in the channel's options")
    return value


def filled(base_url: str, options: Mapping[str, str]) -> str:
    """The base URL with its ``{names}`` replaced by the options.

    :raises ValueError: one of them is not set
    """
    return _NAME.sub(lambda match: needed(options, match[1]), base_url)


def options_in(base_url: str) -> frozenset[str]:
    """The names of the options that a base URL leaves open."""
    return frozenset(_NAME.findall(base_url))


def has_version(base_url: str) -> bool:
    """Whether its path ends with a version: /v1, /v1beta, /api/v3 …"""
    return _VERSION.search(urlsplit(base_url).path.rstrip("/")) is not None


def joined(base_url: str, version: str, path: str) -> str:
    """Base URL, version (unless the base URL ends with one) and path; a query that the base URL has comes last."""
    base, _, query = base_url.partition("?")
    base = base.rstrip("/")
    between = f"/{version}" if version and not has_version(base) else ""
    url = f"{base}{between}{path}"
    return f"{url}{'&' if '?' in path else '?'}{query}" if query else url


def form(fields: Mapping[str, str]) -> bytes:
    """Fields as application/x-www-form-urlencoded."""
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items()).encode()


@contextmanager
def signing(extra: str) -> Iterator[None]:
    """Around the import of a signing library. That it is not installed is one more thing that a channel needs: it is
    told like all others, and other channels serve meanwhile.

    :raises ValueError: it is not installed
    """
    try:
        with needs(extra):
            yield
    except MissingExtra as error:
        raise ValueError(str(error)) from error


# --- OAuth 2.0 --------------------------------------------------------------------------------------------------------

FORM = (("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json"))


class _Token(Struct):
    access_token: str
    expires_in: float | str = 3600


_token = msgspec.json.Decoder(_Token)


def oauth_ticket(body: bytes, now: float) -> tuple[str, float]:
    """The access token of an answer (RFC 6749, section 5.1), and when it expires.

    :raises ValueError: there is none
    """
    try:
        token = _token.decode(body)
        lifetime = float(token.expires_in)
    except (*UNREADABLE, ValueError):
        raise ValueError("the answer holds no access token") from None
    if not token.access_token or not 0 < lifetime < float("inf"):
        raise ValueError("the answer holds no access token")
    return token.access_token, now + lifetime
