"""Pages in a real browser. The browser, what it keeps of those who have signed in, and the gateway are those of a whole
module: no test may count on what another has done, nor take away what all need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from oneapi_asgi.admin.console.app import STATIC

from .chromium import find_chromium
from .house import House, house
from .viewer import Viewer, looking, sitting, viewing


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not (STATIC / "index.html").exists():
        pytest.skip("the console was not built when the project was installed: npm could not fetch what it needs")
    program = find_chromium()
    with (
        sync_playwright() as playwright,
        # Chromium's own sandbox needs rights that containers do not give
        playwright.chromium.launch(executable_path=program, args=["--no-sandbox"]) as opened,
    ):
        yield opened


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("home")) as opened:
        yield opened


@pytest.fixture(scope="module")
def seat_of_root(browser: Browser, home: House) -> Iterator[BrowserContext]:
    with sitting(browser, home.url, home.root.cookie) as context:
        yield context


@pytest.fixture
def root(seat_of_root: BrowserContext, home: House) -> Iterator[Viewer]:
    """The page as root sees it, who has signed in."""
    with looking(seat_of_root, home.url) as viewer:
        yield viewer


@pytest.fixture(scope="module")
def seat_of_member(browser: Browser, home: House) -> Iterator[BrowserContext]:
    with sitting(browser, home.url, home.member.cookie) as context:
        yield context


@pytest.fixture
def member(seat_of_member: BrowserContext, home: House) -> Iterator[Viewer]:
    """The page as somebody without a role sees it, who has signed in."""
    with looking(seat_of_member, home.url) as viewer:
        yield viewer


@pytest.fixture
def guest(browser: Browser, home: House) -> Iterator[Viewer]:
    """The page as it is before somebody has signed in, in a browser that has nothing of it yet."""
    with viewing(browser, home.url) as viewer:
        yield viewer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where downloads go."""
    return tmp_path
