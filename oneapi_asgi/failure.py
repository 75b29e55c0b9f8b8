"""What a failed attempt means: may another channel try, and what is the caller told when none is left. Pure.

Judged by the kind of fault, the status and the headers, never by an upstream's prose.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime

from msgspec import Struct

from .errors import GatewayError, RateLimited, Unavailable, UpstreamFailed, UpstreamTimeout
from .upstream.seam import UpstreamFault

__all__ = ["Failure", "is_callers_fault", "of_fault", "of_status", "refusal", "retry_after"]

_LONGEST_WAIT = 3600.0


class Failure(Struct, frozen=True):
    """Why an attempt did not serve. ``status`` is the upstream's if it was that, ``retry_after`` what it asked for."""

    kind: str
    status: int | None = None
    retry_after: float | None = None


_OPERATORS = frozenset({401, 402, 403})
_PASSING = frozenset({408, 425, 429})


def is_callers_fault(status: int) -> bool:
    """Whether the caller has to mend the request: then no other channel would answer otherwise, and none is asked.

    401, 402 and 403 speak of the operator's key; 408, 425 and 429 of this moment.
    """
    return 400 <= status < 500 and status not in _OPERATORS and status not in _PASSING


def of_fault(fault: UpstreamFault) -> Failure:
    return Failure(fault.kind)


def of_status(status: int, headers: Sequence[tuple[str, str]]) -> Failure:
    return Failure(f"status_{status}", status, retry_after(headers))


def retry_after(headers: Sequence[tuple[str, str]], *, now: float | None = None) -> float | None:
    """Seconds to wait, of ``retry-after-ms`` or ``retry-after`` (RFC 9110, section 10.2.3: seconds or a date)."""
    values = {name: value.strip() for name, value in headers if name.startswith("retry-after")}
    for name, in_a_second in (("retry-after-ms", 1000), ("retry-after", 1)):
        with suppress(KeyError, ValueError):
            return _bounded(float(values[name]) / in_a_second)
    return _until(values.get("retry-after", ""), time.time() if now is None else now)


def _until(date: str, now: float) -> float | None:
    try:
        return _bounded(parsedate_to_datetime(date).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _bounded(seconds: float) -> float | None:
    return min(max(seconds, 0.0), _LONGEST_WAIT) if seconds == seconds else None  # NaN


def refusal(failure: Failure) -> GatewayError:
    """What the caller is told after the last attempt. Nothing of it is the upstream's own text."""
    status = failure.status
    if status == 429:
        return RateLimited(
            "The upstream accounts for this model are rate limited at the moment. Try again later.",
            retry_after=failure.retry_after or 1,
        )
    if status in (503, 529):
        return Unavailable("The upstream is overloaded. Try again later.", retry_after=failure.retry_after or 1)
    if status in _OPERATORS:
        return _operators("The upstream refused the gateway's account. The operator has to mend it.")
    if status in (408, 504) or failure.kind.endswith("_timeout"):
        return UpstreamTimeout("The upstream did not answer in time.")
    if failure.kind == "blocked":
        return _operators(
            "The address of the upstream is not one that this gateway may reach. The operator has to allow it.",
            code="upstream_blocked",
        )
    return UpstreamFailed("The upstream failed to answer.")


def _operators(message: str, *, code: str | None = None) -> UpstreamFailed:
    """The operator's to mend: the same call comes to nothing however often it is sent."""
    error = UpstreamFailed(message, code=code)
    error.should_retry = False
    return error
