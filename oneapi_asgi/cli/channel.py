"""``oneapi-asgi channel``: the upstream accounts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from ..models import Channel
from ..ports import Storage
from ..providers.catalog import CATALOG
from ..routing import named_models
from ..settings import ChannelSettings, Settings
from .probe import model_for, probe_from_here
from .session import called, command_line, config_option, names, operate, pairs, read_options, settings_of
from .show import json_option, show

__all__ = ["channel"]


@click.group()
def channel() -> None:
    """The upstream accounts that calls are sent to."""


@channel.command("add")
@click.argument("name")
@click.option("--provider", default="openai", show_default=True, help="One of oneapi-asgi providers.")
@click.option("--base-url", metavar="URL", help="What precedes /chat/completions [default: the provider's].")
@click.option("--key", "keys", multiple=True, help="An API key; may be repeated. Other users of this machine see it.")
@click.option("--key-env", metavar="VAR", help="The variable that holds the key [default: ask, or read stdin].")
@click.option("--models", type=names, metavar="A,B", help="Names or globs that it serves [default: all].")
@click.option("--map", "model_map", type=pairs, metavar="X=Y,…", help="What callers name = what the upstream names.")
@click.option("--groups", type=names, metavar="A,B", help="Groups that may use it [default: default].")
@click.option("--priority", type=int, metavar="N", help="Higher ones are tried first [default: 0].")
@click.option("--weight", type=int, metavar="N", help="Its share within one priority [default: 1].")
@config_option
def add(
    name: str, provider: str, keys: tuple[str, ...], key_env: str | None, config: Path | None, **options: Any
) -> None:
    """Add a channel. Without --key and --key-env its key is asked for, or read from stdin."""
    if keys and key_env is not None:
        raise click.UsageError("give either --key or --key-env")
    settings = settings_of(config)
    given = {"name": name, "provider": provider, **options, **_key_options(provider, keys, key_env)}
    flags = {
        "name": "NAME",
        "model_map": "--map",
        "api_keys": "--key",
        "api_key": "--key" if key_env is None else "--key-env",
    }
    wanted = read_options(ChannelSettings, given, flags).channel()

    async def save(storage: Storage) -> Channel:
        try:
            return await storage.save_channel(wanted)
        except ValueError as error:
            raise ValueError(f"{error}; {_way_out(name, settings, config)}") from None

    added = operate(settings, save)
    click.echo(f'channel {added.id} "{name}" added; try it: {_trial(added, config)}', err=True)
    if not named_models(added):
        click.echo("GET /v1/models lists none of its models: only those that --models or --map name", err=True)
    _tell_if_declared(name, settings)


def _key_options(provider: str, keys: tuple[str, ...], key_env: str | None) -> dict[str, object]:
    if keys:
        return {"api_keys": keys}
    return {"api_key": _asked_key(provider) if key_env is None else f"env:{key_env}"}


def _asked_key(provider: str) -> str | None:
    known = CATALOG.get(provider)
    if known is None or (known.base_url or "").startswith("http:"):
        return None
    if sys.stdin.isatty():
        key = click.prompt(f"API key of {known.name}", default="", hide_input=True, show_default=False, err=True)
    else:
        key = sys.stdin.readline()
    return key.strip() or None


def _way_out(name: str, settings: Settings, config: Path | None) -> str:
    if _is_declared(name, settings):
        return "the settings declare it: change it there"
    return f"remove it first: {command_line('channel', 'remove', name, config=config)}"


def _trial(channel: Channel, config: Path | None) -> str:
    model = () if named_models(channel) else ("--model", "MODEL")
    return command_line("channel", "test", channel.name, *model, config=config)


@channel.command("remove")
@click.argument("name_or_id")
@config_option
def remove(name_or_id: str, config: Path | None) -> None:
    """Remove a channel. One that the settings declare comes back at the next start of the gateway."""
    settings = settings_of(config)

    async def delete(storage: Storage) -> Channel:
        channel = _stored(await storage.list_channels(), name_or_id)
        await storage.delete_channel(channel.id)
        return channel

    removed = operate(settings, delete)
    click.echo(f'channel {removed.id} "{removed.name}" removed', err=True)
    _tell_if_declared(removed.name, settings)


@channel.command("enable")
@click.argument("name_or_id")
@config_option
def enable(name_or_id: str, config: Path | None) -> None:
    """Send calls to a channel again."""
    _switch(name_or_id, config, enabled=True)


@channel.command("disable")
@click.argument("name_or_id")
@config_option
def disable(name_or_id: str, config: Path | None) -> None:
    """Send no more calls to a channel. It stays in the list."""
    _switch(name_or_id, config, enabled=False)


def _switch(name_or_id: str, config: Path | None, *, enabled: bool) -> None:
    settings = settings_of(config)

    async def switch(storage: Storage) -> Channel:
        channel = _stored(await storage.list_channels(), name_or_id)
        return await storage.save_channel(replace(channel, enabled=enabled))

    switched = operate(settings, switch)
    click.echo(f'channel {switched.id} "{switched.name}" is {"enabled" if enabled else "disabled"}', err=True)
    _tell_if_declared(switched.name, settings)


def _stored(channels: Sequence[Channel], name_or_id: str) -> Channel:
    """
    :raises ValueError: there is none
    """
    return called(name_or_id, channels, "channel")[0]


def _is_declared(name: str, settings: Settings) -> bool:
    return any(section.name == name for section in settings.channels)


def _tell_if_declared(name: str, settings: Settings) -> None:
    if _is_declared(name, settings):
        click.echo(f'the settings declare "{name}": it comes back as they say at the gateway\'s next start', err=True)


@channel.command("list")
@json_option
@config_option
def list_channels(as_json: bool, config: Path | None) -> None:
    """List the channels. Of their keys only the last characters are shown."""
    settings = settings_of(config)
    channels = operate(settings, lambda storage: storage.list_channels())
    known = [replace(one, id=0) for one in channels]
    show(
        [_row(one) for one in channels],
        as_json=as_json,
        empty="no channels; add one: oneapi-asgi channel add NAME",
        waiting=[section.name for section in settings.channels if section.channel() not in known],
    )


def _row(channel: Channel) -> dict[str, object]:
    provider = CATALOG.get(channel.provider)
    return {
        "id": channel.id,
        "name": channel.name,
        "provider": channel.provider,
        "base_url": channel.base_url or (provider and provider.base_url),
        "keys": [key.masked() for key in channel.api_keys],
        "models": channel.models,
        "model_map": channel.model_map,
        "groups": channel.groups,
        "priority": channel.priority,
        "weight": channel.weight,
        "enabled": channel.enabled,
    }


@channel.command("test")
@click.argument("name_or_id")
@click.option("--model", help="What to ask for [default: the first that it names].")
@config_option
def test(name_or_id: str, model: str | None, config: Path | None) -> None:
    """Send one short chat request through a channel. It says how that went.

    The channel may be one that the settings declare or one that was added.
    """
    settings = settings_of(config)
    tested = _find(name_or_id, settings)
    verdict = probe_from_here(tested, model_for(tested, model), settings)
    click.echo(f"{tested.name}: {verdict.told}, {verdict.seconds:.2f} s")
    if not verdict.served:
        sys.exit(1)


def _find(name_or_id: str, settings: Settings) -> Channel:
    async def look(storage: Storage) -> Channel:
        return _stored(await storage.list_channels(), name_or_id)

    declared = (section.channel() for section in settings.channels if section.name == name_or_id)
    return next(declared, None) or operate(settings, look)
