"""A server that fails is left alone, and tried again now and then."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.storage.redis.breaker import Breaker


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 4))
def test_it_is_open_from_so_many_failures_in_a_row_to_the_next_success(outcomes: list[bool], most: int) -> None:
    breaker, row = Breaker(failures=most, clock=Clock()), 0
    for success in outcomes:
        before = breaker.closed
        changed = breaker.succeeded() if success else breaker.failed()
        row = 0 if success else row + 1
        assert breaker.closed is (row < most)
        assert changed is (before is not breaker.closed)


@pytest.mark.parametrize("seed", range(20))
def test_between_probes_it_rests_for_a_while_that_differs(seed: int) -> None:
    clock = Clock()
    breaker = Breaker(failures=2, rest=4.0, clock=clock, rng=random.Random(seed))
    breaker.failed()
    assert breaker.wait() == 0
    breaker.failed()
    rest = breaker.wait()
    assert 2 <= rest <= 6
    assert rest != pytest.approx(4, abs=1e-6)
    clock.now += rest - 0.01
    assert breaker.wait() == pytest.approx(0.01)
    clock.now += 0.01
    assert breaker.wait() == 0
    assert not breaker.closed  # until the probe has succeeded
    breaker.failed()
    assert breaker.wait() >= 2
    breaker.succeeded()
    assert breaker.wait() == 0
