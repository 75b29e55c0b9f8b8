from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .serving import BOTH, Adapter, Kind, Rig, make_storage, open_rig


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=BOTH, ids="-".join)
def parts(request: pytest.FixtureRequest) -> tuple[Kind, Adapter]:
    """Storage and adapter."""
    kind, adapter = request.param
    return kind, adapter


@pytest.fixture
async def rig(parts: tuple[Kind, Adapter], tmp_path: Path) -> AsyncIterator[Rig]:
    kind, adapter = parts
    async with open_rig(make_storage(kind, tmp_path), adapter) as opened:
        yield opened
