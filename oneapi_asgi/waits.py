"""How long an upstream asks to wait, by the headers of its answer. Pure.

``Retry-After`` says it itself (RFC 9110, section 10.2.3). Of those who leave it out, most say when their limits are
whole again: OpenAI and those who do as it does in ``x-ratelimit-reset-*`` (a duration such as ``6m0s``), others in
``x-ratelimit-reset`` (seconds, or a Unix time), Anthropic in ``anthropic-ratelimit-*-reset`` (RFC 3339).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime

__all__ = ["reset_after", "retry_after"]

_LONGEST_WAIT = 3600.0

_RESET = re.compile(r"(x-ratelimit|anthropic-ratelimit)(?:-(?P<before>.+))?-reset(?:-(?P<after>.+))?")
_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(?<![\d.])(\d{1,9}(?:\.\d{1,9})?)(d|h|ms|m|s|us|µs|ns)", re.ASCII)
_NUMBER = re.compile(r"\d{1,16}(?:\.\d{1,9})?", re.ASCII)

_UNIX, _UNIX_MS = 1e9, 1e11
"""What is larger is no duration but a time, in seconds or in milliseconds."""


def retry_after(headers: Sequence[tuple[str, str]], *, now: float | None = None) -> float | None:
    """Seconds to wait, of ``retry-after-ms`` or ``retry-after``."""
    values = {name: value.strip() for name, value in headers if name.startswith("retry-after")}
    for name, in_a_second in (("retry-after-ms", 1000), ("retry-after", 1)):
        with suppress(KeyError, ValueError):
            return _bounded(float(values[name]) / in_a_second)
    return _until(values.get("retry-after", ""), time.time() if now is None else now)


def reset_after(headers: Sequence[tuple[str, str]], *, now: float | None = None) -> float | None:
    """Seconds until the limits are whole again of which nothing remains; of all of them, if no header says of which."""
    values = {name: value.strip() for name, value in headers if "ratelimit-" in name}
    waits = [*_resets(values, time.time() if now is None else now)]
    used_up = [seconds for seconds, remaining in waits if remaining == "0"]
    return max(used_up or (seconds for seconds, _ in waits), default=None)


def _resets(values: dict[str, str], now: float) -> Iterator[tuple[float, str]]:
    """Each limit's seconds, and what the header says that remains of it."""
    for name, value in values.items():
        if (found := _RESET.fullmatch(name)) and (seconds := _seconds(value, now)) is not None:
            parts = (found[1], found["before"], "remaining", found["after"])
            yield seconds, values.get("-".join(part for part in parts if part), "")


def _seconds(value: str, now: float) -> float | None:
    if _NUMBER.fullmatch(value):
        number = float(value)
        return _bounded(
            number - now if _UNIX <= number < _UNIX_MS else number / 1000 - now if number > _UNIX else number
        )
    parts = _PART.findall(value)
    if parts and "".join(number + unit for number, unit in parts) == value:
        return _bounded(sum(float(number) * _UNITS[unit] for number, unit in parts))
    with suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(value)
        return _bounded(moment.timestamp() - now) if moment.tzinfo else None
    return None


def _until(date: str, now: float) -> float | None:
    try:
        return _bounded(parsedate_to_datetime(date).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _bounded(seconds: float) -> float | None:
    return min(max(seconds, 0.0), _LONGEST_WAIT) if seconds == seconds else None  # NaN
