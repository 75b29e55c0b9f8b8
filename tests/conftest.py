"""What all tests have: a look at what they leave behind, the table of figures, and databases that are used again."""

from __future__ import annotations

import gc
import os

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


def pytest_configure() -> None:
    """Programs that tests start keep their bytecode, as those of everybody who runs them do: to compile all modules
    anew is most of a start."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_finish() -> None:
    """The tests themselves, which are many, are not to be walked over each time that garbage is looked for."""
    gc.collect()
    gc.freeze()
