"""What all tests have: a look at what they leave behind, the table of figures, and databases that are used again."""

from __future__ import annotations

import gc
import os
from pathlib import Path

from lab.figures import figure, pytest_terminal_summary
from leaks import asyncio_complains, no_task_left, pytest_collection_modifyitems
from servers.prepared import prepared

__all__ = [
    "asyncio_complains",
    "figure",
    "no_task_left",
    "prepared",
    "pytest_collection_finish",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_terminal_summary",
]


MEMORY = Path("/dev/shm")  # of Linux
ROOM = 4 << 30
"""Bytes: a run needs less than one GiB."""


def pytest_configure() -> None:
    """Programs that tests start keep their bytecode, as those of everybody who runs them do: to compile all modules
    anew is most of a start.

    Files of tests lie in memory where there is room: a disk that is written to by all others as well stands still for
    longer, now and then, than a ledger may take.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    place = os.statvfs(MEMORY) if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) else None
    if place is not None and place.f_bavail * place.f_frsize >= ROOM and not place.f_flag & os.ST_NOEXEC:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_collection_finish() -> None:
    """The tests themselves, which are many, are not to be walked over each time that garbage is looked for."""
    gc.collect()
    gc.freeze()
