"""What the commands share: the settings, the storage, the options that read alike."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from ..models import Channel, Token, User
from ..ports import Storage
from ..settings import (
    ChannelSettings,
    GroupSettings,
    LimitSettings,
    PriceSettings,
    Settings,
    SettingsError,
    TokenSettings,
    find_config,
    load_settings,
    read_section,
)
from ..storage import StorageError

__all__ = [
    "WrongSettings",
    "called",
    "command_line",
    "config_option",
    "names",
    "operate",
    "pairs",
    "read_options",
    "settings_of",
]

T = TypeVar("T")
S = TypeVar("S", ChannelSettings, TokenSettings, PriceSettings, GroupSettings, LimitSettings)
E = TypeVar("E", Channel, Token, User)

config_option = click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Settings to read [default: $ONEAPI_CONFIG, else ./oneapi.toml if there is one].",
)


class WrongSettings(click.ClickException):
    """One line per mistake, and the exit code of a mistaken command."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        for line in self.message.splitlines():
            click.echo(f"Error: {line}", file=file, err=True)


def names(value: str) -> tuple[str, ...]:
    """``a,b``"""
    found = tuple(part for part in map(str.strip, value.split(",")) if part)
    if not found:  # not "all of them": that would be an unset variable's way to everything
        raise click.BadParameter("names nothing; leave it out to name all")
    return found


def pairs(value: str) -> dict[str, str]:
    """``x=y,z=w``"""
    found = {name.strip(): target.strip() for name, _, target in (part.partition("=") for part in value.split(","))}
    if not all((*found, *found.values())):
        raise click.BadParameter(f'"{value}" is not of the form NAME=UPSTREAM_NAME,…')
    return found


def settings_of(config: Path | None, environ: Mapping[str, str] = os.environ) -> Settings:
    try:
        return load_settings(config or find_config(environ), environ)
    except SettingsError as error:
        raise WrongSettings(str(error)) from None


def read_options(kind: type[S], options: Mapping[str, object], flags: Mapping[str, str] = {}) -> S:
    """One channel, token, price, group or limit from the options that were given, by the rules of a configuration file.

    ``flags`` has the options that are not called like the key that they set.
    """
    given = {key: value for key, value in options.items() if value is not None}
    labels = {key: "--" + key.replace("_", "-") for key in kind.__struct_fields__} | dict(flags)
    try:
        return read_section(kind, given, os.environ, labels)
    except SettingsError as error:
        raise WrongSettings(str(error)) from None


def operate(settings: Settings, work: Callable[[Storage], Awaitable[T]], *, lost_key: bool = False) -> T:
    """Do something with the storage, and tell running gateways if it changed anything. What the storage refuses is told
    without a traceback. ``lost_key`` as of ``app.open_storage``."""
    if settings.storage.in_memory:
        raise WrongSettings(
            'storage.url = "memory:": nothing would be kept; declare channels and tokens in the settings, or set '
            'storage.url to "sqlite:///PATH"'
        )

    # Imported late: it brings all that a server needs, and --help need not wait for that.
    from ..app import announcer, open_storage

    announce = announcer(settings)  # what it lacks is told now: once the work is done, its result must not get lost

    async def run() -> T:
        async with open_storage(settings, lost_key=lost_key) as storage:
            before = await storage.pulse()
            result = await work(storage)
            if announce is not None:
                with suppress(StorageError):
                    after = await storage.pulse()
                    if after.revision != before.revision:
                        await announce(after.revision)
        return result

    try:
        return asyncio.run(run())
    except (StorageError, ValueError) as error:
        raise click.ClickException(str(error)) from None


def called(name_or_id: str, entries: Sequence[E], kind: str) -> list[E]:
    """Those of that name, of which each user may have one; without any, the one of that id.

    :raises ValueError: there is none
    """
    found = [entry for entry in entries if entry.name == name_or_id]
    found = found or [entry for entry in entries if str(entry.id) == name_or_id]
    if not found:
        raise ValueError(f'no {kind} is named "{name_or_id}" or has that id; see oneapi-asgi {kind} list')
    return found


def command_line(*words: str, config: Path | None) -> str:
    """A command for a message, to be pasted into a shell, on the same settings."""
    return shlex.join(["oneapi-asgi", *words, *(["--config", str(config)] if config else [])])
