"""What it costs to have the library, and to have the gateway stand by."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from ports import free_port
from serving import COMMAND, serving

SECONDS = 0.3
TIMES = 2.5
"""What it may take of what its dependencies alone take, where the machine is too slow for the seconds."""
ROUNDS = 7
MEGABYTES = 80

EXTRAS = [
    "aiohttp",
    "alembic",
    "botocore",
    "click",
    "cryptography",
    "genai_prices",
    "httptools",
    "jwt",
    "rich",
    "sqlalchemy",
    "uvicorn",
]
DEPENDENCIES = "anyio, cachetools, httpx2, msgspec, starlette.requests"
PROBE = """
import json, sys, time
began = time.perf_counter()
import {modules}
print(json.dumps([time.perf_counter() - began, sorted({{name.partition(".")[0] for name in sys.modules}})]))
"""


def _import_afresh(modules: str = "oneapi_asgi") -> tuple[float, set[str]]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    probe = PROBE.format(modules=modules)
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, env=environ, check=True, timeout=60)
    seconds, modules = json.loads(done.stdout)
    return seconds, set(modules)


def test_the_library_is_imported_quickly() -> None:
    taken, without = [_import_afresh()[0]], [_import_afresh(DEPENDENCIES)[0]]
    while len(taken) < ROUNDS and min(taken) >= max(SECONDS, TIMES * min(without)):
        taken.append(_import_afresh()[0])
        without.append(_import_afresh(DEPENDENCIES)[0])
    assert min(taken) < max(SECONDS, TIMES * min(without)), (taken, without)


def test_the_library_imports_no_extra() -> None:
    assert not _import_afresh()[1] & set(EXTRAS)


@pytest.mark.parametrize("module", EXTRAS)
def test_extras_are_named_as_they_are_imported(module: str) -> None:
    """Otherwise the test above could not fail."""
    __import__(module)


WITHOUT_GREENLET = """
import sys
sys.modules["greenlet"] = None  # comes with the drivers of PostgreSQL and MySQL, which are extras of their own
from oneapi_asgi.cli import main
main()
"""


def test_a_gateway_on_sqlite_needs_no_driver(tmp_path: Path) -> None:
    port = free_port()
    with serving([sys.executable, "-c", WITHOUT_GREENLET, "serve", "--port", str(port)], port, cwd=tmp_path):
        assert (tmp_path / "oneapi.db").exists()


def test_an_idle_gateway_is_small(tmp_path: Path) -> None:
    port = free_port()
    with serving([*COMMAND, "serve", "--port", str(port)], port, cwd=tmp_path) as process:
        gateway = psutil.Process(process.pid)
        resident = sum(each.memory_info().rss for each in (gateway, *gateway.children(recursive=True)))
    assert (tmp_path / "oneapi.db").exists()
    assert resident < MEGABYTES * 2**20, f"{resident / 2**20:.1f} MB"
