"""Payments, round by round, into a table of medians."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from msgspec import Struct

from .markdown import Column, markdown, number
from .payments import Way

__all__ = ["Held", "Row", "rows_of", "table"]

LEAST_CPU = 0.1  # seconds in all rounds; the system counts that of others in ticks of 10 ms


class Held(Struct, frozen=True):
    """One way under one load in one round. ``cpu`` is of the process with the ledger in it, ``server_cpu`` that of the
    database's server, both in seconds. ``p50`` and ``p99`` are seconds of waiting for a reservation."""

    database: str
    way: Way
    callers: int
    round: int
    calls: int
    seconds: float
    cpu: float
    server_cpu: float | None
    p50: float
    p99: float


class Row(Struct, frozen=True):
    """Medians over the rounds. CPU in µs per call, waits in ms. ``faster`` and ``cheaper`` are how many times the calls
    per second, and how much less of this process's CPU a call takes, than one by one."""

    database: str
    way: Way
    callers: int
    rate: float
    cpu: float
    server_cpu: float | None
    faster: float | None
    cheaper: float | None
    p50: float
    p99: float


def rows_of(measured: Iterable[Held]) -> list[Row]:
    cells: dict[tuple[str, int], dict[Way, list[Held]]] = {}
    for one in measured:
        cells.setdefault((one.database, one.callers), {}).setdefault(one.way, []).append(one)
    return [_row(rounds, ways.get("single")) for ways in cells.values() for rounds in ways.values()]


def _row(rounds: list[Held], single: list[Held] | None) -> Row:
    first, rate, cpu = rounds[0], _rate(rounds), _cpu(rounds)
    return Row(
        database=first.database,
        way=first.way,
        callers=first.callers,
        rate=rate,
        cpu=cpu,
        server_cpu=_server_cpu(rounds),
        faster=rate / _rate(single) if single else None,
        cheaper=_cpu(single) / cpu if single else None,
        p50=median(one.p50 for one in rounds) * 1e3,
        p99=median(one.p99 for one in rounds) * 1e3,
    )


def _rate(rounds: list[Held]) -> float:
    return median(one.calls / one.seconds for one in rounds)


def _cpu(rounds: list[Held]) -> float:
    return median(one.cpu / one.calls for one in rounds) * 1e6


def _server_cpu(rounds: list[Held]) -> float | None:
    counted = [(one.server_cpu, one.calls) for one in rounds if one.server_cpu is not None]
    if sum(cpu for cpu, _ in counted) < LEAST_CPU:
        return None
    return median(cpu / calls for cpu, calls in counted) * 1e6


NAMES: dict[Way, str] = {"bare": "bare driver", "single": "one by one", "group": "group commit"}
COLUMNS: Sequence[Column[Row]] = (
    ("database", lambda row: row.database),
    ("callers", lambda row: str(row.callers)),
    ("way", lambda row: NAMES[row.way]),
    ("calls/s", lambda row: number(row.rate)),
    ("× one by one", lambda row: number(row.faster, 2)),
    ("CPU µs/call", lambda row: number(row.cpu)),
    ("÷ one by one", lambda row: number(row.cheaper, 2)),
    ("server µs/call", lambda row: number(row.server_cpu)),
    ("p50 ms", lambda row: number(row.p50, 2)),
    ("p99 ms", lambda row: number(row.p99, 2)),
)


def table(rows: Iterable[Row]) -> str:
    return markdown(COLUMNS, rows)
