"""A run as text: tables for the terminal, and a report in Markdown with a plot beside it."""

from __future__ import annotations

from pathlib import Path

from .goals import goals_table
from .plot import plot
from .report import Measurements, held_rows_of, held_table, open_rows_of, open_table, rows_of, table

__all__ = ["summary", "write_report"]

HEAD = """# The gateway beside others

Each proxy is a process on a core that it shares with idle ones; the load generator and the upstream have another core.
Proxies took turns in every round, and what stands here are medians over the rounds. Compare ratios: absolute numbers
drift with the machine. The gateway has everything on: key check, limits, routing, a quota that is reserved and settled
in a database, and records. `benchmarks/README.md` says what each load and column is.
"""


def summary(measured: Measurements) -> str:
    return "\n\n".join(_tables(measured))


def _tables(measured: Measurements) -> list[str]:
    """Of what was measured; goals first."""
    parts = [("## Goals", goals_table(measured))]
    if measured.closed:
        parts.append(("## Closed loop", table(rows_of(measured.closed))))
    if measured.opened:
        parts.append(("## Open loop, at 70 % of each one's capacity", open_table(open_rows_of(measured.opened))))
    if measured.held:
        parts.append(("## Open streams", held_table(held_rows_of(measured.held))))
    for heading, reasons in (("## Left out", measured.absent), ("## Failed", measured.failed)):
        if reasons:
            parts.append((heading, "\n".join(f"- {name}: {reason}" for name, reason in reasons.items())))
    return [text for part in parts for text in part]


def write_report(file: Path, measured: Measurements) -> None:
    """``file`` in Markdown, and a plot in SVG beside it, if there is anything to plot."""
    picture = file.with_suffix(".svg")
    drawn = plot(rows_of(measured.closed), picture)
    parts = [HEAD, *([f"![CPU of each proxy]({picture.name})"] if drawn else []), *_tables(measured)]
    file.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")
