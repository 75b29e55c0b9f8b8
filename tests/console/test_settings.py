"""The page of settings: every option can be set, where it belongs or by its name."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from oneapi_asgi.admin.console.app import STATIC
from oneapi_asgi.desk.options import OPTIONS

from .house import PASSWORD, House
from .viewer import Viewer

PLACES = STATIC.parent / "web" / "src" / "pages" / "settings" / "options.ts"


def section(page: Page, name: str) -> Locator:
    return page.get_by_role("form", name=name, exact=True)


def saved(page: Page, form: Locator) -> None:
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(form.get_by_role("button", name="Save")).to_be_disabled()


def value_of(home: House, name: str) -> Any:
    return {row["key"]: row["value"] for row in home.asked("GET", "/option")}[name]


def is_kept(home: House, name: str) -> bool:
    return bool({row["key"]: row["kept"] for row in home.asked("GET", "/option/about")}[name])


def test_every_option_has_its_place() -> None:
    placed = set(re.findall(r'"([A-Z]\w+)"', PLACES.read_text("utf-8")))
    named = {name for name, option in OPTIONS.items() if option.kind != "ratios"}
    assert placed & OPTIONS.keys() == named, "prices and groups have pages of their own"


def test_what_was_changed_is_saved_and_seen(root: Viewer, home: House) -> None:
    page = root.open("/settings")
    form = section(page, "This site")
    expect(form.get_by_role("button", name="Save")).to_be_disabled()
    form.get_by_role("textbox", name="Name of this site").fill("Our gateway")
    saved(page, form)
    assert value_of(home, "SystemName") == "Our gateway"
    expect(page.get_by_role("banner")).to_contain_text("Our gateway")
    home.asked("PUT", "/option", {"key": "SystemName", "value": "One API"})


def test_texts_are_seen_as_they_will_look(root: Viewer, home: House) -> None:
    page = root.open("/settings")
    form = section(page, "Texts")
    form.get_by_role("textbox", name="Notice").fill("**Soon** <b onclick=alert(1)>down</b>")
    form.get_by_role("radiogroup", name="Notice: Preview").get_by_text("Preview").click()
    expect(form.locator("strong")).to_have_text("Soon")
    expect(form).to_contain_text("<b onclick=alert(1)>down</b>")
    saved(page, form)
    assert value_of(home, "Notice").startswith("**Soon**")
    home.asked("PUT", "/option", {"key": "Notice", "value": ""})


def test_what_cannot_be_is_told_at_its_field_and_the_rest_is_saved(root: Viewer, home: House) -> None:
    page = root.open("/settings?tab=mail")
    form = section(page, "Mail server")
    form.get_by_role("textbox", name="Port").fill("99999")
    form.get_by_role("textbox", name="Server").fill("smtp.example.org")
    form.get_by_role("button", name="Save").click()
    expect(form).to_contain_text("is a whole number from 0 to 65535")
    expect(form.get_by_role("textbox", name="Port")).to_have_attribute("aria-invalid", "true")
    root.expected("status of 400")
    assert (value_of(home, "SMTPServer"), value_of(home, "SMTPPort")) == ("smtp.example.org", "587")
    home.asked("PUT", "/option", {"key": "SMTPServer", "value": ""})


def test_what_requires_another_is_switched_on_with_it_at_once(root: Viewer, home: House) -> None:
    page = root.open("/settings?tab=signIn")
    form = section(page, "GitHub")
    switch = form.get_by_role("switch", name="Sign-in by GitHub")
    switch.click()
    form.get_by_role("button", name="Save").click()
    expect(form).to_contain_text("set that first")
    root.expected("status of 400")
    form.get_by_role("textbox", name="Client ID").fill("our-id")
    form.get_by_role("textbox", name="Client secret").fill("canary-secret")
    saved(page, form)
    assert value_of(home, "GitHubOAuthEnabled") == "true"
    assert is_kept(home, "GitHubClientSecret")
    page.reload()
    secret = form.get_by_role("textbox", name="Client secret")
    expect(secret).to_have_value("")
    expect(secret).to_have_attribute("placeholder", re.compile("Set; it is not shown"))
    assert "canary-secret" not in page.content()
    switch.click()
    form.get_by_role("button", name="Remove").click()
    expect(form).to_contain_text("It is removed when you save.")
    saved(page, form)
    assert not is_kept(home, "GitHubClientSecret")


def test_quotas_are_in_dollars(root: Viewer, home: House) -> None:
    page = root.open("/settings?tab=money")
    form = section(page, "Given to users")
    form.get_by_role("textbox", name="For a new user").fill("0.5")
    saved(page, form)
    assert value_of(home, "QuotaForNewUser") == "250000"
    home.asked("PUT", "/option", {"key": "QuotaForNewUser", "value": "0"})
    page.get_by_role("main").get_by_role("link", name="Prices").click()
    page.wait_for_url("**/prices?of=all")


def test_a_test_alert_says_what_became_of_it(root: Viewer) -> None:
    page = root.open("/settings?tab=monitoring")
    page.get_by_role("button", name="Send a test alert").click()
    expect(page.get_by_text("Mail: not set up. Webhook: not set up.")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("ChatLink", "https://chat.example.org", "https://chat.example.org"),
        ("ModelRatio", '{"ratio-model": 2}', "2"),
        ("PaymentPrice", "7.3", "7.3"),
    ],
)
def test_every_option_is_set_by_its_name(root: Viewer, home: House, name: str, value: str, kept: str) -> None:
    page = root.open("/settings?tab=all")
    expect(page.get_by_role("row")).to_have_count(len(OPTIONS) + 1)
    page.get_by_role("searchbox").fill(name)
    page.get_by_role("button", name=f"Edit of {name}").click()
    form = page.get_by_role("dialog", name=f"Set {name}")
    form.get_by_role("textbox", name=name).fill(value)
    form.get_by_role("button", name="Save").click()
    expect(form).to_have_count(0)
    expect(page.get_by_role("row").filter(has_text=name).first).to_contain_text(kept)
    assert kept in value_of(home, name)


def test_another_tab_is_not_shown_unasked_while_something_is_not_saved(root: Viewer) -> None:
    page = root.open("/settings")
    section(page, "This site").get_by_role("textbox", name="Logo").fill("/x.svg")
    page.get_by_role("tab", name="Mail").click()
    dialog = page.get_by_role("dialog", name="Leave without saving?")
    dialog.get_by_role("button", name="Cancel").click()
    expect(section(page, "This site").get_by_role("textbox", name="Logo")).to_have_value("/x.svg")
    page.get_by_role("tab", name="Mail").click()
    dialog.get_by_role("button", name="Leave").click()
    expect(section(page, "Mail server")).to_be_visible()


def test_nobody_signs_out_of_what_is_not_saved_unasked(guest: Viewer) -> None:
    page = guest.open("/settings")
    page.get_by_label("User name or email").fill("root")
    page.locator("input[type=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    logo = section(page, "This site").get_by_role("textbox", name="Logo")
    logo.fill("/x.svg")
    dialog = page.get_by_role("dialog", name="Leave without saving?")

    def sign_out(answer: str) -> None:
        page.get_by_role("button", name="Account of root").click()
        page.get_by_role("menuitem", name="Sign out").click()
        dialog.get_by_role("button", name=answer).click()
        expect(dialog).to_have_count(0)

    sign_out("Cancel")
    expect(logo).to_have_value("/x.svg")
    sign_out("Leave")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
