"""Vertex AI: a path for each publisher, and a signed statement for a ticket."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from oneapi_asgi.providers.access import Place, Unsigned
from oneapi_asgi.providers.vertex import VertexAccess

ACCESS = VertexAccess()
REQUEST = Unsigned("POST", "https://aiplatform.googleapis.com/v1/x", (), b"{}")
DEFAULT = "https://{location}-aiplatform.googleapis.com"
GEMINI = "/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
TOKEN = "ya29.a0AfH6SMB"
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = PRIVATE.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
ACCOUNT = json.dumps(
    {
        "type": "service_account",
        "project_id": "my-project",
        "private_key_id": "kid-1",
        "private_key": PEM,
        "client_email": "me@my-project.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
)
PROJECT = "/v1/projects/my-project/locations"


def place(
    dialect: str, path: str, *, model: str = "m", stream: bool = True, base: str = DEFAULT, **options: str
) -> Place:
    return Place(
        base_url=base, dialect=dialect, version="v1beta", path=path, model=model, stream=stream, options=options
    )


@pytest.mark.parametrize(
    ("location", "host"),
    [
        (None, "aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("us-central1", "us-central1-aiplatform.googleapis.com"),
    ],
)
@pytest.mark.parametrize("base", [DEFAULT, ""])
def test_a_location_has_a_host(location: str | None, host: str, base: str) -> None:
    url = ACCESS.url(place("gemini", GEMINI, base=base, project="my-project", location=location or ""), TOKEN)
    assert url == f"https://{host}{PROJECT}/{location or 'global'}/publishers/google{GEMINI}"


def test_a_service_account_names_its_project() -> None:
    url = ACCESS.url(place("gemini", GEMINI), ACCOUNT)
    assert url == f"https://aiplatform.googleapis.com{PROJECT}/global/publishers/google{GEMINI}"
    other = ACCESS.url(place("gemini", GEMINI, project="example.com:other"), ACCOUNT)
    assert "/projects/example.com:other/" in other
    with pytest.raises(ValueError, match="'project'"):
        ACCESS.url(place("gemini", GEMINI), TOKEN)
    with pytest.raises(ValueError, match="'project'"):
        ACCESS.url(place("gemini", GEMINI))


def test_an_api_key_needs_no_project() -> None:
    url = ACCESS.url(place("gemini", GEMINI), "AIzaSy")
    assert url == f"https://aiplatform.googleapis.com/v1/publishers/google{GEMINI}"
    assert ACCESS.headers("AIzaSy", "", REQUEST, 0.0) == (("x-goog-api-key", "AIzaSy"),)
    assert ACCESS.exchange("AIzaSy", {}, 0.0) is None


def test_versions() -> None:
    path = "/models/g:generateContent"
    asked = place("gemini", path, api_version="v1beta1", project="p", location="us-east5")
    assert ACCESS.url(asked, TOKEN) == (
        "https://us-east5-aiplatform.googleapis.com/v1beta1/projects/p/locations/us-east5"
        "/publishers/google/models/g:generateContent"
    )
    own = place("gemini", path, base="https://proxy.example/v1beta1", project="p", location="us-east5")
    assert ACCESS.url(own, TOKEN).startswith("https://proxy.example/v1beta1/projects/p/locations/us-east5/")


def test_a_base_url_may_hold_the_project() -> None:
    base = "https://us-east5-aiplatform.googleapis.com/v1/projects/{project}/locations/us-east5"
    url = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5"
    asked = place("gemini", "/models/g:x", base=base, project="p")
    assert ACCESS.url(asked, TOKEN) == f"{url}/publishers/google/models/g:x"


@pytest.mark.parametrize(
    ("path", "stream", "below"),
    [
        ("/messages", True, "claude-sonnet-4-5@20250929:streamRawPredict"),
        ("/messages", False, "claude-sonnet-4-5@20250929:rawPredict"),
        ("/messages?beta=true", False, "claude-sonnet-4-5@20250929:rawPredict?beta=true"),
        ("/messages/count_tokens", False, "count-tokens:rawPredict"),
    ],
)
def test_claude_is_at_its_publisher(path: str, stream: bool, below: str) -> None:
    asked = place("anthropic", path, model="claude-sonnet-4-5@20250929", stream=stream, location="us-east5")
    url = ACCESS.url(asked, ACCOUNT)
    root = f"https://us-east5-aiplatform.googleapis.com{PROJECT}/us-east5/publishers/anthropic/models"
    assert url == f"{root}/{below}"


def test_claude_has_its_version_in_the_body_and_its_model_outside() -> None:
    body = b'{"model": "claude", "max_tokens": 5, "messages": [{"x": 1.10}]}'
    assert ACCESS.body(body, place("anthropic", "/messages")) == (
        b'{"anthropic_version":"vertex-2023-10-16","max_tokens":5,"messages":[{"x": 1.10}]}'
    )
    counted = ACCESS.body(body, place("anthropic", "/messages/count_tokens"))
    assert json.loads(counted)["model"] == "claude"
    own = ACCESS.body(b'{"anthropic_version": "vertex-2026"}', place("anthropic", "/messages"))
    assert json.loads(own) == {"anthropic_version": "vertex-2026"}
    assert ACCESS.body(body, place("gemini", GEMINI)) == body


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"a":' * 100_000])
def test_a_body_that_is_none(body: bytes) -> None:
    with pytest.raises(ValueError, match="no JSON object"):
        ACCESS.body(body, place("anthropic", "/messages"))


def test_what_claude_does_not_have() -> None:
    with pytest.raises(ValueError, match="/models"):
        ACCESS.url(place("anthropic", "/models", project="p"), TOKEN)


@pytest.mark.parametrize(
    ("path", "below"),
    [
        ("/chat/completions", "/endpoints/openapi/chat/completions"),
        ("/responses", "/publishers/openai/v1/responses"),
    ],
)
def test_openais_format(path: str, below: str) -> None:
    url = ACCESS.url(place("openai", path, location="us-central1", project="my-project"), TOKEN)
    assert url == f"https://us-central1-aiplatform.googleapis.com{PROJECT}/us-central1{below}"


def test_a_service_account_states_who_it_is() -> None:
    now = 1_750_000_000.9
    exchange = ACCESS.exchange(ACCOUNT, {}, now)
    assert exchange is not None
    assert exchange.url == "https://oauth2.googleapis.com/token"
    fields = parse_qs(exchange.body.decode())
    assert fields["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    (assertion,) = fields["assertion"]
    assert jwt.get_unverified_header(assertion) == {"alg": "RS256", "kid": "kid-1", "typ": "JWT"}
    claims = jwt.decode(
        assertion,
        PRIVATE.public_key(),
        algorithms=["RS256"],
        audience="https://oauth2.googleapis.com/token",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims == {
        "iss": "me@my-project.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": 1_750_000_000,
        "exp": 1_750_003_600,
    }
    assert ACCESS.headers(ACCOUNT, "ya29.x", REQUEST, now) == (("authorization", "Bearer ya29.x"),)


@pytest.mark.parametrize("key", [TOKEN, f"Bearer {TOKEN}"])
def test_a_token_that_somebody_else_keeps_fresh(key: str) -> None:
    assert ACCESS.exchange(key, {}, 0.0) is None
    assert ACCESS.headers(key, "", REQUEST, 0.0) == (("authorization", f"Bearer {TOKEN}"),)


def test_no_key_no_header() -> None:
    assert ACCESS.headers("", "", REQUEST, 0.0) == ()


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("{", "client_email"),
        ('{"client_email": "s3cret"}', "client_email"),
        ('{"client_email": 1, "private_key": "s3cret"}', "client_email"),
        ('{"client_email": "a", "private_key": "s3cret"}', "private key"),
        ('{"client_email": "a", "private_key": "-----BEGIN PRIVATE KEY-----\\ns3cret"}', "private key"),
        ('{"a": ' * 100_000, "client_email"),
    ],
)
def test_a_key_that_cannot_be_read_is_not_shown(key: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as raised:
        ACCESS.exchange(key, {}, 0.0)
    assert "s3cret" not in str(raised.value)
    assert raised.value.__context__ is None


def test_a_service_account_needs_its_ticket() -> None:
    with pytest.raises(ValueError, match="exchanged") as raised:
        ACCESS.headers(ACCOUNT, "", REQUEST, 0.0)
    assert "BEGIN" not in str(raised.value)
