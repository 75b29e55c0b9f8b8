"""Rows as they may be: empty, odd, of other types, too much."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.desk.moving import Moved, Remarks
from oneapi_asgi.keys import key_digest
from oneapi_asgi.models import NANO, Channel, Price, Secret
from oneapi_asgi.moving.calls import call_of, event_of
from oneapi_asgi.moving.keys import coupon_of, key_of
from oneapi_asgi.moving.options import options_of
from oneapi_asgi.moving.people import person_of
from oneapi_asgi.moving.pricing import groups_of, prices_of
from oneapi_asgi.moving.reading import is_source, unknown_columns
from oneapi_asgi.moving.upstreams import upstream_of
from oneapi_asgi.moving.values import LARGEST, Row, flag, listed, money, text, whole
from oneapi_asgi.overrides import check_overrides
from oneapi_asgi.providers.catalog import CATALOG, mistaken_options
from oneapi_asgi.providers.kinds import base_url_of, provider_of

LETTERS = 'a1-é\x00{}[]"|,. $%'
NUMBERS = st.one_of(
    st.none(), st.integers(), st.floats(), st.text(LETTERS, max_size=5), st.booleans(), st.binary(max_size=3)
)
MOVED = Moved(tables=(), holdings=(), remarks=())

COLUMNS = {
    "users": "id username password display_name role status email github_id access_token quota used_quota group "
    "aff_code inviter_id created_at deleted_at",
    "tokens": "id user_id key status name created_time expired_time remain_quota unlimited_quota used_quota models "
    "subnet model_limits_enabled model_limits allow_ips group deleted_at",
    "channels": "id type key status name weight created_time base_url other models group model_mapping priority config "
    "system_prompt tag setting param_override header_override auto_ban channel_info remark test_model",
    "redemptions": "id user_id key status name quota created_time expired_time deleted_at",
    "logs": "id user_id created_at type content username token_name model_name quota prompt_tokens completion_tokens "
    "channel_id request_id elapsed_time is_stream",
}


def rows_of(table: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(COLUMNS[table].split(), NUMBERS))


class TestWhateverStandsThere:
    @given(rows_of("users"))
    def test_users(self, row: dict[str, Any]) -> None:
        found = person_of(row, Remarks())
        if found is not None:
            assert abs(found.left) <= LARGEST
            assert 0 <= found.used <= LARGEST
            assert 0 < len(found.name) <= 64

    @given(rows_of("tokens"))
    def test_tokens(self, row: dict[str, Any]) -> None:
        remarks = Remarks()
        found = key_of(row, {whole(row, "user_id")}, remarks)
        assert found is not None or remarks.all()
        if found is not None:
            assert found.left is None or abs(found.left) <= LARGEST

    @given(rows_of("channels"), st.booleans(), st.integers(0, 60))
    def test_channels(self, row: dict[str, Any], newer: bool, kind: int) -> None:
        found = upstream_of(row | {"type": kind}, Remarks(), newer=newer)
        if found is not None:
            assert found.channel.weight >= 1
            assert [*mistaken_options(found.channel)] == []

    @given(rows_of("redemptions"))
    def test_codes(self, row: dict[str, Any]) -> None:
        found = coupon_of(row, Remarks())
        assert found is None or 0 < found.amount <= LARGEST

    @given(rows_of("logs"), st.sampled_from([1, 2, 3, 4, 5, 6]))
    def test_calls(self, row: dict[str, Any], kind: int) -> None:
        row |= {"type": kind}
        call, event = call_of(row, "x", MOVED, {}), event_of(row, "x", MOVED)
        assert (call is not None, event is not None) == (kind == 2, kind in (1, 3, 4))

    @given(
        st.dictionaries(
            st.sampled_from(["ModelRatio", "CompletionRatio", "GroupRatio", "x"]), st.text(LETTERS, max_size=9)
        )
    )
    def test_options(self, options: dict[str, str]) -> None:
        prices_of(options, Remarks())
        groups_of(options, Remarks())
        options_of(options, Remarks())


@pytest.mark.parametrize(
    ("value", "number"),
    [(None, 7), ("", 7), ("12", 12), (" 12 ", 12), ("1e3", 1000), (3.9, 3), (True, 1), ("x", 7), (b"5", 5),
     (float("nan"), 7), (float("inf"), 7), (10**30, 2**63 - 1), ("-4", -4),
     ("1e999999", 2**63 - 1), ("-1e999999", 1 - 2**63), ("1e-999999", 0), ("1e9999999999999999999", 7)],
)  # fmt: skip
def test_whole(value: object, number: int) -> None:
    assert whole({"a": value}, "a", 7) == number


@pytest.mark.parametrize(
    ("value", "true"),
    [(1, True), ("1", True), ("t", True), (b"\x01", True), (b"\x00", False), (0, False), ("no", False)],
)
def test_flag(value: object, true: bool) -> None:
    assert flag({"a": value}, "a") is true


def test_lists_and_texts() -> None:
    assert listed({"a": " x, y ,,x"}, "a") == ("x", "y")
    assert listed({}, "a") == ()
    assert text({"a": " a\x00b\n "}, "a") == "a b"
    assert text({"a": "é" * 300}, "a") == "é" * 255
    assert money({"a": "500000"}, "a") == 10**9


@pytest.mark.parametrize(
    ("kind", "given_", "base"),
    [
        (1, "", None),
        (1, "https://api.openai.com/", None),
        (1, "https://relay.example", "https://relay.example/v1"),
        (1, "https://relay.example/v1", "https://relay.example/v1"),
        (4, "", "https://api.closeai-proxy.xyz/v1"),
        (8, "https://a.example", "https://a.example/v1"),
        (50, "https://a.example/x", "https://a.example/x"),
        (3, "https://r.openai.azure.com", "https://r.openai.azure.com/openai/v1"),
        (20, "https://a.example/api", "https://a.example/api/v1"),
        (29, "https://a.example/openai", "https://a.example/openai/v1"),
        (14, "https://a.example", "https://a.example"),
        (40, "https://a.example", "https://a.example/api/v3"),
        (30, "http://10.0.0.1:11434", "http://10.0.0.1:11434"),
    ],
)
def test_base_urls(kind: int, given_: str, base: str | None) -> None:
    provider = provider_of(kind, newer=False)
    assert provider is not None
    assert base_url_of(kind, provider, given_) == base


def test_every_kind_of_one_api_has_a_provider_but_three() -> None:
    assert {kind for kind in range(52) if provider_of(kind, newer=False) is None} == {0, 11, 21}


def test_kinds_of_new_api() -> None:
    names = {4: "ollama", 26: "zhipu", 41: "vertex", 43: "deepseek", 48: "xai", 39: "cloudflare"}
    for kind, name in names.items():
        provider = provider_of(kind, newer=True)
        assert provider is not None
        assert provider.id == name
    assert [kind for kind in (2, 5, 36, 50, 51) if provider_of(kind, newer=True)] == []
    assert names.items() <= {kind: CATALOG[name].id for kind, name in names.items()}.items()


@pytest.mark.parametrize(
    ("options", "prices"),
    [
        ({}, {}),
        ({"ModelRatio": "{oops"}, {}),
        ({"ModelRatio": '["a"]'}, {}),
        ({"ModelRatio": '{"gpt-4o": 1.25}'}, {"gpt-4o": Price(input=2_500_000_000, output=10_000_000_000)}),
        ({"ModelRatio": '{"a": 0.000025}'}, {"a": Price(input=50_000, output=50_000)}),
        (
            {"ModelRatio": '{"a": "0.1"}', "CompletionRatio": '{"a": 3}'},
            {"a": Price(input=2 * 10**8, output=6 * 10**8)},
        ),
        ({"ModelRatio": '{"a": 1}', "ModelPrice": '{"a": 0.5}'}, {"a": Price(per_call=5 * 10**8)}),
        ({"ModelRatio": '{"a": -1, "b": true, "c": 1e300, "": 1, "d(33)": 1}'}, {}),
    ],
)
def test_prices(options: dict[str, str], prices: dict[str, Price]) -> None:
    remarks = Remarks()
    assert prices_of(options, remarks) == prices
    assert bool(remarks.all()) == (not prices and bool(options))


def test_ratios_of_groups_are_exact() -> None:
    assert groups_of({"GroupRatio": '{"default": 1, "vip": 0.8, "odd": 0.3333}'}, Remarks()) == {
        "default": 10**9, "vip": 8 * 10**8, "odd": 333_300_000}  # fmt: skip


def test_options_without_secrets() -> None:
    remarks = Remarks()
    given_ = {"SystemName": "Ours", "SMTPToken": "s3cret", "Theme": "air", "SMTPPort": "many", "ModelRatio": "{}"}
    assert options_of(given_, remarks) == {"SystemName": "Ours"}
    assert {example for one in remarks.all() for example in one.examples} == {"SMTPToken", "Theme", "SMTPPort"}
    assert "s3cret" not in repr(remarks.all())


def test_what_a_source_is() -> None:
    tables = {name: tuple(columns.split()) for name, columns in COLUMNS.items()}
    assert is_source(tables)
    assert not is_source({"users": ("id", "name"), "tokens": tables["tokens"], "channels": tables["channels"]})
    assert unknown_columns(tables) == {}
    assert unknown_columns(tables | {"tokens": (*tables["tokens"], "zzz")}) == {"tokens": ("zzz",)}


def test_amounts_that_cannot_be_added_up_are_cut_and_told() -> None:
    remarks = Remarks()
    found = person_of({"id": 2, "username": "rich", "quota": 2**62}, remarks)
    assert found is not None
    assert found.left == LARGEST
    assert any("cut" in one.what for one in remarks.all())


@pytest.mark.parametrize(
    ("changes", "enabled", "keys"),
    [
        ({}, True, ["sk-a", "sk-b"]),
        ({"channel_info": '{"is_multi_key": true, "multi_key_status_list": {"0": 3}}'}, True, ["sk-b"]),
        ({"channel_info": '{"is_multi_key": true, "multi_key_status_list": [2]}'}, True, ["sk-a", "sk-b"]),
        ({"channel_info": '{"is_multi_key": true, "multi_key_status_list": {"0": 2, "1": 3}}'}, False, []),
        ({"setting": '{"proxy": "socks5://10.0.0.1:1"}'}, False, ["sk-a", "sk-b"]),
        ({"status": 3}, False, ["sk-a", "sk-b"]),
        ({"models": ""}, False, ["sk-a", "sk-b"]),
    ],
)
def test_what_must_not_be_asked_is_not(changes: Row, enabled: bool, keys: list[str]) -> None:
    """Whatever cannot be heeded here leaves a channel out, not its rule."""
    row = {"id": 1, "type": 1, "name": "a", "status": 1, "models": "m", "key": "sk-a\nsk-b"}
    row |= {"channel_info": '{"is_multi_key": true}'}
    found = upstream_of({**row, **changes}, Remarks(), newer=True)
    assert found is not None
    assert found.channel.enabled == enabled
    assert [key.reveal() for key in found.channel.api_keys] == ["sk-a", "sk-b"]
    assert [key for key in ("sk-a", "sk-b") if key_digest(key) not in found.disabled_keys] == keys


@pytest.mark.parametrize(
    ("ratio", "kept", "outcome"),
    [("0.5", NANO // 2, None), ("0.1234567891", 123_456_789, "changed"), ("1000.1", None, "skipped")],
)
def test_what_groups_paid_is_not_changed_in_silence(ratio: str, kept: int | None, outcome: str | None) -> None:
    remarks = Remarks()
    found = groups_of({"GroupRatio": f'{{"default": 1, "vip": {ratio}}}'}, remarks)
    assert found == {"default": NANO} | ({} if kept is None else {"vip": kept})
    assert [told.outcome for told in remarks.all()] == ([] if outcome is None else [outcome])


def changes_of(row: Row, *, newer: bool = True) -> tuple[Channel, list[str]]:
    remarks = Remarks()
    plain = {"id": 1, "type": 1, "key": "k", "models": "m", "name": "c"}
    found = upstream_of({**plain, **row}, remarks, newer=newer)
    assert found is not None
    check_overrides(found.channel)
    return found.channel, [one.what for one in remarks.all()]


def test_what_a_channel_changes_is_carried() -> None:
    channel, told = changes_of({"system_prompt": "Be brief."}, newer=False)
    assert (channel.system_prompt, told) == ("Be brief.", [])
    channel, told = changes_of({"setting": '{"proxy": "https://u:p@proxy.example:3128"}'})
    assert (channel.proxy, channel.enabled, told) == (Secret("https://u:p@proxy.example:3128"), True, [])
    channel, told = changes_of({"header_override": '{"X-A": "1"}', "param_override": '{"a": {"b": [null]}, "c": null}'})
    assert (channel.headers, channel.parameters, told) == ({"X-A": "1"}, {"a": {"b": [None]}, "c": None}, [])


def test_a_proxy_that_is_not_spoken_to_disables_its_channel() -> None:
    channel, (told,) = changes_of({"setting": '{"proxy": "socks5://user:hunter2@proxy.example"}'})
    assert (channel.proxy, channel.enabled) == (None, False)
    assert "SOCKS" in told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"header_override": '{"Content-Length": "1", "X": "a\\r\\nb"}'}, ["header Content-Length", "header X"]),
        ({"param_override": '{"stream": true, "a b": 1}'}, ["parameter stream", "parameter a b"]),
        ({"system_prompt": "x" * 20_000}, ["its system_prompt cannot be set"]),
    ],
)
def test_what_no_channel_may_change_is_told(row: Row, told: list[str]) -> None:
    channel, found = changes_of(row)
    assert (channel.headers, channel.parameters, channel.system_prompt) == ({}, {}, "")
    assert channel.enabled
    assert [any(part in what for what in found) for part in told] == [True] * len(told)
