"""Every page, to everybody who may open it: without a complaint, light, whole at every width, in both languages and
themes, and for those who cannot see it or have no mouse (axe).

    ONEAPI_SCREENSHOTS=screenshots pytest tests/console/test_pages.py -m "slow or not slow"

keeps a picture of each in that folder.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from oneapi_asgi.admin.console.app import PAGES, STATIC

from .house import House
from .viewer import DESKTOP, PHONE, Language, Theme, Viewer, looking, sitting

AXE = STATIC.parent / "web" / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = os.environ.get("ONEAPI_SCREENSHOTS")
SIZES = {"desktop": DESKTOP, "phone": PHONE}

OPEN = (
    "/account",
    "/live",
    "/logs",
    "/playground",
    "/prices",
    "/tokens",
    "/topup",
    "/",
    "/?range=24h",
    "/about",
    "/user/nothing-here",
)
"""What everybody sees who has signed in."""

CLOSED = (
    "/audit",
    "/channels",
    "/channels/1",
    "/channels/new",
    "/groups",
    "/redemptions",
    "/settings",
    "/settings?tab=all",
    "/settings?tab=money",
    "/settings?tab=signIn",
    "/setup",
    "/users",
)
"""What administrators see alone."""

PUBLIC = ("/login", "/register", "/reset", "/user/reset?email=a@b.example&token=t", "/about")

DRAWN = """() => ![...document.querySelectorAll('figure.chart')].some(one => !one.querySelector('canvas'))
  && [...document.querySelectorAll('figure.chart canvas')].every(one => {
    const copy = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    Object.assign(copy.canvas, { width: one.width, height: one.height });
    copy.drawImage(one, 0, 0);
    return copy.getImageData(0, 0, one.width, one.height).data.some(Boolean);
  })
  && !document.querySelector('.mantine-Skeleton-root, [aria-busy=true]')"""

MOST_BYTES = 350_000
WEIGHT = """performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))
  .filter(one => !new URL(one.name).pathname.startsWith('/api/')).reduce((sum, one) => sum + one.encodedBodySize, 0)"""

Look = tuple[str, Theme, Language]
LOOKS: tuple[Look, ...] = tuple(itertools.product(SIZES, get_args(Theme), get_args(Language)))
USUAL: tuple[Look, ...] = (("desktop", "light", "en"), ("phone", "dark", "zh"))


def visits() -> Iterator[Any]:
    for who, paths in (("root", OPEN + CLOSED), ("member", OPEN), ("guest", PUBLIC)):
        for path, look in itertools.product(paths, LOOKS):
            usual = look in USUAL and not (who == "member" and look != USUAL[0])
            name = f"{who}-{re.sub(r'[^a-z0-9]+', '-', path).strip('-') or 'dashboard'}-{'-'.join(look)}"
            yield pytest.param(who, path, look, name, id=name, marks=() if usual else pytest.mark.slow)


Sit = Callable[[str, Look], BrowserContext]


@pytest.fixture(scope="module")
def sit(browser: Browser, home: House) -> Iterator[Sit]:
    """A browser of each, which is kept."""
    cookies = {"root": home.root.cookie, "member": home.member.cookie, "guest": ""}
    with ExitStack() as stack:

        @cache
        def sit(who: str, look: Look) -> BrowserContext:
            size, theme, language = look
            opened = sitting(browser, home.url, cookies[who], size=SIZES[size], theme=theme, language=language)
            return stack.enter_context(opened)

        yield sit


@pytest.mark.parametrize(("who", "path", "look", "name"), [*visits()])
def test_page(home: House, sit: Sit, who: str, path: str, look: Look, name: str) -> None:
    size, _, language = look
    with looking(sit(who, look), home.url) as viewer:
        page = viewer.open(path)
        come_to_rest(page)
        keep(page, name)
        assert_fits(page, SIZES[size])
        assert_spoken(page, language)
        assert_accessible(page)
        assert_light(page, home.url)


def come_to_rest(page: Page) -> None:
    """Until all is drawn, and nothing moves any more."""
    deadline = time.monotonic() + 10
    while not page.evaluate(DRAWN):  # asked from outside: the page's policy lets nobody wait within it
        assert time.monotonic() < deadline, "something is still being loaded"
        page.wait_for_timeout(50)
    page.wait_for_timeout(150)


def keep(page: Page, name: str) -> None:
    if SHOTS:
        folder = Path(SHOTS)
        folder.mkdir(exist_ok=True)
        page.screenshot(path=folder / f"{name}.png", full_page=True)


def assert_fits(page: Page, size: ViewportSize) -> None:
    """Nobody has to scroll sideways to see the page."""
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def assert_spoken(page: Page, language: Language) -> None:
    """In its language; that no text is missing is seen to by the types."""
    assert page.evaluate("document.documentElement.lang") == {"en": "en", "zh": "zh-CN"}[language]
    title = page.get_by_role("heading", level=1).inner_text()
    assert (re.search(r"[\u4e00-\u9fff]{2}", title) is not None) == (language == "zh"), title


def assert_accessible(page: Page) -> None:
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    serious = [
        f"{one['id']}: {one['help']}: {node['target']} {node['html'][:200]} {node.get('failureSummary', '')}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
    assert serious == []


def assert_light(page: Page, url: str) -> None:
    """As it goes over the wire; and all of it comes from here."""
    assert 50_000 < page.evaluate(WEIGHT) <= MOST_BYTES
    origins = "performance.getEntriesByType('resource').map(one => new URL(one.name).origin)"
    assert {*page.evaluate(origins)} == {url}


def test_every_page_that_is_served_is_looked_at() -> None:
    seen = {path.strip("/").partition("/")[0].partition("?")[0] for path in (*OPEN, *CLOSED, *PUBLIC)}
    assert {*PAGES} - seen == {"oauth"}, "which leads on at once"


def test_pages_of_others_are_not_there_for_members(member: Viewer) -> None:
    for path in CLOSED:
        page = member.open(path)
        assert page.get_by_role("heading", level=1).inner_text() == "Nothing here", path
