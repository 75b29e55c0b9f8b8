"""One API's numbers of kinds of channels, and the way back."""

from __future__ import annotations

import pytest

from oneapi_asgi.providers.catalog import CATALOG
from oneapi_asgi.providers.kinds import base_url_of, config_of, keys_of, kind_of, kinds, options_of

RENEWED = {15: 47, 17: 49, 18: 48}
"""Kinds whose vendor has a newer API, by which they are asked here."""


@pytest.mark.parametrize(("kind", "provider"), kinds().items())
def test_there_and_back(kind: int, provider: str) -> None:
    base_url = base_url_of(kind, CATALOG[provider], "")
    assert kind_of(provider, base_url) == RENEWED.get(kind, kind)


def test_what_one_api_does_not_know_is_compatible() -> None:
    assert [kind_of(one) for one in ("voyage", "gone", "custom")] == [50, 50, 8]
    assert kind_of("custom", "https://relay.test/v1") == 8
    assert kind_of("custom", "https://api.openai-sb.com/other") == 5


@pytest.mark.parametrize(
    ("provider", "given", "config", "keys"),
    [
        ("openai", " a \n\nb", {}, ("a", "b")),
        ("openai", "", {"ak": "a", "sk": "b"}, ()),
        ("bedrock", "", {"ak": "a", "sk": "b"}, ("a|b",)),
        ("bedrock", "a|b|eu-west-1\nc|d", {}, ("a|b", "c|d")),
        ("vertex", '{\n"a": 1}', {}, ('{\n"a": 1}',)),
        ("vertex", "x", {"vertex_ai_adc": '{"b": 2}'}, ('{"b": 2}',)),
        ("vertex", '[{"a":1},"b"]', {}, ('{"a":1}', "b")),
        ("vertex", "[", {}, ("[",)),
        ("vertex", "", {}, ()),
    ],
)
def test_keys(provider: str, given: str, config: dict[str, str], keys: tuple[str, ...]) -> None:
    assert keys_of(given, config, CATALOG[provider]) == keys


def test_options() -> None:
    config = {"region": "eu", "api_version": "1", "vertex_ai_project_id": "p", "sk": "secret"}
    assert options_of(config, CATALOG["vertex"]) == {"location": "eu", "api_version": "1", "project": "p"}
    assert options_of(config, CATALOG["openai"]) == {}
    assert config_of({"location": "eu", "project": "p", "quirks": "x"}) == {"region": "eu", "vertex_ai_project_id": "p"}
