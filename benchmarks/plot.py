"""What a call and an event cost on each proxy, as bars."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from .report import Row
from .traffic import Mode

__all__ = ["bars_of", "plot"]

Bars: TypeAlias = dict[str, float]
Panel: TypeAlias = tuple[str, Mode, Callable[[Row], float | None]]

PANELS: Sequence[Panel] = (
    ("plain call, CPU µs", "plain", lambda row: row.cpu),
    ("event, paced, CPU µs", "paced", lambda row: row.event_cpu),
    ("event, at once, CPU µs", "long", lambda row: row.event_cpu),
)
WIDTH, BAR, AROUND = 8.0, 0.32, 0.9  # inches


def bars_of(rows: Iterable[Row], mode: Mode, value: Callable[[Row], float | None]) -> Bars:
    """By proxy, the dearest last. Of several numbers of connections the last one counts."""
    found = {row.proxy: number for row in rows if row.mode == mode and (number := value(row)) is not None}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def plot(rows: Sequence[Row], file: Path) -> bool:
    """Write an SVG; False if there is nothing to draw. Axes are logarithmic, as gateways differ by orders of magnitude.

    :raises ModuleNotFoundError: matplotlib is not installed (the extra ``bench``)
    """
    panels = [(title, bars) for title, mode, value in PANELS if (bars := bars_of(rows, mode, value))]
    if not panels:
        return False
    from matplotlib.figure import Figure  # late: an optional extra, and only reports need it

    heights = [len(bars) * BAR + AROUND for _, bars in panels]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    for (title, bars), axes in zip(
        panels, figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0], strict=True
    ):
        drawn = axes.barh(list(bars), list(bars.values()))
        axes.bar_label(
            drawn, labels=[f"{number:,.3g}" if number < 100 else f"{number:,.0f}" for number in bars.values()]
        )
        axes.set_xscale("log")
        axes.set_title(title, loc="left")
        axes.invert_yaxis()
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.12)
    figure.savefig(file, format="svg")
    return True
