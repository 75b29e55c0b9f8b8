"""How soon something of a page is there."""

from __future__ import annotations

from statistics import median

import pytest
from lab.figures import Figure
from playwright.sync_api import Browser

from .house import House
from .viewer import viewing

PAINT_MS = 200
ROUNDS = 9

PAINTS = "Object.fromEntries(performance.getEntriesByType('paint').map(one => [one.name, one.startTime]))"


@pytest.mark.slow
@pytest.mark.figures
@pytest.mark.parametrize("path", ["/", "/channels", "/logs", "/settings"])
def test_something_is_there_soon(browser: Browser, home: House, path: str, figure: Figure) -> None:
    """From an empty cache each time; the median of some rounds, as other work on the machine is none of the page's."""
    first, content = [], []
    for _ in range(ROUNDS):
        with viewing(browser, home.url, home.root.cookie) as viewer:
            paints = viewer.open(path).evaluate(PAINTS)
            first.append(paints["first-paint"])
            content.append(paints["first-contentful-paint"])
    figure(f"{path}: first paint, median", f"{median(first):.0f} ms", f"< {PAINT_MS} ms")
    figure(f"{path}: first contentful paint, median", f"{median(content):.0f} ms")
    assert median(first) < PAINT_MS
