"""Nothing is left behind by a test: no task that goes on, nothing of asyncio's complaints.

Warnings are errors (``pyproject.toml``), also those of objects that are deleted without having been closed or awaited:
pytest reports what is raised where nobody can catch it. What asyncio only logs (a pending task that was destroyed, an
exception that nobody asked for) and what a closed loop hides (a task that was still running) is found here.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from lab.audit import left_of

__all__ = ["asyncio_complains", "no_task_left", "pytest_collection_modifyitems"]


@pytest.fixture(autouse=True)
def asyncio_complains() -> Iterator[None]:
    """Fails the test during which asyncio logs an error."""
    handler = _Kept(logging.ERROR)
    log = logging.getLogger("asyncio")
    log.addHandler(handler)
    yield
    log.removeHandler(handler)
    assert handler.said == []


class _Kept(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@pytest.fixture
async def no_task_left(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Fails the test that leaves a task behind; not where the gateway is that of the whole module, which goes on."""
    before = asyncio.all_tasks()
    yield
    if not _shares(request.node):
        left = await left_of(before, within=1.0)
        assert left == [], f"tasks are left: {left}"


def _shares(item: Any) -> bool:
    """Whether it uses what other tests use as well, and what runs on between them."""
    definitions = [definition for found in item._fixtureinfo.name2fixturedefs.values() for definition in found]
    return any(each.scope != "function" and inspect.isasyncgenfunction(each.func) for each in definitions)


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Has the tests that are coroutines use ``no_task_left``: it is set up before what they use, and looks after it.

    Not by a mark, which would stay on the functions of a contract, and follow them to who inherits them elsewhere.
    """
    for item in items:
        if not isinstance(item, pytest.Function) or not inspect.iscoroutinefunction(item.obj):
            continue
        known = item.session._fixturemanager.getfixturedefs("no_task_left", item)
        if known and "no_task_left" not in item.fixturenames:
            item.fixturenames.insert(0, "no_task_left")
