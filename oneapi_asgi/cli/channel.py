"""``oneapi-asgi channel``: the upstream accounts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from ..desk.channels import keep_disabled
from ..models import Channel
from ..pool import named_models
from ..ports import Storage
from ..providers.catalog import CATALOG
from ..settings import ChannelSettings, Settings
from .probe import model_for, probe_from_here
from .session import called, command_line, config_option, names, operate, pairs, read_options, settings_of
from .show import json_option, show

__all__ = ["channel"]


@click.group()
def channel() -> None:
    """The upstream accounts that calls are sent to."""


def _option(value: str) -> tuple[str, str]:
    """``x=y``"""
    name, between, said = (part.strip() for part in value.partition("="))
    if not name or not between:
        raise click.BadParameter(f'"{value}" is not of the form KEY=VALUE')
    return name, said


def _limit(value: str) -> int | str:
    """A whole number, or nothing, which takes the limit away."""
    try:
        return int(value) if value else ""
    except ValueError:
        raise click.BadParameter(f'"{value}" is not a whole number') from None


_SAID: tuple[tuple[tuple[str, ...], dict[str, Any], str, str], ...] = (
    (
        ("--base-url",),
        {"metavar": "URL"},
        "What precedes paths such as /chat/completions",
        "the provider's",
    ),
    (
        ("--dialect", "dialects"),
        {"multiple": True, "metavar": "NAME"},
        "A format to ask it in",
        "all it speaks",
    ),
    (("--option", "options"), {"multiple": True, "type": _option, "metavar": "KEY=VALUE"}, "What else it needs", ""),
    (("--unsupported",), {"type": click.Choice(["drop", "refuse"])}, "Parameters that it cannot take", "drop"),
    (("--key", "keys"), {"multiple": True}, "An API key. Other users of this machine see it", ""),
    (("--key-env",), {"metavar": "VAR"}, "The variable that holds the key", "ask, or read stdin"),
    (("--models",), {"type": names, "metavar": "A,B"}, "Names or globs that it serves", "all"),
    (("--map", "model_map"), {"type": pairs, "metavar": "X=Y,…"}, "What callers name = what the upstream names", ""),
    (("--groups",), {"type": names, "metavar": "A,B"}, "Groups that may use it", "default"),
    (("--priority",), {"type": int, "metavar": "N"}, "Higher ones are tried first", "0"),
    (("--weight",), {"type": int, "metavar": "N"}, "Its share within one priority", "1"),
    (("--header", "headers"), {"multiple": True, "type": _option, "metavar": "NAME=VALUE"}, "A header to send", ""),
    (("--parameters",), {"metavar": "JSON"}, "Fields to set in bodies; null takes one away", ""),
    (("--system-prompt",), {"metavar": "TEXT"}, "What conversations begin with", ""),
    (("--proxy",), {"metavar": "URL"}, "The HTTP proxy that it is reached through", ""),
    (("--concurrent-calls",), {"type": _limit, "metavar": "N"}, "How many calls it takes at one moment", "no limit"),
    (("--concurrent-calls-per-key",), {"type": _limit, "metavar": "N"}, "The same for each of its keys", "no limit"),
)
"""The options that say what a channel is: their names, what click wants to know, what they mean, and the default."""

_NOT_SAID = ("id", "disabled_because")
_FLAGS = {
    "name": "NAME",
    "model_map": "--map",
    "dialects": "--dialect",
    "options": "--option",
    "headers": "--header",
    "api_keys": "--key",
}


def _said_options(*, defaults: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def add_them(command: Callable[..., None]) -> Callable[..., None]:
        for words, facts, meaning, default in reversed(_SAID):
            told = f"{meaning} [default: {default}]." if default and defaults else f"{meaning}."
            command = click.option(*words, help=told, **facts)(command)
        return command

    return add_them


@channel.command("add")
@click.argument("name")
@click.option("--provider", default="openai", show_default=True, help="One of oneapi-asgi providers.")
@_said_options(defaults=True)
@config_option
def add(name: str, provider: str, keys: tuple[str, ...], key_env: str | None, config: Path | None, **said: Any) -> None:
    """Add a channel. Without --key and --key-env its key is asked for, or read from stdin.

    --dialect, --option, --header and --key may be repeated. What there is to set with --option: oneapi-asgi providers
    ID. Headers and the proxy's URL may be said as env:NAME or file:PATH.
    """
    if keys and key_env is not None:
        raise click.UsageError("give either --key or --key-env")
    settings = settings_of(config)
    said |= {"dialects": said["dialects"] or None} | {name: dict(said[name]) for name in ("options", "headers")}
    given = {"name": name, "provider": provider, **said, **_key_options(provider, keys, key_env)}
    wanted = _read(given, key_env)

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


def _read(given: Mapping[str, object], key_env: str | None) -> Channel:
    flags = {"api_key": "--key" if key_env is None else "--key-env"}
    return read_options(ChannelSettings, given, _FLAGS | flags).channel()


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


@channel.command("set")
@click.argument("name_or_id")
@click.option("--provider", help="One of oneapi-asgi providers.")
@_said_options(defaults=False)
@config_option
def change(name_or_id: str, keys: tuple[str, ...], key_env: str | None, config: Path | None, **said: Any) -> None:
    """Change what is given of a channel, and leave the rest as it is.

    --option KEY=VALUE sets one option, KEY= takes it away, and so does --header; --base-url "" and --dialect "" return
    to the provider's, --concurrent-calls "" to no limit, --parameters "", --system-prompt "" and --proxy "" to none. A
    channel that the gateway disabled by itself is enabled again by another provider, URL, option, header, proxy or key.
    """
    if keys and key_env is not None:
        raise click.UsageError("give either --key or --key-env")
    if not any(value is not None and value != () for value in (*said.values(), keys, key_env)):
        raise click.UsageError("say what to change, such as --weight 2")
    settings = settings_of(config)
    said |= {"api_keys": keys or None, "api_key": None if key_env is None else f"env:{key_env}"}

    async def save(storage: Storage) -> Channel:
        before = _stored(await storage.list_channels(), name_or_id)
        wanted = _read(_changed(before, said), key_env)
        return await storage.save_channel(keep_disabled(before, wanted))

    changed = operate(settings, save)
    click.echo(f'channel {changed.id} "{changed.name}" changed; try it: {_trial(changed, config)}', err=True)
    _tell_if_declared(changed.name, settings)


def _changed(before: Channel, said: Mapping[str, Any]) -> dict[str, object]:
    """The keys of a section: those of the stored channel, with what was said in their place."""
    given = {name: getattr(before, name) for name in Channel.__struct_fields__ if name not in _NOT_SAID}
    given["enabled"] = before.enabled or bool(before.disabled_because)
    given["api_keys"] = [key.reveal() for key in before.api_keys]
    given["proxy"] = before.proxy.reveal() if before.proxy else None
    given |= {name: value for name, value in said.items() if value is not None and value != ()}
    for field, kept in (("options", before.options), ("headers", _unsaid(before.headers, said["headers"]))):
        given[field] = {name: value for name, value in (kept | dict(said[field])).items() if value}
    given["dialects"] = [name for name in given["dialects"] if name]
    if given.get("api_key"):
        del given["api_keys"]
    return {name: value for name, value in given.items() if value not in ((), [], "", None)}


def _unsaid(headers: Mapping[str, str], said: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Headers but those that are said, in whatever case."""
    names = {name.lower() for name, _ in said}
    return {name: value for name, value in headers.items() if name.lower() not in names}


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
        because = "" if enabled else channel.disabled_because
        return await storage.save_channel(replace(channel, enabled=enabled, disabled_because=because))

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
    known = {one.name: one for one in channels}
    declared = [section.channel() for section in settings.channels]
    show(
        [_row(one) for one in channels],
        as_json=as_json,
        empty="no channels; add one: oneapi-asgi channel add NAME",
        waiting=[one.name for one in declared if one.name not in known or _changes(known[one.name], one)],
    )


