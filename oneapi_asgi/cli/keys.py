"""``oneapi-asgi keys``: what secrets in the database are sealed with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from ..keys import new_encryption_key
from ..ports import Storage
from .session import config_option, operate, settings_of
from .show import progress_bar

if TYPE_CHECKING:
    from ..storage.sql import SQLStorage
    from ..storage.sql.rotating import Rotated

__all__ = ["keys"]


@click.group()
def keys() -> None:
    """The key that secrets in the database are sealed with."""


@keys.command()
def new() -> None:
    """Print a fresh key, for [storage] encryption_key."""
    click.echo(new_encryption_key().reveal())


@keys.command()
@config_option
def rotate(config: Path | None) -> None:
    """Seal everything with [storage] encryption_key that is sealed with one of the old_encryption_keys.

    Gateways go on meanwhile, if they know both keys: start them with the new one as encryption_key and the old one
    among old_encryption_keys first. It may be run again at any time.
    """

    async def work(storage: Storage) -> Rotated:
        from ..storage.sql.rotating import rotate_keys

        with progress_bar() as progress:
            task = progress.add_task("secrets", total=None)
            return await rotate_keys(
                cast("SQLStorage", storage), lambda done, total: progress.update(task, completed=done, total=total)
            )

    done = operate(settings_of(config), work)
    click.echo(f"{done.rows} rows sealed anew; all secrets are sealed with the key {done.key_id}")
    click.echo("backups that were made before need the old key: keep it as long as them", err=True)


@keys.command("drop-lost")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
def drop_lost(yes: bool, config: Path | None) -> None:
    """Give up the secrets whose key is lost, so that gateways start again, with the key that the settings have.

    Channels without their keys are switched off, options without their secrets are unset, and second factors of users
    are gone. Users, tokens and money are not concerned.
    """
    settings = settings_of(config)
    if not yes:
        click.confirm("Secrets that no key of the settings opens are deleted. Is their key lost for good?", abort=True)

    async def work(storage: Storage) -> int:
        from ..storage.sql import sealing

        return await cast("SQLStorage", storage).administer(sealing.drop_lost)

    rows = operate(settings, work, lost_key=True)
    click.echo(f"{rows} rows lost their secrets")
    if rows:
        click.echo(
            "oneapi-asgi channel list shows the channels that are off; channel set gives them new keys", err=True
        )
