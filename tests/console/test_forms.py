"""What opens above a page: whole, and for those who cannot see it, as pages are."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from .house import House
from .test_pages import assert_accessible, assert_fits, assert_spoken, keep
from .viewer import DESKTOP, PHONE, Theme, viewing

OPENED = {
    "users-new": ("/users", "新建用户"),
    "users-edit": ("/users?keyword=ann", "编辑 ann"),
    "users-topup": ("/users?keyword=ann", "充值 ann"),
    "account-factor": ("/account", "开启"),
    "channels-test": ("/channels?keyword=openai-main", "测试 openai-main"),
    "tokens-new": ("/tokens", "新建令牌"),
    "logs-call": ("/logs?keyword=past-1-1", "gpt-4o-mini"),
    "groups-new": ("/groups", "新建分组"),
    "redemptions-new": ("/redemptions", "生成兑换码"),
    "prices-edit": ("/prices?of=all", "编辑 claude-sonnet-4-5"),
    "prices-batch": ("/prices?of=all", "批量设置"),
    "settings-edit": ("/settings?tab=all&keyword=ModelRatio", "编辑 ModelRatio"),
}


@pytest.mark.parametrize("name", OPENED)
@pytest.mark.parametrize("phone", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["phone", "desktop"])
def test_form(browser: Browser, home: House, name: str, phone: bool) -> None:
    path, button = OPENED[name]
    size = PHONE if phone else DESKTOP
    theme: Theme = "dark" if phone else "light"
    with viewing(browser, home.url, home.root.cookie, size=size, theme=theme, language="zh") as viewer:
        page = viewer.open(path)
        page.get_by_role("button", name=button).first.click()
        page.get_by_role("dialog").wait_for()
        page.wait_for_timeout(300)  # what moves has come to rest
        keep(page, f"form-{name}-{'phone' if phone else 'desktop'}")
        assert_fits(page, size)
        assert_spoken(page, "zh")
        assert_accessible(page)
