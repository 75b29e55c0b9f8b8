"""Runs the replica with a wall clock that is wrong: ``python -m faults.skewed SECONDS JUMP PLAN``.

It is ahead by so many seconds from the start on, and by ``JUMP`` more from each SIGUSR1 on. The monotonic clock stays
what it is, as on a machine whose time somebody sets.
"""

from __future__ import annotations

import runpy
import signal
import sys
import time

_true = time.time
_ahead = 0.0


def _wrong() -> float:
    return _true() + _ahead


def _set(seconds: float) -> None:
    global _ahead
    _ahead = seconds


def main(ahead: float, jump: float) -> None:
    _set(ahead)
    time.time = _wrong
    time.time_ns = lambda: int(_wrong() * 1e9)
    signal.signal(signal.SIGUSR1, lambda *_: _set(_ahead + jump))
    runpy.run_module("faults.replica", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _program, _ahead_by, _jump, *_rest = sys.argv
    sys.argv = [_program, *_rest]
    main(float(_ahead_by), float(_jump))
