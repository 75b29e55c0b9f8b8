"""What was measured of records, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from msgspec import Struct

from .markdown import Column, markdown, number

__all__ = ["Read", "Written", "reads_table", "writes_table"]

LEAST_CPU = 0.1  # seconds; the system counts that of others in ticks of 10 ms


class Written(Struct, frozen=True, tag="written"):
    """Records that were written to one database, in seconds: all of them, CPU of this process and of the server, the
    median batch and the longest one."""

    database: str
    records: int
    seconds: float
    cpu: float
    server_cpu: float | None
    batch: float
    longest: float


class Read(Struct, frozen=True, tag="read"):
    """One question, asked of a database with so many records: the median wait and the longest one, in seconds."""

    database: str
    rows: int
    what: str
    wait: float
    longest: float


def _micros(seconds: float | None, one: Written) -> float | None:
    return None if seconds is None or seconds < LEAST_CPU else seconds / one.records * 1e6


WRITES: Sequence[Column[Written]] = (
    ("database", lambda one: one.database),
    ("written", lambda one: number(one.records)),
    ("records/s", lambda one: number(one.records / one.seconds)),
    ("µs/record", lambda one: number(one.seconds / one.records * 1e6, 1)),
    ("CPU µs/record", lambda one: number(one.cpu / one.records * 1e6, 1)),
    ("server µs/record", lambda one: number(_micros(one.server_cpu, one), 1)),
    ("batch ms", lambda one: number(one.batch * 1e3, 1)),
    ("longest ms", lambda one: number(one.longest * 1e3, 1)),
)


def writes_table(measured: Sequence[Written]) -> str:
    return markdown(WRITES, measured)


def reads_table(measured: Sequence[Read]) -> str:
    """A line for each question, with the median waits of the databases."""
    databases = dict.fromkeys(one.database for one in measured)
    waits = {(one.what, one.database): one.wait * 1e3 for one in measured}
    asked: Column[str] = (f"of {measured[0].rows:,} records", lambda what: what)
    medians: list[Column[str]] = [(f"{name} ms", partial(_wait, waits, name)) for name in databases]
    return markdown([asked, *medians], dict.fromkeys(one.what for one in measured))


def _wait(waits: Mapping[tuple[str, str], float], database: str, what: str) -> str:
    return number(waits[what, database], 2)
