"""The benchmarks of the storage, run for a moment: that they run, and the one ratio that has to hold anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.slow


def measure(folder: Path, *words: str) -> list[dict[str, Any]]:
    """Every single measurement; the table goes to nobody."""
    file = folder / "measured.json"
    command = [sys.executable, "-m", "benchmarks", *words, "--databases", "sqlite", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    measured: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return measured


def test_a_group_of_256_callers_is_three_times_as_fast_as_one_by_one(tmp_path: Path) -> None:
    words = ("--only", "single,group", "--callers", "256", "--seconds", "0.4", "--rounds", "3")
    measured = measure(tmp_path, "ledger", *words)
    rates = {
        way: sorted(one["calls"] / one["seconds"] for one in measured if one["way"] == way)[1]
        for way in ("single", "group")
    }
    assert rates["group"] >= 3 * rates["single"]


def test_records_are_written_copied_and_read(tmp_path: Path) -> None:
    written, *asked = measure(tmp_path, "records", "--days", "11", "--seconds", "0.01")
    assert written["records"] == 100_000
    assert {one["rows"] for one in asked} == {110_000}
