"""Getting in, and out."""

from __future__ import annotations

from playwright.sync_api import Route, expect

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


def test_whose_code_came_too_late_goes_back(guest: Viewer) -> None:
    page = guest.open("/login?second_factor=required")
    page.get_by_label("Code").fill("123456")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    guest.expected("status of 4")
    page.get_by_role("button", name="To the sign-in").click()
    page.get_by_label("User name or email").fill(MEMBER)
    page.locator("input[type=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation", name="Main menu")).to_be_visible()


def test_a_link_to_set_a_password_is_for_who_has_signed_in_too(member: Viewer) -> None:
    page = member.open("/user/reset?email=ann%40example.org&token=gone")
    page.get_by_label("New password", exact=False).first.fill("quite another password")
    page.get_by_label("New password, once more").fill("quite another password")
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_role("alert")).to_be_visible()
    member.expected("status of 4")


def test_who_is_asked_to_be_a_person_hears_that_it_cannot_be(guest: Viewer) -> None:
    def asks(route: Route) -> None:
        answer = route.fetch()
        said = answer.json()
        said["data"] |= {"turnstile_check": True, "turnstile_site_key": "key"}
        route.fulfill(response=answer, json=said)

    guest.page.route("**/api/status", asks)
    guest.page.route("https://challenges.cloudflare.com/**", lambda route: route.abort())
    page = guest.open("/reset")
    expect(page.get_by_role("alert")).to_contain_text("challenges.cloudflare.com")
    expect(page.get_by_role("button", name="Send the link")).to_be_disabled()
    guest.expected("challenges.cloudflare.com")


def test_who_has_neither_password_nor_code_is_told_to_sign_in_once_more(root: Viewer, home: House) -> None:
    def elsewhere(route: Route) -> None:
        answer = route.fetch()
        said = answer.json()
        said["data"]["has_password"] = False
        route.fulfill(response=answer, json=said)

    def doubt(route: Route) -> None:
        route.fulfill(status=403, json={"success": False, "message": "Confirm.", "code": "confirmation_required"})

    root.page.route("**/api/user/whoami", elsewhere)
    root.page.route("**/api/channel/*/key*", doubt)
    page = root.open(f"/channels/{home.asked('GET', '/channel?keyword=claude')[0]['id']}")
    page.get_by_role("button", name="Show the keys").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("sign in once more")
    expect(dialog.get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Escape")
    root.expected("status of 403")


def test_a_gateway_that_is_away_for_a_moment_takes_no_page_away(member: Viewer) -> None:
    member.page.clock.install()
    page = member.open("/account")
    page.get_by_label("Display name").fill("half-typed")
    page.route("**/api/user/whoami", lambda route: route.fulfill(status=500, json={"message": "away"}))
    page.clock.fast_forward(60_000)
    with page.expect_response("**/api/user/whoami"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))")
    member.page.wait_for_timeout(200)
    expect(page.get_by_label("Display name")).to_have_value("half-typed")
    member.expected("status of 500")


def test_what_is_left_is_asked_for_anew_with_each_page(member: Viewer) -> None:
    member.page.clock.install()
    page = member.open("/")
    page.clock.fast_forward(60_000)
    with page.expect_response("**/api/user/whoami"):
        page.get_by_role("link", name="Tokens").click()


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
