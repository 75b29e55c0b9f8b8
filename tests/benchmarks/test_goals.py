"""Goals: how each is computed, which side of its limit is the good one, and that a missing part is no success."""

from __future__ import annotations

import pytest

from benchmarks.goals import GOALS, Goal, goals_table
from benchmarks.load import Load
from benchmarks.open_load import OpenLoad
from benchmarks.report import Held, Measured, Measurements, Opened
from benchmarks.traffic import EVENTS, Mode

REQUESTS = 1_000_000


def of(proxy: str, mode: Mode, micros: float, connections: int = 32) -> Measured:
    """With so many µs of CPU for a call, or for an event."""
    cpu = micros * (len(EVENTS[mode]) or 1)
    return Measured(proxy, mode, connections, 0, Load(REQUESTS, 1.0, 0.1, 0.2, 0.1), cpu, 1)


EVERYTHING = Measurements(
    closed=[
        of("nginx", "singly", 4),
        of("nginx", "paced", 10),
        of("nginx", "long", 0.2),
        of("floor", "plain", 40),
        of("floor", "singly", 5),
        of("floor", "paced", 20),
        of("floor", "long", 0.25),
        of("gateway", "plain", 60),
        of("gateway", "plain", 600, connections=1),
        of("gateway", "singly", 6),
        of("gateway", "paced", 24),
        of("gateway", "long", 0.5),
        of("gateway", "translated-paced", 48),
        of("gateway", "translated", 3),
        of("gateway-postgres", "plain", 90),
        of("litellm", "plain", 6000),
        of("portkey", "plain", 300),
    ],
    opened=[Opened("gateway", 0, OpenLoad(9, 1.0, 0.002, 0.008, 0.1), OpenLoad(9, 1.0, 0.001, 0.001, 0.1))],
    held=[Held("gateway", 100, 0, 100 * 41 * 1024)],
)

JUDGED = {
    "CPU of a plain call, beside the floor": (1.5, True),
    "CPU of an event, one by one, beside the floor": (1.2, True),
    "CPU of an event, one by one, beside nginx": (1.5, True),
    "CPU of an event, paced, beside the floor": (1.2, True),
    "CPU of an event, paced, beside nginx": (2.4, False),
    "CPU of an event, at once, beside the floor": (2.0, False),
    "CPU of an event, at once, beside nginx": (2.5, False),
    "calls a second on one core, beside LiteLLM": (100, True),
    "calls a second on one core, beside Portkey": (5, False),
    "CPU of an event, paced, translated beside passed through": (2, True),
    "CPU of an event, at once, translated beside passed through": (6, False),
    "added to the first byte at 70 % of the capacity, p99": (7, True),
    "memory of an open stream": (41, False),
    "CPU of a plain call, ledger on PostgreSQL beside SQLite": (1.5, False),
}


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.measure)
def test_each_goal(goal: Goal) -> None:
    value = goal.value(EVERYTHING)
    expected, met = JUDGED[goal.measure]
    assert value is not None
    assert value == pytest.approx(expected)
    assert goal.met(value) is met


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.measure)
def test_what_was_not_measured_is_not_judged(goal: Goal) -> None:
    assert goal.value(Measurements()) is None


def test_the_table_says_which_are_met() -> None:
    lines = goals_table(EVERYTHING).splitlines()
    assert lines[2] == "| CPU of a plain call, beside the floor | ≤ 1.6× | 1.50× | yes |"
    assert lines[9] == "| calls a second on one core, beside LiteLLM | ≥ 80× | 100.00× | yes |"
    assert lines[14] == "| memory of an open stream | ≤ 40 KiB | 41.00 KiB | no |"
    assert goals_table(Measurements()).splitlines()[2].endswith("| ≤ 1.6× | – | not measured |")
