"""The arithmetic of reports: medians over rounds, ratios, and what is left out for want of evidence."""

from __future__ import annotations

import pytest

from benchmarks.load import Load
from benchmarks.open_load import OpenLoad
from benchmarks.report import Held, Measured, Opened, Row, held_rows_of, open_rows_of, rows_of, table
from benchmarks.traffic import EVENTS, Mode


def measured(
    proxy: str,
    cpu: float | None,
    requests: int = 1000,
    *,
    mode: Mode = "plain",
    connections: int = 32,
    seconds: float = 1.0,
    latency: float = 0.001,
) -> Measured:
    load = Load(requests, seconds, latency, latency * 2, latency)
    resident = None if cpu is None else 50_000_000
    return Measured(proxy, mode, connections, 0, load, cpu, resident)


def only(rows: list[Row], proxy: str) -> Row:
    (row,) = (row for row in rows if row.proxy == proxy)
    return row


def test_medians_are_of_rounds_and_not_of_sums() -> None:
    rounds = [measured("floor", 0.1), measured("floor", 0.2), measured("floor", 9.0, seconds=3.0)]
    row = only(rows_of(rounds), "floor")
    assert row.cpu == pytest.approx(200)
    assert row.rate == pytest.approx(1000)
    assert row.ratio == 1
    assert row.resident == pytest.approx(50)


def test_ratios_are_beside_the_floor_and_latencies_beside_the_direct_way() -> None:
    rounds = [measured("direct", None, latency=0.001), measured("floor", 0.2), measured("gateway", 0.5, latency=0.004)]
    rows = rows_of(rounds)
    gateway, direct = only(rows, "gateway"), only(rows, "direct")
    assert gateway.ratio == pytest.approx(2.5)
    assert gateway.added == pytest.approx(3)
    assert gateway.p99 == pytest.approx(8)
    assert (direct.cpu, direct.added, direct.resident) == (None, None, None)


@pytest.mark.parametrize("mode", ["stream", "long", "paced", "translated", "translated-paced"])
def test_an_event_has_its_share_of_a_request(mode: Mode) -> None:
    row = only(rows_of([measured("gateway", 1.0, 100, mode=mode)]), "gateway")
    assert row.event_cpu == pytest.approx(10_000 / len(EVENTS[mode]))


def test_plain_calls_have_no_events() -> None:
    assert only(rows_of([measured("gateway", 1.0)]), "gateway").event_cpu is None


def test_too_little_cpu_says_nothing() -> None:
    rows = rows_of([measured("floor", 0.01), measured("floor", 0.02), measured("gateway", 0.5)])
    assert only(rows, "floor").cpu is None
    assert only(rows, "gateway").ratio is None


def test_numbers_of_connections_are_apart() -> None:
    rows = rows_of([measured("floor", 0.2), measured("gateway", 0.4), measured("gateway", 0.9, connections=1)])
    assert [(row.connections, row.ratio) for row in rows] == [(32, 1), (32, 2), (1, None)]


def opened(direct_busiest: float, *, seconds: tuple[float, float] = (0.003, 0.008)) -> Opened:
    load = OpenLoad(100, 700.0, *seconds, busiest=1.0)
    return Opened("gateway", 0, load, OpenLoad(100, 700.0, 0.001, 0.002, direct_busiest))


def test_what_is_added_is_beyond_the_direct_way() -> None:
    (row,) = open_rows_of([opened(0.1), opened(0.1, seconds=(0.004, 0.009)), opened(0.1, seconds=(0.1, 0.1))])
    assert (row.proxy, row.rate) == ("gateway", 700)
    assert row.p50 == pytest.approx(3)
    assert row.p99 == pytest.approx(7)


def test_a_generator_at_its_limit_says_nothing() -> None:
    (row,) = open_rows_of([opened(1.0)])
    assert (row.p50, row.p99) == (None, None)


def test_memory_is_what_came_with_the_streams() -> None:
    (row,) = held_rows_of([Held("gateway", 1000, 80_000_000, 80_000_000 + 1000 * 30 * 1024)])
    assert row.each == pytest.approx(30)
    assert row.before == pytest.approx(80)


def test_what_is_not_known_is_a_dash() -> None:
    line = table(rows_of([measured("direct", None)])).splitlines()[-1]
    assert line == "| plain | 32 | direct | 1,000 | – | – | – | 1.00 | 2.00 | 1.00 | – | – |"
