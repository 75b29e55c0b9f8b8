from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from lab.audit import Audit, audit
from streams.conftest import anyio_backend

__all__ = ["anyio_backend"]


@pytest.fixture
async def audited() -> AsyncIterator[Audit]:
    """Looks after the test at what it leaves behind, but for memory: the first thousand calls at once of a process take
    some for good, and those after them none."""
    async with audit(memory=False) as told:
        yield told
