"""How long an upstream asks to wait, in all the ways in which they say it."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.waits import reset_after, retry_after

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None),
        ([("retry-after", "7")], 7.0),
        ([("retry-after", " 7 ")], 7.0),
        ([("retry-after", "0")], 0.0),
        ([("retry-after", "0.5")], 0.5),
        ([("retry-after", "-5")], 0.0),
        ([("retry-after", "999999")], 3600.0),
        ([("retry-after", "1e400")], 3600.0),
        ([("retry-after", "nan")], None),
        ([("retry-after", "soon")], None),
        ([("retry-after", "")], None),
        ([("retry-after-ms", "250")], 0.25),
        ([("retry-after-ms", "250"), ("retry-after", "7")], 0.25),
        ([("retry-after-ms", "soon"), ("retry-after", "7")], 7.0),
        ([("retry-after", formatdate(NOW + 30, usegmt=True))], 30.0),
        ([("retry-after", formatdate(NOW - 30, usegmt=True))], 0.0),
        ([("retry-after", "Wed, 99 Foo 2020 99:99:99 GMT")], None),
        ([("x-retry-after", "7")], None),
    ],
)
def test_retry_after(headers: list[tuple[str, str]], seconds: float | None) -> None:
    assert retry_after(headers, now=NOW) == seconds


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_breaks_it(one: str, other: str) -> None:
    wait = retry_after([("retry-after", one), ("retry-after-ms", other)], now=NOW)
    assert wait is None or 0 <= wait <= 3600


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("120ms", 0.12),
        ("1m26.4s", 86.4),
        ("1h2m3.5s", 3600.0),  # of which an hour is waited for
        ("17.5s", 17.5),
        ("1d", 3600.0),
        ("500us", 0.0005),
        ("500µs", 0.0005),
        ("7", 7.0),
        ("0.5", 0.5),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("1700000030", 30.0),
        ("1700000030.5", 30.5),
        ("1700000030000", 30.0),
        ("1699999999", 0.0),
        ("2023-11-14T22:13:50Z", 30.0),
        ("2023-11-14T22:13:50.250+00:00", 30.25),
        ("2023-11-15T00:13:50+02:00", 30.0),
        ("2023-11-14T22:00:00Z", 0.0),
        ("9999-12-31T23:59:59Z", 3600.0),
        ("2023-11-14T22:13:50", None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1s2", None),
        ("s", None),
        ("1 s", None),
        ("nan", None),
        ("1e9", None),
        ("²s", None),
        ("9" * 400, None),
    ],
)
@pytest.mark.parametrize(
    "name",
    [
        "x-ratelimit-reset",
        "x-ratelimit-reset-requests",
        "x-ratelimit-reset-tokens",
        "anthropic-ratelimit-requests-reset",
        "anthropic-ratelimit-input-tokens-reset",
    ],
)
def test_when_a_limit_is_whole_again(name: str, value: str, seconds: float | None) -> None:
    told = reset_after([("content-type", "text/plain"), (name, value)], now=NOW)
    assert told == (None if seconds is None else pytest.approx(seconds))


OPENAI = ("x-ratelimit-remaining-{}", "x-ratelimit-reset-{}", ("25s", "35s"))
ANTHROPIC = (
    "anthropic-ratelimit-{}-remaining",
    "anthropic-ratelimit-{}-reset",
    ("2023-11-14T22:13:45Z", "2023-11-14T22:13:55Z"),
)


@pytest.mark.parametrize(("remaining", "reset", "values"), [OPENAI, ANTHROPIC])
@pytest.mark.parametrize(
    ("left", "seconds"),
    [
        ({"requests": "0", "tokens": "99"}, 25.0),
        ({"requests": "4", "tokens": "0"}, 35.0),
        ({"requests": "0", "tokens": "0"}, 35.0),
        ({"requests": "4", "tokens": "99"}, 35.0),
        ({"requests": "0"}, 25.0),
        ({}, 35.0),
    ],
)
def test_of_several_limits_the_one_that_is_used_up(
    left: dict[str, str], seconds: float, remaining: str, reset: str, values: tuple[str, str]
) -> None:
    headers = [(remaining.format(name), amount) for name, amount in left.items()]
    headers += [(reset.format(name), value) for name, value in zip(("requests", "tokens"), values, strict=True)]
    headers += [(remaining.format("images"), "0")]
    assert reset_after(headers, now=NOW) == seconds


@pytest.mark.parametrize("name", ["ratelimit-reset", "x-ratelimit-resets", "x-ratelimit-limit-requests", "retry-after"])
def test_other_headers_are_not_read(name: str) -> None:
    assert reset_after([(name, "7")], now=NOW) is None


@given(st.text(max_size=30))
def test_no_reset_breaks_it(value: str) -> None:
    wait = reset_after([("x-ratelimit-reset", value), ("anthropic-ratelimit-tokens-reset", value)], now=NOW)
    assert wait is None or 0 <= wait <= 3600
