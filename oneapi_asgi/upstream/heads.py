"""What goes out before a body: where a URL leads to, and a request's head as bytes (RFC 9112, sections 3 and 5)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct

from ..models import Secret
from ..overrides import Via, via
from .guard import AddressGuard
from .tunnel import proxy_auth

__all__ = ["Heads", "Origin", "Target"]

_PORTS = {"http": 80, "https": 443}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSENDABLE = re.compile(r"[\x00-\x20\x7f\\]")
"""In a URL. A backslash is none of its characters, and parsers disagree about what it means."""

_OWN = frozenset(
    ("connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
)
"""Headers that say how a message is framed, and what becomes of its connection."""

_WITHOUT_BODY = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "TRACE"))
"""Methods to which a body means nothing; of the others an empty one is announced (RFC 9110, section 8.6)."""

_MOST_TARGETS = 4096
_MOST_NAMES = 1024
_LONGEST_KEPT = 512


class Origin(NamedTuple):
    """Whom a connection leads to, by way of a proxy or not. ``host`` is a name in ASCII, or an address without
    brackets."""

    tls: bool
    host: str
    port: int
    via: Via | None = None


class Target(Struct, frozen=True):
    """``prefix`` is how the head of a request begins: its first line, and the Host header."""

    origin: Origin
    prefix: str


class _Names(dict[str, str]):
    """By the name of a header how its line begins. Names are few, and come again with each request."""

    def __missing__(self, name: str) -> str:
        if not _TOKEN.fullmatch(name) or name.lower() in _OWN:
            raise ValueError("a header has a name that cannot be sent")
        begun = f"{name}: "
        if len(self) < _MOST_NAMES and len(name) < _LONGEST_KEPT:
            self[name] = begun
        return begun


class Heads:
    """Makes the heads of requests, and remembers what of them was made before. ``guard`` judges the hosts that are
    addresses already."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._targets: dict[tuple[str, str, Secret | None], Target] = {}
        self._names = _Names()

    def target(self, method: str, url: str, proxy: Secret | None = None) -> Target:
        """
        :raises BlockedAddressError: it leads to an address that is refused
        :raises ValueError: the URL is none of HTTP, or could not be sent as it is; or that of the proxy is none
        """
        key = (method, url, proxy)
        found = self._targets.get(key)
        if found is None:
            found = _target(method, url, via(proxy.reveal()) if proxy is not None else None)
            self._guard.check_literal(found.origin.host)
            if len(url) < _LONGEST_KEPT:  # queries are the callers', and may be long
                if len(self._targets) >= _MOST_TARGETS:
                    self._targets.clear()
                self._targets[key] = found
        return found

    def encoded(self, method: str, target: Target, headers: Sequence[tuple[str, str]], length: int) -> bytes:
        """The whole head of a request with a body of ``length`` bytes, framed by its length.

        :raises ValueError: a header cannot be sent; the message does not show it
        """
        names = self._names
        lines = "".join([f"{names[name]}{value}\r\n" for name, value in headers])
        # A line end in a value would begin a header, or a request, of somebody else's making.
        if lines.count("\n") != len(headers) or lines.count("\r") != len(headers) or "\0" in lines:
            raise ValueError("a header has a value that cannot be sent")
        framing = f"content-length: {length}\r\n" if length or method not in _WITHOUT_BODY else ""
        return f"{target.prefix}{lines}{framing}\r\n".encode()


def _target(method: str, url: str, proxy: Via | None) -> Target:
    """Through TLS a proxy only passes bytes on; without, it reads the request, and is told the whole URL (RFC 9112,
    section 3.2.2)."""
    if not _TOKEN.fullmatch(method):
        raise ValueError("no method of HTTP")
    if _UNSENDABLE.search(url):
        raise ValueError("a URL with a character that cannot be sent")
    parts = urlsplit(url)
    port = _PORTS.get(parts.scheme)
    if port is None or not parts.hostname:
        raise ValueError("no URL of HTTP")
    host = _ascii(parts.hostname)
    shown = f"[{host}]" if ":" in host else host
    if parts.port is not None and parts.port != port:
        port = parts.port
        shown = f"{shown}:{port}"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    tls = parts.scheme == "https"
    told, auth = (path, "") if tls or proxy is None else (f"http://{shown}{path}", proxy_auth(proxy))
    return Target(Origin(tls, host, port, proxy), f"{method} {told} HTTP/1.1\r\nhost: {shown}\r\n{auth}")


def _ascii(host: str) -> str:
    """
    :raises ValueError: it is no name of a host
    """
    return host if host.isascii() else host.encode("idna").decode()
