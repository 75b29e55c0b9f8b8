"""What the parts of the administration that deal with the outside ask of the rest, and the addresses of this site."""

from __future__ import annotations

import re
from typing import Protocol
from urllib.parse import urlsplit

from ..errors import Unavailable
from .fetching import check_url

__all__ = ["Challenges", "Codes", "Options", "local_path", "site_url"]

_LOCAL = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")


class Options(Protocol):
    """What root has set, by One API's names. A text that is not set is empty."""

    async def text(self, name: str) -> str: ...
    async def number(self, name: str) -> int: ...
    async def flag(self, name: str) -> bool: ...
    async def secret(self, name: str) -> str: ...


class Challenges(Protocol):
    """Secrets that are good once."""

    async def make(self, kind: str, subject: str, data: str, seconds: float) -> str: ...

    async def take(self, kind: str, secret: str) -> str | None:
        """The data, the first time; None for what is not good, or no longer."""
        ...


class Codes(Protocol):
    """Short codes that people type, good once, and for a few tries. A new one for the same subject takes the place of
    the one before."""

    async def make_code(self, kind: str, subject: str, data: str, seconds: float) -> str: ...
    async def take_code(self, kind: str, subject: str, code: str) -> str | None: ...


async def site_url(options: Options) -> str:
    """Where people reach this site, without a slash at its end. It is never taken from a request, whose Host header is
    for anybody to write.

    :raises Unavailable: nobody has said so
    """
    address = (await options.text("ServerAddress")).rstrip("/")
    try:
        check_url(address)
        sound = not urlsplit(address).query
    except ValueError:
        sound = False
    if not sound:
        raise Unavailable(
            "This site does not know its own address: root sets the option ServerAddress, such as "
            "https://gateway.example.com.",
            code="server_address_missing",
        )
    return address


def local_path(path: str) -> str:
    """A path of this site, ``/`` for all that is none: no other host, however a browser reads it."""
    return path if len(path) <= 1024 and _LOCAL.fullmatch(path) else "/"
