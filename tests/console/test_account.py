"""One's own account: who one is, how one gets in, and the end of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pyotp
import pytest
from admin.whole import Person
from playwright.sync_api import Browser, expect

from .house import PASSWORD, House
from .viewer import Viewer, viewing


@pytest.fixture
def carol(home: House) -> Person:
    """A member of a test's own, whose account may be changed at will."""
    name = f"carol{secrets.token_hex(3)}"
    home.asked("POST", "/user", {"username": name, "password": PASSWORD})
    person = Person(home.root.port)
    person.login(name)
    return person


@pytest.fixture
def viewer(browser: Browser, home: House, carol: Person) -> Iterator[Viewer]:
    with viewing(browser, home.url, carol.cookie) as opened:
        yield opened


def test_names_and_the_reminder_are_changed(viewer: Viewer, carol: Person) -> None:
    page = viewer.open("/account")
    page.get_by_label("Display name").fill("Carol of the tests")
    page.get_by_label("Remind me below").fill("2.5")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Account of Carol of the tests")).to_be_visible()
    row = carol.ask("GET", "/api/user/self")[1]["data"]
    assert (row["display_name"], row["remind_quota"]) == ("Carol of the tests", 1_250_000)


def test_a_name_that_is_taken_is_refused_at_its_field(viewer: Viewer) -> None:
    page = viewer.open("/account")
    page.get_by_label("User name").fill("ann")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Another user has this username already")).to_be_visible()
    viewer.expected("409")


def test_a_password_is_changed_by_who_knows_the_present_one(viewer: Viewer, carol: Person) -> None:
    page = viewer.open("/account")
    name = carol.ask("GET", "/api/user/self")[1]["data"]["username"]
    page.get_by_label("Present password").fill("something else")
    page.get_by_label("New password", exact=False).first.fill("quite another password")
    page.get_by_label("New password, once more").fill("quite another password")
    page.get_by_role("button", name="Change it").click()
    expect(page.get_by_text("Send your present password along")).to_be_visible()
    viewer.expected("403")
    page.get_by_label("Present password").fill(PASSWORD)
    page.get_by_role("button", name="Change it").click()
    expect(page.get_by_text("Your password is changed.")).to_be_visible()
    Person(carol.port).login(name, "quite another password")


def test_a_second_factor_is_switched_on_and_off(viewer: Viewer, carol: Person) -> None:
    page = viewer.open("/account")
    page.get_by_role("button", name="Switch it on").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("img", name="The secret as a QR code")).to_be_visible()
    secret = dialog.get_by_label("Secret", exact=True).inner_text().strip()
    dialog.get_by_label("Code that the app shows").fill(pyotp.TOTP(secret).now())
    dialog.get_by_role("button", name="Switch it on").click()
    codes = page.get_by_role("dialog", name="Recovery codes").locator("pre").inner_text().split()
    assert len(codes) == 10
    page.get_by_role("button", name="I have kept them").click()
    expect(page.get_by_text("10 recovery codes left")).to_be_visible()
    assert carol.ask("GET", "/api/user/2fa/status")[1]["data"]["enabled"]
    page.get_by_role("button", name="Switch it off").click()
    page.get_by_role("dialog").get_by_role("button", name="Switch it off").click()
    expect(page.get_by_role("button", name="Switch it on")).to_be_visible()
    assert not carol.ask("GET", "/api/user/2fa/status")[1]["data"]["enabled"]


def test_sessions_are_ended_but_for_this_one(viewer: Viewer, carol: Person) -> None:
    name = carol.ask("GET", "/api/user/self")[1]["data"]["username"]
    other = Person(carol.port)
    other.login(name)
    page = viewer.open("/account")
    page.get_by_role("button", name="Sign out everywhere else").click()
    expect(page.get_by_text("1 session has ended.")).to_be_visible()
    assert other.ask("GET", "/api/user/self")[0] == 401
    assert carol.ask("GET", "/api/user/self")[0] == 200


def test_an_access_token_is_shown_once_and_taken_back(viewer: Viewer, carol: Person) -> None:
    page = viewer.open("/account")
    page.get_by_role("button", name="Make a token").click()
    page.get_by_role("dialog").get_by_role("button", name="Make a token").click()
    token = page.get_by_label("Access token", exact=True).inner_text().strip()
    script = Person(carol.port)
    assert script.ask("GET", "/api/user/self", headers={"authorization": token})[0] == 200
    page.get_by_role("button", name="Take it back").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert script.ask("GET", "/api/user/self", headers={"authorization": token})[0] == 200
    page.get_by_role("button", name="Take it back").click()
    page.get_by_role("dialog").get_by_role("button", name="Take it back").click()
    expect(page.get_by_text("There is no access token any more.")).to_be_visible()
    assert token not in page.content()
    assert script.ask("GET", "/api/user/self", headers={"authorization": token})[0] == 401


def test_an_invitation_leads_to_registering(viewer: Viewer, home: House, carol: Person) -> None:
    page = viewer.open("/account")
    before = carol.ask("GET", "/api/user/aff")[1]["data"]
    shown = page.get_by_label("Invitation", exact=True)
    expect(shown).to_have_text(f"{home.url}/register?aff={before}")
    page.get_by_role("button", name="Another link").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Another link").click()
    page.get_by_role("dialog").get_by_role("button", name="Another link").click()
    expect(shown).not_to_contain_text(before)
    after = carol.ask("GET", "/api/user/aff")[1]["data"]
    expect(shown).to_have_text(f"{home.url}/register?aff={after}")


def test_an_account_is_deleted_by_who_types_its_name(viewer: Viewer, carol: Person) -> None:
    name = carol.ask("GET", "/api/user/self")[1]["data"]["username"]
    page = viewer.open("/account")
    page.get_by_role("button", name="Delete my account").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Delete my account")).to_be_disabled()
    dialog.get_by_role("textbox").fill(name)
    dialog.get_by_role("button", name="Delete my account").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert carol.ask("GET", "/api/user/self")[0] == 401


def test_root_is_not_offered_to_leave(root: Viewer) -> None:
    page = root.open("/account")
    expect(page.get_by_role("button", name="Delete my account")).to_have_count(0)
