"""The log, one call in detail, and what is taken out of both."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Locator, Page, expect

from .house import House
from .viewer import Viewer

TABLE = "Logs"


def rows(page: Page) -> Locator:
    return page.get_by_role("region", name=TABLE).locator("tbody tr")


@pytest.mark.parametrize(
    ("address", "query"),
    [
        ({}, {}),
        ({"type": "2"}, {"type": 2}),
        ({"type": "3"}, {"type": 3}),
        ({"model": "gpt-4o"}, {"model_name": "gpt-4o"}),
        ({"token": "phone", "username": "ann"}, {"token_name": "phone", "username": "ann"}),
        ({"channel": "3"}, {"channel": 3}),
        ({"page": "2", "size": "50"}, {"p": 1, "page_size": 50}),
    ],
)
def test_an_address_shows_what_the_administration_finds(
    root: Viewer, home: House, address: dict[str, str], query: dict[str, object]
) -> None:
    page = root.open(f"/logs?{urlencode(address)}")
    found = home.asked("GET", f"/log?{urlencode({'page_size': 20, **query})}")
    assert len(found) > 0
    expect(rows(page)).to_have_count(len(found))


def test_filters_are_kept_in_the_address_and_the_sum_follows(root: Viewer, home: House) -> None:
    page = root.open("/logs")
    page.get_by_role("combobox", name="Model").fill("gpt-4o-mini")
    page.keyboard.press("Enter")
    page.wait_for_url("**/logs?model=gpt-4o-mini")
    spent = home.asked("GET", "/log/stat?model_name=gpt-4o-mini")["quota"] / 500_000
    expect(page.get_by_text("Calls that fit cost together")).to_contain_text(f"${spent:.6f}".rstrip("0"))
    page.reload()
    expect(page.get_by_role("combobox", name="Model")).to_have_value("gpt-4o-mini")


def test_rows_that_are_no_calls_have_no_sum(root: Viewer) -> None:
    page = root.open("/logs")
    sum_ = page.get_by_text("Calls that fit cost together")
    expect(sum_).to_be_visible()
    for type_, shown in (("Management", 0), ("Call", 1), ("System", 0)):
        page.get_by_role("combobox", name="Type").click()
        page.get_by_role("option", name=type_, exact=True).click()
        expect(sum_).to_have_count(shown)
    page.get_by_role("combobox", name="Type").click()
    page.get_by_role("option", name="Call", exact=True).click()
    page.get_by_label("Keyword").fill("past-1-1")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(1)
    expect(sum_).to_have_count(0)


def test_a_span_of_ones_own_is_taken_in_the_viewers_zone(root: Viewer) -> None:
    page = root.open("/logs?time=own")
    page.get_by_label("From").fill("2026-01-31T12:00")
    assert "since=1769857200" in page.url  # 11:00 in UTC


def test_a_keyword_finds_a_call(root: Viewer, home: House) -> None:
    page = root.open("/logs")
    page.get_by_label("Keyword").fill("past-1-1")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("combobox", name="Model").fill("no-such-model")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing fits")).to_be_visible()
    page.get_by_role("button", name="Show everything").click()
    expect(page.get_by_label("Keyword")).to_be_empty()


def test_a_call_opens_with_its_attempts_and_its_price(root: Viewer, home: House) -> None:
    page = root.open("/logs?keyword=past-1-1")
    page.get_by_role("button", name="gpt-4o-mini").click()
    drawer = page.get_by_role("dialog", name="A call")
    call = home.asked("GET", "/log/call/past-1-1")
    expect(drawer).to_contain_text("past-1-1")
    expect(drawer).to_contain_text("openai-main · key 1")
    expect(drawer).to_contain_text(f"${call['bill']['exact_usd']}")
    for line in call["bill"]["lines"]:
        expect(drawer).to_contain_text(f"${line['amount_usd']}")
    assert "call=past-1-1" in page.url
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    page.go_back()
    expect(drawer).to_be_visible()


def test_a_failed_call_says_why(root: Viewer) -> None:
    page = root.open("/logs?call=past-0-0")
    drawer = page.get_by_role("dialog", name="A call")
    expect(drawer).to_contain_text("the upstream failed")
    expect(drawer).to_contain_text("status 503")


def test_members_see_their_own_and_no_channel(member: Viewer, home: House) -> None:
    page = member.open("/logs?username=root&channel=1")
    expect(rows(page)).to_have_count(20)
    for hidden in ("openai-main", "claude\n", "Delete old"):
        assert hidden not in page.locator("main").inner_text()
    page.get_by_role("region", name=TABLE).get_by_role("button").first.click()
    drawer = page.get_by_role("dialog", name="A call")
    expect(drawer).to_contain_text("Attempt 1")
    assert "openai-main" not in drawer.inner_text()


def test_the_log_is_given_as_a_file(root: Viewer, folder: Path) -> None:
    page = root.open("/logs?token=ci&type=2")
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="CSV").click()
    download.value.save_as(folder / "log.csv")
    _, *lines = (folder / "log.csv").read_text("utf-8").splitlines()
    assert len(lines) > 20
    assert all(",ci," in line for line in lines)


def test_old_records_go_after_it_was_confirmed(root: Viewer, home: House) -> None:
    before = int(time.time()) - 25 * 86_400
    page = root.open("/logs")
    day = time.strftime("%Y-%m-%d", time.gmtime(before))
    page.get_by_role("button", name="Delete old").click()
    page.get_by_label("Before this day").fill(day)
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Cancel").click()
    assert home.asked("GET", f"/log?end_timestamp={before - 86_400}&type=2") != []
    page.get_by_role("button", name="Delete old").click()
    page.get_by_label("Before this day").fill(day)
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Delete them").click()
    expect(page.get_by_role("alert").filter(has_text="are gone")).to_be_visible()
    assert home.asked("GET", f"/log?end_timestamp={before - 86_400}&type=2") == []


def test_what_does_not_fit_can_be_widened(root: Viewer) -> None:
    page = root.open("/logs?model=no-such-model")
    page.get_by_role("button", name="Show everything").click()
    expect(page.get_by_role("region", name=TABLE)).to_be_visible()
