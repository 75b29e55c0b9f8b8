"""What the gateway is meant to reach beside others, and whether it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from msgspec import Struct

from .markdown import Column, markdown, number
from .report import Measurements, Row, held_rows_of, open_rows_of, rows_of
from .traffic import Mode

__all__ = ["GOALS", "Goal", "call_ratio", "event_ratio", "goals_table"]

CONNECTIONS = 32
"""Where a load was measured with several numbers of connections, the one nearest to this counts."""


class Goal(Struct, frozen=True):
    """``value`` gives None where it was not measured."""

    measure: str
    limit: float
    unit: str
    value: Callable[[Measurements], float | None]
    at_most: bool = True

    def met(self, value: float) -> bool:
        return value <= self.limit if self.at_most else value >= self.limit


def _row(measured: Measurements, proxy: str, mode: Mode) -> Row | None:
    rows = [row for row in rows_of(measured.closed) if (row.proxy, row.mode) == (proxy, mode)]
    return min(rows, key=lambda row: abs(row.connections - CONNECTIONS), default=None)


def _ratio(value: float | None, beside: float | None) -> float | None:
    return value / beside if value and beside else None


def call_ratio(measured: Measurements, proxy: str, beside: str) -> float | None:
    """CPU of a plain call; None where there is too little to tell."""
    mine, other = _row(measured, proxy, "plain"), _row(measured, beside, "plain")
    return _ratio(mine.cpu, other.cpu) if mine and other else None


def event_ratio(measured: Measurements, mode: Mode, beside: str, beside_mode: Mode) -> float | None:
    """CPU of an event on the gateway, beside that of another proxy or under another load."""
    mine, other = _row(measured, "gateway", mode), _row(measured, beside, beside_mode)
    return _ratio(mine.event_cpu, other.event_cpu) if mine and other else None


def _added(measured: Measurements) -> float | None:
    return next((row.p99 for row in open_rows_of(measured.opened) if row.proxy == "gateway"), None)


def _memory(measured: Measurements) -> float | None:
    return next((row.each for row in held_rows_of(measured.held) if row.proxy == "gateway"), None)


def _call(said: str, limit: float, beside: str, proxy: str = "gateway") -> Goal:
    return Goal(f"CPU of a plain call, {said}", limit, "×", partial(call_ratio, proxy=proxy, beside=beside))


def _rate(said: str, limit: float, proxy: str) -> Goal:
    """By the CPU that a call takes: what a core gets through that has nothing else to do."""
    value = partial(call_ratio, proxy=proxy, beside="gateway")
    return Goal(f"calls a second on one core, beside {said}", limit, "×", value, at_most=False)


def _event(said: str, limit: float, mode: Mode, beside: str, beside_mode: Mode) -> Goal:
    value = partial(event_ratio, mode=mode, beside=beside, beside_mode=beside_mode)
    return Goal(f"CPU of an event, {said}", limit, "×", value)


_PASSED: Sequence[tuple[str, Mode]] = (("one by one", "singly"), ("paced", "paced"), ("at once", "long"))
_TRANSLATED: Sequence[tuple[str, Mode, Mode]] = (
    ("paced", "translated-paced", "paced"),
    ("at once", "translated", "long"),
)
_BESIDE: Sequence[tuple[str, str, float]] = (("the floor", "floor", 1.25), ("nginx", "nginx", 2))

GOALS: Sequence[Goal] = (
    _call("beside the floor", 1.6, "floor"),
    *(
        _event(f"{how}, beside {whom}", limit, mode, beside, mode)
        for how, mode in _PASSED
        for whom, beside, limit in _BESIDE
    ),
    _rate("LiteLLM", 80, "litellm"),
    _rate("Portkey", 7, "portkey"),
    *(
        _event(f"{how}, translated beside passed through", 4, mode, "gateway", passed)
        for how, mode, passed in _TRANSLATED
    ),
    Goal("added to the first byte at 70 % of the capacity, p99", 10, " ms", _added),
    Goal("memory of an open stream", 40, " KiB", _memory),
    _call("ledger on PostgreSQL beside SQLite", 1.3, "gateway", "gateway-postgres"),
)

Judged = tuple[Goal, float | None]

COLUMNS: Sequence[Column[Judged]] = (
    ("measure", lambda judged: judged[0].measure),
    ("goal", lambda judged: f"{'≤' if judged[0].at_most else '≥'} {judged[0].limit:g}{judged[0].unit}"),
    ("measured", lambda judged: number(judged[1], 2) + ("" if judged[1] is None else judged[0].unit)),
    ("met?", lambda judged: "not measured" if judged[1] is None else "yes" if judged[0].met(judged[1]) else "no"),
)


def goals_table(measured: Measurements) -> str:
    return markdown(COLUMNS, [(goal, goal.value(measured)) for goal in GOALS])
