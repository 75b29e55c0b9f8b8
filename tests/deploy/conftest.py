from __future__ import annotations

from pathlib import Path

import pytest

from .nginx import find_nginx


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def program(pytestconfig: pytest.Config) -> Path:
    """A real nginx; skips the test where there is none to be had."""
    assert pytestconfig.cache is not None
    return find_nginx(pytestconfig.cache.mkdir("nginx"))
