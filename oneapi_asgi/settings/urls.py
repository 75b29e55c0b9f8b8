"""Readers of URLs that may hold a password: they are secrets, and are shown in no message.

Instead of a URL there may stand where it is: ``env:NAME``, ``file:PATH``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from ..models import Secret
from ..overrides import via
from .places import Place
from .readers import Reader, referenced, visible

__all__ = ["SecretUrl", "proxy_url", "redis_url", "storage_url"]

_DATABASES: Final = ("mariadb", "mysql", "postgres", "postgresql")
"""Kinds of databases on servers, as a URL names them."""

_STORAGES = '"sqlite:///PATH", "postgresql://USER:PASSWORD@HOST/DATABASE", "mysql://…" or "memory:" (forgets all)'
_CACHES = '"redis://HOST:6379/0", "rediss://…" (encrypted) or "unix://PATH"'
_MALFORMED = 'is no URL; in a user name or a password write "@" as %40, "/" as %2F, ":" as %3A, "%" as %25'
_HARMLESS = ("sqlite", "memory")


class SecretUrl(Secret):
    """A URL of which only the scheme is shown."""

    __slots__ = ()

    def masked(self) -> str:
        return f"{self.scheme}:…"

    @property
    def scheme(self) -> str:
        """Without the driver that it may name (``postgresql+asyncpg``)."""
        return re.split(r"[+:]", self.reveal(), maxsplit=1)[0]


def _url(fault: Callable[[SecretUrl], str | None]) -> Reader[SecretUrl]:
    """A reader of those URLs in which there is no ``fault``."""

    def read(value: object, at: Place) -> SecretUrl:
        found, reference = referenced(value, at)
        url = SecretUrl(found)
        told = fault(url)
        if told is None:
            return url
        if reference:
            raise at.wrong(value, f"what is there {told}")
        raise at.wrong(value, told) if url.scheme in _HARMLESS else at.mistake(told)

    return read


def _fault_of_storage(url: SecretUrl) -> str | None:
    written = url.reveal()
    if written == "memory:":
        return None
    if url.scheme == "sqlite":
        path = written.partition(":///")[2]
        return None if path and not path.startswith(":memory:") else f"must be {_STORAGES}"
    if url.scheme not in _DATABASES:
        return f"must be {_STORAGES}"
    host, path = _host_and_path(written)
    if not host:
        return _MALFORMED
    return None if path else f"names no database: {url.scheme}://USER:PASSWORD@HOST/DATABASE"


def _fault_of_redis(url: SecretUrl) -> str | None:
    if not visible(url.reveal()):
        return _MALFORMED
    if url.scheme == "unix":
        return None if urlsplit(url.reveal()).path else f"must be {_CACHES}"
    if url.scheme not in ("redis", "rediss"):
        return f"must be {_CACHES}"
    host, path = _host_and_path(url.reveal())
    if not host:
        return _MALFORMED
    return None if not path or path.isdecimal() else "must end in the number of a database, such as /0"


def _fault_of_proxy(url: SecretUrl) -> str | None:
    try:
        via(url.reveal())
    except ValueError as error:
        return str(error)
    return None


def _host_and_path(url: str) -> tuple[str, str]:
    """Empty where it can be read in two ways: a password would be taken for something else, and be shown."""
    if not visible(url):
        return "", ""
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        return "", ""
    if not host or "@" in parts.path + parts.query + parts.fragment or parts.netloc.count("@") > 1:
        return "", ""
    return host, parts.path.strip("/")


storage_url = _url(_fault_of_storage)
redis_url = _url(_fault_of_redis)
proxy_url = _url(_fault_of_proxy)
