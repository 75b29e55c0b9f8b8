"""What a failed attempt means."""

from __future__ import annotations

from typing import get_args

import pytest

from oneapi_asgi.errors import RateLimited, Unavailable, UpstreamFailed, UpstreamRefused, UpstreamTimeout
from oneapi_asgi.failure import (
    COOLING,
    EJECTED,
    FULL,
    LIMITED,
    NOT_ITS_FAULT,
    UNSUPPORTED,
    Failure,
    cause_of,
    is_callers_fault,
    of_answer,
    of_fault,
    of_status,
    refusal,
    weightier,
)
from oneapi_asgi.health import Cause
from oneapi_asgi.upstream.seam import Fault, UpstreamFault


@pytest.mark.parametrize(
    ("status", "callers"),
    [
        *((status, True) for status in (400, 404, 405, 409, 410, 413, 415, 418, 422, 431, 451)),
        *((status, False) for status in (401, 402, 403, 408, 424, 425, 429)),
        *((status, False) for status in (200, 301, 399, 500, 502, 503, 504, 529, 599)),
    ],
)
def test_whose_fault_a_status_is(status: int, *, callers: bool) -> None:
    assert is_callers_fault(status) is callers
    assert is_callers_fault(status, "context_length_exceeded") is callers
    assert not is_callers_fault(status, "Arrearage")


@pytest.mark.parametrize(
    ("failure", "error", "status", "code", "should_retry", "wait"),
    [
        (Failure("status_429", 429, 7.0), RateLimited, 429, "rate_limit_exceeded", True, 7.0),
        (Failure("status_429", 429), RateLimited, 429, "rate_limit_exceeded", True, 1),
        (
            Failure("status_429", 429, 7.0, code="insufficient_quota"),
            UpstreamFailed,
            502,
            "upstream_error",
            False,
            None,
        ),
        (Failure(COOLING, 429, 7.0), RateLimited, 429, "rate_limit_exceeded", True, 7.0),
        (Failure(COOLING), RateLimited, 429, "rate_limit_exceeded", True, 1),
        (Failure(EJECTED, 503, 4.0), Unavailable, 503, "service_unavailable", True, 4.0),
        (Failure(EJECTED), Unavailable, 503, "service_unavailable", True, 1),
        (Failure(FULL, 503, 2.0), Unavailable, 503, "service_unavailable", True, 2.0),
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


def test_what_it_is_told_to_tell_it_tells() -> None:
    error = UpstreamRefused("This model cannot hear.", status=400)
    assert refusal(Failure(UNSUPPORTED, 404, error=error)) is error


def test_one_refusal_does_not_change_another() -> None:
    assert not refusal(Failure("blocked")).should_retry
    assert refusal(Failure("connect")).should_retry


def test_of_status() -> None:
    assert of_status(429, [("retry-after", "3")]) == Failure("status_429", 429, 3.0)
    assert of_status(500, []) == Failure("status_500", 500, None)


def test_how_long_to_wait_may_stand_in_the_body() -> None:
    assert of_status(429, [], 23.0) == Failure("status_429", 429, 23.0)
    assert of_status(429, [("retry-after", "5")], 23.0) == Failure("status_429", 429, 5.0)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (None, UpstreamFailed),
        (UpstreamRefused("no", status=429), RateLimited),
        (UpstreamRefused("no", status=529), Unavailable),
        (UpstreamRefused("no", status=400), UpstreamFailed),
        (UpstreamTimeout("slow"), UpstreamTimeout),
    ],
)
def test_an_error_under_a_status_of_success(error: UpstreamRefused | None, told: type[Exception]) -> None:
    assert type(refusal(of_answer(200, error))) is told


