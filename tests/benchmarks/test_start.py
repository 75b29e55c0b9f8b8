"""Arithmetic of starts."""

from __future__ import annotations

from benchmarks.start import Start, rows_of, table


def test_starts_are_medians_and_the_longest_is_told() -> None:
    walls = (0.9, 3.0, 0.8)
    rows = rows_of([Start(what="again", round=n, wall=wall, cpu=wall / 2) for n, wall in enumerate(walls)])
    assert [(row.wall, row.cpu, row.longest) for row in rows] == [(0.9, 0.45, 3.0)]
    assert table(rows).splitlines()[-1] == "| again | 0.90 | 3.00 | 0.45 | yes |"


def test_cases_are_told_apart() -> None:
    starts = [Start(what=what, round=0, wall=wall, cpu=wall) for what, wall in (("a", 0.5), ("b", 1.0))]
    assert [line[-5:-2].strip() for line in table(rows_of(starts)).splitlines()[2:]] == ["yes", "no"]
