"""Tokens: made, shown once, limited, renewed, switched off, deleted; and those of others, for administrators."""

from __future__ import annotations

import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .house import House, settled
from .viewer import Viewer


def row_of(home: House, name: str) -> dict[str, Any] | None:
    found = home.member.ask("GET", f"/api/token/search?keyword={name}")[1]["data"]
    return next((row for row in found if row["name"] == name), None)


def make(page: Page, name: str) -> str:
    """The key that is shown."""
    page.get_by_role("button", name="Make a token").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name").fill(name)
    dialog.get_by_role("button", name="Make it").click()
    return page.get_by_label("Key", exact=True).inner_text().strip()


def act(page: Page, name: str, what: str) -> None:
    page.get_by_role("button", name=f"Actions: {name}").click()
    page.get_by_role("menuitem", name=what).click()


def test_a_token_is_made_with_its_limits_and_its_key_shown_once(member: Viewer, home: House) -> None:
    page = member.open("/tokens")
    page.get_by_role("button", name="Make a token").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name").fill("limited")
    dialog.get_by_label("Quota in dollars").fill("2.5")
    dialog.get_by_role("button", name="1 day").click()
    dialog.get_by_label("Models").fill("gpt-4o-mini,")
    dialog.get_by_label("Networks").fill("127.0.0.0/8,")
    dialog.get_by_label("Calls in a minute").fill("30")
    dialog.get_by_role("button", name="Make it").click()
    key = page.get_by_label("Key", exact=True).inner_text().strip()
    assert home.call(key, "gpt-4o-mini") == 200
    assert home.call(key, "gpt-4o") == 403
    page.get_by_role("button", name="I have kept it").click()
    row = row_of(home, "limited")
    assert row is not None
    assert abs(row["expired_time"] - time.time() - 86_400) < 120
    assert (row["models"], row["subnet"], row["requests_per_minute"]) == ("gpt-4o-mini", "127.0.0.0/8", 30)
    assert 0 < row["remain_quota"] <= 1_250_000
    shown = page.get_by_role("row", name="limited")
    expect(shown).to_contain_text("1 model")
    assert key not in page.content()


@pytest.mark.parametrize(
    ("tab", "part"),
    [
        ("curl", 'Authorization: Bearer {key}"'),
        ("Python", 'OpenAI(base_url="{url}/v1", api_key="{key}")'),
        ("NextChat", "https://app.nextchat.dev/#/?settings=%7B%22key%22%3A%22{key}"),
        (
            "LobeChat",
            "https://lobechat.com/?settings=%7B%22keyVaults%22%3A%7B%22openai%22%3A%7B%22apiKey%22%3A%22{key}",
        ),
        ("OpenCat", "opencat://team/join?domain="),
        ("AMA", "ama://set-api-key?server="),
    ],
)
def test_keys_are_copied_as_clients_take_them(member: Viewer, home: House, tab: str, part: str) -> None:
    page = member.open("/tokens")
    key = make(page, f"for {tab}")
    page.get_by_role("tab", name=tab).click()
    page.get_by_role("button", name=f"Copy: {tab}").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert part.format(key=key, url=home.url) in copied
    assert key in copied


def test_keys_are_copied_where_the_browser_has_no_clipboard(member: Viewer) -> None:
    """As on pages of http that are not this machine's."""
    member.page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page = member.open("/tokens")
    key = make(page, "for http")
    page.get_by_role("button", name="Copy: Key").click()
    expect(page.get_by_role("tooltip")).to_have_text("Copied")
    expect(page.get_by_role("button", name="Copy: Key")).to_be_focused()
    page.get_by_role("button", name="I have kept it").click()
    page.get_by_placeholder("Name begins with").focus()
    page.keyboard.press("ControlOrMeta+V")
    expect(page.get_by_placeholder("Name begins with")).to_have_value(key)


def test_a_key_is_not_put_away_by_accident(member: Viewer) -> None:
    page = member.open("/tokens")
    key = make(page, "not yet")
    page.keyboard.press("Escape")
    page.mouse.click(5, 5)
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Key", exact=True)).to_have_text(key)
    expect(dialog.get_by_role("button", name="Close")).to_have_count(0)


def test_a_copy_that_the_browser_forbids_is_told(member: Viewer) -> None:
    member.page.add_init_script("""
        Object.defineProperty(navigator, 'clipboard', { value: undefined });
        document.execCommand = () => false;
    """)
    page = member.open("/tokens")
    make(page, "for nobody")
    page.get_by_role("button", name="Copy: Key").click()
    expect(page.get_by_role("alert").filter(has_text="copied")).to_be_visible()


