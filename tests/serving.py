"""Programs that listen on a port, run as somebody would run them, and always ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["COMMAND", "serving"]

COMMAND = [sys.executable, "-m", "oneapi_asgi"]

_READY_SECONDS = 30.0
_END_SECONDS = 20.0


@contextmanager
def serving(
    command: Sequence[str], port: int, *, cwd: Path, environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The command as a process that accepts connections on ``port``; ended as an operator would, by SIGTERM.

    Its environment has nothing of ours that could be meant for the gateway.
    """
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("ONEAPI_", "OPENAI_", "COVERAGE_"))
    }
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**own, "PYTHONUNBUFFERED": "1", **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(process, port)
            yield process
        finally:
            _end(process)
            log.seek(0)
            said = log.read().decode(errors="replace")
            sys.stdout.write(said)  # shown by pytest when something fails
        assert "Traceback" not in said, said
        assert process.returncode in (0, -signal.SIGTERM), said


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on port {port}; exit code {process.poll()}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
