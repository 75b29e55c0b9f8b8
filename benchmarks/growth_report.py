"""Curves as tables, and as a report with a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from .growth_curves import AXES, FLAT, LINEAR, Axis, Curve, fit
from .markdown import Column, markdown, number

__all__ = ["summary", "write_report"]

Row: TypeAlias = tuple[int, Mapping[str, float]]

HEAD = f"""# How the cost of a call grows

CPU of the gateway process, in µs for each call (or event), with everything on: key check, limits, routing, a quota in
SQLite, records. Medians over the rounds; gateways of all sizes took turns. A curve is flat if its last value is at most
{FLAT} times its first. What grows in proportion has the line that fits best.
"""

GROWS: Mapping[Axis, str] = {
    "tokens": "tokens, calls spread over all of them",
    "channels": "channels",
    "records": "records in the database",
    "streams": "open streams, an event a second each",
    "bodies": "bytes",
}
WIDTH, HEIGHT = 8.0, 2.6  # inches


def summary(curves: Sequence[Curve]) -> str:
    return "\n\n".join(text for axis in AXES if (text := _axis(axis, [one for one in curves if one.axis == axis])))


def _axis(axis: Axis, curves: Sequence[Curve]) -> str:
    if not curves:
        return ""
    costs: dict[int, dict[str, float]] = {}
    for curve in curves:
        for at, cost in curve.values:
            costs.setdefault(at, {})[curve.name] = cost
    columns: list[Column[Row]] = [(GROWS[axis], lambda row: f"{row[0]:,}")]
    columns += [(f"{curve.name}, µs", partial(_cost, curve.name)) for curve in curves]
    verdicts = "\n".join(f"- {curve.name}: {_verdict(curve)}" for curve in curves)
    return f"## {axis.capitalize()}\n\n{markdown(columns, sorted(costs.items()))}\n\n{verdicts}"


def _cost(name: str, row: Row) -> str:
    return number(row[1].get(name), 1)


def _verdict(curve: Curve) -> str:
    if len(curve.values) < 2:
        return "one value says nothing"
    if curve.axis in LINEAR:
        line = fit(curve.values)
        return (
            f"{line.slope:.2f} µs for each 1,000 bytes and {line.intercept:,.0f} µs a call, "
            f"at most {line.error:.0%} off"
        )
    return f"last beside first {curve.ratio:.2f}, {'flat' if curve.flat else 'not flat'}"


def write_report(file: Path, curves: Sequence[Curve]) -> None:
    """``file`` in Markdown, and a plot in SVG beside it.

    :raises ModuleNotFoundError: matplotlib is not installed (the extra ``bench``)
    """
    picture = file.with_suffix(".svg")
    _plot(curves, picture)
    parts = [HEAD.strip(), f"![CPU by what grows]({picture.name})", summary(curves)]
    file.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _plot(curves: Sequence[Curve], file: Path) -> None:
    from matplotlib.figure import Figure  # late: an optional extra, and only reports need it

    axes = [axis for axis in AXES if any(curve.axis == axis for curve in curves)]
    figure = Figure(figsize=(WIDTH, HEIGHT * len(axes)), layout="constrained")
    for axis, panel in zip(axes, figure.subplots(len(axes), 1, squeeze=False)[:, 0], strict=True):
        for curve in curves:
            if curve.axis == axis:
                places, costs = zip(*curve.values, strict=True)
                panel.plot(places, costs, marker="o", label=curve.name)
        panel.set_xscale("log")
        if axis in LINEAR:
            panel.set_yscale("log")
        else:
            panel.set_ylim(bottom=0)
        panel.set_title(f"CPU µs by {GROWS[axis]}", loc="left")
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False)
    figure.savefig(file, format="svg")
