"""The rows of the catalog, and where they send calls."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address
from typing import get_args
from urllib.parse import urlsplit

import pytest

from oneapi_asgi.models import Channel
from oneapi_asgi.providers.access import KeyAccess, filled
from oneapi_asgi.providers.catalog import CATALOG, base_url_of, find_provider, offered, provider_of
from oneapi_asgi.providers.provider import Provider
from oneapi_asgi.wire.quirks import Quirk

DIALECTS = {
    "openai",
    "responses",
    "anthropic",
    "gemini",
    "bedrock",
    "cohere",
    "ollama",
    "coze",
    "dify",
    "replicate",
    "deepl",
}

GONE = {
    0: "unknown",
    11: "PaLM: shut down by Google",
    21: "AIProxy's library: no documentation is left",
}
"""Kinds of channels of One API that have no row."""


def channel(provider: str, base_url: str | None = None, dialects: tuple[str, ...] = ()) -> Channel:
    return Channel(id=1, name="c", provider=provider, base_url=base_url, dialects=dialects)


def is_loopback(host: str) -> bool:
    return host == "localhost" or ip_address(host).is_loopback


def required(provider: Provider) -> set[str]:
    return {name for name, line in provider.options.items() if line.startswith("required: ")}


# --- rows -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", CATALOG.values(), ids=CATALOG)
def test_every_row_is_well_formed(provider: Provider) -> None:
    assert CATALOG[provider.id] is provider
    assert provider.id == provider.id.lower().strip()
    assert provider.name
    assert provider.key_format
    assert provider.base_url or provider.note, "a row without a base URL says what it looks like"
    assert provider.dialects
    assert set(provider.dialects) <= DIALECTS
    assert len(set(provider.dialects)) == len(provider.dialects)
    assert provider.bases.keys() < set(provider.dialects)
    assert provider.dialects[0] not in provider.bases, "the first dialect is at the base URL"
    assert {dialect for family in provider.families.values() for dialect in family} <= set(provider.dialects)
    assert provider.quirks <= set(get_args(Quirk))


@pytest.mark.parametrize("provider", CATALOG.values(), ids=CATALOG)
def test_every_base_url_is_one(provider: Provider) -> None:
    for base_url in filter(None, (provider.base_url, *provider.bases.values())):
        url = urlsplit(filled(base_url, dict.fromkeys(provider.options, "x")))
        assert url.hostname
        assert url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname))
        assert not base_url.endswith("/")
        assert "//" not in url.path
        assert url.query == url.fragment == ""
        assert url.username is None


@pytest.mark.parametrize("provider", CATALOG.values(), ids=CATALOG)
def test_what_a_base_url_needs_is_a_required_option(provider: Provider) -> None:
    """All but Vertex AI's, whose global endpoint has another host."""
    needed = {name for name in provider.options if f"{{{name}}}" in (provider.base_url or "")}
    assert needed == (required(provider) if provider.id != "vertex" else {"location"})


def test_the_catalog_is_read_only() -> None:
    with pytest.raises(TypeError):
        CATALOG["x"] = CATALOG["openai"]  # type: ignore[index]


def test_no_row_hides_another() -> None:
    assert len(CATALOG) == 81


@pytest.mark.parametrize(
    ("provider", "stops"),
    [
        ("openai", True),
        ("azure", True),
        ("anthropic", True),
        ("groq", False),
        ("mistral", False),
        ("minimax", False),
        ("gemini", False),
        ("vertex", False),
        ("bedrock", False),
        ("replicate", False),
        ("vllm", True),
    ],
)
def test_who_bills_a_cancelled_call(provider: str, stops: bool) -> None:
    assert CATALOG[provider].cancel_stops_billing is stops


@pytest.mark.parametrize(
    ("provider", "quirks"),
    [
        ("openai", {"usage_option", "max_completion_tokens", "developer_role", "reasoning_effort"}),
        ("openai-compatible", {"usage_option"}),
        ("deepseek", {"usage_option", "thinking_type", "reasoning_returned", "no_json_schema"}),
        ("mistral", {"random_seed", "short_tool_ids"}),
        ("groq", {"usage_option", "no_streamed_schema"}),
        ("minimax", {"no_penalties"}),
        ("dashscope", {"enable_thinking"}),
        ("openrouter", {"reasoning_object"}),
        ("zhipu", {"top_p_below_one", "thinking_type"}),
        ("perplexity", {"alternating_roles", "top_p_below_one"}),
        ("coze", {"stream_only"}),
        ("dify", {"stream_only"}),
        ("vertex", {"no_call_ids"}),
        ("replicate", {"never_streams"}),
        ("deepl", {"never_streams"}),
    ],
)
def test_where_providers_differ(provider: str, quirks: set[str]) -> None:
    assert CATALOG[provider].quirks >= quirks


def test_who_refuses_stream_options_is_not_asked_for_usage() -> None:
    assert not any("usage_option" in CATALOG[provider].quirks for provider in ("mistral", "custom", "perplexity"))


