"""Channels: the list of them, what is done from it, and the form that makes and changes them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from playwright.sync_api import Dialog, Locator, Page, Route, expect

from .house import House
from .viewer import Viewer

UPSTREAM_MS = 10_000
"""What an upstream is given to answer in, on a machine that has other things to do."""

ACCOUNT = {"type": "service_account", "project_id": "acme", "client_email": "gateway@acme.example"}


def row_of(home: House, name: str) -> dict[str, Any]:
    rows: Sequence[dict[str, Any]] = home.asked("GET", "/channel?page_size=100")
    return next(row for row in rows if row["name"] == name)


def made(home: House, name: str, **draft: object) -> dict[str, Any]:
    """A channel of a test's own."""
    usual = {"provider": "openai", "key": "sk", "base_url": home.upstream, "models": "own", "group": "own"}
    home.asked("POST", "/channel", {"name": name, **usual, **draft})
    return row_of(home, name)


def line(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


def entry(page: Page | Locator, label: str) -> Locator:
    """What is typed into; lists of what may be typed have the same name."""
    return page.locator("input, textarea").and_(page.get_by_label(re.compile(f"^{re.escape(label)}( \\*)?$")))


def choose(page: Page, label: str, typed: str, option: str) -> None:
    entry(page, label).fill(typed)
    page.get_by_role("option", name=option).first.click()


def tags(page: Page, label: str, *names: str) -> None:
    for name in names:
        entry(page, label).fill(name)
        page.keyboard.press("Enter")


def saved(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Channels")


# The list


def test_a_channel_is_shown_as_it_stands(root: Viewer, home: House) -> None:
    row = line(root.open("/channels"), "openai-main")
    for text in ("OpenAI", "paid", "Enabled", "fit", "2 models", "default"):
        expect(row).to_contain_text(text)
    expect(row.get_by_label("Priority of openai-main")).to_have_value("10")
    row.get_by_text("2 models").hover()
    expect(root.page.get_by_role("tooltip").filter(has_text="gpt-4o, gpt-4o-mini")).to_be_visible()


def test_the_state_of_one_that_is_out_is_told_with_what_is_left(root: Viewer, home: House) -> None:
    number = row_of(home, "openai-main")["id"]
    standing = {
        "id": number, "name": "", "enabled": True, "disabled_because": "", "state": "out", "worst": "out",
        "wait": 42.5, "failures": 3, "in_flight": 1, "keys": [],
    }  # fmt: skip

    def answer(route: Route) -> None:
        route.fulfill(json={"success": True, "message": "", "data": [standing]})

    root.page.route("**/api/channel/health", answer)
    row = line(root.open("/channels"), "openai-main")
    expect(row).to_contain_text("circuit open · 4")
    row.get_by_text("circuit open").hover()
    expect(root.page.get_by_text("3 failures in a row · one call under way")).to_be_visible()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("keyword=claude", {"claude"}),
        ("status=2", {"asleep"}),
        ("tag=paid", {"openai-main"}),
        ("model=claude-sonnet-4-5", {"claude"}),
        ("group=default&status=1", {"openai-main", "openai-spare", "claude"}),
        ("provider=gemini", set()),
    ],
)
def test_filters_stand_in_the_address(root: Viewer, query: str, names: set[str]) -> None:
    page = root.open(f"/channels?{query}")
    if names:
        found = page.get_by_role("row").get_by_role("link").filter(has_not_text="model")
        expect(found.filter(has_text="").first).to_be_visible()
        assert {text for text in found.all_inner_texts() if text} == names
    else:
        expect(page.get_by_text("No channel matches")).to_be_visible()
        page.get_by_role("button", name="Remove the filters").click()
        expect(line(page, "claude")).to_be_visible()
        assert "provider" not in page.url


def test_what_is_typed_narrows_the_list(root: Viewer) -> None:
    page = root.open("/channels")
    page.get_by_label("Number, name, address or tag").fill("spare")
    expect(line(page, "claude")).to_have_count(0)
    expect(line(page, "openai-spare")).to_be_visible()
    assert "keyword=spare" in page.url


