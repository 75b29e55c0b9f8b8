"""What a channel changes of the calls that go through it, and what it may not: which headers and fields of a body are
the operator's to set, and where a proxy may be.

Whoever stores a channel checks it (``check_overrides``), and whoever uses one does so again: rows of a table may have
been written by somebody else. No message holds a value: headers and proxies have credentials in them.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from .models import Channel, Secret

__all__ = ["Mistake", "Via", "check_overrides", "credentials_in", "mistaken_overrides", "via"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_VALUE = re.compile(r"[!-~](?:[ -~\t]{0,8190}[!-~])?")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")
_SEEN = re.compile(r"[!-~]+")

_NOT_A_CHANNELS: Final = frozenset(
    (
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
        *("accept-encoding", "content-encoding", "content-length", "content-type", "expect", "host"),
        *("proxy-authenticate", "proxy-authorization"),
    )
)
"""Headers that belong to one connection (RFC 9110, section 7.6.1), say what the body is and how it is framed, or where
the request goes: the gateway sends what is true."""

_DECIDED: Final = {
    "model": "is decided by model_map, and priced by it",
    "stream": "is the caller's to say: the answer is read by it",
    "stream_options": "is the gateway's to say: it has to be told what a stream has used",
}
"""Fields, whatever their case, that no channel may set."""

_SHORTEST_CREDENTIAL = 16
_DEEPEST = 32
_LONGEST_PROMPT = 16_000
_MOST_BYTES = 32_768
"""Of headers together, and of parameters as JSON: what a table of any kind of server takes, sealed or not."""

_PORTS: Final = {"http": 80, "https": 443}


class Mistake(NamedTuple):
    """``field`` of a channel, and the ``key`` in it, empty for all of it; ``what`` is wrong."""

    field: str
    key: str
    what: str


class Via(NamedTuple):
    """A proxy: whether it is spoken to over TLS, where it is, and what is shown to it."""

    tls: bool
    host: str
    port: int
    authorization: Secret | None = None


def check_overrides(channel: Channel) -> None:
    """
    :raises ValueError: the channel changes what it may not, or in a way that cannot be sent
    """
    for field, key, what in mistaken_overrides(channel):
        raise ValueError(f"{field}{f' {key!r}' if key else ''} of the channel {channel.name!r}: {what}")


def mistaken_overrides(channel: Channel) -> Iterator[Mistake]:
    """Everything that is wrong with what it changes."""
    yield from _of_headers(channel.headers)
    yield from _of_parameters(channel.parameters)
    if len(channel.system_prompt) > _LONGEST_PROMPT:
        yield Mistake("system_prompt", "", f"must have at most {_LONGEST_PROMPT} characters")
    if "\0" in channel.system_prompt or not _is_text(channel.system_prompt):
        yield Mistake("system_prompt", "", "must be text that can be sent as UTF-8")
    if channel.proxy is not None:
        try:
            via(channel.proxy.reveal())
        except ValueError as error:
            yield Mistake("proxy", "", str(error))


def credentials_in(headers: Mapping[str, str]) -> list[str]:
    """What may be credentials in the headers of a channel: their words that are long enough, never to be shown."""
    words = (word for value in headers.values() for word in value.split())
    return [word for word in words if len(word) >= _SHORTEST_CREDENTIAL]


def _of_headers(headers: Mapping[str, str]) -> Iterator[Mistake]:
    if sum(len(name) + len(value) for name, value in headers.items()) > _MOST_BYTES:
        yield Mistake("headers", "", f"must have at most {_MOST_BYTES} characters together")
    seen: set[str] = set()
    for name, value in headers.items():
        folded = name.lower()
        if not _TOKEN.fullmatch(name):
            yield Mistake("headers", name[:80], "must be the name of a header")
        elif folded in _NOT_A_CHANNELS:
            yield Mistake("headers", name, "is for the gateway to say, not for a channel")
        elif folded in seen:
            yield Mistake("headers", name, "is there more than once")
        elif not _VALUE.fullmatch(value):
            yield Mistake("headers", name, "must be visible ASCII characters, with spaces between them at most")
        seen.add(folded)


def _of_parameters(parameters: Mapping[str, object]) -> Iterator[Mistake]:
    wrong = [*_wrong_parameters(parameters)]
    yield from wrong
    if not wrong and len(msgspec.json.encode(parameters)) > _MOST_BYTES:
        yield Mistake("parameters", "", f"must have at most {_MOST_BYTES} bytes as JSON")


def _wrong_parameters(parameters: Mapping[str, object]) -> Iterator[Mistake]:
    for name, value in parameters.items():
        if not _FIELD.fullmatch(name):
            yield Mistake("parameters", name[:80], "must be the name of a field: letters, digits, _ and -")
        elif name.lower() in _DECIDED:
            yield Mistake("parameters", name, _DECIDED[name.lower()])
        elif not _is_json(value, _DEEPEST):
            yield Mistake("parameters", name, "must be a JSON value")


def _is_json(value: object, deepest: int) -> bool:
    if isinstance(value, dict):
        inner = deepest > 0 and all(_is_json(item, deepest - 1) for item in value.values())
        return inner and all(isinstance(key, str) and _is_text(key) for key in value)
    if isinstance(value, list):
        return deepest > 0 and all(_is_json(item, deepest - 1) for item in value)
    if isinstance(value, str):
        return _is_text(value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or (isinstance(value, int) and -(2**63) <= value < 2**63)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a pair of surrogates
        return False
    return True


def via(url: str) -> Via:
    """Where a proxy is, by its URL: ``http://[USER:PASSWORD@]HOST[:PORT]``, or https.

    :raises ValueError: it is no such URL; the message does not show it
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.scheme.startswith("socks"):
        raise ValueError("must be a proxy that speaks HTTP: http:// or https://; SOCKS is not spoken here")
    if not _SEEN.fullmatch(url) or parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise ValueError('must be a URL such as "http://user:password@proxy.example.com:3128"')
    if "\\" in url or parts.path not in ("", "/") or "?" in url or "#" in url or parts.netloc.count("@") > 1:
        raise ValueError('must have no path; in a user name or a password write "@" as %40, "/" as %2F, ":" as %3A')
    shown = None
    if "@" in parts.netloc:
        said = ":".join(unquote(part or "") for part in (parts.username, parts.password))
        shown = Secret(f"Basic {base64.b64encode(said.encode()).decode()}")
    return Via(parts.scheme == "https", parts.hostname, port or _PORTS[parts.scheme], shown)
