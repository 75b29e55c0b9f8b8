"""Readers: each turns what stands in a file or a variable into one kind of value, or says what is wrong with it.

A reader is called with the raw value and its ``Place``, and raises ``SettingsError``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from ipaddress import ip_network
from typing import Final, TypeVar
from urllib.parse import urlsplit

from ..keys import encryption_key
from ..models import NANO, Secret
from ..providers.catalog import CATALOG, find_provider
from ..strategies import STRATEGIES
from ..tariffs import MAX_GROUP_RATIO
from .places import FromEnvironment, Place, did_you_mean

__all__ = [
    "WITH_SCHEME",
    "Reader",
    "base_url",
    "choice",
    "cipher_key",
    "dialect",
    "dollars",
    "flag",
    "host",
    "moment",
    "network",
    "pause",
    "provider_id",
    "rate",
    "ratio",
    "referenced",
    "seconds",
    "secret",
    "sign",
    "strategy",
    "text",
    "token_count",
    "upstream_key",
    "visible",
    "whole",
]

T = TypeVar("T")
Reader = Callable[[object, Place], T]

_MOST_DOLLARS: Final = Decimal(1_000_000_000)
"""A billion dollars in nano-dollars is 10¹⁸, still an int64."""
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}
_SHORTEST: Final = Decimal("0.001")
_LONGEST: Final = 7 * 86_400
_SECRET_REFERENCE = re.compile(r"(env|file):(.*)", re.DOTALL)
WITH_SCHEME: Final = re.compile(r"(bearer|basic|token) [!-~]+", re.IGNORECASE)
_VISIBLE_ASCII = re.compile(r"[!-~]+")
_DIALECTS: Final = tuple(sorted({dialect for row in CATALOG.values() for dialect in row.dialects}))
_OPERATION = re.compile(
    r"/(?:chat/completions|completions|responses|messages|embeddings|api/(?:chat|generate)|v2/chat)$|:\w*[cC]ontent$"
)
"""How the path of a request ends, which does not belong into a base URL."""
_SIGN = re.compile(r"[\w.-]{1,64}", re.ASCII)
_HOST = re.compile(r"[a-z0-9*?_-]+(\.[a-z0-9*?_-]+)*")


def text(value: object, at: Place) -> str:
    if not isinstance(value, str) or not value.strip():
        raise at.wrong(value, "must be a text")
    return str(value)


def flag(value: object, at: Place) -> bool:
    if isinstance(value, FromEnvironment):
        value = _FLAGS.get(value.lower(), value)
    if not isinstance(value, bool):
        raise at.wrong(value, "must be true or false")
    return value


def whole(low: int, high: int) -> Reader[int]:
    def read(value: object, at: Place) -> int:
        if isinstance(value, FromEnvironment) and re.fullmatch(r"[-+]?[0-9]{1,18}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise at.wrong(value, "must be a whole number")
        if not low <= value <= high:
            raise at.wrong(value, f"must be between {low} and {high}")
        return value

    return read


rate = whole(1, 1_000_000)
"""Of requests in a minute."""

token_count = whole(1, 100_000_000)


def seconds(value: object, at: Place) -> float:
    return _duration(value, at, _SHORTEST)


def pause(value: object, at: Place) -> float:
    """Seconds, or none."""
    return 0.0 if _duration(value, at, Decimal(0)) == 0 else seconds(value, at)


def _duration(value: object, at: Place, least: Decimal) -> float:
    number = _decimal(value) if not isinstance(value, str) or isinstance(value, FromEnvironment) else None
    if number is None or not least <= number <= _LONGEST:
        raise at.wrong(value, f"must be a number of seconds between {least} and {_LONGEST}")
    return float(number)


def dollars(value: object, at: Place) -> int:
    """Dollars to nano-dollars, exactly."""
    number = _decimal(value)
    if number is None:
        raise at.wrong(value, 'must be an amount of dollars, such as 0.15 or "0.15"')
    if not 0 <= number <= _MOST_DOLLARS:
        raise at.wrong(value, f"must be between 0 and {_MOST_DOLLARS} dollars")
    return _billionths(number, value, at)


def ratio(value: object, at: Place) -> int:
    """What is paid of a price, in billionths, exactly."""
    number = _decimal(value)
    if number is None:
        raise at.wrong(value, 'must be what is paid of a price, such as 0.8 or "0.8"')
    if not 0 <= number <= MAX_GROUP_RATIO:
        raise at.wrong(value, f"must be between 0 and {MAX_GROUP_RATIO} times the price")
    return _billionths(number, value, at)


def _billionths(number: Decimal, value: object, at: Place) -> int:
    exact = number.quantize(Decimal(1) / NANO)
    if exact != number:
        raise at.wrong(value, "must have at most 9 decimals")
    return int(exact * NANO)


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def moment(value: object, at: Place) -> float:
    """Unix seconds of a TOML or ISO 8601 time; UTC where no offset is given, midnight where no hour is."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise at.wrong(value, 'must be a time such as "2027-01-31" or "2027-01-31T12:00:00Z"') from None
    if not isinstance(value, date):
        raise at.wrong(value, "must be a date and time")
    when = value if isinstance(value, datetime) else datetime.combine(value, time())
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def choice(*options: str) -> Reader[str]:
    def read(value: object, at: Place) -> str:
        if not isinstance(value, str) or value not in options:
            raise at.wrong(value, "must be one of " + ", ".join(f'"{option}"' for option in options))
        return str(value)

    return read


