"""A chat through the gateway: what is shown of it, what it costs, and the key that it is made with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .house import House
from .viewer import Viewer


def fake(**script: object) -> str:
    return f"fake:{json.dumps(script)}"


def say(page: Page, text: str) -> None:
    page.get_by_label("Ask something").fill(text)
    page.keyboard.press("Enter")


def keys(home: House) -> list[dict[str, Any]]:
    rows = home.member.ask("GET", "/api/token?page_size=100")[1]["data"]
    return [row for row in rows if row["name"].startswith("Playground")]


def test_a_conversation_is_streamed_counted_and_billed(member: Viewer, home: House) -> None:
    before = len(keys(home))
    page = member.open("/playground")
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name="gpt-4o", exact=True).click()
    page.get_by_label("System prompt").fill("Be brief.")
    say(page, fake(text="# One\n\n**bold** words", reasoning=False))
    answers = page.get_by_role("article", name="Answer")
    expect(answers.last.get_by_role("heading", name="One")).to_be_visible()
    expect(answers.last).to_contain_text("in, ")
    expect(answers.last).to_contain_text("$")
    say(page, fake(text="two"))
    expect(answers).to_have_count(2)
    expect(answers.last).to_contain_text("$")
    assert len(keys(home)) == before + 1
    page.get_by_role("button", name="Copy as curl").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    sent = json.loads(copied.partition("-d '")[2].removesuffix("'"))
    assert [message["role"] for message in sent["messages"]] == ["system", "user", "assistant", "user", "assistant"]
    assert (sent["model"], sent["stream_options"]) == ("gpt-4o", {"include_usage": True})
    assert "$ONEAPI_KEY" in copied
    assert "sk-" not in copied


def test_lines_are_begun_by_shift_and_enter(member: Viewer) -> None:
    page = member.open("/playground")
    box = page.get_by_label("Ask something")
    box.fill("one")
    box.press("Shift+Enter")
    box.press_sequentially("two")
    assert box.input_value() == "one\ntwo"
    expect(page.get_by_role("article")).to_have_count(0)


def test_an_answer_is_stopped_and_asked_for_anew(member: Viewer, home: House) -> None:
    page = member.open("/playground")
    say(page, fake(tokens=2000, delay=0.05))
    answer = page.get_by_role("article", name="Answer")
    expect(answer).to_contain_text("quick brown")
    page.get_by_role("button", name="Stop").click()
    expect(answer).to_contain_text("Stopped.")
    assert home.member.ask("GET", "/api/call")[1]["data"] == []
    page.get_by_role("button", name="Answer once more").click()
    page.get_by_role("button", name="Stop").click()
    expect(answer).to_have_count(1)


def test_who_leaves_pays_for_no_more(member: Viewer, home: House) -> None:
    page = member.open("/playground")
    say(page, fake(tokens=2000, delay=0.05))
    expect(page.get_by_role("article", name="Answer")).to_contain_text("quick brown")
    with page.expect_event("requestfailed", lambda request: "/v1/" in request.url):
        page.get_by_role("link", name="Logs").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Logs")


@pytest.mark.parametrize(
    ("script", "said", "status"),
    [
        ({"status": 400, "message": "far too long"}, "far too long", "400"),
        ({"then": "error", "after": 3}, "The answer failed", ""),
    ],
)
def test_what_went_wrong_is_said(member: Viewer, script: dict[str, object], said: str, status: str) -> None:
    page = member.open("/playground")
    say(page, fake(**script))
    expect(page.get_by_role("alert")).to_contain_text(said)
    if status:
        member.expected(status)
    say(page, fake(text="well again"))
    expect(page.get_by_role("article", name="Answer").last).to_contain_text("well again")


def test_the_key_is_gone_with_the_page(member: Viewer, home: House) -> None:
    page, before = member.page, len(keys(home))
    for tokens in (True, False):
        member.open("/playground")
        say(page, fake(text="here"))
        expect(page.get_by_role("article", name="Answer")).to_contain_text("in, ")
        assert len(keys(home)) == before + 1
        if tokens:
            page.get_by_role("link", name="Tokens").click()
        else:
            page.goto("about:blank")
        for _ in range(50):
            if len(keys(home)) == before:
                break
            page.wait_for_timeout(50)
        assert len(keys(home)) == before


def test_a_key_of_ones_own_is_used_and_none_made(member: Viewer, home: House) -> None:
    before = len(keys(home))
    page = member.open("/playground")
    page.get_by_text("My own").click()
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    page.get_by_placeholder("sk-").fill("sk-wrong")
    say(page, "hello")
    expect(page.get_by_role("alert")).to_be_visible()
    member.expected("401")
    page.get_by_placeholder("sk-").fill(home.keys["laptop"])
    say(page, "hello")
    expect(page.get_by_role("article", name="Answer").last).to_contain_text("in, ")
    assert len(keys(home)) == before


def chunk(text: str) -> str:
    return json.dumps({"choices": [{"delta": {"content": text}}]})


BYTES_EACH = """
([body, size]) => {
  window.ours ??= window.fetch;
  window.fetch = (address, how) => {
    if (!String(address).includes("/v1/")) return window.ours(address, how);
    const bytes = new TextEncoder().encode(body);
    let at = 0;
    return Promise.resolve(new Response(new ReadableStream({
      pull(controller) {
        if (at >= bytes.length) controller.close();
        else controller.enqueue(bytes.slice(at, (at += size)));
      },
    })));
  };
}
"""


@pytest.mark.parametrize(
    "body",
    [
        f"data: {chunk('né')}\n\ndata: {chunk('w 新')}\n\ndata: [DONE]\n\n",
        f": hello\r\n\r\ndata: {chunk('né')}\r\n\r\nevent: x\r\ndata:{chunk('w 新')}\r\n\r\ndata: [DONE]\r\n\r\n",
        f"data: {chunk('né')}\r\rid: 1\rdata: {chunk('w 新')}\r\rdata: [DONE]\r\r",
        f"data: {chunk('né')[:-1]}\ndata: }}\n\nretry: 5\n\ndata: {chunk('w 新')}\n\n",
        f"data: {chunk('néw 新')}\n\ndata: {chunk('lost, as it is not ended')}",
    ],
    ids=["lf", "crlf", "cr", "two lines", "not ended"],
)
def test_events_are_read_wherever_they_are_cut(member: Viewer, home: House, body: str) -> None:
    page = member.open("/playground")
    page.get_by_text("My own").click()
    page.get_by_placeholder("sk-").fill(home.keys["laptop"])
    answers = page.get_by_role("article", name="Answer")
    for count, size in enumerate((1, 2, 3, 7, 10_000)):
        page.evaluate(BYTES_EACH, [body, size])
        say(page, "hello")
        expect(answers).to_have_count(count + 1)
        expect(answers.last.get_by_role("button", name="Answer once more")).to_be_visible()
        expect(answers.last.get_by_role("paragraph").first).to_have_text("néw 新")
