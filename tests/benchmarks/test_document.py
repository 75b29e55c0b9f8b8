"""Reports as files: Markdown, with a plot beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.document import summary, write_report
from benchmarks.load import Load
from benchmarks.plot import bars_of, plot
from benchmarks.report import Measured, Measurements, rows_of
from benchmarks.traffic import Mode


def measured(proxy: str, cpu: float, mode: Mode = "plain") -> Measured:
    return Measured(proxy, mode, 32, 0, Load(1000, 1.0, 0.1, 0.2, 0.1), cpu, 1)


RUN = Measurements(
    closed=[measured("gateway", 0.6), measured("floor", 0.3), measured("floor", 0.9, "long")],
    absent={"nginx": "the program is not installed"},
)


def test_a_report_names_what_is_missing_and_shows_a_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "report.md"
    write_report(file, RUN)
    text = file.read_text(encoding="utf-8")
    assert "| plain | 32 | gateway | 1,000 | 600 | – | 2.00 |" in text
    assert "- nginx: the program is not installed" in text
    assert "(report.svg)" in text
    picture = (tmp_path / "report.svg").read_text(encoding="utf-8")
    assert "<svg" in picture


def test_without_anything_to_plot_there_is_no_plot(tmp_path: Path) -> None:
    file = tmp_path / "report.md"
    write_report(file, Measurements(absent={"floor": "a reason"}))
    assert "svg" not in file.read_text(encoding="utf-8")
    assert not plot([], tmp_path / "report.svg")
    assert list(tmp_path.iterdir()) == [file]


def test_parts_that_were_not_measured_have_no_heading() -> None:
    assert [line for line in summary(RUN).splitlines() if line.startswith("## ")] == [
        "## Goals",
        "## Closed loop",
        "## Left out",
    ]


def test_bars_rise() -> None:
    assert bars_of(rows_of(RUN.closed), "plain", lambda row: row.cpu) == {"floor": 300, "gateway": 600}
    assert list(bars_of(rows_of(RUN.closed), "plain", lambda row: row.cpu)) == ["floor", "gateway"]
