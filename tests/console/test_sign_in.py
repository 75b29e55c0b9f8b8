"""Getting in, and out."""

from __future__ import annotations

from playwright.sync_api import expect

from .house import MEMBER, PASSWORD, House
from .viewer import Viewer


def test_a_password_lets_in_and_another_does_not(guest: Viewer) -> None:
    page = guest.open("/tokens")
    page.get_by_label("User name or email").fill(MEMBER)
    page.get_by_label("Password", exact=False).first.fill("something else")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("The user name or the password is wrong.")
    guest.expected("403")
    page.locator("input[type=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation", name="Main menu")).to_be_visible()
    assert page.url.endswith("/tokens")


def test_whoever_signs_out_is_out(guest: Viewer) -> None:
    page = guest.open("/")
    page.get_by_label("User name or email").fill(MEMBER)
    page.locator("input[type=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Account of Ann").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_whose_session_has_ended_signs_in_again_where_they_were(guest: Viewer, home: House) -> None:
    page = guest.open("/tokens")
    page.get_by_label("User name or email").fill(MEMBER)
    page.locator("input[type=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Tokens")).to_be_visible()
    page.context.clear_cookies()
    page.get_by_role("link", name="Logs").first.click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.url == f"{home.url}/logs"
    guest.expected("401")


def test_a_theme_and_a_language_are_chosen_and_kept(guest: Viewer) -> None:
    page = guest.open("/login")
    root = page.locator("html")
    expect(root).to_have_attribute("data-mantine-color-scheme", "light")
    page.get_by_role("button", name="Dark theme").click()
    page.get_by_role("button", name="Language").click()
    page.get_by_role("menuitem", name="中文").click()
    for _ in range(2):
        expect(page.get_by_role("heading", level=1)).to_have_text("登录")
        expect(root).to_have_attribute("lang", "zh-CN")
        expect(root).to_have_attribute("data-mantine-color-scheme", "dark")
        page.reload()
    page.get_by_role("button", name="浅色").click()
    page.get_by_role("button", name="Language").click()
    page.get_by_role("menuitem", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    expect(root).to_have_attribute("data-mantine-color-scheme", "light")
