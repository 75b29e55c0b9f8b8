"""The gateway under cProfile: counts calls between two signals, and writes them down when it ends.

SIGUSR1 begins, SIGUSR2 pauses. Only the thread of the event loop is looked at.
"""

from __future__ import annotations

import argparse
import cProfile
import runpy
import signal
import sys
from pathlib import Path

__all__: list[str] = []


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profiled")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    profile = cProfile.Profile()
    signal.signal(signal.SIGUSR1, lambda *_: profile.enable())
    signal.signal(signal.SIGUSR2, lambda *_: profile.disable())
    sys.argv = ["oneapi-asgi", "serve", "--config", str(options.config), "--port", str(options.port)]
    try:
        runpy.run_module("oneapi_asgi", run_name="__main__")
    finally:
        profile.disable()
        profile.create_stats()
        profile.dump_stats(options.output)


if __name__ == "__main__":
    main()