@pytest.mark.parametrize(("field", "label", "value"), [("priority", "Priority", -3), ("weight", "Weight", 7)])
def test_numbers_are_changed_where_they_stand(root: Viewer, home: House, field: str, label: str, value: int) -> None:
    name = f"numbered-{field}"
    before = made(home, name)
    page = root.open(f"/channels?keyword={name}")
    number = page.get_by_label(f"{label} of {name}")
    number.fill("99")
    number.press("Escape")
    expect(number).to_have_value(str(before[field]))
    number.fill(str(value))
    with page.expect_response(lambda answer: answer.request.method == "PUT"):
        number.press("Enter")
    expect(number).to_have_value(str(value))
    expect(number).to_be_focused()
    assert row_of(home, name)[field] == value


def test_many_are_switched_and_deleted_at_once(root: Viewer, home: House) -> None:
    for number in range(3):
        made(home, f"many-{number}")
    page = root.open("/channels?keyword=many-")
    page.get_by_label("Choose all").check()
    bar = page.get_by_role("toolbar", name="Actions")
    expect(bar).to_contain_text("3 channels chosen")
    bar.get_by_role("button", name="Disable").click()
    expect(page.get_by_text("Changed 3 channels.")).to_be_visible()
    assert [row_of(home, f"many-{number}")["status"] for number in range(3)] == [2, 2, 2]
    page.get_by_label("Choose all").check()
    bar.get_by_role("button", name="Test").click()
    expect(page.get_by_text("Tested 3: 3 served, 0 failed.")).to_be_visible(timeout=UPSTREAM_MS)
    bar.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No channel matches")).to_be_visible()
    assert home.asked("GET", "/channel?keyword=many-") == []


def test_many_are_changed_at_once(root: Viewer, home: House) -> None:
    for number in range(3):
        made(home, f"alike-{number}", priority=number, tag="old")
    page = root.open("/channels?keyword=alike-")
    for number in (0, 2):
        line(page, f"alike-{number}").get_by_label("Choose").check()
    page.get_by_role("toolbar", name="Actions").get_by_role("button", name="Change").click()
    dialog = page.get_by_role("dialog", name="Change 2 channels")
    expect(dialog.get_by_role("button", name="Save")).to_be_disabled()
    entry(dialog, "Groups").fill("vip,default,")
    entry(dialog, "Weight").fill("9")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Changed 2 channels.")).to_be_visible()
    expect(dialog).to_have_count(0)
    rows = [row_of(home, f"alike-{number}") for number in range(3)]
    assert [(row["group"], row["weight"]) for row in rows] == [("vip,default", 9), ("own", 1), ("vip,default", 9)]
    assert [(row["priority"], row["tag"]) for row in rows] == [(0, "old"), (1, "old"), (2, "old")]


def test_a_refusal_ends_a_change_of_many_and_can_be_read(root: Viewer, home: House) -> None:
    rows = [made(home, f"stuck-{number}", priority=number) for number in range(2)]
    page = root.open("/channels?keyword=stuck-")
    page.get_by_label("Choose all").check()
    page.get_by_role("toolbar", name="Actions").get_by_role("button", name="Change").click()
    home.asked("DELETE", f"/channel/{rows[0]['id']}")
    dialog = page.get_by_role("dialog", name="Change 2 channels")
    entry(dialog, "Tag").fill("new")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text(f"no channel {rows[0]['id']}")
    root.expected("status of 404")
    assert row_of(home, "stuck-1")["tag"] == "new"


def test_a_channel_is_copied_switched_and_deleted(root: Viewer, home: House) -> None:
    made(home, "twin")
    page = root.open("/channels?keyword=twin")

    def pick(name: str, item: str) -> None:
        page.get_by_role("button", name=f"More for {name}", exact=True).click()
        page.get_by_role("menuitem", name=item).click()

    pick("twin", "Make a copy")
    expect(line(page, "twin-copy")).to_contain_text("Disabled")
    pick("twin-copy", "Enable")
    expect(line(page, "twin-copy")).to_contain_text("Enabled")
    pick("twin", "Delete")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    pick("twin", "Delete")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(line(page, "twin")).to_have_count(0)
    assert [row["name"] for row in home.asked("GET", "/channel?keyword=twin")] == ["twin-copy"]


