"""Somebody in front of a page, who hears its complaints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypedDict, Unpack

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, ViewportSize

__all__ = ["DESKTOP", "PHONE", "Language", "Theme", "Viewer", "looking", "sitting", "viewing"]

Language = Literal["en", "zh"]
Theme = Literal["light", "dark"]

DESKTOP = ViewportSize(width=1280, height=800)
PHONE = ViewportSize(width=390, height=844)

_LOCALES = {"en": "en-US", "zh": "zh-CN"}
_SECONDS = 10
_QUIET_MS, _LOOK_MS = 100, 25


@dataclass
class Viewer:
    """``complaints`` are errors and warnings of the page: scripts that failed, what its policy forbade, answers of 4xx
    and 5xx. A test in which one is expected takes it out by ``expected``. ``under_way`` is what it still waits for."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    under_way: set[Request] = field(default_factory=set)

    def open(self, path: str) -> Page:
        """The page at that address, with all that it shows at first."""
        self.page.goto(self.url + path)
        self.page.get_by_role("heading", level=1).first.wait_for()
        quiet = 0
        while quiet < _QUIET_MS:  # a browser's own "networkidle" takes half a second of every page
            self.page.wait_for_timeout(_LOOK_MS)
            quiet = 0 if self.under_way else quiet + _LOOK_MS
        return self.page

    def expected(self, part: str) -> None:
        """Forget complaints that have ``part``; there has to be one."""
        kept = [said for said in self.complaints if part not in said]
        assert len(kept) < len(self.complaints), f"nobody complained of {part!r}: {self.complaints}"
        self.complaints[:] = kept


class Look(TypedDict, total=False):
    """On a desktop, light and in English, if it is not said otherwise."""

    size: ViewportSize
    theme: Theme
    language: Language


@contextmanager
def sitting(
    browser: Browser,
    url: str,
    cookie: str = "",
    *,
    size: ViewportSize = DESKTOP,
    theme: Theme = "light",
    language: Language = "en",
) -> Iterator[BrowserContext]:
    """A browser of somebody's, which keeps what it has loaded. ``cookie`` is that of a session, as ``name=value``."""
    context = browser.new_context(
        viewport=size, color_scheme=theme, locale=_LOCALES[language], timezone_id="Europe/Berlin", accept_downloads=True
    )
    context.set_default_timeout(_SECONDS * 1000)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    if cookie:
        name, _, value = cookie.partition("=")
        context.add_cookies([{"name": name, "value": value, "url": url}])
    try:
        yield context
    finally:
        context.close()


@contextmanager
def looking(context: BrowserContext, url: str) -> Iterator[Viewer]:
    """A page of it. Fails at its end if the page complained of anything."""
    page = context.new_page()
    viewer = Viewer(page, url)

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            viewer.complaints.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    page.on("console", heard)

    def ended(request: Request) -> None:
        viewer.under_way.discard(request)

    page.on("request", lambda request: viewer.under_way.add(request))
    page.on("requestfinished", ended)
    page.on("requestfailed", ended)
    page.on("pageerror", lambda error: viewer.complaints.append(f"pageerror: {error}"))
    try:
        yield viewer
    finally:
        page.close()
    assert not viewer.complaints, viewer.complaints


@contextmanager
def viewing(
    browser: Browser,
    url: str,
    cookie: str = "",
    **look: Unpack[Look],
) -> Iterator[Viewer]:
    """A page of a browser that has nothing of it yet."""
    with sitting(browser, url, cookie, **look) as context, looking(context, url) as viewer:
        yield viewer
