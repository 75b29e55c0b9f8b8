"""What vendors are asked for what is left, and what their answers mean."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.models import Channel, Secret
from oneapi_asgi.providers.balances import Left, balance_question

KEY, NOW = "sk-a/b", 1_700_000_000.0  # 2023-11-14


def channel(provider: str, base_url: str | None = None) -> Channel:
    return Channel(id=1, name="a", provider=provider, base_url=base_url, api_keys=(Secret(KEY),))


_SB = "https://api.openai-sb.com/v1"
_DEEPSEEK = [
    {"currency": "USD", "total_balance": "0.00"},
    {"currency": "CNY", "total_balance": "110.05"},
]


@pytest.mark.parametrize(
    ("channel", "urls", "answers", "left"),
    [
        (channel("deepseek"), ["https://api.deepseek.com/user/balance"], [{"balance_infos": _DEEPSEEK}],
         Left(110_050_000_000, "CNY")),
        (channel("deepseek"), ["https://api.deepseek.com/user/balance"], [{"balance_infos": _DEEPSEEK[:1]}],
         Left(0, "USD")),
        (channel("moonshot"), ["https://api.moonshot.cn/v1/users/me/balance"],
         [{"code": 0, "data": {"available_balance": 49.58894}}], Left(49_588_940_000, "CNY")),
        (channel("moonshot-intl"), ["https://api.moonshot.ai/v1/users/me/balance"],
         [{"data": {"available_balance": -1}}], Left(-1_000_000_000, "USD")),
        (channel("siliconflow"), ["https://api.siliconflow.cn/v1/user/info"],
         [{"data": {"balance": "0.88", "totalBalance": "88.88"}}], Left(88_880_000_000, "CNY")),
        (channel("openrouter"), ["https://openrouter.ai/api/v1/credits"],
         [{"data": {"total_credits": 100.5, "total_usage": 25.75}}], Left(74_750_000_000, "USD")),
        (channel("openrouter", "https://mine.test/v1"), ["https://mine.test/api/v1/credits"],
         [{"data": {"total_credits": 1, "total_usage": 0.1}}], Left(900_000_000, "USD")),
        (channel("custom", "https://api.aigc2d.com/v1"), ["https://api.aigc2d.com/dashboard/billing/credit_grants"],
         [{"total_available": 3}], Left(3_000_000_000, "USD")),
        (channel("custom", "https://api.api2gpt.com/v1"), ["https://api.api2gpt.com/dashboard/billing/credit_grants"],
         [{"total_remaining": 3}], Left(3_000_000_000, "USD")),
        (channel("custom", _SB), ["https://api.openai-sb.com/sb-api/user/status?api_key=sk-a%2Fb"],
         [{"data": {"credit": "12"}}], Left(12_000_000_000, "CNY")),
        (channel("openai-compatible", "https://one.test/v1"),
         ["https://one.test/v1/dashboard/billing/subscription",
          "https://one.test/v1/dashboard/billing/usage?start_date=2023-08-06&end_date=2023-11-14"],
         [{"hard_limit_usd": 10.5}, {"total_usage": 325}], Left(7_250_000_000, "USD")),
    ],
)  # fmt: skip
def test_vendors(channel: Channel, urls: list[str], answers: list[object], left: Left) -> None:
    question = balance_question(channel, KEY, NOW)
    assert question is not None
    assert list(question.urls) == urls
    assert ("authorization", f"Bearer {KEY}") in question.headers
    assert question.read([json.dumps(answer).encode() for answer in answers]) == left
    assert "sk-a" not in repr(question)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "ollama", "bedrock"])
def test_others_say_nothing(provider: str) -> None:
    assert balance_question(channel(provider), KEY, NOW) is None


def _told(value: object) -> dict[str, object]:
    """An answer as any of them gives it, with a value where amounts are."""
    names = ("total_credits", "total_usage", "available_balance", "hard_limit_usd", "total_usage")
    said = dict.fromkeys(names, value)
    return {**said, "data": said, "balance_infos": [{"currency": "CNY", "total_balance": value}]}


_VALUES: st.SearchStrategy[object] = st.one_of(
    st.integers(),
    st.floats(),
    st.text("0123456789.e-NaInf", max_size=12),
    st.sampled_from([None, True, "1e999999", "-1e-999999", "9e18", "", [], {}, [{}]]),
)


@given(st.sampled_from(["deepseek", "moonshot", "openrouter", "openai-compatible"]), _VALUES, st.binary(max_size=3))
def test_whatever_comes_is_an_amount_or_refused(provider: str, value: object, junk: bytes) -> None:
    question = balance_question(channel(provider, "https://a.test/v1"), KEY, NOW)
    assert question is not None
    told = [json.dumps(answer).encode() for answer in (_told(value), {"data": value, "balance_infos": value}, value)]
    for body in (*told, junk):
        with contextlib.suppress(ValueError):
            assert abs(question.read([body] * len(question.urls)).amount) <= 2**62
