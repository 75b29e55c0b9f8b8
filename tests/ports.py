"""Ports of 127.0.0.1 that nobody listens on, and nobody but the asker is going to."""

from __future__ import annotations

import contextlib
import os
import random
import socket
from itertools import count

__all__ = ["free_port"]

_EACH, _WORKERS = 1_000, 16
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
_FIRST = 16_000 + _EACH * _WORKER
_NEXT = count(random.randrange(_EACH))  # at random, for other runs of the tests on the same machine


def free_port() -> int:
    """Below those that the kernel gives to whoever asks for any, and apart from those of the tests that run beside.

    Of the kernel's range, a server of another test could be given it before the one that is meant listens, or while it
    is down, and be asked in its place; and a client that tries a closed port of that range again and again can even
    connect to itself.
    """
    while True:
        port = _FIRST + next(_NEXT) % _EACH
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