strategy = choice(*STRATEGIES)


def network(value: object, at: Place) -> str:
    try:
        found = ip_network(text(value, at), strict=False)
    except ValueError:
        raise at.wrong(value, 'must be an address or a network, such as "10.0.0.0/8"') from None
    try:
        return str(ip_network(str(value)))
    except ValueError:
        raise at.wrong(value, f'has bits beyond its prefix; did you mean "{found}"?') from None


def base_url(value: object, at: Place) -> str:
    url = text(value, at)
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port != 0
    except ValueError:
        raise at.wrong(value, "is not a URL") from None
    if not visible(url) or parts.scheme not in ("http", "https") or not parts.hostname:
        raise at.wrong(value, "must be a URL that begins with https:// or http://")
    if "@" in parts.netloc:
        raise at.mistake("must hold no user name or password; keys belong into api_key")
    if "?" in url or "#" in url or not port_is_valid:
        raise at.wrong(value, "must have neither query nor fragment nor port 0")
    url = url.rstrip("/")
    asked = _OPERATION.search(url)
    if asked:
        raise at.wrong(value, f"must be what precedes the paths of requests: leave out {asked[0]}")
    return url


def provider_id(value: object, at: Place) -> str:
    try:
        return find_provider(text(value, at)).id
    except ValueError as error:
        raise at.wrong(value, str(error)) from None


def dialect(value: object, at: Place) -> str:
    """The name of a format in which providers may be asked."""
    name = text(value, at)
    if name not in _DIALECTS:
        hint = did_you_mean(name.lower(), _DIALECTS) or f"; there are {', '.join(_DIALECTS)}"
        raise at.wrong(value, f"no such dialect{hint}")
    return name


def host(value: object, at: Place) -> str:
    """The name of a host, or a glob for several; in lower case, as URLs are compared."""
    name = text(value, at).lower()
    if not _HOST.fullmatch(name):
        raise at.wrong(value, 'must be the name of a host or a glob, such as "files.example.com" or "*.example.com"')
    return name


def sign(value: object, at: Place) -> str:
    """A status or a code of an answer that refuses a key, or its account."""
    name = str(value) if isinstance(value, int) and not isinstance(value, bool) else text(value, at)
    if not _SIGN.fullmatch(name):
        raise at.wrong(value, 'must be a status or a code, such as "401" or "insufficient_quota"')
    return name.lower()


def upstream_key(value: object, at: Place) -> Secret:
    """As ``secret``; but an account's whole JSON may stand there too, which becomes one line, or a token behind the
    name of its scheme, which not every provider takes."""
    found, _ = referenced(value, at)
    if WITH_SCHEME.fullmatch(found):
        return Secret(found)
    if not found.lstrip().startswith("{"):
        return secret(value, at)
    try:
        return Secret(json.dumps(json.loads(found), separators=(",", ":")))
    except (ValueError, RecursionError):
        raise at.mistake("begins like JSON, and is none") from None


def secret(value: object, at: Place) -> Secret:
    """A secret, or where it is: ``env:NAME``, ``file:PATH``. Only a reference is ever shown."""
    found, reference = referenced(value, at)
    if not visible(found):
        fault = "must be visible ASCII characters, without spaces"
        raise at.wrong(value, f"what is there {fault}") if reference else at.mistake(fault)
    return Secret(found)


def cipher_key(value: object, at: Place) -> Secret:
    """A key that secrets are sealed with, or where it is."""
    found, reference = referenced(value, at)
    try:
        encryption_key(found)
    except ValueError as error:
        raise (at.wrong(value, f"what is there {error}") if reference else at.mistake(str(error))) from None
    return Secret(found)


def referenced(value: object, at: Place) -> tuple[str, bool]:
    """What is to be kept secret, and whether the value was a reference to it."""
    if not isinstance(value, str) or not value:
        raise at.mistake("must be a text: the secret itself, env:NAME or file:PATH")
    reference = _SECRET_REFERENCE.fullmatch(value)
    found = _follow(reference[1], reference[2], at) if reference else str(value)
    return found, reference is not None


def visible(text: str) -> bool:
    """Whether it is one word of visible ASCII characters."""
    return _VISIBLE_ASCII.fullmatch(text) is not None


def _follow(kind: str, target: str, at: Place) -> str:
    if kind == "env":
        found = at.environ.get(target)
        if found is None:
            raise at.wrong(f"env:{target}", "the environment variable is not set")
    else:
        try:
            found = (at.folder / target).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise at.wrong(f"file:{target}", "the file is not UTF-8 text") from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a path"
            raise at.wrong(f"file:{target}", f"the file cannot be read: {reason}") from None
    if not found.strip():
        raise at.wrong(f"{kind}:{target}", "is empty")
    return found.strip()
