from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lab.audit import Audit, audit
from lab.rig import Lab, open_lab


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def audited(request: pytest.FixtureRequest) -> AsyncIterator[Audit]:
    """Looks after the test at what it leaves behind; at memory as well if it is one of the long ones."""
    async with audit(memory=request.node.get_closest_marker("slow") is not None) as told:
        yield told


@pytest.fixture
async def lab(tmp_path: Path, audited: Audit) -> AsyncIterator[Lab]:
    async with open_lab(tmp_path, audited) as opened:
        yield opened