def test_a_token_in_debt_stays_so(member: Viewer, home: House) -> None:
    page = member.open("/tokens")
    key = make(page, "debtor")
    page.get_by_role("button", name="I have kept it").click()
    row = row_of(home, "debtor")
    assert row is not None
    home.member.ask("PUT", "/api/token", {"id": row["id"], "remain_quota": 5_000, "unlimited_quota": False})
    assert home.call(key, "gpt-4o", 'fake:{"usage": {"output": 3000}}', most=1) == 200, (
        "more than the upstream was asked for"
    )
    debt = settled(lambda: (row_of(home, "debtor") or {})["remain_quota"])
    page.reload()
    page.get_by_role("button", name="Edit: debtor").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Quota in dollars").focus()
    page.keyboard.press("Tab")
    dialog.get_by_role("textbox", name="Name").fill("debtor-still")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="debtor-still")).to_contain_text("-$0.0")
    after = row_of(home, "debtor-still")
    assert after is not None
    assert after["remain_quota"] == debt


def test_what_is_refused_is_said_at_its_field(member: Viewer) -> None:
    page = member.open("/tokens")
    page.get_by_role("button", name="Edit: phone").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name").fill("laptop")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("there is a token named laptop")).to_be_visible()
    member.expected("409")
    dialog.get_by_role("textbox", name="Name").fill("nowhere")
    dialog.get_by_label("Networks").fill("300.1,")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("That is no subnet")).to_be_visible()
    member.expected("400")


def test_what_was_spent_meanwhile_is_not_given_back_by_an_edit(member: Viewer, home: House) -> None:
    page = member.open("/tokens")
    key = make(page, "spender")
    page.get_by_role("button", name="I have kept it").click()
    page.get_by_role("button", name="Edit: spender").click()
    assert home.call(key, "gpt-4o") == 200
    page.get_by_role("dialog").get_by_role("textbox", name="Name").fill("saver")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="saver")).to_be_visible()
    after = row_of(home, "saver")
    assert after is not None
    assert after["remain_quota"] < 500_000


def test_another_key_takes_the_place_of_the_one_before(member: Viewer, home: House) -> None:
    page = member.open("/tokens")
    before = make(page, "turning")
    page.get_by_role("button", name="I have kept it").click()
    act(page, "turning", "New key")
    page.get_by_role("button", name="New key").click()
    after = page.get_by_label("Key", exact=True).inner_text().strip()
    assert before != after
    assert (home.call(before, "gpt-4o"), home.call(after, "gpt-4o")) == (401, 200)


def test_a_token_is_switched_off_and_on_and_deleted(member: Viewer, home: House) -> None:
    page = member.open("/tokens")
    make(page, "brief")
    page.get_by_role("button", name="I have kept it").click()
    for what, status in (("Disable", 2), ("Enable", 1)):
        act(page, "brief", what)
        expect(page.get_by_role("row", name="brief")).to_contain_text(f"{what}d")
        row = row_of(home, "brief")
        assert row is not None
        assert row["status"] == status
    act(page, "brief", "Delete")
    page.get_by_role("button", name="Cancel").click()
    assert row_of(home, "brief") is not None
    act(page, "brief", "Delete")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("row", name="brief")).to_have_count(0)
    assert row_of(home, "brief") is None


def test_administrators_see_everybodys_and_change_their_own_alone(root: Viewer) -> None:
    page = root.open("/tokens")
    expect(page.get_by_role("row", name="laptop")).to_have_count(0)
    page.get_by_role("switch", name="Everybody's").press("Space")
    laptop = page.get_by_role("row", name="laptop")
    expect(laptop).to_contain_text("ann")
    expect(laptop.get_by_role("button")).to_have_count(0)
    page.get_by_placeholder("Of whom").fill("roo")
    page.get_by_role("option", name="root").click()
    expect(laptop).to_have_count(0)
    expect(page.get_by_role("row", name="ci")).to_be_visible()
    assert "user=" in page.url


def test_members_are_not_offered_those_of_others(member: Viewer) -> None:
    page = member.open("/tokens?all=1")
    expect(page.get_by_role("row", name="laptop")).to_be_visible()
    expect(page.get_by_text("Everybody's")).to_have_count(0)
    page.get_by_placeholder("Name begins with").fill("zzz")
    expect(page.get_by_text("No token is like that")).to_be_visible()