def test_all_are_tested_in_the_background(root: Viewer) -> None:
    page = root.open("/channels")
    page.get_by_role("button", name="Test", exact=True).click()
    page.get_by_role("menuitem", name="Test the disabled ones").click()
    expect(page.get_by_text("channels tested, 0 of them failed.")).to_be_visible(timeout=UPSTREAM_MS)
    expect(line(page, "asleep").get_by_text("ms")).to_be_visible()


@pytest.mark.parametrize(("stream", "model"), [(False, "gpt-4o"), (True, "gpt-4o"), (False, "text-embedding-3-small")])
def test_a_test_shows_the_answer(root: Viewer, stream: bool, model: str) -> None:
    page = root.open("/channels")
    page.get_by_label("Test openai-main").click()
    dialog = page.get_by_role("dialog")
    entry(dialog, "Model").fill(model)
    page.keyboard.press("Tab")
    if stream:
        dialog.get_by_label("Streamed answer").check()
    dialog.get_by_role("button", name="Send a test").click()
    expect(dialog.get_by_text("It served")).to_be_visible(timeout=UPSTREAM_MS)
    expect(dialog.get_by_text(f"ms with {model}")).to_be_visible()
    if "embedding" not in model:
        expect(dialog.get_by_text("Answer:")).to_be_visible()


