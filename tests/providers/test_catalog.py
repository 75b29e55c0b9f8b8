from __future__ import annotations

from collections import Counter
from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest

from oneapi_asgi.models import Channel
from oneapi_asgi.providers.catalog import CATALOG, find_provider, provider_of, upstream_url
from oneapi_asgi.providers.provider import Provider, auth_headers

PLACEHOLDER = "https://resource.example.com/openai/v1"


def channel(provider: str, base_url: str | None = None) -> Channel:
    return Channel(id=1, name="c", provider=provider, base_url=base_url)


def is_loopback(host: str) -> bool:
    return host == "localhost" or ip_address(host).is_loopback


@pytest.mark.parametrize("provider", CATALOG.values(), ids=CATALOG)
@pytest.mark.parametrize("path", ["/chat/completions", "/models"])
def test_every_row_builds_a_url(provider: Provider, path: str) -> None:
    base_url = None if provider.base_url else PLACEHOLDER
    url = urlsplit(upstream_url(channel(provider.id, base_url), path))
    assert url.hostname
    assert url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname))
    assert url.path.endswith(path)
    assert "//" not in url.path
    assert url.query == url.fragment == ""
    assert url.username is None


@pytest.mark.parametrize("provider", CATALOG.values(), ids=CATALOG)
def test_every_row_is_well_formed(provider: Provider) -> None:
    assert CATALOG[provider.id] is provider
    assert provider.id == provider.id.lower().strip()
    assert provider.name
    assert provider.base_url is None or not provider.base_url.endswith("/")
    assert provider.base_url or provider.note, "a row without a base URL says what it looks like"


def test_no_one_api_type_leads_to_two_rows() -> None:
    types = Counter(row.one_api_type for row in CATALOG.values() if row.one_api_type is not None)
    assert [kind for kind, times in types.items() if times > 1] == []
    assert types.keys() >= {1, 3, 8, 20, 25, 36, 50}


def test_the_catalog_is_read_only() -> None:
    with pytest.raises(TypeError):
        CATALOG["x"] = CATALOG["openai"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("provider", "stops"),
    [("openai", True), ("azure", True), ("groq", False), ("mistral", False), ("minimax", False), ("vllm", True)],
)
def test_who_bills_a_cancelled_call(provider: str, stops: bool) -> None:
    assert CATALOG[provider].cancel_stops_billing is stops


@pytest.mark.parametrize(
    ("base_url", "path", "query", "url"),
    [
        (None, "/chat/completions", "", "https://api.openai.com/v1/chat/completions"),
        ("https://proxy.test", "/models", "", "https://proxy.test/models"),
        ("https://proxy.test/", "/models", "", "https://proxy.test/models"),
        ("https://proxy.test/v1/", "models", "", "https://proxy.test/v1/models"),
        (
            "https://a.test/openai/v1",
            "/models",
            "api-version=preview",
            "https://a.test/openai/v1/models?api-version=preview",
        ),
    ],
)
def test_base_path_and_query_are_joined(base_url: str | None, path: str, query: str, url: str) -> None:
    assert upstream_url(channel("openai", base_url), path, query) == url


def test_a_provider_without_a_base_url_needs_one() -> None:
    with pytest.raises(ValueError, match='channel "c" needs a base_url: its provider "azure" has none'):
        upstream_url(channel("azure"), "/chat/completions")


@pytest.mark.parametrize(
    ("given", "hint"),
    [("opnai", 'did you mean "openai"?'), ("OpenAI", 'did you mean "openai"?'), ("zzzz", "there are openai, azure,")],
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


@pytest.mark.parametrize(
    ("provider", "key", "headers"),
    [
        ("openai", "sk-1", (("authorization", "Bearer sk-1"),)),
        ("azure", "abc", (("api-key", "abc"),)),
        ("ollama", "", ()),
    ],
)
def test_the_key_goes_into_the_providers_header(provider: str, key: str, headers: tuple[tuple[str, str], ...]) -> None:
    assert auth_headers(CATALOG[provider], key) == headers
