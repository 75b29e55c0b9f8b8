"""Points of measurements into curves: is a cost flat, or how steep is it?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Literal, TypeAlias, get_args

from msgspec import Struct

__all__ = ["AXES", "FLAT", "LINEAR", "Axis", "Curve", "Line", "Point", "curves_of", "fit"]

Axis = Literal["tokens", "channels", "records", "streams", "bodies"]
AXES: tuple[Axis, ...] = get_args(Axis)

LINEAR: frozenset[Axis] = frozenset(("bodies",))
"""Where a cost may grow, in proportion."""

FLAT = 1.25
"""The most that the last cost of a flat curve may be of the first one."""

Values: TypeAlias = Sequence[tuple[int, float]]


class Point(Struct, frozen=True):
    """What ``count`` calls (of the curve ``events``: events) took of a gateway that has ``at`` of what grows. ``cpu``
    in seconds."""

    axis: Axis
    curve: str
    at: int
    round: int
    count: int
    cpu: float


class Curve(Struct, frozen=True):
    """CPU in µs each, medians over the rounds, by what grows."""

    axis: Axis
    name: str
    values: Values

    @property
    def ratio(self) -> float:
        """The last beside the first."""
        return self.values[-1][1] / self.values[0][1]

    @property
    def flat(self) -> bool:
        return self.ratio <= FLAT


class Line(Struct, frozen=True):
    """µs for each thousand of what grows, µs for none of it, and the largest deviation of a value from that, as a share
    of the value."""

    slope: float
    intercept: float
    error: float


def curves_of(points: Iterable[Point]) -> list[Curve]:
    found: dict[tuple[Axis, str], dict[int, list[float]]] = {}
    for point in points:
        if point.count:
            by_size = found.setdefault((point.axis, point.curve), {})
            by_size.setdefault(point.at, []).append(point.cpu / point.count * 1e6)
    return [
        Curve(axis=axis, name=name, values=[(at, median(costs)) for at, costs in sorted(by_size.items())])
        for (axis, name), by_size in found.items()
    ]


def fit(values: Values) -> Line:
    """The line with the least squares of relative deviations: a small value counts as much as a large one.

    :raises ValueError: there are fewer than two places
    """
    if len({at for at, _ in values}) < 2:
        raise ValueError("a line takes two places at least")
    weights = [1 / cost**2 for _, cost in values]
    total = sum(weights)
    middle = sum(w * at for w, (at, _) in zip(weights, values, strict=True)) / total
    level = sum(w * cost for w, (_, cost) in zip(weights, values, strict=True)) / total
    spread = sum(w * (at - middle) ** 2 for w, (at, _) in zip(weights, values, strict=True))
    together = sum(w * (at - middle) * (cost - level) for w, (at, cost) in zip(weights, values, strict=True))
    slope = together / spread
    intercept = level - slope * middle
    error = max(abs(intercept + slope * at - cost) / cost for at, cost in values)
    return Line(slope=slope * 1e3, intercept=intercept, error=error)
