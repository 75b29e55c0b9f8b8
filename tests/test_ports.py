"""Ports that tests choose are given to nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ports import free_port

from benchmarks.processes import free_port as free_port_of_benchmarks

KERNEL = Path("/proc/sys/net/ipv4/ip_local_port_range")


@pytest.mark.skipif(not KERNEL.exists(), reason="Linux tells of which range it gives ports")
def test_the_kernel_gives_them_to_nobody() -> None:
    first = int(KERNEL.read_text().split()[0])
    assert all(1024 < port < first for port in (free_port(), free_port_of_benchmarks()))


def test_those_of_workers_are_apart() -> None:
    program = "from ports import free_port; print(*(free_port() for _ in range(900)))"
    found = []
    for worker in ("gw0", "gw1"):
        environ = {**os.environ, "PYTEST_XDIST_WORKER": worker, "PYTHONPATH": str(Path(__file__).parent)}
        told = subprocess.run([sys.executable, "-c", program], env=environ, check=True, capture_output=True, text=True)
        found.append({int(port) for port in told.stdout.split()})
    one, other = found
    assert (len(one), len(other), one & other) == (900, 900, set())
