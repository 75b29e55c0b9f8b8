"""What tests must not leave behind is found: each of these tests, run by itself, fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

_TESTS = Path(__file__).parent

_CONFTEST = """
import pytest
from leaks import asyncio_complains, no_task_left, pytest_collection_modifyitems

@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"
"""

_LEAKING = """
import asyncio, gc, socket

async def test_a_task_is_left():
    asyncio.create_task(asyncio.sleep(60))

async def test_a_task_is_destroyed():
    asyncio.get_running_loop().call_exception_handler({"message": "Task was destroyed but it is pending!"})

async def test_nothing_awaits_it():
    asyncio.sleep(0)
    gc.collect()

def test_a_socket_is_not_closed():
    socket.socket()
    gc.collect()

async def test_nothing_is_left():
    await asyncio.create_task(asyncio.sleep(0))
"""


@pytest.mark.timeout(60)
def test_leaks_are_found(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(_CONFTEST)
    (tmp_path / "test_leaking.py").write_text(_LEAKING)
    options = ["-c", str(_TESTS.parent / "pyproject.toml"), "--rootdir", str(tmp_path), "-p", "no:cacheprovider", "-rA"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(_TESTS)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    bad = set(re.findall(r"^(?:FAILED|ERROR) \S*::(\w+)", run.stdout, re.MULTILINE))
    assert bad == {
        "test_a_task_is_left",
        "test_a_task_is_destroyed",
        "test_nothing_awaits_it",
        "test_a_socket_is_not_closed",
    }, run.stdout
