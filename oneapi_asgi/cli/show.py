"""Rows, as a table for people or as JSON for scripts."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import click
import msgspec

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["dollars", "json_option", "progress_bar", "show", "when"]

_NOTHING = "–"
_SHORT = 20  # cells that keep their line on a narrow terminal
_WIDE = 1000  # of a pipe: nothing has to be broken there
_LAST: Final = datetime.max.replace(tzinfo=UTC).timestamp() - 1  # that has a date
Row = Mapping[str, object]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def show(rows: Sequence[Row], *, as_json: bool, empty: str, waiting: Sequence[str] = ()) -> None:
    """``empty`` is said instead of a table without rows; columns without any value are left out of a table.

    ``waiting`` are the names of what the settings declare and no row shows as they declare it.
    """
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows)))
    elif rows:
        _print_table(rows)
    elif not waiting:
        click.echo(empty, err=True)
    if waiting:
        click.echo(f"from the settings, at the next start of the gateway: {', '.join(waiting)}", err=True)


def _print_table(rows: Sequence[Row]) -> None:
    # Imported late: nine of ten commands print no table, and it takes longer than they do.
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    columns = {name: [_cell(row[name]) for row in rows] for name in rows[0]}
    columns = {name: cells for name, cells in columns.items() if set(cells) != {_NOTHING}}
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name, cells in columns.items():
        title = name.replace("_", " ")
        longest = max(map(len, (title, *cells)))
        table.add_column(title, overflow="fold", min_width=min(longest, _SHORT), no_wrap=longest <= _SHORT)
    for line in zip(*columns.values(), strict=True):
        # Text: in a plain string rich would take [brackets] for markup.
        table.add_row(*map(Text, line))
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    # A terminal that is too narrow for all columns breaks lines; rich would leave columns out.
    console.width = max(console.width, Measurement.get(console, console.options.update(width=_WIDE), table).minimum)
    console.print(table)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        value = [f"{key}={item}" for key, item in value.items()]
    if isinstance(value, list | tuple):
        between = "; " if any(isinstance(item, Mapping) for item in value) else ", "
        value = between.join(map(_cell, value))
    return _NOTHING if value in (None, "") else str(value)


def dollars(nano: int | None) -> str | None:
    """Nano-dollars as plain decimal dollars, exactly."""
    return None if nano is None else f"{Decimal(nano).scaleb(-9).normalize():f}"


def when(moment: float | None) -> str | None:
    """As ISO 8601. What lies after all dates, such as a moment that was given in milliseconds, is the last."""
    if moment is None:
        return None
    return datetime.fromtimestamp(min(moment, _LAST), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def progress_bar() -> Progress:
    """On a terminal; elsewhere nothing is shown."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)
