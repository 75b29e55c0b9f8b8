"""What a failed attempt means."""

from __future__ import annotations

from email.utils import formatdate
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneapi_asgi.errors import RateLimited, Unavailable, UpstreamFailed, UpstreamTimeout
from oneapi_asgi.failure import Failure, is_callers_fault, of_fault, of_status, refusal, retry_after
from oneapi_asgi.upstream.seam import Fault, UpstreamFault

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("status", "callers"),
    [
        *((status, True) for status in (400, 404, 405, 409, 410, 413, 415, 418, 422, 431, 451)),
        *((status, False) for status in (401, 402, 403, 408, 425, 429)),
        *((status, False) for status in (200, 301, 399, 500, 502, 503, 504, 529, 599)),
    ],
)
def test_whose_fault_a_status_is(status: int, *, callers: bool) -> None:
    assert is_callers_fault(status) is callers


@pytest.mark.parametrize(
    ("failure", "error", "status", "code", "should_retry", "wait"),
    [
        (Failure("status_429", 429, 7.0), RateLimited, 429, "rate_limit_exceeded", True, 7.0),
        (Failure("status_429", 429), RateLimited, 429, "rate_limit_exceeded", True, 1),
        (Failure("status_503", 503, 3.0), Unavailable, 503, "service_unavailable", True, 3.0),
        (Failure("status_529", 529), Unavailable, 503, "service_unavailable", True, 1),
        (Failure("status_401", 401), UpstreamFailed, 502, "upstream_error", False, None),
        (Failure("status_402", 402), UpstreamFailed, 502, "upstream_error", False, None),
        (Failure("status_403", 403), UpstreamFailed, 502, "upstream_error", False, None),
        (Failure("status_408", 408), UpstreamTimeout, 504, "upstream_timeout", True, None),
        (Failure("status_504", 504), UpstreamTimeout, 504, "upstream_timeout", True, None),
        (Failure("connect_timeout"), UpstreamTimeout, 504, "upstream_timeout", True, None),
        (Failure("first_byte_timeout"), UpstreamTimeout, 504, "upstream_timeout", True, None),
        (Failure("idle_timeout"), UpstreamTimeout, 504, "upstream_timeout", True, None),
        (Failure("blocked"), UpstreamFailed, 502, "upstream_blocked", False, None),
        (Failure("connect"), UpstreamFailed, 502, "upstream_error", True, None),
        (Failure("cut"), UpstreamFailed, 502, "upstream_error", True, None),
        (Failure("protocol"), UpstreamFailed, 502, "upstream_error", True, None),
        (Failure("status_500", 500), UpstreamFailed, 502, "upstream_error", True, None),
        (Failure("status_301", 301), UpstreamFailed, 502, "upstream_error", True, None),
    ],
)
def test_what_the_caller_is_told(
    failure: Failure, error: type[Exception], status: int, code: str, *, should_retry: bool, wait: float | None
) -> None:
    told = refusal(failure)
    assert type(told) is error
    assert (told.status, told.code, told.should_retry, told.retry_after) == (status, code, should_retry, wait)


@pytest.mark.parametrize("kind", get_args(Fault))
def test_every_fault_has_an_answer_without_its_detail(kind: Fault) -> None:
    failure = of_fault(UpstreamFault(kind, "10.0.0.1 said sk-secret"))
    assert failure == Failure(kind)
    assert "secret" not in refusal(failure).message
    assert refusal(failure).status in (502, 504)


def test_one_refusal_does_not_change_another() -> None:
    assert not refusal(Failure("blocked")).should_retry
    assert refusal(Failure("connect")).should_retry


def test_of_status() -> None:
    assert of_status(429, [("retry-after", "3")]) == Failure("status_429", 429, 3.0)
    assert of_status(500, []) == Failure("status_500", 500, None)


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
