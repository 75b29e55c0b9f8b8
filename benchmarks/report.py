"""Rounds of measurements into a Markdown table of medians."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from msgspec import Struct

from .load import Load
from .markdown import Column, markdown, number
from .traffic import EVENTS, Mode

__all__ = ["Measured", "Row", "rows_of", "table"]

LEAST_CPU = 0.2  # seconds; the system counts CPU in ticks of 10 ms, less than this says little


class Measured(Struct, frozen=True):
    """One proxy under one load in one round. ``cpu`` in seconds, None for the direct way; ``resident`` in bytes."""

    proxy: str
    mode: Mode
    connections: int
    round: int
    load: Load
    cpu: float | None
    resident: int | None


class Row(Struct, frozen=True):
    """Medians over the rounds. CPU in µs per request and per event, latencies in ms, memory in MB. ``added`` is the
    time to the first byte beyond that of the direct way; ``ratio`` the CPU of a request beside the floor's."""

    mode: Mode
    connections: int
    proxy: str
    rate: float
    cpu: float | None
    event_cpu: float | None
    ratio: float | None
    p50: float
    p99: float
    first_byte: float
    added: float | None
    resident: float | None


def rows_of(measured: Iterable[Measured]) -> list[Row]:
    cells: dict[tuple[Mode, int], dict[str, list[Measured]]] = {}
    for one in measured:
        cells.setdefault((one.mode, one.connections), {}).setdefault(one.proxy, []).append(one)
    return [_row(rounds, proxies) for proxies in cells.values() for rounds in proxies.values()]


def _row(rounds: list[Measured], proxies: dict[str, list[Measured]]) -> Row:
    first, cpu, floor = rounds[0], _cpu(rounds), _cpu(proxies.get("floor", []))
    first_byte = _first_byte(rounds)
    direct = _first_byte(proxies["direct"]) if "direct" in proxies and first.proxy != "direct" else None
    return Row(
        mode=first.mode,
        connections=first.connections,
        proxy=first.proxy,
        rate=median(one.load.requests / one.load.seconds for one in rounds),
        cpu=cpu,
        event_cpu=cpu / len(EVENTS[first.mode]) if cpu and EVENTS[first.mode] else None,
        ratio=cpu / floor if cpu and floor else None,
        p50=median(one.load.p50 for one in rounds) * 1e3,
        p99=median(one.load.p99 for one in rounds) * 1e3,
        first_byte=first_byte,
        added=None if direct is None else first_byte - direct,
        resident=median(one.resident for one in rounds if one.resident) / 1e6 if first.resident else None,
    )


def _cpu(rounds: list[Measured]) -> float | None:
    """Microseconds per request."""
    counted = [(one.cpu, one.load.requests) for one in rounds if one.cpu is not None]
    if sum(cpu for cpu, _ in counted) < LEAST_CPU:
        return None
    return median(cpu / requests for cpu, requests in counted) * 1e6


def _first_byte(rounds: list[Measured]) -> float:
    """Milliseconds."""
    return median(one.load.first_byte for one in rounds) * 1e3


COLUMNS: Sequence[Column[Row]] = (
    ("load", lambda row: row.mode),
    ("c", lambda row: str(row.connections)),
    ("proxy", lambda row: row.proxy),
    ("req/s", lambda row: f"{row.rate:,.0f}"),
    ("CPU µs/req", lambda row: number(row.cpu)),
    ("CPU µs/event", lambda row: number(row.event_cpu, 1)),
    ("× floor", lambda row: number(row.ratio, 2)),
    ("p50 ms", lambda row: number(row.p50, 2)),
    ("p99 ms", lambda row: number(row.p99, 2)),
    ("first byte ms", lambda row: number(row.first_byte, 2)),
    ("added ms", lambda row: number(row.added, 2)),
    ("RSS MB", lambda row: number(row.resident)),
)


def table(rows: Iterable[Row]) -> str:
    return markdown(COLUMNS, rows)
