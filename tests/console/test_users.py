"""The page of users: what it shows, and what it does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from .house import PASSWORD, House, settled
from .viewer import Viewer, viewing

DOLLAR = 500_000


def row_of(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_text(name, exact=True))


def found(home: House, name: str) -> Any:
    (row,) = [row for row in home.asked("GET", f"/user?keyword={name}") if row["username"] == name]
    return row


def made(home: House, name: str, **more: object) -> Any:
    home.asked("POST", "/user", {"username": name, "password": PASSWORD, **more})
    return found(home, name)


def act(page: Page, name: str, what: str) -> None:
    page.get_by_role("button", name=f"Actions of {name}").click()
    page.get_by_role("menuitem", name=what).click()


def test_a_user_is_made_and_edited(root: Viewer, home: House) -> None:
    page = root.open("/users")
    page.get_by_role("button", name="Make a user").click()
    form = page.get_by_role("dialog", name="Make a user")
    form.get_by_role("textbox", name="User name").fill("cleo")
    form.get_by_role("textbox", name="Password").fill(PASSWORD)
    form.get_by_role("textbox", name="Balance").fill("2.5")
    form.get_by_role("button", name="Make a user").click()
    expect(row_of(page, "cleo")).to_contain_text("$2.50")
    assert found(home, "cleo")["quota"] == 5 * DOLLAR // 2

    page.get_by_role("button", name="Edit of cleo").click()
    form = page.get_by_role("dialog", name="Edit cleo")
    form.get_by_role("textbox", name="Email").fill("cleo@example.org")
    form.get_by_role("textbox", name="Display name").fill("Cleo C.")
    form.get_by_role("textbox", name="Remind below").fill("0.5")
    form.get_by_role("switch", name="Unlimited balance").click()
    form.get_by_role("button", name="Save").click()
    expect(row_of(page, "cleo")).to_contain_text("unlimited")
    row_of(page, "cleo").get_by_text("cleo", exact=True).hover()
    expect(page.get_by_role("tooltip")).to_contain_text("cleo@example.org")
    row = found(home, "cleo")
    assert (row["email"], row["display_name"], row["unlimited_quota"]) == ("cleo@example.org", "Cleo C.", True)
    assert row["remind_quota"] == DOLLAR // 2


def test_a_debt_is_not_forgiven_by_the_way(root: Viewer, home: House) -> None:
    made(home, "hal", quota=DOLLAR // 100)
    hal = type(home.root)(home.root.port)
    hal.login("hal")
    key = hal.ask("POST", "/api/token", {"name": "all", "unlimited_quota": True})[1]["data"]["key"]
    assert home.call(key, "gpt-4o", 'fake:{"usage": {"output": 3000}}', most=1) == 200, (
        "more than the upstream was asked for"
    )
    debt = settled(lambda: found(home, "hal")["quota"])
    page = root.open("/users?keyword=hal")
    page.get_by_role("button", name="Edit of hal").click()
    form = page.get_by_role("dialog", name="Edit hal")
    balance = form.get_by_role("textbox", name="Balance")
    balance.focus()
    page.keyboard.press("Tab")
    expect(balance).to_have_value(re.compile(r"^-\$0\.0"))
    form.get_by_role("textbox", name="Email").fill("hal@example.org")
    form.get_by_role("button", name="Save").click()
    expect(row_of(page, "hal")).to_contain_text("-$0.0")
    row = found(home, "hal")
    assert (row["email"], row["quota"]) == ("hal@example.org", debt)


def test_a_click_beside_a_form_does_not_close_it(root: Viewer) -> None:
    page = root.open("/users")
    page.get_by_role("button", name="Make a user").click()
    name = page.get_by_role("dialog", name="Make a user").get_by_role("textbox", name="User name")
    name.fill("half-typed")
    page.mouse.click(5, 5)
    expect(name).to_have_value("half-typed")


@pytest.mark.parametrize(
    ("label", "value", "told"),
    [("User name", "ann", "has this username already"), ("Password", "short", "A password has 8 characters or more")],
)
def test_what_cannot_be_is_told_at_its_field(root: Viewer, label: str, value: str, told: str) -> None:
    page = root.open("/users")
    page.get_by_role("button", name="Make a user").click()
    form = page.get_by_role("dialog", name="Make a user")
    form.get_by_role("textbox", name="User name").fill("nobody")
    form.get_by_role("textbox", name="Password").fill(PASSWORD)
    form.get_by_role("textbox", name=label).fill(value)
    form.get_by_role("button", name="Make a user").click()
    field = form.get_by_role("textbox", name=label)
    expect(field).to_have_attribute("aria-describedby", re.compile("-error"))
    expect(form).to_contain_text(told)
    root.expected("status of 4")


def test_a_user_is_topped_up_with_a_reason(root: Viewer, home: House) -> None:
    before = made(home, "dan", quota=DOLLAR)["quota"]
    page = root.open("/users?keyword=dan")
    page.get_by_role("button", name="Top up of dan").click()
    form = page.get_by_role("dialog", name="Top up dan")
    form.get_by_role("textbox", name="Amount").fill("3")
    form.get_by_role("textbox", name="Reason").fill("paid in cash")
    form.get_by_role("button", name="Top up").click()
    expect(row_of(page, "dan")).to_contain_text("$4.00")
    assert found(home, "dan")["quota"] == before + 3 * DOLLAR
    assert "paid in cash" in str(home.asked("GET", "/log?type=1"))


def test_roles_and_states_change(root: Viewer, home: House) -> None:
    made(home, "eve")
    page = root.open("/users?keyword=eve")
    act(page, "eve", "Make administrator")
    page.get_by_role("dialog").get_by_role("button", name="Make administrator").click()
    expect(row_of(page, "eve")).to_contain_text("Administrator")
    assert found(home, "eve")["role"] == 10
    act(page, "eve", "Take the administrator's role")
    page.get_by_role("dialog").get_by_role("button", name="Take the administrator's role").click()
    expect(row_of(page, "eve")).to_contain_text("Common")
    act(page, "eve", "Disable")
    expect(row_of(page, "eve")).to_contain_text("Disabled")
    assert (found(home, "eve")["role"], found(home, "eve")["status"]) == (1, 2)


def test_sessions_are_ended(root: Viewer, home: House) -> None:
    made(home, "finn")
    page = root.open("/users?keyword=finn")
    act(page, "finn", "End all sessions")
    page.get_by_role("dialog").get_by_role("button", name="End all sessions").click()
    expect(page.get_by_text("0 sessions ended.")).to_be_visible()


def test_a_user_is_deleted_by_name(root: Viewer, home: House) -> None:
    made(home, "gus")
    page = root.open("/users?keyword=gus")
    act(page, "gus", "Delete")
    question = page.get_by_role("dialog")
    sure = question.get_by_role("button", name="Delete")
    expect(sure).to_be_disabled()
    question.get_by_role("textbox").fill("gus")
    sure.click()
    expect(page.get_by_text("gus is gone.")).to_be_visible()
    expect(page.get_by_text("No users")).to_be_visible()
    assert home.asked("GET", "/user?keyword=gus") == []


def test_many_are_changed_at_once_and_who_was_not_is_told(root: Viewer, home: House) -> None:
    for name in ("many1", "many2"):
        made(home, name)
    page = root.open("/users")
    for name in ("many1", "many2", "root"):
        row_of(page, name).get_by_role("checkbox").click()
    page.get_by_role("toolbar").get_by_role("button", name="Disable").click()
    expect(page.get_by_text("2 users changed.")).to_be_visible()
    expect(page.get_by_text("1 were left as they are")).to_be_visible()
    assert {row["status"] for row in home.asked("GET", "/user?keyword=many")} == {2}


def test_what_is_out_of_sight_is_not_acted_on(root: Viewer, home: House) -> None:
    for name in ("seen1", "unseen1"):
        made(home, name)
    page = root.open("/users?keyword=seen1")
    expect(row_of(page, "unseen1")).to_be_visible()
    page.get_by_role("checkbox", name="Choose all").check()
    expect(page.get_by_role("toolbar")).to_contain_text("2 ")
    page.get_by_role("searchbox").fill("unseen1")
    expect(row_of(page, "seen1")).to_have_count(0)
    page.get_by_role("toolbar").get_by_role("button", name="Disable").click()
    expect(page.get_by_text("1 user changed.")).to_be_visible()
    assert (found(home, "seen1")["status"], found(home, "unseen1")["status"]) == (1, 2)


def test_a_list_that_cannot_be_renewed_says_so(root: Viewer, home: House) -> None:
    made(home, "ivy")
    page = root.open("/users?keyword=ivy")
    page.route("**/api/user?*", lambda route: route.fulfill(status=500, json={"success": False, "message": "no way"}))
    act(page, "ivy", "Disable")
    expect(page.get_by_role("main").get_by_role("alert")).to_contain_text("no way")
    expect(row_of(page, "ivy")).to_be_visible()
    root.expected("status of 500")
    page.unroute("**/api/user?*")
    page.get_by_role("main").get_by_role("button", name="Try again").click()
    expect(row_of(page, "ivy")).to_contain_text("Disabled")
    expect(page.get_by_role("main").get_by_role("alert")).to_have_count(0)


def test_what_is_looked_for_follows_the_address(root: Viewer) -> None:
    page = root.open("/users?keyword=ann")
    box = page.get_by_role("searchbox")
    expect(box).to_have_value("ann")
    page.get_by_role("link", name="Users").click()
    expect(box).to_be_empty()
    expect(row_of(page, "root")).to_be_visible()
    box.press_sequentially("bob", delay=200)  # slower than what is typed is heeded
    expect(box).to_have_value("bob")
    page.wait_for_url("**/users?keyword=bob")
    expect(row_of(page, "root")).to_have_count(0)


def test_users_are_looked_for_and_ordered(root: Viewer) -> None:
    page = root.open("/users")
    page.get_by_role("searchbox").fill("ann")
    expect(page.get_by_role("row")).to_have_count(2)
    assert "keyword=ann" in page.url
    page = root.open("/users")
    page.get_by_role("button", name="Calls").click()
    expect(page.get_by_role("columnheader", name="Calls")).to_have_attribute("aria-sort", "descending")
    expect(page.get_by_role("row").nth(1)).to_contain_text("ann")


def test_links_lead_to_the_calls_of_a_user(root: Viewer) -> None:
    page = root.open("/users?keyword=ann")
    act(page, "ann", "Calls in the log")
    page.wait_for_url("**/logs?username=ann")


@pytest.fixture
def admin(browser: Browser, home: House) -> Iterator[Viewer]:
    if not home.asked("GET", "/user?keyword=warden"):
        made(home, "warden", role=10)
    person = type(home.root)(home.root.port)
    person.login("warden")
    with viewing(browser, home.url, person.cookie) as viewer:
        yield viewer


def test_administrators_do_nothing_to_those_who_are_not_below(admin: Viewer) -> None:
    page = admin.open("/users")
    expect(row_of(page, "ann").get_by_role("button", name="Edit of ann")).to_be_visible()
    expect(page.get_by_role("button", name="Edit of root")).to_have_count(0)
    page.get_by_role("button", name="Actions of root").click()
    expect(page.get_by_role("menuitem")).to_have_count(2)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Actions of ann").click()
    expect(page.get_by_role("menuitem", name="Make administrator")).to_have_count(0)
