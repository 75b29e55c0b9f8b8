"""A page that cannot be shown takes nothing else with it."""

from __future__ import annotations

from playwright.sync_api import Browser, Route, expect

from .house import House
from .viewer import viewing


def test_pages_that_are_gone_since_an_upgrade_say_so(browser: Browser, home: House) -> None:
    """Its files have other names then, and an open tab asks for those of before."""

    def gone(route: Route) -> None:
        route.fulfill(status=404, body="")

    with viewing(browser, home.url, home.root.cookie) as viewer:
        page = viewer.open("/")
        page.route("**/assets/*.js", gone)
        page.get_by_role("link", name="Prices").click()
        told = page.get_by_role("main").get_by_role("alert")
        expect(told).to_contain_text("module")
        page.get_by_role("link", name="Dashboard").click()
        expect(told).to_have_count(0)
        expect(page.get_by_role("heading", level=1)).to_have_text("Dashboard")
        page.get_by_role("link", name="Prices").click()
        page.unroute("**/assets/*.js")
        told.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Prices")
        viewer.expected("404")
        viewer.complaints[:] = [said for said in viewer.complaints if "module" not in said]