def test_limits_that_are_whole_again_are_waited_for_only_where_they_refused_the_call() -> None:
    headers = [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "6m0s")]
    assert of_status(429, headers).retry_after == 360.0
    assert of_status(429, headers, 5.0).retry_after == 5.0
    assert of_status(429, [*headers, ("retry-after", "2")], 5.0).retry_after == 2.0
    assert of_status(500, headers).retry_after is None


# --- what it says of health -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        *((Failure(kind, 429, 3.0), None) for kind in sorted(NOT_ITS_FAULT)),
        *((Failure(f"status_{status}", status), "auth") for status in (401, 403)),
        (Failure("no_ticket"), "auth"),
        (Failure("status_402", 402), "quota"),
        (Failure("status_429", 429, code="insufficient_quota"), "quota"),
        (Failure("status_403", 403, code="AccountOverdueError"), "quota"),
        (Failure("status_400", 400, code="Arrearage"), "quota"),
        (Failure("error_in_answer", 429, code="billing_hard_limit_reached"), "quota"),
        (Failure("status_429", 429, 3.0, code="rate_limit_exceeded"), "rate"),
        (Failure("error_in_answer", 429), "rate"),
        *((Failure(f"status_{status}", status), "server") for status in (500, 502, 503, 504, 529, 599)),
        *((Failure(f"status_{status}", status), "server") for status in (301, 408, 424, 425)),
        *((Failure(kind, 200), "server") for kind in ("empty_answer", "compressed", "malformed_answer", "no_answer")),
        (Failure("error_in_answer", 200), "server"),
        (Failure("error_in_answer", 529), "server"),
        (Failure("misconfigured"), "server"),
        *(
            (Failure(kind), "transport")
            for kind in ("connect", "connect_timeout", "dns", "tls", "cut", "protocol", "blocked")
        ),
        *((Failure(kind), "slow") for kind in ("first_byte_timeout", "idle_timeout", "progress_timeout")),
    ],
    ids=repr,
)
def test_what_it_says_of_whom_it_happened_to(failure: Failure, cause: Cause | None) -> None:
    assert cause_of(failure) == cause


@pytest.mark.parametrize("status", [400, 404, 405, 409, 413, 415, 422, 431, 451])
@pytest.mark.parametrize("kind", ["status", "error_in_answer"])
@pytest.mark.parametrize("code", ["", "invalid_request_error", "credit balance permission denied", "insufficient"])
def test_what_the_caller_has_to_mend_says_nothing(status: int, kind: str, code: str) -> None:
    assert cause_of(Failure(kind, status, code=code)) is None


@pytest.mark.parametrize("kind", ["too_large", "event_too_large"])
def test_an_answer_as_large_as_was_asked_for_says_nothing(kind: str) -> None:
    assert cause_of(Failure(kind, 200)) is None


@pytest.mark.parametrize("kind", get_args(Fault))
def test_every_fault_has_a_cause(kind: Fault) -> None:
    assert cause_of(of_fault(UpstreamFault(kind))) in ("transport", "slow")


# --- several ----------------------------------------------------------------------------------------------------------

BROKEN, OTHER = Failure("connect"), Failure("status_500", 500)
LAST = Failure(UNSUPPORTED)


@pytest.mark.parametrize(
    ("failures", "told"),
    [
        ([BROKEN, OTHER], OTHER),
        ([BROKEN, LAST], BROKEN),
        ([LAST, BROKEN], BROKEN),
        ([LAST, Failure(LIMITED, 429, 9.0), LAST], Failure(LIMITED, 429, 9.0)),
        ([Failure(COOLING, 429, 9.0), Failure(EJECTED, 503, 4.0), Failure(FULL, 503, 5.0)], Failure(EJECTED, 503, 4.0)),
        ([Failure(COOLING, 429, 9.0), OTHER, Failure(EJECTED, 503, 4.0)], OTHER),
    ],
)
def test_what_is_told_of_several(failures: list[Failure], told: Failure) -> None:
    found = Failure("")
    for failure in failures:
        found = weightier(found, failure)
    assert found == told
