"""Effort by the name of a model: ``gpt-5-high`` asks ``gpt-5`` to think hard. A convention that operators switch on.

It is for callers that can choose a model and nothing else. A model that a channel names with its suffix is that model:
some are called so by their makers.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from .wire.chat import Thinking

__all__ = ["SUFFIXES", "split_suffix"]

SUFFIXES: Final = MappingProxyType(
    {
        "-nothinking": Thinking(effort="none"),
        "-thinking": Thinking(budget=-1, shown=True),
        "-none": Thinking(effort="none"),
        "-minimal": Thinking(effort="minimal"),
        "-low": Thinking(effort="low"),
        "-medium": Thinking(effort="medium"),
        "-high": Thinking(effort="high"),
        "-xhigh": Thinking(effort="xhigh"),
        "-max": Thinking(effort="max"),
    }
)


def split_suffix(model: str) -> tuple[str, Thinking] | None:
    """The model's own name, and what the suffix asks for; None without a suffix."""
    for suffix, thinking in SUFFIXES.items():
        if model.endswith(suffix) and len(model) > len(suffix):
            return model.removesuffix(suffix), thinking
    return None
