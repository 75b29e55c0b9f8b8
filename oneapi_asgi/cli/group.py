"""``oneapi-asgi group``: what groups of users and tokens pay of every price."""

from __future__ import annotations

from pathlib import Path

import click

from ..ports import Storage
from ..settings import GroupSettings, Settings
from ..tariffs import Group
from .session import config_option, operate, read_options, settings_of
from .show import dollars, json_option, show

__all__ = ["group"]


@click.group()
def group() -> None:
    """What groups pay of a price. Whoever is in a group that is not set pays the whole of it."""


@group.command("set")
@click.argument("name")
@click.argument("ratio")
@click.option("--note", metavar="TEXT", help="For those who look after the group.")
@config_option
def set_group(name: str, ratio: str, note: str | None, config: Path | None) -> None:
    """Set what the group NAME pays of every price: a RATIO of 0.8 is four fifths, 0 is nothing."""
    settings = settings_of(config)
    given = {"name": name, "ratio": ratio, "note": note}
    wanted = read_options(GroupSettings, given, {"name": "NAME", "ratio": "RATIO"}).group()

    async def save(storage: Storage) -> None:
        await storage.set_group(wanted)

    operate(settings, save)
    click.echo(f"group {name}: {dollars(wanted.ratio)} of a price", err=True)
    _tell_if_declared(name, settings)


@group.command("remove")
@click.argument("name")
@config_option
def remove(name: str, config: Path | None) -> None:
    """Remove what is set for the group NAME, which then pays the whole price. Who is in it stays in it."""
    settings = settings_of(config)

    async def delete(storage: Storage) -> bool:
        known = name in [one.name for one in await storage.list_groups()]
        if known:
            await storage.delete_group(name)
        return known

    if not operate(settings, delete):
        if name in [one.name for one in _declared(settings)]:
            raise click.ClickException(f'the group "{name}" is declared in the settings: remove it there')
        raise click.ClickException(f'no group "{name}" is set; see oneapi-asgi group list')
    click.echo(f"group {name} removed", err=True)
    _tell_if_declared(name, settings)


@group.command("list")
@json_option
@config_option
def list_groups(as_json: bool, config: Path | None) -> None:
    """List what groups pay: those that were set, and those that the settings declare."""
    settings = settings_of(config)
    declared = {one.name: one for one in _declared(settings)}
    groups = {one.name: one for one in operate(settings, lambda storage: storage.list_groups())} | declared
    rows = [_row(groups[name], declared=name in declared) for name in sorted(groups)]
    show(rows, as_json=as_json, empty="no groups; all callers pay the whole price")


def _declared(settings: Settings) -> list[Group]:
    return [section.group() for section in settings.groups]


def _tell_if_declared(name: str, settings: Settings) -> None:
    if name in [one.name for one in _declared(settings)]:
        click.echo(f'the settings declare the group "{name}" too, and theirs holds', err=True)


def _row(one: Group, *, declared: bool) -> dict[str, object]:
    return {"name": one.name, "ratio": dollars(one.ratio), "note": one.note, "declared": declared}
