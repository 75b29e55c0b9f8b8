"""A failed key rests, and no other."""

from __future__ import annotations

import pytest

from oneapi_asgi.health import CoolDown, Unjudged


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("asked", "rest"), [(None, 5.0), (7.0, 7.0), (0.5, 0.5), (0.0, 0.0), (-3.0, 0.0), (300.0, 300.0), (10_000.0, 300.0)]
)
def test_it_rests_as_long_as_was_asked(asked: float | None, rest: float) -> None:
    clock = Clock()
    health = CoolDown(5.0, clock=clock)
    assert health.fit(1, 0)
    health.failed(1, 0, retry_after=asked)
    assert health.fit(1, 0) is (rest == 0)
    clock.now += max(rest - 0.01, 0)
    assert health.fit(1, 0) is (rest == 0)
    clock.now += 0.01
    assert health.fit(1, 0)


def test_only_the_failed_key_rests() -> None:
    health = CoolDown(clock=Clock())
    health.failed(1, 0)
    assert [health.fit(*place) for place in ((1, 0), (1, 1), (2, 0))] == [False, True, True]


def test_a_success_ends_the_rest() -> None:
    health = CoolDown(clock=Clock())
    health.succeeded(1, 0)
    health.failed(1, 0)
    health.failed(2, 0)
    health.succeeded(1, 0)
    assert health.fit(1, 0)
    assert not health.fit(2, 0)


def test_the_last_failure_decides() -> None:
    clock = Clock()
    health = CoolDown(clock=clock)
    health.failed(1, 0, retry_after=100)
    health.failed(1, 0, retry_after=1)
    clock.now += 1
    assert health.fit(1, 0)


def test_no_rest_at_all() -> None:
    health = CoolDown(0.0, clock=Clock())
    health.failed(1, 0)
    assert health.fit(1, 0)
    with pytest.raises(ValueError, match="negative"):
        CoolDown(-1.0)


def test_unjudged_channels_are_always_fit() -> None:
    health = Unjudged()
    health.failed(1, 0, retry_after=100)
    health.succeeded(1, 0)
    assert health.fit(1, 0)
