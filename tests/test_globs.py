"""One rule for exact names and globs, wherever models are named."""

from __future__ import annotations

import pytest

from oneapi_asgi.auth import model_allowed
from oneapi_asgi.globs import is_glob, matches
from oneapi_asgi.models import Channel, Price, Token
from oneapi_asgi.pool import serves
from oneapi_asgi.pricing import lookup

CASES = [
    ("gpt-4o", "gpt-4o", True),
    ("gpt-4o-mini", "gpt-4o", False),
    ("gpt-4o-mini", "gpt-4o*", True),
    ("o3", "o?", True),
    ("o3-pro", "o?", False),
    ("o3", "o[13]", True),
    ("o4", "o[13]", False),
    ("large[1m]", "large[1m]", True),
    ("GPT-4o", "gpt-*", False),
    ("", "*", True),
]


@pytest.mark.parametrize(("name", "pattern", "same"), CASES)
def test_matches(name: str, pattern: str, same: bool) -> None:
    assert matches(name, pattern) is same


@pytest.mark.parametrize(("name", "glob"), [("gpt-4o", False), ("gpt-*", True), ("o?", True), ("o[13]", True)])
def test_is_glob(name: str, glob: bool) -> None:
    assert is_glob(name) is glob


@pytest.mark.parametrize(("name", "pattern", "same"), CASES)
def test_tokens_channels_and_prices_agree(name: str, pattern: str, same: bool) -> None:
    assert model_allowed(Token(id=1, name="t", digest="", models=(pattern,)), name) is same
    assert serves(Channel(id=1, name="c", models=(pattern,)), name) is same
    assert (lookup(name, {pattern: Price()}) is not None) is same
