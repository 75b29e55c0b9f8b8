"""Azure's two kinds of URLs, and its three kinds of keys."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from oneapi_asgi.providers.access import Place, Unsigned
from oneapi_asgi.providers.azure import AzureAccess

ACCESS = AzureAccess()
REQUEST = Unsigned("POST", "https://x.openai.azure.com/openai/v1/chat/completions", (), b"{}")
HOST = "https://x.openai.azure.com"
ENTRA = "my-tenant|client-id|s3cret|with~bar"


def place(
    base_url: str, path: str = "/chat/completions", *, model: str = "gpt-4o", dialect: str = "openai", **options: str
) -> Place:
    version = "v1" if dialect == "anthropic" else ""
    return Place(
        base_url=base_url, dialect=dialect, version=version, path=path, model=model, stream=False, options=options
    )


@pytest.mark.parametrize("base", [HOST, f"{HOST}/", f"{HOST}/openai", f"{HOST}/openai/v1", f"{HOST}/openai/v1/"])
@pytest.mark.parametrize("path", ["/chat/completions", "/responses", "/embeddings"])
def test_without_a_version_it_is_the_new_root(base: str, path: str) -> None:
    assert ACCESS.url(place(base, path)) == f"{HOST}/openai/v1{path}"
    assert ACCESS.url(place(base, path, api_version="v1")) == f"{HOST}/openai/v1{path}"


@pytest.mark.parametrize("base", [HOST, f"{HOST}/openai", f"{HOST}/openai/v1"])
@pytest.mark.parametrize(
    ("path", "below"),
    [
        ("/chat/completions", "/deployments/gpt-4o/chat/completions"),
        ("/completions", "/deployments/gpt-4o/completions"),
        ("/embeddings", "/deployments/gpt-4o/embeddings"),
        ("/audio/transcriptions", "/deployments/gpt-4o/audio/transcriptions"),
        ("/images/generations", "/deployments/gpt-4o/images/generations"),
        ("/responses", "/responses"),
    ],
)
def test_with_a_version_it_is_a_deployment(base: str, path: str, below: str) -> None:
    url = ACCESS.url(place(base, path, api_version="2024-10-21"))
    assert url == f"{HOST}/openai{below}?api-version=2024-10-21"


def test_a_base_url_may_be_one_deployments() -> None:
    base = f"{HOST}/openai/deployments/mine"
    url = f"{base}/chat/completions?api-version=2024-10-21"
    assert ACCESS.url(place(base, api_version="2024-10-21")) == url
    assert ACCESS.url(place(f"{base}?api-version=2024-10-21")) == url
    assert ACCESS.url(place(base)) == f"{base}/chat/completions"


def test_a_deployment_is_percent_encoded() -> None:
    url = ACCESS.url(place(HOST, model="a b/c?d", api_version="2024-10-21"))
    assert url == f"{HOST}/openai/deployments/a%20b%2Fc%3Fd/chat/completions?api-version=2024-10-21"


@pytest.mark.parametrize(
    "base",
    [
        "https://r.services.ai.azure.com",
        "https://r.services.ai.azure.com/anthropic",
        "https://r.services.ai.azure.com/anthropic/",
        "https://r.services.ai.azure.com/anthropic/v1",
    ],
)
def test_claude_in_foundry(base: str) -> None:
    url = ACCESS.url(place(base, "/messages", dialect="anthropic", model="claude"))
    assert url == "https://r.services.ai.azure.com/anthropic/v1/messages"


def test_the_base_url_may_hold_options() -> None:
    assert (
        ACCESS.url(place("https://{resource}.openai.azure.com", resource="x")) == f"{HOST}/openai/v1/chat/completions"
    )
    with pytest.raises(ValueError, match="'resource'"):
        ACCESS.url(place("https://{resource}.openai.azure.com"))
    with pytest.raises(ValueError, match="'api_version'"):
        ACCESS.url(place(HOST, api_version="1&x=y"))


@pytest.mark.parametrize(
    ("key", "headers"),
    [
        ("k3y", (("api-key", "k3y"),)),
        ("Bearer eyJ0", (("authorization", "Bearer eyJ0"),)),
        ("bearer  eyJ0", (("authorization", "Bearer eyJ0"),)),
        ("", ()),
    ],
)
def test_a_key_or_a_token(key: str, headers: tuple[tuple[str, str], ...]) -> None:
    assert ACCESS.exchange(key, {}, 0.0) is None
    assert ACCESS.headers(key, "", REQUEST, 0.0) == headers
    assert ACCESS.body(b"x", place(HOST)) == b"x"


def test_an_application_of_entra_id() -> None:
    exchange = ACCESS.exchange(ENTRA, {}, 0.0)
    assert exchange is not None
    assert exchange.url == "https://login.microsoftonline.com/my-tenant/oauth2/v2.0/token"
    assert dict(exchange.headers)["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(exchange.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["client-id"],
        "client_secret": ["s3cret|with~bar"],
        "scope": ["https://cognitiveservices.azure.com/.default"],
    }
    assert ACCESS.headers(ENTRA, "eyJ0", REQUEST, 0.0) == (("authorization", "Bearer eyJ0"),)


@pytest.mark.parametrize("authority", ["https://login.microsoftonline.us/", "login.microsoftonline.us"])
def test_sovereign_clouds_have_authorities_of_their_own(authority: str) -> None:
    options = {"authority": authority, "scope": "https://cognitiveservices.azure.us/.default"}
    exchange = ACCESS.exchange(ENTRA, options, 0.0)
    assert exchange is not None
    assert exchange.url == "https://login.microsoftonline.us/my-tenant/oauth2/v2.0/token"
    assert parse_qs(exchange.body.decode())["scope"] == [options["scope"]]


@pytest.mark.parametrize("key", ["tenant|s3cret", "|id|s3cret", "tenant||s3cret", "tenant|id|"])
def test_a_key_that_cannot_be_read_is_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="CLIENT_SECRET") as raised:
        ACCESS.exchange(key, {}, 0.0)
    assert "s3cret" not in str(raised.value)


def test_an_application_needs_its_ticket() -> None:
    with pytest.raises(ValueError, match="exchanged") as raised:
        ACCESS.headers(ENTRA, "", REQUEST, 0.0)
    assert "s3cret" not in str(raised.value)