def _changes(stored: Channel, declared: Channel) -> bool:
    return keep_disabled(stored, declared) != stored


def _row(channel: Channel) -> dict[str, object]:
    provider = CATALOG.get(channel.provider)
    return {
        "id": channel.id,
        "name": channel.name,
        "provider": channel.provider,
        "base_url": channel.base_url or (provider and provider.base_url),
        "dialects": channel.dialects,
        "options": channel.options,
        "unsupported": channel.unsupported,
        "keys": [key.masked() for key in channel.api_keys],
        "models": channel.models,
        "model_map": channel.model_map,
        "groups": channel.groups,
        "priority": channel.priority,
        "weight": channel.weight,
        "concurrent_calls": channel.concurrent_calls,
        "concurrent_calls_per_key": channel.concurrent_calls_per_key,
        "headers": list(channel.headers),
        "parameters": channel.parameters,
        "system_prompt": channel.system_prompt,
        "proxy": channel.proxy.masked() if channel.proxy else None,
        "enabled": channel.enabled,
        "disabled_because": channel.disabled_because,
    }


@channel.command("test")
@click.argument("name_or_id")
@click.option("--model", help="What to ask for [default: the first that it names].")
@config_option
def test(name_or_id: str, model: str | None, config: Path | None) -> None:
    """Send one short request through a channel. It says how that went.

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
