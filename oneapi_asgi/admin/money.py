"""One API's unit of money beside the gateway's own: a quota is an integer, of which 500,000 are a dollar."""

from __future__ import annotations

from fractions import Fraction

from ..models import NANO

__all__ = ["MAX_QUOTA", "QUOTA_NANO", "UNLIMITED_QUOTA", "dollars", "nano_of", "quota_of"]

QUOTA_NANO = 2_000
"""Nano-dollars in a quota of 1."""

MAX_QUOTA = 2**62 // QUOTA_NANO
"""The largest quota that an account can have: four and a half billion dollars."""

UNLIMITED_QUOTA = 500_000_000_000_000
"""What is shown of an account without a bound: as much as One API gives its root."""

_PLACES = 24


def quota_of(nano: int) -> int:
    """What is shown for so many nano-dollars: rounded down, so that what is shown can be spent."""
    return nano // QUOTA_NANO


def nano_of(quota: int) -> int:
    return quota * QUOTA_NANO


def dollars(nano: Fraction | int) -> str:
    """Nano-dollars as a decimal of dollars, with all digits that there are: prices and ratios make 24 after the point.
    Only thirds, of seconds of audio, have more, and are rounded there."""
    digits = f"{abs(round(Fraction(nano) * 10**_PLACES / NANO)):0{_PLACES + 1}d}"
    text = f"{digits[:-_PLACES]}.{digits[-_PLACES:]}".rstrip("0").rstrip(".")
    return f"-{text}" if nano < 0 and text != "0" else text
