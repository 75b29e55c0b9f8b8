"""What several worker processes do beside one, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from msgspec import Struct

from .markdown import Column, markdown, number

__all__ = ["GOAL", "Row", "Worked", "rows_of", "table"]

GOAL = 1.8
"""How many times as much two workers have to do as one, on two free cores."""


class Worked(Struct, frozen=True):
    """One run. ``cpu`` in seconds and ``connections``, of each worker; ``supervisor`` its CPU in seconds; ``p99`` in
    seconds."""

    load: str
    workers: int
    round: int
    calls: int
    seconds: float
    p99: float
    cpu: tuple[float, ...]
    connections: tuple[int, ...]
    supervisor: float = 0.0

    @property
    def capacity(self) -> float:
        """Calls a second where each worker has a core to itself: the busiest has to finish as well."""
        return self.calls / max(self.cpu)

    @property
    def even_capacity(self) -> float:
        """The same if all had as much to do: what work that is done twice leaves of it."""
        return self.calls * len(self.cpu) / sum(self.cpu)

    @property
    def imbalance(self) -> float:
        """The CPU of the busiest worker beside the mean; 1 where all have as much to do."""
        return max(self.cpu) * len(self.cpu) / sum(self.cpu)


class Row(Struct, frozen=True):
    """Medians over the rounds: calls a second as measured and on free cores, each also beside one worker's; CPU in µs a
    call; ``times_even`` is beside one worker's if all had as much to do; ``p99`` in ms."""

    load: str
    workers: int
    rate: float
    times_rate: float
    cpu: float
    capacity: float
    times_capacity: float
    times_even: float
    imbalance: float
    connections: tuple[int, ...]
    p99: float


def rows_of(worked: Iterable[Worked]) -> list[Row]:
    cells: dict[str, dict[int, list[Worked]]] = {}
    for one in worked:
        cells.setdefault(one.load, {}).setdefault(one.workers, []).append(one)
    return [_row(rounds, by_count[min(by_count)]) for by_count in cells.values() for rounds in by_count.values()]


def _row(rounds: list[Worked], alone: list[Worked]) -> Row:
    first = rounds[0]
    rate, capacity = _rate(rounds), median(one.capacity for one in rounds)
    return Row(
        load=first.load,
        workers=first.workers,
        rate=rate,
        times_rate=rate / _rate(alone),
        cpu=median((sum(one.cpu) + one.supervisor) / one.calls for one in rounds) * 1e6,
        capacity=capacity,
        times_capacity=capacity / median(one.capacity for one in alone),
        times_even=median(one.even_capacity for one in rounds) / median(one.even_capacity for one in alone),
        imbalance=median(one.imbalance for one in rounds),
        connections=first.connections,
        p99=median(one.p99 for one in rounds) * 1e3,
    )


def _rate(rounds: list[Worked]) -> float:
    return median(one.calls / one.seconds for one in rounds)


COLUMNS: Sequence[Column[Row]] = (
    ("load", lambda row: row.load),
    ("workers", lambda row: str(row.workers)),
    ("calls/s", lambda row: number(row.rate)),
    ("× one", lambda row: number(row.times_rate, 2)),
    ("CPU µs/call", lambda row: number(row.cpu)),
    ("calls/s on free cores", lambda row: number(row.capacity)),
    ("× one, on free cores", lambda row: number(row.times_capacity, 2)),
    ("× one, if even", lambda row: number(row.times_even, 2)),
    ("busiest ÷ mean", lambda row: number(row.imbalance, 2)),
    ("connections", lambda row: " + ".join(map(str, row.connections))),
    ("p99 ms", lambda row: number(row.p99, 1)),
)


def table(rows: Iterable[Row]) -> str:
    return markdown(COLUMNS, rows)
