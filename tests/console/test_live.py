"""The calls in flight, as they come and go."""

from __future__ import annotations

import re
from threading import Thread

from playwright.sync_api import Route, expect

from .house import House
from .viewer import Viewer


def test_a_call_is_seen_while_it_runs(root: Viewer, home: House) -> None:
    page = root.open("/live")
    expect(page.get_by_text("No call in flight")).to_be_visible()
    slow = Thread(target=home.call, args=(home.keys["laptop"], "gpt-4o", 'fake:{"tokens": 20, "delay": 0.2}'))
    slow.start()
    row = page.get_by_role("region", name="Live").locator("tbody tr")
    expect(row).to_contain_text("gpt-4o")
    for part in ("ann", "laptop", "openai-main", "waiting", "$"):
        expect(row).to_contain_text(part)
    first = row.locator("td").first.inner_text()
    expect(row.locator("td").first).not_to_have_text(first)
    expect(page.get_by_role("region", name="Calls in flight")).to_have_text(re.compile("^Calls in flight1"))
    expect(page.get_by_role("status")).to_have_count(0)  # which would be read out each second
    slow.join()
    expect(page.get_by_text("No call in flight")).to_be_visible()


def test_of_very_many_the_newest_are_drawn(root: Viewer, home: House) -> None:
    slow = Thread(target=home.call, args=(home.keys["laptop"], "gpt-4o", 'fake:{"tokens": 20, "delay": 0.2}'))

    def crowd(route: Route) -> None:
        answer = route.fetch()
        said = answer.json()
        one = said["data"][0] if said["data"] else None
        said["data"] = [one | {"request_id": f"call-{count}"} for count in range(1_250)] if one else []
        route.fulfill(response=answer, json=said)

    root.page.route("**/api/call", crowd)
    page = root.open("/live")
    slow.start()
    expect(page.get_by_role("region", name="Live").locator("tbody tr")).to_have_count(200)
    expect(page.get_by_role("region", name="Calls in flight")).to_contain_text("1,250")
    expect(page.get_by_text("1,050 more are not shown")).to_be_visible()
    slow.join()


def test_members_see_no_channel(member: Viewer, home: House) -> None:
    page = member.open("/live")
    slow = Thread(target=home.call, args=(home.keys["phone"], "gpt-4o", 'fake:{"tokens": 20, "delay": 0.1}'))
    slow.start()
    row = page.get_by_role("region", name="Live").locator("tbody tr")
    expect(row).to_contain_text("phone")
    assert "openai-main" not in page.locator("main").inner_text()
    slow.join()
