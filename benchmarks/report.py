"""What was measured, and the medians of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from msgspec import Struct, field

from .load import Load
from .markdown import Column, markdown, number
from .open_load import OpenLoad
from .traffic import EVENTS, Mode

__all__ = [
    "Held",
    "HeldRow",
    "Measured",
    "Measurements",
    "OpenRow",
    "Opened",
    "Row",
    "held_rows_of",
    "held_table",
    "open_rows_of",
    "open_table",
    "rows_of",
    "table",
]

LEAST_CPU = 0.05  # seconds in all rounds; less says little, not only where the system counts in ticks of 10 ms


class Measured(Struct, frozen=True):
    """One proxy under one load in one round. ``cpu`` in seconds, None for the direct way; ``resident`` in bytes."""

    proxy: str
    mode: Mode
    connections: int
    round: int
    load: Load
    cpu: float | None
    resident: int | None


class Opened(Struct, frozen=True):
    """One proxy below its capacity in one round, and the direct way at the same rate."""

    proxy: str
    round: int
    load: OpenLoad
    direct: OpenLoad


class Held(Struct, frozen=True):
    """The memory of a proxy before so many streams were opened, and while they were open, in bytes."""

    proxy: str
    streams: int
    before: int
    during: int


class Measurements(Struct, frozen=True):
    """Everything of one run. ``absent``: who could not be measured, and why; ``failed``: who has to be, and was not."""

    closed: list[Measured] = field(default_factory=list)
    opened: list[Opened] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


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


class OpenRow(Struct, frozen=True):
    """Medians over the rounds: requests a second, and ms to the first byte beyond those of the direct way; None where
    there were more requests than the generator could send on the direct way."""

    proxy: str
    rate: float
    p50: float | None
    p99: float | None


class HeldRow(Struct, frozen=True):
    """Memory in MB, and for each stream in KiB."""

    proxy: str
    streams: int
    before: float
    each: float


def rows_of(measured: Iterable[Measured]) -> list[Row]:
    cells: dict[tuple[Mode, int], dict[str, list[Measured]]] = {}
    for one in measured:
        cells.setdefault((one.mode, one.connections), {}).setdefault(one.proxy, []).append(one)
    return [_row(rounds, proxies) for proxies in cells.values() for rounds in proxies.values()]


def _row(rounds: list[Measured], proxies: Mapping[str, list[Measured]]) -> Row:
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


def open_rows_of(opened: Iterable[Opened]) -> list[OpenRow]:
    proxies: dict[str, list[Opened]] = {}
    for one in opened:
        proxies.setdefault(one.proxy, []).append(one)
    return [_open_row(proxy, rounds) for proxy, rounds in proxies.items()]


def _open_row(proxy: str, rounds: list[Opened]) -> OpenRow:
    rate = median(one.load.rate for one in rounds)
    if median(one.direct.busiest for one in rounds) >= 1:
        return OpenRow(proxy, rate, None, None)
    p50, p99 = (
        median(getattr(one.load, name) - getattr(one.direct, name) for one in rounds) * 1e3 for name in ("p50", "p99")
    )
    return OpenRow(proxy, rate, p50, p99)


def held_rows_of(held: Iterable[Held]) -> list[HeldRow]:
    return [HeldRow(one.proxy, one.streams, one.before / 1e6, _each(one)) for one in held]


def _each(one: Held) -> float:
    return (one.during - one.before) / one.streams / 1024


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

OPEN_COLUMNS: Sequence[Column[OpenRow]] = (
    ("proxy", lambda row: row.proxy),
    ("req/s", lambda row: number(row.rate)),
    ("added p50 ms", lambda row: number(row.p50, 2)),
    ("added p99 ms", lambda row: number(row.p99, 2)),
)

HELD_COLUMNS: Sequence[Column[HeldRow]] = (
    ("proxy", lambda row: row.proxy),
    ("streams", lambda row: number(row.streams)),
    ("RSS MB before", lambda row: number(row.before)),
    ("KiB/stream", lambda row: number(row.each, 1)),
)


def table(rows: Iterable[Row]) -> str:
    return markdown(COLUMNS, rows)


def open_table(rows: Iterable[OpenRow]) -> str:
    return markdown(OPEN_COLUMNS, rows)


def held_table(rows: Iterable[HeldRow]) -> str:
    return markdown(HELD_COLUMNS, rows)
