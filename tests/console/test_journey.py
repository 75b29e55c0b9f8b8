"""From the first sign-in to the first call, as an operator would: password, channel, token, call, dashboard, log."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from .house import House, house
from .viewer import Viewer, viewing


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("empty"), bare=True) as opened:
        yield opened


@pytest.fixture
def operator(browser: Browser, empty: House) -> Iterator[Viewer]:
    with viewing(browser, empty.url, empty.root.cookie) as viewer:
        yield viewer


def step_channel(page: Page, upstream: str) -> None:
    expect(page.get_by_role("heading", name="Set up")).to_be_visible()
    page.get_by_role("combobox", name="Provider").click()
    page.get_by_role("combobox", name="Provider").fill("OpenAI-compatible")
    page.get_by_role("option", name="OpenAI-compatible server", exact=True).click()
    page.get_by_label("Base URL").fill("http://127.0.0.1:9/v1")
    page.get_by_label("API key").fill("sk-upstream")
    page.get_by_label("Models").first.fill("gpt-4o-mini")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Save and test").click()
    expect(page.get_by_role("alert")).to_contain_text("gpt-4o-mini did not answer")
    page.get_by_label("Base URL").fill(upstream)
    page.get_by_role("button", name="Save and test again").click()
    expect(page.get_by_role("status")).to_contain_text("gpt-4o-mini answered in")
    expect(page.get_by_role("status")).to_contain_text("The model said: ")
    page.get_by_role("button", name="Next").click()


def step_token(page: Page) -> str:
    page.get_by_role("button", name="Make a token").click()
    key = page.get_by_label("key", exact=True).inner_text()
    assert key.startswith("sk-")
    page.get_by_role("button", name="Next").click()
    return key


def test_what_was_typed_for_one_provider_goes_to_no_other(operator: Viewer) -> None:
    page = operator.open("/")
    provider = page.get_by_role("combobox", name="Provider")

    def choose(name: str) -> None:
        provider.click()
        provider.fill(name)
        page.get_by_role("option", name=name, exact=True).click()

    choose("OpenAI-compatible server")
    page.get_by_label("Base URL").fill("http://127.0.0.1:9/v1")
    page.get_by_label("API key").fill("sk-of-one")
    choose("DeepSeek")
    expect(page.get_by_label("API key")).to_be_empty()
    choose("OpenAI-compatible server")
    expect(page.get_by_label("API key")).to_be_empty()
    expect(page.get_by_label("Base URL")).to_be_empty()


def test_from_nothing_to_a_call(operator: Viewer, empty: House, tmp_path: Path) -> None:
    page = operator.open("/")
    step_channel(page, empty.upstream)
    key = step_token(page)
    copied = page.locator("pre").inner_text()
    assert key in copied
    done = subprocess.run(["bash", "-c", copied], capture_output=True, text=True, check=True)
    assert '"chat.completion"' in done.stdout
    page.get_by_role("tab", name="Python (openai)").click()
    (tmp_path / "snippet.py").write_text(page.locator("pre").inner_text())
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    done = subprocess.run(
        [sys.executable, tmp_path / "snippet.py"], capture_output=True, text=True, check=True, env=environ
    )
    assert done.stdout.strip()
    page.get_by_role("button", name="Send a call from here").click()
    expect(page.get_by_role("status")).to_contain_text("It works")
    expect(page.get_by_text("The model said: ")).to_be_visible()
    page.get_by_role("link", name="To the dashboard").click()
    assert_seen(page)


def assert_seen(page: Page) -> None:
    """Three calls, by a shell, by Python and from the page: on the dashboard, and each in the log."""
    expect(page.get_by_role("heading", level=1, name="Dashboard")).to_be_visible()
    page.reload()
    expect(
        page.get_by_role("link", name="gpt-4o-mini").or_(page.get_by_role("button", name="gpt-4o-mini")).first
    ).to_be_visible()
    page.get_by_role("link", name="Logs").first.click()
    calls = page.get_by_role("row").filter(has_text="gpt-4o-mini").filter(has_text="200")
    expect(calls).to_have_count(3)
    calls.first.get_by_text("gpt-4o-mini").click()
    drawer = page.get_by_role("dialog")
    expect(drawer).to_contain_text("How the price comes about")
    expect(drawer).to_contain_text("first")
