"""``oneapi-asgi audit``: whether the books agree with themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ..ports import Storage
from ..queries import Difference
from .session import config_option, operate, settings_of
from .show import dollars, json_option, show

__all__ = ["audit"]


@click.command(short_help="Recompute every balance from its entries.")
@json_option
@config_option
@click.pass_context
def audit(ctx: click.Context, as_json: bool, config: Path | None) -> None:
    """Recompute every balance from the entries, and print what differs.

    Gateways may go on meanwhile: it reads the database as of one moment. Exit code 1 says that there are differences;
    notes, which concern statistics and not money, are printed and do not count.
    """

    async def read(storage: Storage) -> Sequence[Difference]:
        return await storage.audit()

    found = operate(settings_of(config), read)
    if as_json:
        show([_row(difference) for difference in found], as_json=True, empty="")
    for difference in () if as_json else found:
        click.echo(_line(difference))
    if not found:
        click.echo("the books agree", err=True)
    if not all(difference.note for difference in found):
        ctx.exit(1)


def _line(difference: Difference) -> str:
    told = f"{'note, ' if difference.note else ''}{difference.check}: {difference.where}: {difference.what}"
    if difference.kept is not None:
        told += f", kept ${dollars(difference.kept)}"
    if difference.recomputed is not None:
        told += f", recomputed ${dollars(difference.recomputed)}"
    return f"{told}. {difference.cure[:1].upper()}{difference.cure[1:]}."


def _row(difference: Difference) -> dict[str, object]:
    return {
        "check": difference.check,
        "where": difference.where,
        "what": difference.what,
        "kept_usd": dollars(difference.kept),
        "recomputed_usd": dollars(difference.recomputed),
        "cure": difference.cure,
        "note": difference.note,
    }
