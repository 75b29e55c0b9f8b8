"""Options: what each may be, what is required together, what is never shown, and how soon a change holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from servers.databases import KINDS, Kind, rows
from servers.prepared import Prepared

from oneapi_asgi.admin.options import OptionRoutes, Options
from oneapi_asgi.desk.options import ELSEWHERE, OPTIONS, REQUIRES, check_option
from oneapi_asgi.desk.roles import Role
from oneapi_asgi.keys import new_encryption_key
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.options import SQLOptions
from oneapi_asgi.storage.vault import Vault

from .rig import Written, as_, asked

VAULT = Vault(new_encryption_key())

# All that One API has.
ONE_API = """
PasswordLoginEnabled PasswordRegisterEnabled RegisterEnabled EmailVerificationEnabled GitHubOAuthEnabled OidcEnabled
WeChatAuthEnabled TurnstileCheckEnabled EmailDomainRestrictionEnabled EmailDomainWhitelist SMTPServer SMTPPort
SMTPAccount SMTPFrom SMTPToken GitHubClientId GitHubClientSecret LarkClientId LarkClientSecret OidcClientId
OidcClientSecret OidcWellKnown OidcAuthorizationEndpoint OidcTokenEndpoint OidcUserinfoEndpoint WeChatServerAddress
WeChatServerToken WeChatAccountQRCodeImageURL TurnstileSiteKey TurnstileSecretKey MessagePusherAddress
MessagePusherToken Notice About HomePageContent Footer SystemName Logo ServerAddress Theme TopUpLink ChatLink
QuotaForNewUser QuotaForInviter QuotaForInvitee QuotaRemindThreshold PreConsumedQuota QuotaPerUnit ModelRatio
CompletionRatio GroupRatio DisplayInCurrencyEnabled DisplayTokenStatEnabled RetryTimes ChannelDisableThreshold
AutomaticDisableChannelEnabled AutomaticEnableChannelEnabled ApproximateTokenEnabled LogConsumeEnabled
"""


class Kept:
    def __init__(self, **values: str) -> None:
        self.values = dict(values)
        self.reads = 0

    async def get_options(self) -> Mapping[str, str]:
        self.reads += 1
        return dict(self.values)

    async def set_options(self, values: Mapping[str, str]) -> None:
        self.values |= values


class Shown:
    def __init__(self) -> None:
        self.values = {"ModelRatio": '{"a":1}', "CompletionRatio": "{}", "GroupRatio": "{}"}

    async def ratio_options(self) -> Mapping[str, str]:
        return self.values

    async def set_ratio_option(self, name: str, value: str) -> None:
        if "-1" in value:
            raise ValueError("has a ratio below 0")
        self.values[name] = value


def test_every_option_of_one_api_is_one_or_says_what_to_do_instead() -> None:
    assert [name for name in ONE_API.split() if (name in OPTIONS) == (name in ELSEWHERE)] == []
    assert {name for names in REQUIRES.values() for name in names} | {*REQUIRES} <= {*OPTIONS}


@pytest.mark.parametrize("name", OPTIONS)
def test_defaults_can_be(name: str) -> None:
    assert check_option(name, OPTIONS[name].default) == OPTIONS[name].default


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("RegisterEnabled", "false", "false"),
        ("RegisterEnabled", "True", None),
        ("RegisterEnabled", "", None),
        ("SMTPPort", "0465", "465"),
        ("SMTPPort", "65536", None),
        ("SMTPPort", "-1", None),
        ("SMTPPort", "٣", None),
        ("SMTPPort", "9" * 5_000, None),
        ("QuotaForNewUser", "500000", "500000"),
        ("QuotaForNewUser", "1.5", None),
        ("ServerAddress", " https://a.example ", "https://a.example"),
        ("ServerAddress", "javascript:alert(1)", None),
        ("Logo", 'https://a/"onerror=', None),
        ("ChatLink", "https://user:pw@a", None),
        ("ChatLink", "https://[", None),
        ("ChatLink", "", ""),
        ("SystemName", "a\r\nBcc: b", None),
        ("SystemName", "x" * 4_097, None),
        ("Notice", "two\nlines <b>", "two\nlines <b>"),
        ("Notice", "é" * 30_001, None),
        ("Notice", "a\0", None),
        ("Notice", "\ud800", None),
    ],
)
def test_values(name: str, value: str, kept: str | None) -> None:
    if kept is not None:
        assert check_option(name, value) == kept
        return
    with pytest.raises(ValueError, match=r"\w"):
        check_option(name, value)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"key": "SystemName", "value": "Mine"}, 200, None),
        ({"key": "RegisterEnabled", "value": False}, 200, None),
        ({"key": "SMTPPort", "value": 465}, 200, None),
        ({"key": "SystemNme", "value": "Mine"}, 400, "unknown_option"),
        ({"key": "RetryTimes", "value": "3"}, 400, "option_elsewhere"),
        ({"key": "SMTPPort", "value": "x"}, 400, "invalid_option"),
        ({"key": "GitHubOAuthEnabled", "value": "true"}, 400, "invalid_option"),
        ({"key": "TurnstileCheckEnabled", "value": "true"}, 400, "invalid_option"),
        ({"key": "ModelRatio", "value": '{"b": 2}'}, 200, None),
        ({"key": "ModelRatio", "value": "{"}, 400, "invalid_option"),
        ({"key": "ModelRatio", "value": "[]"}, 400, "invalid_option"),
        ({"key": "GroupRatio", "value": '{"b": -1}'}, 400, "invalid_option"),
    ],
)
async def test_setting_one(body: dict[str, object], status: int, code: str | None) -> None:
    kept, shown, events = Kept(), Shown(), Written()
    before = dict(shown.values)
    async with asked(OptionRoutes(Options(kept), shown).routes(), events) as client:
        answer = await client.put("/option/", json=body)
        assert (answer.status_code, answer.json().get("code")) == (status, code)
        if status == 200:
            listed = {row["key"]: row["value"] for row in (await client.get("/option/")).json()["data"]}
            value = body["value"]
            assert listed[str(body["key"])] == (str(value).lower() if isinstance(value, bool) else str(value))
            assert [event.target for event in events.events] == [body["key"]]
        else:
            assert (kept.values, shown.values, events.events) == ({}, before, [])


async def test_near_names_are_told() -> None:
    async with asked(OptionRoutes(Options(Kept()), Shown()).routes()) as client:
        assert "SystemName" in (await client.put("/option", json={"key": "SystemNme", "value": ""})).json()["message"]


async def test_what_an_enabled_option_requires_is_not_emptied() -> None:
    options = Options(Kept(EmailDomainRestrictionEnabled="true", GitHubOAuthEnabled="true"))
    with pytest.raises(ValueError, match="while EmailDomainRestrictionEnabled"):
        await options.set({"EmailDomainWhitelist": ", "})
    await options.set({"SystemName": "x"})  # what was missing before does not bar other things
    await options.set({"EmailDomainRestrictionEnabled": "false", "EmailDomainWhitelist": ""})
    assert await options.text("EmailDomainWhitelist") == ""


async def test_secrets_are_not_shown_and_not_written_down() -> None:
    secrets = [name for name, option in OPTIONS.items() if option.kind == "secret"]
    kept, events = Kept(), Written()
    async with asked(OptionRoutes(Options(kept), Shown()).routes(), events) as client:
        for name in secrets:
            assert (await client.put("/option/", json={"key": name, "value": "canary"})).status_code == 200
        answer = await client.get("/option/")
        assert "canary" not in answer.text
        assert {row["key"] for row in answer.json()["data"]} == {*OPTIONS} - {*secrets}
        for role in (Role.COMMON, Role.ADMIN):
            assert (await client.get("/option/", headers=as_(role))).status_code == 403
    assert {kept.values[name] for name in secrets} == {"canary"}
    assert "canary" not in repr(events.events)


async def test_what_options_there_are_is_told_and_which_are_set() -> None:
    kept = Kept(GitHubClientSecret="canary", SystemName="Here", SMTPPort="587")
    async with asked(OptionRoutes(Options(kept), Shown()).routes()) as client:
        answer = await client.get("/option/about")
        assert "canary" not in answer.text
        told = {row["key"]: row for row in answer.json()["data"]}
        for role in (Role.COMMON, Role.ADMIN):
            assert (await client.get("/option/about", headers=as_(role))).status_code == 403
    assert told.keys() == OPTIONS.keys()
    assert {name for name, row in told.items() if row["kept"]} == {"GitHubClientSecret", "SystemName", "ModelRatio"}
    assert told["GitHubOAuthEnabled"]["requires"] == ["GitHubClientId", "GitHubClientSecret"]
    assert (told["SMTPPort"]["most"], told["SMTPPort"]["default"], told["SystemName"]["most"]) == (65_535, "587", None)


async def test_a_change_elsewhere_holds_after_a_while() -> None:
    now, kept = [0.0], Kept()
    options = Options(kept, clock=lambda: now[0])
    assert await options.flag("RegisterEnabled")
    kept.values["RegisterEnabled"] = "false"
    now[0] = 4.9
    assert await options.flag("RegisterEnabled")
    assert kept.reads == 1
    now[0] = 5.0
    assert not await options.flag("RegisterEnabled")
    await options.set({"QuotaForNewUser": "7"})
    assert await options.number("QuotaForNewUser") == 7


@pytest.mark.parametrize("kind", KINDS)
async def test_databases(kind: Kind, tmp_path: Path, prepared: Prepared) -> None:
    with prepared(kind, tmp_path) as url:
        async with SQLStorage(url, vault=VAULT) as storage:
            store = SQLOptions(storage)
            assert await store.get_options() == {}
            nasty = "';DROP TABLE options;--\\ \"` %_ 🙂"
            await store.set_options({"Notice": nasty, "SMTPToken": "canary", "AlertWebhookSecret": ""})
            await store.set_options({"SMTPToken": "canary2"})
            expected = {"Notice": nasty, "SMTPToken": "canary2", "AlertWebhookSecret": ""}
            assert await store.get_options() == expected
        ((kept,),) = rows(url, "SELECT value FROM options WHERE name = 'SMTPToken'")
        assert VAULT.open(kept, "options/SMTPToken/value") == "canary2" != kept
