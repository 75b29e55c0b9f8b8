"""Figures that tests measure, printed as one table at the end of a run: what was measured, and what it should be.

::

    @pytest.mark.slow
    @pytest.mark.figures
    async def test_many_leave(figure: Figure) -> None:
        ...
        figure("1,000 callers leave: upstream sees it, p99", "0.12 s", "≤ 1 s")
        assert p99 <= 1

Noting a figure asserts nothing: a goal that was missed is to be seen beside the others, then fails its test.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import pytest

__all__ = ["Figure", "figure", "noting", "pytest_terminal_summary"]


class Figure(Protocol):
    def __call__(self, name: str, value: object, goal: str = "") -> None:
        """``value`` is printed as it is, floats with three digits that count; it has its unit with it."""
        ...


class _Noted(NamedTuple):
    name: str
    value: str
    goal: str


_NOTED = pytest.StashKey[list[_Noted]]()


def noting(stash: pytest.Stash) -> Figure:
    noted = stash.setdefault(_NOTED, [])

    def note(name: str, value: object, goal: str = "") -> None:
        noted.append(_Noted(name, f"{value:.3g}" if isinstance(value, float) else str(value), goal))

    return note


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """Notes a figure for the table, if the test is one of those that are marked for it."""
    marked = request.node.get_closest_marker("figures") is not None
    return noting(request.config.stash if marked else pytest.Stash())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = [_Noted("figure", "measured", "goal"), *config.stash.get(_NOTED, [])]
    if len(rows) == 1:
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    terminalreporter.section("figures")
    for row in rows:
        terminalreporter.line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
