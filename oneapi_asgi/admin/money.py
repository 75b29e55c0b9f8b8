"""One API's unit of money beside the gateway's own: a quota is an integer, of which 500,000 are a dollar."""

from __future__ import annotations

__all__ = ["MAX_QUOTA", "QUOTA_NANO", "UNLIMITED_QUOTA", "nano_of", "quota_of"]

QUOTA_NANO = 2_000
"""Nano-dollars in a quota of 1."""

MAX_QUOTA = 2**62 // QUOTA_NANO
"""The largest quota that an account can have: four and a half billion dollars."""

UNLIMITED_QUOTA = 500_000_000_000_000
"""What is shown of an account without a bound: as much as One API gives its root."""


def quota_of(nano: int) -> int:
    """What is shown for so many nano-dollars: rounded down, so that what is shown can be spent."""
    return nano // QUOTA_NANO


def nano_of(quota: int) -> int:
    return quota * QUOTA_NANO
