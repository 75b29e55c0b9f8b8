"""Effort in words and budgets in tokens, for formats that know only one of the two."""

from __future__ import annotations

from typing import Final

from .chat import Effort, Thinking

__all__ = ["EFFORTS", "budget_of", "effort_of"]

EFFORTS: Final[tuple[Effort, ...]] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""From least to most."""

_BUDGETS: Final[dict[Effort, int]] = {
    "none": 0,
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 24576,
    "max": 32768,
}


def budget_of(thinking: Thinking) -> int | None:
    """Output tokens to think with: 0 for none at all, None where nothing was said, or nothing more than "think"."""
    if thinking.budget is not None and thinking.budget >= 0:
        return thinking.budget
    return _BUDGETS[thinking.effort] if thinking.effort is not None else None


def effort_of(thinking: Thinking) -> Effort | None:
    """The word for it; a budget that is up to the model is ``medium``."""
    if thinking.effort is not None or thinking.budget is None:
        return thinking.effort
    if thinking.budget < 0:
        return "medium"
    if thinking.budget == 0:
        return "none"
    return "low" if thinking.budget <= 2048 else "medium" if thinking.budget <= 8192 else "high"
