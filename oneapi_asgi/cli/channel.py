"""``oneapi-asgi channel``: the upstream accounts."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..models import Channel
from ..ports import Storage
from ..providers.catalog import CATALOG
from ..settings import ChannelSettings, Settings
from .probe import model_for, probe_from_here
from .session import config_option, names, operate, pairs, read_options, settings_of
from .show import json_option, masked, show

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
    name: str,
    provider: str,
    base_url: str | None,
    keys: tuple[str, ...],
    key_env: str | None,
    models: tuple[str, ...] | None,
    model_map: dict[str, str] | None,
    groups: tuple[str, ...] | None,
    priority: int | None,
    weight: int | None,
    config: Path | None,
) -> None:
    """Add a channel. Without --key and --key-env its key is asked for, or read from stdin."""
    if keys and key_env:
        raise click.UsageError("give either --key or --key-env")
    settings = settings_of(config)
    options = {
        "name": name,
        "provider": provider,
        "base_url": base_url,
        "api_keys": keys or _one_key(provider, key_env),
        "models": models,
        "model_map": model_map,
        "groups": groups,
        "priority": priority,
        "weight": weight,
    }
    flags = {"name": "NAME", "model_map": "--map", "api_keys": "--key", "api_key": "--key"}
    wanted = read_options(ChannelSettings, options, flags).channel()

    async def save(storage: Storage) -> Channel:
        return await storage.save_channel(wanted)

    added = operate(settings, save)
    click.echo(f'channel {added.id} "{name}" added; try it: oneapi-asgi channel test {name}', err=True)


def _one_key(provider: str, key_env: str | None) -> list[str] | None:
    if key_env:
        return [f"env:{key_env}"]
    known = CATALOG.get(provider)
    if known is None or (known.base_url or "").startswith("http:"):
        return None
    if sys.stdin.isatty():
        key = click.prompt(f"API key of {known.name}", default="", hide_input=True, show_default=False, err=True)
    else:
        key = sys.stdin.readline()
    return [key.strip()] if key.strip() else None


@channel.command("list")
@json_option
@config_option
def list_channels(as_json: bool, config: Path | None) -> None:
    """List the channels. Of their keys only the last characters are shown."""
    channels = operate(settings_of(config), lambda storage: storage.list_channels())
    show([_row(one) for one in channels], as_json=as_json, empty="no channels; add one: oneapi-asgi channel add NAME")


def _row(channel: Channel) -> dict[str, object]:
    provider = CATALOG.get(channel.provider)
    return {
        "id": channel.id,
        "name": channel.name,
        "provider": channel.provider,
        "base_url": channel.base_url or (provider and provider.base_url),
        "keys": [masked(key) for key in channel.api_keys],
        "models": channel.models,
        "model_map": channel.model_map,
        "groups": channel.groups,
        "priority": channel.priority,
        "weight": channel.weight,
        "enabled": channel.enabled,
    }


@channel.command("test")
@click.argument("name")
@click.option("--model", help="What to ask for [default: the first that it names].")
@config_option
def test(name: str, model: str | None, config: Path | None) -> None:
    """Send one short chat request through a channel, and say how it went.

    The channel may be one that the settings declare or one that was added.
    """
    settings = settings_of(config)
    tested = _find(name, settings)
    verdict = probe_from_here(tested, model_for(tested, model), settings)
    click.echo(f"{name}: {verdict.told}, {verdict.seconds:.2f} s")
    if not verdict.served:
        sys.exit(1)


def _find(name: str, settings: Settings) -> Channel:
    declared = [section.channel() for section in settings.channels if section.name == name]
    found = declared or [one for one in operate(settings, lambda storage: storage.list_channels()) if one.name == name]
    if not found:
        raise click.ClickException(f'no channel is named "{name}"; see oneapi-asgi channel list')
    return found[0]
