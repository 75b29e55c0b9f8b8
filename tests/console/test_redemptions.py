"""The page of redemption codes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from playwright.sync_api import Locator, Page, expect

from .house import House
from .viewer import Viewer

DOLLAR = 500_000


def row_of(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_text(name, exact=True))


def made(home: House, name: str) -> str:
    (code,) = home.asked("POST", "/redemption", {"name": name, "quota": DOLLAR})
    return str(code)


def test_codes_are_made_shown_once_and_kept(root: Viewer, home: House, folder: Path) -> None:
    page = root.open("/redemptions")
    page.get_by_role("button", name="Make codes").first.click()
    form = page.get_by_role("dialog", name="Make codes")
    form.get_by_role("textbox", name="Name").fill("Spring 2026")
    form.get_by_role("textbox", name="Amount").fill("1.25")
    form.get_by_role("textbox", name="How many").fill("3")
    form.get_by_role("button", name="Make codes").click()
    shown = page.get_by_role("dialog", name="3 codes")
    codes = shown.get_by_role("textbox").input_value().split("\n")
    assert len({*codes}) == 3
    shown.get_by_role("button", name="Copy").click()
    assert page.evaluate("navigator.clipboard.readText()").split("\n") == codes
    with page.expect_download() as loading:
        shown.get_by_role("button", name="Download").click()
    assert loading.value.suggested_filename == "Spring-2026.txt"
    loading.value.save_as(folder / "codes.txt")
    assert (folder / "codes.txt").read_text().split() == codes
    page.keyboard.press("Escape")
    expect(shown).to_be_visible()
    shown.get_by_role("button", name="I have kept them").click()
    expect(row_of(page, "Spring 2026")).to_have_count(3)
    expect(row_of(page, "Spring 2026").first).to_contain_text("$1.25")
    assert codes[0] not in page.content()
    status, said = home.member.ask("POST", "/api/user/topup", {"key": codes[0]})
    assert (status, said["data"]) == (200, 5 * DOLLAR // 4)
    page.reload()
    expect(page.get_by_text("by ann")).to_be_visible()


def test_a_code_is_switched_edited_and_deleted(root: Viewer, home: House) -> None:
    code = made(home, "autumn")
    page = root.open("/redemptions?keyword=autumn")
    row = row_of(page, "autumn")
    row.get_by_role("button", name="Disable").click()
    expect(row).to_contain_text("Disabled")
    status, _ = home.member.ask("POST", "/api/user/topup", {"key": code})
    assert status == 400
    row.get_by_role("button", name="Enable").click()
    expect(row).to_contain_text("Enabled")
    row.get_by_role("button", name="Edit").click()
    form = page.get_by_role("dialog")
    form.get_by_role("textbox", name="Amount").fill("9")
    form.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("$9.00")
    assert home.asked("GET", "/redemption?keyword=autumn")[0]["quota"] == 9 * DOLLAR
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No code is like that.", exact=False)).to_be_visible()
    assert home.asked("GET", "/redemption?keyword=autumn") == []


def test_codes_expire_at_a_time_of_the_viewer(root: Viewer, home: House) -> None:
    made(home, "winter")
    page = root.open("/redemptions?keyword=winter")
    row_of(page, "winter").get_by_role("button", name="Edit").click()
    form = page.get_by_role("dialog", name="Edit code")
    form.get_by_label("Expires").fill("2031-01-31T12:00")
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    noon = datetime(2031, 1, 31, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    assert home.asked("GET", "/redemption?keyword=winter")[0]["expired_time"] == noon.timestamp()
    row_of(page, "winter").get_by_role("button", name="Edit").click()
    expect(form.get_by_label("Expires")).to_have_value("2031-01-31T12:00")
    form.get_by_label("Expires").fill("")
    form.get_by_role("button", name="Save").click()
    expect(row_of(page, "winter")).to_contain_text("never")


def test_there_is_a_way_from_nothing(root: Viewer) -> None:
    page = root.open("/redemptions?keyword=no-such-code")
    expect(page.get_by_text("No codes")).to_be_visible()
    page.get_by_role("searchbox").fill("")
    page.wait_for_url("**/redemptions")