def test_a_test_that_fails_shows_why(root: Viewer, home: House) -> None:
    made(home, "nowhere", base_url="http://127.0.0.1:9/v1")
    page = root.open("/channels?keyword=nowhere")
    page.get_by_label("Test nowhere").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Send a test").click()
    expect(dialog.get_by_text("It did not serve")).to_be_visible(timeout=UPSTREAM_MS)
    expect(dialog.get_by_text("Code: connect")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    expect(line(page, "nowhere")).to_contain_text("connect")


def test_a_balance_that_nobody_tells_is_said_so(root: Viewer) -> None:
    page = root.open("/channels")
    page.get_by_label("Ask the provider for the balance of claude").click()
    expect(page.get_by_text("does not say what is left")).to_be_visible()
    root.expected("400")


# The form


Parts = Mapping[str, str]


@pytest.mark.parametrize(
    ("provider", "shown", "fields", "wanted"),
    [
        ("claude", "Anthropic (Claude)", {"Keys": "sk-ant-1\nsk-ant-2"}, {"provider": "anthropic", "key_count": 2}),
        (
            "bedrock", "AWS Bedrock",
            {"AWS region": "eu-central-1", "Access key ID": "AKIA", "Secret access key": "secret"},
            {"provider": "bedrock", "key_count": 1, "options": {"region": "eu-central-1"}},
        ),
        (
            "azure", "Azure OpenAI",
            {"Base URL": "https://acme.openai.azure.com/openai/v1", "API version": "2025-01-01", "Tenant ID": "t",
             "Client ID": "c", "Client secret": "s"},
            {"provider": "azure", "key_count": 1, "options": {"api_version": "2025-01-01"}},
        ),
        (
            "vertex", "Google Vertex AI",
            {"Region": "us-central1", "Project ID": "acme", "Service account (JSON)": json.dumps(ACCOUNT, indent=2)},
            {"provider": "vertex", "key_count": 1, "options": {"location": "us-central1", "project": "acme"}},
        ),
        (
            "cloudflare", "Cloudflare Workers AI", {"Account ID": "123", "Keys": "cf-token"},
            {"provider": "cloudflare", "key_count": 1, "options": {"account": "123"}},
        ),
        ("豆包", "Volcengine Ark (Doubao)", {"Keys": "ark"}, {"provider": "volcengine", "base_url": ""}),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)  # fmt: skip
def test_a_channel_is_made_of_what_its_provider_wants(
    root: Viewer, home: House, provider: str, shown: str, fields: Parts, wanted: Mapping[str, object]
) -> None:
    page = root.open("/channels/new")
    choose(page, "Provider", provider, shown)
    name = f"of {shown}"
    entry(page, "Name").fill(name)
    for label, value in fields.items():
        entry(page, label).fill(value)
        page.keyboard.press("Tab")
    tags(page, "Models that callers may ask for", "one", "two")
    saved(page)
    row = row_of(home, name)
    assert {key: row[key] for key in wanted} == wanted
    assert row["models"] == "one,two"
    assert row["group"] == "default"


def test_a_channel_for_each_key(root: Viewer, home: House) -> None:
    page = root.open("/channels/new")
    choose(page, "Provider", "deepseek", "DeepSeek")
    entry(page, "Name").fill("apart")
    entry(page, "Keys").fill("sk-a\nsk-b\nsk-c")
    page.get_by_label("A channel for each of the 3 keys").check()
    tags(page, "Models that callers may ask for", "deepseek-chat")
    saved(page)
    expect(page.get_by_text("Added 3 channels.")).to_be_visible()
    rows = home.asked("GET", "/channel?keyword=apart")
    assert {row["name"]: row["key_count"] for row in rows} == {"apart": 1, "apart-2": 1, "apart-3": 1}


def test_a_channel_for_each_key_of_one_that_takes_accounts_too(root: Viewer, home: House) -> None:
    page = root.open("/channels/new")
    choose(page, "Provider", "vertex", "Google Vertex AI")
    entry(page, "Name").fill("express")
    page.get_by_text("API key or token").click()
    entry(page, "Region").fill("us-central1")
    entry(page, "Project ID").fill("acme")
    entry(page, "Keys").fill("AQ.first-of-the-keys-1\nAQ.second-of-the-keys-2")
    page.get_by_label("A channel for each of the 2 keys").check()
    tags(page, "Models that callers may ask for", "gemini-2.5-flash")
    saved(page)
    expect(page.get_by_text("Added 2 channels.")).to_be_visible()
    rows = home.asked("GET", "/channel?keyword=express")
    keys = {row["name"]: [key["key"] for key in row["key_states"]] for row in rows}
    assert keys == {"express": ["AQ.…ys-1"], "express-2": ["AQ.…ys-2"]}


@pytest.mark.parametrize(
    ("fields", "label", "says"),
    [
        ({"Name": "claude"}, "Name", "there is a channel named claude already"),
        ({"Name": ""}, "Name", "This is needed."),
        ({"Base URL": "ftp://a"}, "Base URL", "cannot be"),
        ({"Base URL": "http://10.1.2.3/v1"}, "Base URL", "cannot be"),
        ({"Parameters": "[1]"}, "Parameters", "This has to be a JSON object"),
        ({"Keys": ""}, "Keys", "needs one"),
        ({"Proxy": "what"}, "Proxy", "must be a URL"),
        ({"Cost factor": "cheap"}, "Cost factor", "must be a number"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(root: Viewer, fields: Parts, label: str, says: str) -> None:
    page = root.open("/channels/new")
    choose(page, "Provider", "openai", "OpenAI")
    entry(page, "Name").fill("wrong")
    entry(page, "Keys").fill("sk")
    tags(page, "Models that callers may ask for", "one")
    for name, value in fields.items():
        entry(page, name).fill(value)
    page.get_by_role("button", name="Save", exact=True).click()
    field = entry(page, label)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    expect(page.locator(f"[id='{field.get_attribute('id')}-error']")).to_contain_text(says)
    root.complaints[:] = [said for said in root.complaints if "status of 400" not in said and "409" not in said]


def test_required_fields_and_broken_keys_are_found_before_anybody_is_asked(root: Viewer) -> None:
    page = root.open("/channels/new")
    choose(page, "Provider", "bedrock", "AWS Bedrock")
    entry(page, "Access key ID").fill("AKIA")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(entry(page, "AWS region")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("All parts of the key are needed.")).to_be_visible()
    choose(page, "Provider", "vertex", "Google Vertex AI")
    entry(page, "Service account (JSON)").fill("{no")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("This is not the JSON of a service account.")).to_be_visible()


def test_a_channel_is_changed_without_losing_what_others_change(root: Viewer, home: House) -> None:
    row = made(home, "changed", headers={"x-secret-key": "hush", "x-plain": "1"}, model_mapping={"own": "theirs"})
    page = root.open(f"/channels/{row['id']}")
    expect(entry(page, "Called here 1")).to_have_value("own")
    expect(page.get_by_label("Value 1")).to_have_value("********")
    home.asked("PUT", "/channel", {"id": row["id"], "note": "of another"})
    page.get_by_role("button", name="Add a name").click()
    entry(page, "Called here 2").fill("gpt-4o")
    page.get_by_label("At the provider 2").fill("deployment-7")
    page.get_by_label("Value 2").fill("2")
    entry(page, "Calls at once").fill("5")
    entry(page, "Parameters").fill('{"temperature":0.5}')
    saved(page)
    after = row_of(home, "changed")
    assert json.loads(after["model_mapping"]) == {"own": "theirs", "gpt-4o": "deployment-7"}
    assert after["headers"] == {"x-secret-key": "********", "x-plain": "2"}
    assert (after["concurrent_calls"], after["parameters"], after["note"]) == (5, {"temperature": 0.5}, "of another")


def test_a_form_opens_with_what_is_kept_by_then(root: Viewer, home: House) -> None:
    row = made(home, "weighed")
    page = root.open(f"/channels/{row['id']}")
    expect(entry(page, "Weight")).to_have_value("1")
    page.get_by_role("main").get_by_role("link", name="Channels").click()
    number = page.get_by_label("Weight of weighed")
    number.fill("7")
    with page.expect_response(lambda answer: answer.request.method == "PUT"):
        number.press("Enter")
    page.get_by_role("link", name="weighed", exact=True).click()
    expect(entry(page, "Weight")).to_have_value("7")
    entry(page, "Weight").fill("1")
    saved(page)
    assert row_of(home, "weighed")["weight"] == 1


def test_a_form_whose_providers_are_not_known_says_so(root: Viewer) -> None:
    page = root.page
    page.route("**/api/channel/types", lambda route: route.fulfill(status=500, json={"message": "no way"}))
    root.open("/channels/new")
    told = page.get_by_role("main").get_by_role("alert")
    expect(told).to_contain_text("no way")
    root.expected("status of 500")
    page.unroute("**/api/channel/types")
    told.get_by_role("button", name="Try again").click()
    expect(entry(page, "Name")).to_be_visible()


def test_asterisks_are_not_taken_for_a_secret(root: Viewer, home: House) -> None:
    row = made(home, "behind", proxy="http://me:hunter2@127.0.0.1:3128")
    page = root.open(f"/channels/{row['id']}")
    proxy = entry(page, "Proxy")
    expect(proxy).to_have_value("http://********@127.0.0.1:3128")
    proxy.fill("http://********@127.0.0.1:3129")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(proxy).to_have_attribute("aria-invalid", "true")
    expect(page.locator(f"[id='{proxy.get_attribute('id')}-error']")).to_contain_text("write the secret itself")
    root.expected("status of 400")
    proxy.fill("http://me:hunter3@127.0.0.1:3129")
    saved(page)
    assert row_of(home, "behind")["proxy"] == "http://********@127.0.0.1:3129"


def test_keys_are_switched_added_replaced_and_shown_to_root_alone(root: Viewer, home: House) -> None:
    row = made(home, "keyed", keys=["sk-first-of-all-keys-1", "sk-second-of-keys-2"], key=None)
    page = root.open(f"/channels/{row['id']}")
    expect(page.get_by_text("sk-…ys-1")).to_be_visible()
    page.get_by_label("Use key 2").click(force=True)
    expect(page.get_by_text("switched off by hand")).to_be_visible()
    page.get_by_label("Delete key 1").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("sk-…ys-1")).to_have_count(0)
    assert [key["status"] for key in row_of(home, "keyed")["key_states"]] == [2]
    entry(page, "New keys").fill("sk-third-of-the-keys-3")
    saved(page)
    after = row_of(home, "keyed")
    assert [(key["key"], key["status"]) for key in after["key_states"]] == [("sk-…ys-2", 2), ("sk-…ys-3", 1)]
    page.goto(f"{root.url}/channels/{row['id']}")
    page.get_by_role("button", name="Show the keys").click()
    expect(page.get_by_role("dialog").get_by_text("sk-second-of-keys-2")).to_be_visible()
    page.keyboard.press("Escape")
    entry(page, "New keys").fill("sk-fourth-of-the-keys-4")
    page.get_by_label("Replace all keys that there are").check()
    saved(page)
    assert [key["key"] for key in row_of(home, "keyed")["key_states"]] == ["sk-…ys-4"]


@pytest.mark.parametrize("kept", [True, False], ids=["of a channel that is kept", "of one that is not yet"])
def test_models_come_from_the_upstream(root: Viewer, home: House, kept: bool) -> None:
    name = f"lists-{kept}"
    if kept:
        page = root.open(f"/channels/{made(home, name)['id']}")
    else:
        page = root.open("/channels/new")
        choose(page, "Provider", "openai", "OpenAI")
        entry(page, "Name").fill(name)
        entry(page, "Base URL").fill(home.upstream)
        entry(page, "Keys").fill("sk")
    page.get_by_role("button", name="Fetch from the provider").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The provider lists 3 models")
    dialog.get_by_label("Search").fill("mini")
    expect(dialog.get_by_label("gpt-4o", exact=True)).to_have_count(0)
    dialog.get_by_label("gpt-4o-mini").set_checked(kept)
    dialog.get_by_role("button", name="Use").click()
    saved(page)
    wanted = {"own", "gpt-4o-mini"} if kept else {"gpt-4o", "text-embedding-3-small"}
    assert set(row_of(home, name)["models"].split(",")) == wanted


def test_known_models_are_filled_in_and_cleared(root: Viewer) -> None:
    page = root.open("/channels/new")
    choose(page, "Provider", "openai", "OpenAI")
    page.get_by_role("button", name="known ones").click()
    expect(page.get_by_text("gpt-4o", exact=True).first).to_be_visible()
    clear = page.get_by_role("button", name="Clear", exact=True)
    clear.click()
    expect(clear).to_be_disabled()


def test_a_new_channel_is_tested_as_soon_as_it_is_there(root: Viewer, home: House) -> None:
    page = root.open("/channels/new")
    choose(page, "Provider", "openai", "OpenAI")
    entry(page, "Name").fill("fresh")
    entry(page, "Base URL").fill(home.upstream)
    entry(page, "Keys").fill("sk")
    tags(page, "Models that callers may ask for", "gpt-4o")
    page.get_by_role("button", name="Save and test").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Send a test").click()
    expect(dialog.get_by_text("It served")).to_be_visible(timeout=UPSTREAM_MS)
    dialog.get_by_role("button", name="Close").click()
    assert page.url.endswith(f"/channels/{row_of(home, 'fresh')['id']}")


def test_who_goes_on_after_a_test_changes_what_is_saved_by_then(root: Viewer, home: House) -> None:
    row = made(home, "there-and-back", keys=["sk-first-of-all-keys-1"], key=None, note="old")
    page = root.open(f"/channels/{row['id']}")
    entry(page, "New keys").fill("sk-second-of-keys-2")
    for note in ("new", "old"):
        entry(page, "Note").fill(note)
        page.get_by_role("button", name="Save and test").click(timeout=2_000)  # what is told does not lie upon it
        page.get_by_role("dialog").get_by_role("button", name="Close").click()
        after = row_of(home, "there-and-back")
        assert (after["note"], after["key_count"]) == (note, 2)
        expect(entry(page, "New keys")).to_be_empty()


def test_nobody_leaves_what_is_not_saved_unasked(root: Viewer, home: House) -> None:
    row = made(home, "left-alone")
    page = root.open(f"/channels/{row['id']}")
    entry(page, "Note").fill("a long story")
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.evaluate("location.reload()")
    expect(entry(page, "Note")).to_have_value("a long story")
    for answer, heading in (("Cancel", "Channel left-alone"), ("Leave", "Tokens")):
        page.get_by_role("link", name="Tokens").click()
        dialog = page.get_by_role("dialog", name="Leave without saving?")
        dialog.get_by_role("button", name=answer).click()
        expect(dialog).to_have_count(0)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    assert asked == ["beforeunload"]
    page.get_by_role("link", name="Logs").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Logs")
    assert row_of(home, "left-alone")["note"] == ""


def test_the_browsers_own_buttons_lose_nothing_either(root: Viewer, home: House) -> None:
    row = made(home, "gone-back")
    page = root.open("/channels")
    page.locator(f"a[href$='/channels/{row['id']}']").first.click()
    note = entry(page, "Note")
    note.fill("a long story")
    dialog = page.get_by_role("dialog", name="Leave without saving?")
    for answer in ("Cancel", "Leave"):
        page.evaluate("history.back()")
        dialog.get_by_role("button", name=answer).click()
        expect(dialog).to_have_count(0)
        expect(note).to_have_count(1 if answer == "Cancel" else 0)
    expect(page.get_by_role("heading", level=1)).to_have_text("Channels")
    page.evaluate("history.forward()")
    expect(note).to_have_value("")
