"""What a member's calls are paid from: codes, orders, and what came in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from .house import DOLLAR, House
from .viewer import Viewer


@pytest.fixture
def paid(home: House) -> Iterator[None]:
    options = {"PaymentWebhookSecret": "x" * 40, "PaymentLink": "https://pay.example/", "PaymentPrice": "2"}
    for key, value in options.items():
        home.asked("PUT", "/option", {"key": key, "value": value})
    yield
    home.asked("PUT", "/option", {"key": "PaymentWebhookSecret", "value": ""})


def test_a_code_is_redeemed_once(member: Viewer, home: House) -> None:
    (code,) = home.asked("POST", "/redemption", {"name": "gift", "quota": 3 * DOLLAR, "count": 1})
    before = home.member.ask("GET", "/api/user/self")[1]["data"]["quota"]
    page = member.open("/topup")
    page.get_by_label("Redemption code").fill(f" {code.lower()} ")
    page.get_by_role("button", name="Redeem").click()
    expect(page.get_by_text("$3.00 came in.")).to_be_visible()
    expect(page.get_by_role("region", name="What came in")).to_contain_text("$3.00")
    assert home.member.ask("GET", "/api/user/self")[1]["data"]["quota"] == before + 3 * DOLLAR
    page.get_by_label("Redemption code").fill(code)
    page.get_by_role("button", name="Redeem").click()
    expect(page.get_by_role("main").get_by_role("alert")).to_be_visible()
    member.expected("/api/user/topup")


@pytest.mark.usefixtures("paid")
def test_quota_is_ordered_and_paid_elsewhere(member: Viewer, home: House) -> None:
    page = member.open("/topup")
    page.get_by_label("Amount in USD").fill("10")
    expect(page.get_by_text("That gives $5.00 of quota.")).to_be_visible()
    page.get_by_role("button", name="Order", exact=True).click()
    link = page.get_by_role("link", name="Pay 10 USD now")
    expect(link).to_be_visible()
    assert str(link.get_attribute("href")).startswith("https://pay.example/")
    (order,) = home.member.ask("GET", "/api/topup/order")[1]["data"]
    assert (order["status"], order["quota"]) == ("open", 5 * DOLLAR)
    expect(page.get_by_role("region", name="Buy quota")).to_contain_text("to be paid")


def test_where_nothing_can_be_paid_no_order_is_offered(member: Viewer) -> None:
    page = member.open("/topup")
    expect(page.get_by_role("heading", name="Buy quota")).to_have_count(0)


def test_codes_are_sold_where_root_says(member: Viewer, home: House) -> None:
    home.asked("PUT", "/option", {"key": "TopUpLink", "value": "https://shop.example/buy?x=1"})
    link = member.open("/topup").get_by_role("link", name="Get a code")
    assert str(link.get_attribute("href")).startswith("https://shop.example/buy?x=1&username=ann&user_id=")
