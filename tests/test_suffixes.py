"""Effort by the name of a model."""

from __future__ import annotations

import pytest

from oneapi_asgi.suffixes import SUFFIXES, split_suffix
from oneapi_asgi.wire.chat import Thinking


@pytest.mark.parametrize(
    ("model", "own", "thinking"),
    [
        ("gpt-5-high", "gpt-5", Thinking(effort="high")),
        ("gpt-5-xhigh", "gpt-5", Thinking(effort="xhigh")),
        ("gpt-5-none", "gpt-5", Thinking(effort="none")),
        ("o4-mini-low", "o4-mini", Thinking(effort="low")),
        ("o4-mini-medium", "o4-mini", Thinking(effort="medium")),
        ("gpt-5-minimal", "gpt-5", Thinking(effort="minimal")),
        ("claude-opus-4-6-max", "claude-opus-4-6", Thinking(effort="max")),
        ("claude-sonnet-4-5-thinking", "claude-sonnet-4-5", Thinking(budget=-1, shown=True)),
        ("gemini-2.5-flash-nothinking", "gemini-2.5-flash", Thinking(effort="none")),
        ("gpt-5-low-high", "gpt-5-low", Thinking(effort="high")),
    ],
)
def test_split(model: str, own: str, thinking: Thinking) -> None:
    assert split_suffix(model) == (own, thinking)


@pytest.mark.parametrize("model", ["", "gpt-5", "-high", "high", "gpt-5high", "gpt-5-HIGH", "gpt-5-high-2025", "x-"])
def test_no_suffix(model: str) -> None:
    assert split_suffix(model) is None


def test_every_suffix_stands_for_itself() -> None:
    for suffix, thinking in SUFFIXES.items():
        assert split_suffix(f"m{suffix}") == ("m", thinking)