# --- One API ----------------------------------------------------------------------------------------------------------


def test_every_type_of_one_api_leads_to_one_row() -> None:
    types = Counter(kind for row in CATALOG.values() for kind in row.one_api_types)
    assert [kind for kind, times in types.items() if times > 1] == []
    assert types.keys() | GONE.keys() == set(range(52))
    assert not types.keys() & GONE.keys()


@pytest.mark.parametrize(
    ("kind", "provider"),
    [
        (1, "openai"),
        (3, "azure"),
        (4, "custom"),
        (8, "custom"),
        (14, "anthropic"),
        (15, "qianfan"),
        (17, "dashscope"),
        (18, "spark"),
        (23, "hunyuan"),
        (24, "gemini"),
        (27, "minimax-cn"),
        (30, "ollama"),
        (33, "bedrock"),
        (34, "coze"),
        (35, "cohere"),
        (38, "deepl-free"),
        (42, "vertex"),
        (43, "proxy"),
        (46, "replicate"),
        (49, "dashscope"),
        (50, "openai-compatible"),
        (51, "gemini-openai"),
    ],
)
def test_what_becomes_of_a_type_of_one_api(kind: int, provider: str) -> None:
    assert kind in CATALOG[provider].one_api_types


def test_a_proxy_shows_the_credential_as_it_is() -> None:
    assert CATALOG["proxy"].access == KeyAccess("authorization", "")


# --- finding one ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("opnai", 'did you mean "openai"?'),
        ("OpenAI", 'did you mean "openai"?'),
        ("zzzz", "there are openai, openai-responses, azure,"),
    ],
)
def test_an_unknown_provider_is_told_with_the_nearest(given: str, hint: str) -> None:
    with pytest.raises(ValueError, match="no such provider") as caught:
        find_provider(given)
    assert hint in str(caught.value)
    with pytest.raises(ValueError, match=f'channel "c": provider "{given}": no such provider') as caught:
        provider_of(channel(given))
    assert hint in str(caught.value)


def test_a_channel_finds_its_provider() -> None:
    assert provider_of(channel("groq")).name == "Groq"


# --- dialects and base URLs -------------------------------------------------------------------------------------------

OWN = "https://gateway.example.com/v1"


@pytest.mark.parametrize(
    ("given", "model", "dialects"),
    [
        (channel("openai"), "", ("openai", "responses")),
        (channel("openai-responses"), "gpt-5", ("responses", "openai")),
        (channel("deepseek"), "deepseek-v4-pro", ("openai", "anthropic")),
        (channel("deepseek", OWN), "", ("openai",)),
        (channel("deepseek", OWN, ("anthropic",)), "", ("anthropic",)),
        (channel("openrouter", OWN), "", ("openai", "responses", "anthropic")),
        (channel("ollama", "http://gpu:11434/v1"), "", ("ollama",)),
        (channel("proxy", OWN, ("gemini", "anthropic")), "", ("gemini", "anthropic")),
        (channel("vertex"), "", ("gemini", "anthropic", "openai")),
        (channel("vertex"), "claude-sonnet-4-5@20250929", ("anthropic",)),
        (channel("vertex"), "gemini-2.5-flash", ("gemini",)),
        (channel("vertex"), "meta/llama-4-maverick", ("openai",)),
        (channel("vertex"), "text-embedding-005", ("gemini", "anthropic", "openai")),
        (channel("vertex", dialects=("openai",)), "gemini-2.5-flash", ("openai",)),
    ],
)
def test_what_a_channel_speaks(given: Channel, model: str, dialects: tuple[str, ...]) -> None:
    assert offered(given, provider_of(given), model) == dialects


@pytest.mark.parametrize(
    ("given", "dialect", "base_url"),
    [
        (channel("openai"), "openai", "https://api.openai.com/v1"),
        (channel("openai"), "responses", "https://api.openai.com/v1"),
        (channel("openai", OWN), "openai", OWN),
        (channel("deepseek"), "openai", "https://api.deepseek.com/v1"),
        (channel("deepseek"), "anthropic", "https://api.deepseek.com/anthropic"),
        (channel("deepseek", OWN), "anthropic", OWN),
        (channel("bedrock"), "bedrock", "https://bedrock-runtime.{region}.amazonaws.com"),
    ],
)
def test_where_a_dialect_is(given: Channel, dialect: str, base_url: str) -> None:
    assert base_url_of(given, provider_of(given), dialect) == base_url


@pytest.mark.parametrize("provider", [row.id for row in CATALOG.values() if row.base_url is None])
def test_a_provider_without_a_base_url_needs_one(provider: str) -> None:
    with pytest.raises(ValueError, match=f'channel "c" needs a base_url: its provider "{provider}" has none'):
        base_url_of(channel(provider), CATALOG[provider], CATALOG[provider].dialects[0])
