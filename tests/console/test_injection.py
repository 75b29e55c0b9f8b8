"""What somebody else has written is text, wherever it is shown: names, notices, errors of upstreams (check G83).

Each payload says so if it runs; none may, and none may become an element of the page either.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from .house import House, house
from .test_pages import CLOSED, OPEN
from .viewer import looking, sitting

RUN = "window.ran=(window.ran||0)+1"

PAYLOADS = (
    f"<script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f"<img src=x onerror='{RUN}'>",
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f"<body onload={RUN}>",
    f"<iframe srcdoc='<script>parent.{RUN.partition('.')[2]}</script>'>",
    f"<iframe src=javascript:{RUN}>",
    f"<a href=javascript:{RUN}>go</a>",
    f"[go](javascript:{RUN})",
    f"[go](JaVaScRiPt:{RUN})",
    f"[go](data:text/html,<script>{RUN}</script>)",
    f"![a](x onerror={RUN})",
    f"[a]: javascript:{RUN}\n[a]",
    f"<javascript:{RUN}>",
    f"<details open ontoggle={RUN}>",
    f"<input autofocus onfocus={RUN}>",
    f"<video><source onerror={RUN}></video>",
    f"<math><mi href=javascript:{RUN}>x</mi></math>",
    f"<form action=javascript:{RUN}><button>go</button></form>",
    f"<object data=javascript:{RUN}>",
    f"<embed src=javascript:{RUN}>",
    f"<link rel=stylesheet href=javascript:{RUN}>",
    "<style>@import 'javascript:1'</style>",
    "<base href=//other.example/>",
    "<meta http-equiv=refresh content='0;url=//other.example/'>",
    f'"><script>{RUN}</script>',
    f"'><img src=x onerror={RUN}>",
    f"</title><script>{RUN}</script>",
    f"</textarea><script>{RUN}</script>",
    f"--><script>{RUN}</script>",
    f"]]><script>{RUN}</script>",
    f"{{{{constructor.constructor('{RUN}')()}}}}",
    f"${{{RUN}}}",
    f"#{{{RUN}}}",
    f"<noscript><p title='</noscript><img src=x onerror={RUN}>'>",
    f"<template><script>{RUN}</script></template>",
    f"\u003cscript\u003e{RUN}\u003c/script\u003e",
    f"<scr<script>ipt>{RUN}</scr</script>ipt>",
    f"<IMG SRC=&#106;avascript:{RUN}>",
    f"<x onclick={RUN} tabindex=1 id=x>click</x>",
)

STRANGERS = (
    "script:not([src]), iframe, object, embed, [onerror], [onload], [ontoggle], [onfocus], [onclick], a[href^=j i]"
)
"""What no page of ours has."""


@pytest.fixture(scope="module")
def haunted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("haunted")) as opened:
        _haunt(opened)
        yield opened


def _haunt(house: House) -> None:
    """Payloads in all that people and upstreams can write."""
    for number, payload in enumerate(PAYLOADS):
        payload = payload.replace("\n", " ")
        name = f"{payload[:90]}{number}"
        channel = {
            "name": name,
            "provider": "openai",
            "key": "sk",
            "base_url": house.upstream,
            "models": f"haunted-{number},{payload[:60].replace(',', ';')}",
            "note": payload,
            "tag": payload[:60],
            "system_prompt": payload,
        }
        house.asked("POST", "/channel", channel)
        house.asked("POST", "/token", {"name": name[-100:]})
    every = "\n\n".join(PAYLOADS)
    for option in ("Notice", "About", "HomePageContent", "Footer", "SystemName"):
        value = PAYLOADS[1] if option == "SystemName" else every
        house.asked("PUT", "/option", {"key": option, "value": value})
    house.asked("PUT", "/user/self", {"display_name": PAYLOADS[1][:60]})
    house.asked("POST", "/redemption", {"name": PAYLOADS[0][:20], "quota": 500_000, "count": 1})
    house.asked("PUT", "/group/haunted", {"ratio": 1})
    for number in (0, 1, 6, 9):
        fake = json.dumps({"status": 400, "message": PAYLOADS[number], "code": PAYLOADS[number][:60]})
        house.call(house.keys["ci"], f"haunted-{number}", f"fake:{fake}")
    for row in house.asked("GET", "/channel?page_size=100")[:4]:
        house.root.ask("POST", f"/api/channel/test/{row['id']}", {})


@pytest.fixture(scope="module")
def seat(browser: Browser, haunted: House) -> Iterator[BrowserContext]:
    with sitting(browser, haunted.url, haunted.root.cookie) as context:
        yield context


@pytest.mark.parametrize("path", [*OPEN, *CLOSED])
def test_nothing_runs(seat: BrowserContext, haunted: House, path: str) -> None:
    with looking(seat, haunted.url) as viewer:
        page = viewer.page
        page.add_init_script(
            "window.refused = []; document.addEventListener('securitypolicyviolation', e => refused.push(e.blockedURI))"
        )
        viewer.open(path)
        page.wait_for_timeout(300)
        assert page.evaluate("window.ran") is None
        assert page.evaluate("window.refused") == []
        assert page.locator(STRANGERS).count() == 0
        assert page.evaluate("document.baseURI") == f"{haunted.url}/"


def test_the_names_are_there_as_they_were_written(seat: BrowserContext, haunted: House) -> None:
    """Else the test above would look at pages without anything in them."""
    with looking(seat, haunted.url) as viewer:
        main = viewer.open("/channels?size=100").locator("main")
        expect(main.get_by_role("row")).to_have_count(len(PAYLOADS) + 5)
        text = main.inner_text()
        seen = [number for number, payload in enumerate(PAYLOADS) if f"{payload[:60]}" in text]
        assert len(seen) > len(PAYLOADS) * 0.9
        assert PAYLOADS[1] in viewer.page.locator("header").inner_text()


def test_there_are_forty_of_them() -> None:
    assert len({*PAYLOADS}) >= 40
