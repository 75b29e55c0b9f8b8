"""A file and variables, merged and read."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from ..unreadable import UNREADABLE
from .places import FromEnvironment, Mistakes, Place, SettingsError, did_you_mean
from .readers import Reader
from .rows import (
    ChannelSettings,
    GroupSettings,
    LimitSettings,
    PriceSettings,
    TokenSettings,
    read_channel,
    read_group,
    read_limit,
    read_price,
    read_token,
)
from .sections import Settings, read_settings
from .tables import readers_of

__all__ = ["find_config", "load_settings", "read_section"]

S = TypeVar("S", ChannelSettings, TokenSettings, PriceSettings, GroupSettings, LimitSettings)

_PREFIX: Final = "ONEAPI_"
_USUAL: Final = Path("oneapi.toml")
_NOT_SETTINGS: Final = frozenset({"ONEAPI_CONFIG", "ONEAPI_ROOT_PASSWORD"})
# Others who use the prefix: Intel's oneAPI toolkit, and the service links of Docker and Kubernetes.
_FOREIGN = re.compile(r"ONEAPI_(ROOT|DEVICE_SELECTOR|(\w+_)?(SERVICE_HOST|SERVICE_PORT\w*|PORT_\d+_(TCP|UDP)\w*))")
_FOREIGN_VALUE = re.compile(r"(tcp|udp)://")
_READERS: Final[Mapping[type[Struct], Reader[Any]]] = {
    ChannelSettings: read_channel,
    TokenSettings: read_token,
    PriceSettings: read_price,
    GroupSettings: read_group,
    LimitSettings: read_limit,
}


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings of a file (None: of none), overridden by ``ONEAPI_SECTION__KEY`` variables.

    :raises SettingsError: with every mistake there is
    """
    tree = _parse(path) if path else {}
    mistakes, origins = Mistakes(), dict[str, str]()
    for name, value in sorted(environ.items()):
        with mistakes:
            _override(tree, origins, name, value)
    folder = path.parent if path else Path()
    settings = Settings()
    with mistakes:
        settings = read_settings(tree, Place("", environ, folder, origins))
    mistakes.done()
    return settings


def find_config(environ: Mapping[str, str]) -> Path | None:
    """The file that ``ONEAPI_CONFIG`` names, else ``./oneapi.toml`` if there is one."""
    named = environ.get("ONEAPI_CONFIG")
    if named:
        return Path(named)
    return _USUAL if _USUAL.exists() else None


def read_section(
    kind: type[S], raw: Mapping[str, object], environ: Mapping[str, str], names: Mapping[str, str] | None = None
) -> S:
    """One channel, token, price or limit by the rules of a file. ``names`` says what its keys are called in messages.

    :raises SettingsError: with every mistake there is
    """
    section: S = _READERS[kind](raw, Place("", environ, Path(), names or {}))
    return section


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise SettingsError([f"{path}: is not UTF-8 text"]) from None
    except InvalidOperation:
        raise SettingsError([f"{path}: is not TOML: a number is out of range"]) from None
    except ValueError as error:  # a TOMLDecodeError, or a number of more digits than Python reads
        raise SettingsError([f"{path}: is not TOML: {error}"]) from None


def _override(tree: dict[str, Any], origins: dict[str, str], name: str, value: str) -> None:
    if not name.startswith(_PREFIX) or name in _NOT_SETTINGS:
        return
    path = _paths().get(name)
    if path is None:
        if _is_foreign(name, value):
            return
        raise SettingsError([f"{name}: no such setting{did_you_mean(name, _paths())}"])
    origins[".".join(path)] = name
    parent = tree
    for section in path[:-1]:
        parent = parent.setdefault(section, {})
    # Where the file has no table there, the table's own reader says so.
    if isinstance(parent, dict):
        parent[path[-1]] = _value(name, value)


def _value(name: str, value: str) -> object:
    if not value.lstrip().startswith(("[", "{")):
        return FromEnvironment(value)
    try:
        # Numbers stay exact, as in the file.
        return msgspec.json.Decoder(float_hook=Decimal).decode(value)
    except UNREADABLE as error:
        raise SettingsError([f"{name}: is not JSON: {error}"]) from None


def _is_foreign(name: str, value: str) -> bool:
    return bool(_FOREIGN.fullmatch(name) or _FOREIGN_VALUE.match(value))


@cache
def _paths() -> Mapping[str, tuple[str, ...]]:
    """Every variable there can be, with the path that it overrides."""
    return {_PREFIX + "__".join(path).upper(): path for path in _leaves()}


def _leaves() -> list[tuple[str, ...]]:
    empty = Settings()
    sections = {name: getattr(empty, name) for name in Settings.__struct_fields__}
    return [
        path
        for name, section in sections.items()
        for path in ([(name, key) for key in readers_of(type(section))] if isinstance(section, Struct) else [(name,)])
    ]
