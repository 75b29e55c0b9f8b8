"""The table: every figure of a run, in the order in which they were measured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from .figures import noting, pytest_terminal_summary


class _Reporter:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def section(self, title: str) -> None:
        self.lines.append(title)

    def line(self, text: str) -> None:
        self.lines.append(text)


def _printed(stash: pytest.Stash) -> list[str]:
    reporter: Any = _Reporter()
    config: Any = SimpleNamespace(stash=stash)
    pytest_terminal_summary(reporter, config)
    lines: list[str] = reporter.lines
    return lines


def test_a_run_that_measured_nothing_prints_nothing() -> None:
    assert _printed(pytest.Stash()) == []


def test_what_is_noted_is_printed() -> None:
    stash = pytest.Stash()  # not that of this run, whose table would have them
    note = noting(stash)
    note("abort is seen, p99", 0.123456, "≤ 1 s")
    note("settled", "2000 of 2000")
    assert _printed(stash) == [
        "figures",
        "figure              measured      goal",
        "abort is seen, p99  0.123         ≤ 1 s",
        "settled             2000 of 2000",
    ]
