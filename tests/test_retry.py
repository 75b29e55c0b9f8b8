"""How often, and after how long, a call is tried again."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.retry import RetryBudget, asked_seconds, back_off


@pytest.mark.parametrize(
    ("calls", "retries"), [(0, 3), (1, 3), (15, 3), (16, 4), (20, 4), (21, 5), (50, 10), (1000, 200)]
)
def test_a_share_of_the_calls_may_be_retries(calls: int, retries: int) -> None:
    budget = RetryBudget()
    budget.calls = calls
    assert sum(budget.take() for _ in range(2 * calls + 10)) == retries


def test_what_is_given_back_can_be_taken_again() -> None:
    budget = RetryBudget(0.5, least=1)
    assert budget.take()
    assert not budget.take()
    budget.give_back()
    assert budget.take()


def test_fewer_calls_in_flight_leave_less_to_take() -> None:
    budget = RetryBudget(0.5, least=1)
    budget.calls = 10
    assert all(budget.take() for _ in range(5))
    budget.calls = 4
    budget.give_back()
    assert not budget.take()


@pytest.mark.parametrize(
    ("retry", "least", "most"), [(1, 0.05, 0.1), (2, 0.1, 0.2), (3, 0.125, 0.25), (9, 0.125, 0.25)]
)
def test_pauses_grow_and_are_by_chance(retry: int, least: float, most: float) -> None:
    rng = random.Random(7)
    pauses = [back_off(retry, rng) for _ in range(500)]
    assert least <= min(pauses) < least * 1.1
    assert most * 0.9 < max(pauses) <= most


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", None), ("3", 3.0), ("2.5", 2.5), ("30s", 30.0), ("1500ms", 1.5), (" 7 ", 7.0), ("86400", 86_400.0)],
)
def test_how_long_a_caller_waits(text: str, seconds: float | None) -> None:
    assert asked_seconds(text) == seconds


@pytest.mark.parametrize("text", ["0", "0.0", "-1", "nan", "inf", "1e3", "3 s", "3m", "soon", "86401", "٣", "1" * 400])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="x-request-timeout") as refused:
        asked_seconds(text)
    assert refused.value.code == "invalid_timeout"
    assert len(refused.value.message) < 200


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        seconds = asked_seconds(text)
    except BadRequest:
        return
    assert seconds is None or 0 < seconds <= 86_400
