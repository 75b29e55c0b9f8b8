"""When a budget gets back what it was charged. Pure.

The calendar's periods end at midnight UTC, and everything charged in one returns at its end. A rolling period counts
what was charged in the time that just passed: each charge returns one period later, in steps of its grain, never early.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["PERIODS", "period_name", "returns_at"]

_HOUR, _DAY = 3_600, 86_400

_ROLLING = {"rolling day": (_DAY, _HOUR), "rolling week": (7 * _DAY, 6 * _HOUR), "rolling month": (30 * _DAY, _DAY)}
"""Length and grain, in seconds."""

PERIODS = ("day", "week", "month", *_ROLLING)
"""Their names."""


def period_name(period: str, rolling: bool) -> str:
    """The one word that an account keeps."""
    return f"rolling {period}" if rolling else period


def returns_at(period: str, now: float) -> int:
    """The Unix second at which a charge of ``now`` returns; always later than ``now``.

    :raises ValueError: there is no such period
    """
    if period in _ROLLING:
        length, grain = _ROLLING[period]
        return (int(now // grain) + 1) * grain + length
    midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        end = midnight + timedelta(days=1)
    elif period == "week":
        end = midnight + timedelta(days=7 - midnight.weekday())
    elif period == "month":
        end = (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
    else:
        raise ValueError(f"there is no period {period!r}")
    return int(end.timestamp())
