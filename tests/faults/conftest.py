from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.databases import KINDS, Kind, fresh


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


@pytest.fixture
def database(kind: Kind, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of each kind."""
    with fresh(kind, tmp_path) as url:
        yield url
