"""What a failed attempt means: may another channel try, what does it say of the one that failed, and what is the caller
told when none is left. Pure.

Judged by the kind of fault, the status, the code and the headers, never by an upstream's prose.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from .errors import GatewayError, RateLimited, Unavailable, UpstreamFailed, UpstreamTimeout
from .health import Cause
from .upstream.seam import UpstreamFault
from .waits import reset_after, retry_after

__all__ = [
    "COOLING",
    "EJECTED",
    "FULL",
    "LIMITED",
    "NOT_ITS_FAULT",
    "UNSUPPORTED",
    "Failure",
    "cause_of",
    "is_callers_fault",
    "of_answer",
    "of_fault",
    "of_status",
    "refusal",
    "weightier",
]

LIMITED = "rate_limited"
"""The kind of failure of a channel that was not asked, since it is over a limit of its own."""

COOLING = "cooling"
"""That of a channel that was not asked, since its account was too fast a moment ago."""

EJECTED = "ejected"
"""That of a channel that was not asked, since it has failed too often."""

FULL = "full"
"""That of a channel that was not asked, since it has as many calls at the moment as it takes."""

UNSUPPORTED = "unsupported"
"""That of a channel that cannot do what is asked."""

NOT_ITS_FAULT = frozenset(("aborted", COOLING, EJECTED, FULL, LIMITED, UNSUPPORTED))
"""What says nothing about the health of a channel."""


class Failure(Struct, frozen=True):
    """Why an attempt did not serve. ``status`` and ``code`` are the upstream's if it was that, ``retry_after`` what it
    asked for, ``error`` what the caller is told if it was neither the upstream's nor this moment's fault."""

    kind: str
    status: int | None = None
    retry_after: float | None = None
    error: GatewayError | None = None
    code: str = ""


_OPERATORS = frozenset({401, 402, 403})
_PASSING = frozenset({408, 424, 425, 429})

_UNPAID = frozenset(
    {
        "accountoverdueerror",  # Volcano Engine
        "arrearage",  # Alibaba
        "billing_hard_limit_reached",
        "billing_not_active",
        "exceeded_current_quota_error",  # Moonshot
        "insufficient_balance",
        "insufficient_quota",
        "insufficient_user_quota",
    }
)
"""Codes of an account without money, under whatever status. Waiting brings none."""

_ASKED_FOR = frozenset({"too_large", "event_too_large"})
"""Kinds of failure that an answer of any upstream would be, if that is what was asked for."""

_CAUSES: dict[str, Cause] = {
    "blocked": "transport",
    "connect": "transport",
    "connect_timeout": "transport",
    "cut": "transport",
    "dns": "transport",
    "first_byte_timeout": "slow",
    "idle_timeout": "slow",
    "no_ticket": "auth",
    "progress_timeout": "slow",
    "protocol": "transport",
    "proxy_auth": "transport",
    "tls": "transport",
}
_STATUSES: dict[int | None, Cause] = {401: "auth", 402: "quota", 403: "auth", 429: "rate"}


def is_callers_fault(status: int, code: str = "") -> bool:
    """Whether the caller has to mend the request: then no other channel would answer otherwise, and none is asked.

    401, 402 and 403, and some codes, speak of the operator's account; 408, 424 (a model that failed), 425 and 429 of
    this moment.
    """
    return 400 <= status < 500 and status not in _OPERATORS and status not in _PASSING and code.lower() not in _UNPAID


def cause_of(failure: Failure) -> Cause | None:
    """What a failure says of the health of whom it happened to; None if nothing."""
    if failure.kind in NOT_ITS_FAULT or failure.kind in _ASKED_FOR:
        return None
    if failure.code.lower() in _UNPAID:
        return "quota"
    if failure.status is not None and is_callers_fault(failure.status):
        return None
    return _CAUSES.get(failure.kind) or _STATUSES.get(failure.status, "server")


def of_fault(fault: UpstreamFault) -> Failure:
    return Failure(fault.kind)


def of_status(status: int, headers: Sequence[tuple[str, str]], told: float | None = None, *, code: str = "") -> Failure:
    """``told`` is how long to wait by the body, where no header says it. When its limits are whole again an upstream
    says with every answer: that is a time to wait for only where they were what refused the call."""
    wait = retry_after(headers)
    if wait is None:
        wait = reset_after(headers) if told is None and status == 429 else told
    return Failure(f"status_{status}", status, wait, code=code)


def of_answer(status: int, error: GatewayError | None) -> Failure:
    """An error under a status of success: of one that it is only of this moment, callers are told so."""
    if error is None:
        return Failure("error_in_answer", status)
    return Failure("error_in_answer", error.status, error.retry_after, code=error.code or "")


def refusal(failure: Failure) -> GatewayError:
    """What the caller is told after the last attempt. Nothing of it is the upstream's own text."""
    status = failure.status
    if failure.error is not None:
        return failure.error
    if status in _OPERATORS or failure.code.lower() in _UNPAID:
        return _operators("The upstream refused the gateway's account. The operator has to mend it.")
    if failure.kind == COOLING or status == 429:
        return RateLimited(
            "The upstream accounts for this model are rate limited at the moment. Try again later.",
            retry_after=failure.retry_after or 1,
        )
    if failure.kind in _NOT_NOW:
        return Unavailable(_NOT_NOW[failure.kind], retry_after=failure.retry_after or 1)
    if status in (503, 529):
        return Unavailable("The upstream is overloaded. Try again later.", retry_after=failure.retry_after or 1)
    if status in (408, 504) or failure.kind.endswith("_timeout"):
        return UpstreamTimeout("The upstream did not answer in time.")
    if failure.kind == "blocked":
        return _operators(
            "The address of the upstream is not one that this gateway may reach. The operator has to allow it.",
            code="upstream_blocked",
        )
    if failure.kind == "proxy_auth":
        return _operators("The proxy on the way to the upstream refused the gateway. The operator has to mend it.")
    return UpstreamFailed("The upstream failed to answer.")


_NOT_NOW = {
    EJECTED: "The upstreams of this model are failing at the moment. Try again later.",
    FULL: "The upstreams of this model have as many calls as they take at the moment. Try again later.",
}


def _operators(message: str, *, code: str | None = None) -> UpstreamFailed:
    """The operator's to mend: the same call comes to nothing however often it is sent."""
    error = UpstreamFailed(message, code=code)
    error.should_retry = False
    return error


_WEIGHTS = {"": 0, UNSUPPORTED: 1, LIMITED: 2, COOLING: 2, FULL: 3, EJECTED: 3}
_ASKED = 4
_WAITS = frozenset((LIMITED, COOLING, FULL, EJECTED))


def weightier(failure: Failure, outcome: Failure) -> Failure:
    """What the caller is told of two failures: the later one, but of limits, and of what a channel cannot do, only
    where there was nothing else; and of what has to be waited for what is over first."""
    weight, other = _WEIGHTS.get(failure.kind, _ASKED), _WEIGHTS.get(outcome.kind, _ASKED)
    if weight != other:
        return failure if weight > other else outcome
    return min(failure, outcome, key=lambda each: each.retry_after or 0.0) if outcome.kind in _WAITS else outcome
