"""The page of prices: what one pays, and what root makes of it."""

from __future__ import annotations

from decimal import Decimal

from playwright.sync_api import Locator, Page, expect

from .house import House
from .viewer import Viewer


def row_of(page: Page, model: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_text(model, exact=True))


def price_of(home: House, model: str) -> dict[str, object]:
    found: dict[str, object] = home.asked("GET", f"/price/{model}")
    return found


def test_members_see_what_they_pay_and_look_it_up(member: Viewer, home: House) -> None:
    price = price_of(home, "gpt-4o")
    page = member.open("/prices")
    row = row_of(page, "gpt-4o")
    expect(row).to_contain_text(f"${Decimal(str(price['input'])):.2f}")
    expect(row).to_contain_text("Built in")
    expect(page.get_by_role("radio")).to_have_count(0)
    page.get_by_role("searchbox").fill("CLAUDE")
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("searchbox").fill("no such model")
    expect(page.get_by_text("No model is called so.")).to_be_visible()


def test_the_cost_of_a_call_is_shown_beforehand(root: Viewer, home: House) -> None:
    home.asked("PUT", "/price/gpt-4o-mini", {"input": "1", "output": "4", "cache_read": "0.5", "per_call": "0.01"})
    page = root.open("/prices?of=all&keyword=gpt-4o-mini")
    row_of(page, "gpt-4o-mini").get_by_text("$4.00").click()
    details = page.get_by_role("dialog", name="gpt-4o-mini")
    details.get_by_role("textbox", name="Input tokens").fill("2000000")
    details.get_by_role("textbox", name="Of which cached").fill("1000000")
    details.get_by_role("textbox", name="Output tokens").fill("500000")
    expect(details.get_by_test_id("cost")).to_have_text("$3.51")
    home.asked("DELETE", "/price/gpt-4o-mini")


def test_details_open_by_keyboard(member: Viewer) -> None:
    page = member.open("/prices")
    name = page.get_by_role("button", name="gpt-4o", exact=True)
    name.press("Enter")
    details = page.get_by_role("dialog", name="gpt-4o")
    expect(details.get_by_test_id("cost")).to_be_visible()
    page.keyboard.press("Escape")
    expect(name).to_be_focused()


def test_a_price_is_set_with_all_its_parts_and_removed(root: Viewer, home: House) -> None:
    page = root.open("/prices?of=all&keyword=claude-sonnet-4-5")
    page.get_by_role("button", name="Edit of claude-sonnet-4-5").click()
    form = page.get_by_role("dialog", name="Price of claude-sonnet-4-5")
    form.get_by_role("textbox", name="Input", exact=True).first.fill("2.000000001")
    form.get_by_role("textbox", name="Each call").first.fill("0.002")
    form.get_by_role("button", name="Add a tier").click()
    tier = form.get_by_role("group", name="Tiers").last
    tier.get_by_role("textbox", name="More input tokens than").fill("500000")
    tier.get_by_role("textbox", name="Input", exact=True).fill("9")
    tier.get_by_role("textbox", name="Output", exact=True).fill("18")
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_text("The price has this part: say it here too.")).to_have_count(1)
    form.get_by_role("textbox", name="Each call").nth(1).fill("0")
    form.get_by_role("button", name="Save").click()
    row = row_of(page, "claude-sonnet-4-5")
    expect(row).to_contain_text("Own")
    kept = home.asked("GET", "/price/claude-sonnet-4-5")
    assert (kept["input"], kept["per_call"], kept["source"]) == ("2.000000001", "0.002", "set")
    last = kept["tiers"][-1]
    assert (last["above"], last["input"], last["output"]) == (500_000, "9", "18")
    assert (last["cache_read"], last["per_call"]) == (kept["cache_read"], "0.002"), "a tier begins as the price is"

    page.get_by_role("button", name="Remove the price that was set of claude-sonnet-4-5").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(row).to_contain_text("Built in")
    assert home.asked("GET", "/price/claude-sonnet-4-5")["source"] == "catalog"


def test_a_model_with_a_slash_has_a_price(root: Viewer, home: House) -> None:
    page = root.open("/prices?of=all")
    page.get_by_role("button", name="Set a price").click()
    form = page.get_by_role("dialog", name="Set a price")
    form.get_by_role("textbox", name="Model").fill("house/fine-*")
    form.get_by_role("textbox", name="Input", exact=True).fill("0.25")
    form.get_by_role("button", name="Save").click()
    expect(row_of(page, "house/fine-*")).to_contain_text("$0.25")
    assert home.asked("GET", "/price/house/fine-1")["matched"] == "house/fine-*"


def test_many_prices_come_from_a_table(root: Viewer, home: House) -> None:
    page = root.open("/prices?of=all")
    page.get_by_role("button", name="Set many").click()
    form = page.get_by_role("dialog", name="Set many prices")
    table, send = form.get_by_role("textbox"), form.get_by_role("button", name="Set many")
    table.fill("name,price\nx,1")
    send.click()
    expect(form.get_by_role("alert")).to_contain_text("The first line has “model”")
    table.fill("model,input,output\nbulk-1,1,dear\nbulk-2,1,2,3")
    send.click()
    expect(form.get_by_role("alert")).to_contain_text("Line 2: “dear” is no number")
    expect(form.get_by_role("alert")).to_contain_text("Line 3: has more values")
    table.fill("model\tinput\toutput\tcache_read\nbulk-1\t$1.5\t6\t0.15\nbulk-2\t2\t\t\n")
    send.click()
    expect(page.get_by_text("2 prices set or removed.")).to_be_visible()
    first, second = (home.asked("GET", f"/price/bulk-{number}") for number in (1, 2))
    assert (first["input"], first["output"], first["cache_read"]) == ("1.5", "6", "0.15")
    assert (second["input"], second["output"], second["cache_read"]) == ("2", "0", None)
    page.get_by_role("button", name="Set many").click()
    table.fill("model,input\nbulk-1\nbulk-2\n")
    send.click()
    expect(page.get_by_text("2 prices set or removed.").first).to_be_visible()
    expect(form).to_have_count(0)
    assert home.asked("GET", "/price?keyword=bulk") == []


def test_what_a_group_pays_is_said(root: Viewer, member: Viewer, home: House) -> None:
    plain = Decimal(home.asked("GET", "/price/gpt-4o")["input"])
    home.asked("PUT", "/group/default", {"ratio": "0.5"})
    page = member.open("/prices")
    expect(page.get_by_role("alert")).to_contain_text("default, pays × 0.5")
    expect(row_of(page, "gpt-4o")).to_contain_text(f"${plain / 2:.2f}")
    home.asked("PUT", "/group/default", {"ratio": "0.4255"})
    page.reload()
    expect(row_of(page, "gpt-4o")).to_contain_text(f"${plain * Decimal('0.4255')}")
    home.asked("DELETE", "/group/default")
    expect(root.open("/prices?of=all&keyword=gpt-4o").get_by_text("gpt-4o", exact=True)).to_be_visible()
