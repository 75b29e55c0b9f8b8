"""Arithmetic of several workers, and the money that a benchmark expects."""

from __future__ import annotations

import pytest

from benchmarks.workers import COST
from benchmarks.workers_report import Worked, rows_of, table


def worked(workers: int, *, calls: int, cpu: tuple[float, ...], supervisor: float = 0.0, number: int = 0) -> Worked:
    shares = (64 // workers,) * workers
    return Worked("plain", workers, number, calls, 2.0, 0.01, cpu, shares, supervisor)


@pytest.mark.parametrize(
    ("cpu", "capacity", "imbalance"),
    [((1.0,), 1000, 1.0), ((0.5, 0.5), 2000, 1.0), ((0.75, 0.25), 1000 / 0.75, 1.5), ((1.0, 0.0), 1000, 2.0)],
)
def test_the_busiest_worker_decides(cpu: tuple[float, ...], capacity: float, imbalance: float) -> None:
    one = worked(len(cpu), calls=1000, cpu=cpu)
    assert one.capacity == pytest.approx(capacity)
    assert one.even_capacity == pytest.approx(capacity * imbalance)
    assert one.imbalance == pytest.approx(imbalance)


def test_rows_stand_beside_the_fewest_workers() -> None:
    runs = [worked(2, calls=1800, cpu=(0.5, 0.5), supervisor=0.08), worked(1, calls=1000, cpu=(1.0,))]
    two, one = rows_of(runs)
    assert (one.times_rate, one.times_capacity) == (1.0, 1.0)
    assert (two.times_rate, two.times_capacity) == pytest.approx((1.8, 3.6))
    assert two.cpu == pytest.approx(600)
    assert "| plain | 2 | 900 | 1.80 | 600 | 3,600 | 3.60 | 3.60 | 1.00 | 32 + 32 | 10.0 |" in table([two, one])


def test_a_call_costs_what_the_price_of_the_configuration_says() -> None:
    assert COST == 24 * 150 + 61 * 600
