"""``oneapi-asgi backup`` and ``restore``: all that a database holds, in one file that fits any kind of database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from .. import __version__
from ..ports import Storage
from ..settings import Settings
from ..storage import StorageError
from .session import config_option, operate, settings_of
from .show import dollars, progress_bar, show, when

if TYPE_CHECKING:
    from ..storage.backup import Header
    from ..storage.sql import SQLStorage
    from ..storage.sql.backup import Restored

__all__ = ["backup", "restore"]

_file = click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))


@click.command(short_help="Write all that the database holds into a file.")
@_file
@config_option
def backup(file: Path, config: Path | None) -> None:
    """Write all that the database holds at this moment into FILE, while gateways go on.

    Secrets in it are sealed as they are in the database. The key that opens them is not in it: keep that as well, and
    elsewhere. FILE is replaced if it exists.
    """
    settings = settings_of(config)

    async def work(storage: Storage) -> Header:
        from ..storage.sql.backup import back_up

        with progress_bar() as progress:
            task = progress.add_task("rows", total=None)
            return await back_up(
                cast("SQLStorage", storage),
                file,
                version=__version__,
                progress=lambda done, total: progress.update(task, completed=done, total=total),
            )

    header = operate(settings, work)
    click.echo(
        f"{file}: {sum(header.tables.values())} rows of {len(header.tables)} tables, {file.stat().st_size} bytes"
    )
    click.echo(f"not in it: the key {header.key_id} that its secrets are sealed with ({_place(settings)})", err=True)


def _place(settings: Settings) -> str:
    from ..storage.sql import key_file

    if settings.storage.encryption_key is not None:
        return "[storage] encryption_key"
    return str(key_file(settings.storage.url.reveal()))


@click.command(short_help="Put a backup into an empty database.")
@_file
@click.option("--check", is_flag=True, help="Only read FILE to its end, and say what is in it; no database is needed.")
@click.option("--despite-differences", "despite", is_flag=True, help="Even if the books of the backup do not agree.")
@config_option
def restore(file: Path, check: bool, despite: bool, config: Path | None) -> None:
    """Put the backup FILE into the database that the settings name, of whatever kind: all of it, or nothing.

    The database has to be empty, and no gateway may be using it. Checked are the file's checksum, its rows, the sums of
    its money, and the books as oneapi-asgi audit does. What calls held that ran as the backup was made stays held until
    a gateway starts, which ends it.
    """
    header = _checked(file)
    if check:
        _tell(header)
        return

    async def work(storage: Storage) -> Restored:
        from ..storage.sql.backup import restore as put

        with progress_bar() as progress:
            task = progress.add_task("rows", total=sum(header.tables.values()))
            return await put(
                cast("SQLStorage", storage),
                file,
                despite=despite,
                progress=lambda done: progress.update(task, completed=done),
            )

    done = operate(settings_of(config), work)
    click.echo(f"{sum(header.tables.values())} rows restored; the sums are those of {when(header.made_at)}")
    for one in done.differences:
        click.echo(f"{one.check}: {one.where}: {one.what}. {one.cure}", err=True)
    if not done.key_here:
        told = f"its secrets are sealed with the key {header.key_id}, which is not here: no gateway starts without it"
        click.echo(
            f"{told}. Name it in [storage] encryption_key, or put its file at {_place(settings_of(config))}", err=True
        )


def _checked(file: Path) -> Header:
    from ..storage.backup import BackupReader

    try:
        with BackupReader(file) as backup, progress_bar() as progress:
            task = progress.add_task("check", total=sum(backup.header.tables.values()))
            backup.check(lambda done: progress.update(task, completed=done))
            return backup.header
    except StorageError as error:
        raise click.ClickException(str(error)) from None


def _tell(header: Header) -> None:
    show([{"table": name, "rows": count} for name, count in header.tables.items() if count], as_json=False, empty="")
    show([{"sum": name, "usd": dollars(amount)} for name, amount in header.sums.items()], as_json=False, empty="")
    made = f"made {when(header.made_at)} of {header.database} by oneapi-asgi {header.version}"
    click.echo(f"whole: {made}, schema {header.schema}; its secrets are sealed with the key {header.key_id}", err=True)
