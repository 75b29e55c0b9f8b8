"""What calls add up to, as the first page shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from .house import MODELS, PASSWORD, House, house
from .viewer import Viewer, viewing

MONTH = "/?range=30d"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("bare"), bare=True) as opened:
        yield opened


def day(ago: int) -> str:
    return str(datetime.now(UTC).date() + timedelta(days=ago))


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True).first


def test_the_cards_say_what_the_administration_adds_up(root: Viewer, home: House) -> None:
    page = root.open(MONTH)
    rows = home.asked("GET", f"/statistics?by=day&since={day(-29)}")
    calls, failed = sum(row["calls"] for row in rows), sum(row["failed"] for row in rows)
    expect(card(page, "Calls")).to_contain_text(str(calls))
    expect(card(page, "Error rate")).to_contain_text(f"{failed / calls * 100:.1f}".rstrip("0").rstrip(".") + "%")
    expect(card(page, "Spend")).to_contain_text(f"${sum(row['cost'] for row in rows) / 1e9:.2f}")


def test_a_range_is_kept_in_the_address(root: Viewer) -> None:
    page = root.open("/")
    page.get_by_text("90 days").click()
    expect(page.get_by_text("nothing before").first).to_be_visible()
    assert "range=90d" in page.url
    page.get_by_text("From–to").click()
    page.get_by_label("Last day (UTC)").fill(day(-3))
    page.get_by_label("First day (UTC)").fill(day(-5))
    assert f"from={day(-5)}" in page.url
    assert f"to={day(-3)}" in page.url
    page.reload()
    expect(page.get_by_label("First day (UTC)")).to_have_value(day(-5))


def test_sums_of_what_was_asked_for_before_are_not_taken_for_what_is_asked_for_now(root: Viewer) -> None:
    page = root.open("/?range=7d")
    waiting: list[Route] = []
    page.route("**/api/statistics?*", lambda route: waiting.append(route))
    page.get_by_text("30 days").click()
    late = page.get_by_role("main").locator("[aria-busy=true]")
    expect(late).to_have_class(re.compile("late"))
    expect(late).to_contain_text("Spend")
    for route in waiting:
        route.continue_()
    expect(late).to_have_count(0)


def test_no_errors_before_is_not_nothing(root: Viewer) -> None:
    def fewer(route: Route) -> None:
        answer = route.fetch()
        said = answer.json()
        said["data"] = [row | {"failed": 0} for row in said["data"]]
        route.fulfill(response=answer, json=said)

    root.page.route("**/api/statistics?*", fewer)
    page = root.open("/?range=7d")
    expect(card(page, "Error rate")).to_contain_text("0% in the same span before")


def test_today_is_told_by_the_hour_in_the_viewers_zone(root: Viewer, home: House) -> None:
    page = root.open("/?range=24h&by=all")
    chart = page.get_by_role("region", name="Calls", exact=True).last
    chart.get_by_role("button", name="Show as table").click()
    cells = [int(text) for text in chart.locator("tbody td").all_inner_texts()]
    assert len(cells) == 24
    since = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=23)
    rows = home.asked("GET", f"/statistics?by=hour&since={day(-1)}")
    assert sum(cells) == sum(row["calls"] for row in rows if row["hour"] >= f"{since:%Y-%m-%dT%H}") > 0
    expect(chart.locator("tbody th").first).to_contain_text(re.compile("GMT.[12]"))


def test_how_long_first_contents_took_is_told_by_the_hour(root: Viewer, home: House) -> None:
    page = root.open("/?range=24h&by=all")
    chart = page.get_by_role("region", name="Average time to the first content")
    chart.get_by_role("button", name="Show as table").click()
    known = [text for text in chart.locator("tbody td").all_inner_texts() if text != "–"]
    rows = home.asked("GET", f"/statistics?by=hour&since={day(-1)}")
    assert 0 < len(known) <= sum(row["first_contents"] > 0 for row in rows)
    assert "300 ms" in known
    root.open("/?range=7d")
    expect(page.get_by_role("region", name="Average time of a call")).to_be_visible()
    expect(chart).to_have_count(0)


def test_a_chart_is_a_table_too_and_a_line_can_be_hidden(root: Viewer) -> None:
    page = root.open(MONTH)
    chart = page.get_by_role("region", name="Calls", exact=True).last
    line = chart.get_by_role("button", name=MODELS[0], exact=True)
    line.click()
    expect(line).to_have_attribute("aria-pressed", "false")
    chart.locator(".u-over").hover()
    expect(chart.locator(".chart-tip")).to_contain_text("UTC")
    expect(chart.locator(".chart-tip").get_by_text(MODELS[0], exact=True)).to_have_count(0)
    chart.get_by_role("button", name="Show as table").click()
    expect(chart.get_by_role("row")).to_have_count(31)
    assert set(chart.get_by_role("columnheader").all_inner_texts()) == {"Day (UTC)", *MODELS}


def test_what_is_chosen_at_the_top_narrows_the_page(root: Viewer, home: House) -> None:
    page = root.open(f"{MONTH}&by=token")
    page.get_by_role("region", name="Users", exact=True).get_by_role("button", name="ann").click()
    expect(page.get_by_text("User: ann")).to_be_visible()
    rows = home.asked("GET", f"/statistics?by=user&username=ann&since={day(-29)}")
    expect(card(page, "Calls")).to_contain_text(str(rows[0]["calls"]))
    page.get_by_role("button", name="Remove this filter").click()
    expect(page.get_by_text("User: ann")).to_have_count(0)


def test_members_see_their_own_alone(member: Viewer, home: House) -> None:
    page = member.open(f"{MONTH}&by=channel")
    rows = home.asked("GET", f"/statistics?by=user&username=ann&since={day(-29)}")
    expect(card(page, "Calls")).to_contain_text(str(rows[0]["calls"]))
    expect(card(page, "Balance")).to_contain_text("$")
    assert page.get_by_role("region", name="Channels").count() == 0
    assert page.get_by_text("openai-main").count() == 0


def test_the_figures_are_given_as_a_file(root: Viewer, folder: Path) -> None:
    page = root.open(f"{MONTH}&by=user")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    download.value.save_as(folder / "sums.csv")
    head, *rows = (folder / "sums.csv").read_text("utf-8").splitlines()
    assert head.startswith("day,")
    assert len(rows) >= 30
    assert "ann" in "".join(rows)


def test_without_calls_it_says_what_to_do(browser: Browser, bare: House) -> None:
    bare.asked("POST", "/user", {"username": "new", "password": PASSWORD})
    bare.member.login("new")
    with viewing(browser, bare.url, bare.member.cookie) as viewer:
        page = viewer.open("/")
        expect(page.get_by_text("No calls in this time")).to_be_visible()
        expect(page.get_by_role("link", name="Make a token")).to_be_visible()


def test_without_calls_of_a_model_all_can_be_shown(root: Viewer) -> None:
    page = root.open("/?model=no-such-model")
    page.get_by_role("button", name="Show everything").click()
    expect(page.get_by_role("region", name="Models", exact=True)).to_be_visible()
