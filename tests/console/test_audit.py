"""Who did what."""

from __future__ import annotations

from playwright.sync_api import expect

from .house import House
from .viewer import Viewer


def test_what_was_done_is_listed_and_found(root: Viewer, home: House) -> None:
    page = root.open("/audit?kind=manage")
    found = home.asked("GET", "/audit?kind=manage&page_size=20")
    table = page.get_by_role("region", name="Audit").locator("tbody tr")
    expect(table).to_have_count(len(found))
    page.get_by_label("Action").fill("channel.add")
    page.keyboard.press("Enter")
    expect(table).to_have_count(len(home.asked("GET", "/audit?action=channel.add")))
    assert "action=channel.add" in page.url


def test_one_of_them_opens(root: Viewer) -> None:
    page = root.open("/audit?action=channel.add&target=channel+1")
    page.get_by_role("button", name="made the channel openai-main").click()
    drawer = page.get_by_role("dialog", name="What was done")
    for part in ("channel.add", "channel 1", "root", "127.0.0.1"):
        expect(drawer).to_contain_text(part)


def test_nothing_that_fits_is_said(root: Viewer) -> None:
    page = root.open("/audit?actor=nobody")
    expect(page.get_by_text("Nothing fits")).to_be_visible()
