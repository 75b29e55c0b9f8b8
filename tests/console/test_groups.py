"""The page of groups."""

from __future__ import annotations

from playwright.sync_api import expect

from .house import House
from .viewer import Viewer


def test_a_group_is_made_edited_and_deleted(root: Viewer, home: House) -> None:
    page = root.open("/groups")
    page.get_by_role("button", name="Add a group").click()
    form = page.get_by_role("dialog", name="Add a group")
    form.get_by_role("textbox", name="Name").fill("vip/gold")
    form.get_by_role("textbox", name="Ratio").fill("0.8")
    form.get_by_role("textbox", name="Note").fill("of long standing")
    form.get_by_role("button", name="Save").click()
    row = page.get_by_role("row").filter(has_text="vip/gold")
    expect(row).to_contain_text("× 0.8")
    expect(row).to_contain_text("80%")
    row.get_by_role("button", name="Edit").click()
    form = page.get_by_role("dialog", name="Edit vip/gold")
    form.get_by_role("textbox", name="Ratio").fill("0.123456789")
    form.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("× 0.123456789")
    (kept,) = [group for group in home.asked("GET", "/groups") if group["name"] == "vip/gold"]
    assert (kept["ratio"], kept["note"]) == ("0.123456789", "of long standing")
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    assert [group for group in home.asked("GET", "/groups") if group["name"] == "vip/gold"] == []


def test_who_uses_a_group_is_a_click_away(root: Viewer, home: House) -> None:
    users = sum(user["group"] == "default" for user in home.asked("GET", "/user?page_size=100"))
    page = root.open("/groups")
    row = page.get_by_role("row").filter(has_text="default")
    expect(row).to_contain_text("not set")
    link = row.get_by_role("link", name=str(users), exact=True).first
    link.click()
    page.wait_for_url("**/users?group=default")
    expect(page.get_by_role("heading", name="Users")).to_be_visible()


def test_what_cannot_be_is_told_at_its_field(root: Viewer) -> None:
    page = root.open("/groups")
    page.get_by_role("button", name="Add a group").click()
    form = page.get_by_role("dialog", name="Add a group")
    form.get_by_role("textbox", name="Name").fill("dear")
    form.get_by_role("textbox", name="Ratio").fill("99999999999")
    form.get_by_role("button", name="Save").click()
    expect(form).to_contain_text("A ratio is a number from 0")
    expect(form.get_by_role("textbox", name="Ratio")).to_have_attribute("aria-invalid", "true")
    root.expected("status of 400")
