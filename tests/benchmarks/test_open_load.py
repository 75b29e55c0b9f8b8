"""The schedule of the open loop."""

from __future__ import annotations

from itertools import pairwise
from statistics import fmean

import pytest

from benchmarks.open_load import schedule


@pytest.mark.parametrize("rate", [50.0, 1000.0, 15_000.0])
def test_requests_come_at_the_rate_that_was_asked_for(rate: float) -> None:
    due = schedule(rate, 20.0)
    assert len(due) == pytest.approx(rate * 20, rel=0.1)
    assert due == sorted(due)
    assert due[-1] < 20


def test_gaps_vary_as_those_of_callers_who_do_not_know_each_other() -> None:
    gaps = [later - earlier for earlier, later in pairwise(schedule(1000.0, 20.0))]
    mean = fmean(gaps)
    assert sum(gap > 2 * mean for gap in gaps) / len(gaps) == pytest.approx(0.135, abs=0.02)


def test_every_proxy_meets_the_same_schedule() -> None:
    assert schedule(100.0, 1.0) == schedule(100.0, 1.0)
