"""How a key is shown, and where a base URL, a version and a path meet."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

import jwt
import pytest

from oneapi_asgi.providers.access import (
    Access,
    Exchange,
    JwtAccess,
    KeyAccess,
    Place,
    Unsigned,
    filled,
    form,
    joined,
    oauth_ticket,
    option,
    signed,
)
from oneapi_asgi.providers.aws import AwsAccess
from oneapi_asgi.providers.azure import AzureAccess
from oneapi_asgi.providers.vertex import VertexAccess

REQUEST = Unsigned("POST", "https://api.example.com/v1/chat/completions", (), b"{}")
EVERY: tuple[Access, ...] = (KeyAccess(), JwtAccess(), AwsAccess(), AzureAccess(), VertexAccess())


def place(
    base_url: str, path: str = "/messages", version: str = "v1", options: Mapping[str, str] | None = None
) -> Place:
    return Place(
        base_url=base_url,
        dialect="anthropic",
        version=version,
        path=path,
        model="claude",
        stream=False,
        options=options or {},
    )


@pytest.mark.parametrize(
    ("base", "version", "path", "url"),
    [
        ("https://api.anthropic.com", "v1", "/messages", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/", "v1", "/messages", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/v1", "v1", "/messages", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/v1/", "v1", "/messages", "https://api.anthropic.com/v1/messages"),
        ("https://api.deepseek.com/anthropic", "v1", "/messages", "https://api.deepseek.com/anthropic/v1/messages"),
        ("https://host/v1beta", "v1", "/models/m:x", "https://host/v1beta/models/m:x"),
        ("https://host/v1alpha1", "v1", "/x", "https://host/v1alpha1/x"),
        ("https://host/api/v3", "v1", "/x", "https://host/api/v3/x"),
        ("https://host/api/paas/v4", "v1", "/x", "https://host/api/paas/v4/x"),
        ("https://host/v2", "v2", "/chat", "https://host/v2/chat"),
        ("https://host/v1/openai", "", "/chat", "https://host/v1/openai/chat"),
        ("https://v1", "v1", "/x", "https://v1/v1/x"),
        ("https://host/dev1", "v1", "/x", "https://host/dev1/v1/x"),
        ("https://host", "v1beta", "/m:s?alt=sse", "https://host/v1beta/m:s?alt=sse"),
        ("https://host?tenant=a", "v1", "/x", "https://host/v1/x?tenant=a"),
        ("https://host/v1?tenant=a", "v1", "/x?alt=sse", "https://host/v1/x?alt=sse&tenant=a"),
    ],
)
def test_a_version_comes_between_unless_the_base_url_has_one(base: str, version: str, path: str, url: str) -> None:
    assert joined(base, version, path) == url
    assert KeyAccess().url(place(base, path, version)) == url


def test_options_fill_the_base_url() -> None:
    options = {"region": "eu-west-1", "account": "a1"}
    assert filled("https://x.{region}.example/{account}/v1", options) == "https://x.eu-west-1.example/a1/v1"


@pytest.mark.parametrize("options", [{}, {"account": ""}])
def test_a_missing_option_is_named(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="'account'"):
        KeyAccess().url(place("https://host/{account}", options=options))


@pytest.mark.parametrize("value", ["evil.example/x", "a?b", "a#b", "user@host", "a b", "../x", ".", "é", "a\n"])
def test_an_option_leads_nowhere_else(value: str) -> None:
    with pytest.raises(ValueError, match="'region'"):
        option({"region": value}, "region")


@pytest.mark.parametrize(
    ("access", "key", "headers"),
    [
        (KeyAccess(), "sk-1", (("authorization", "Bearer sk-1"),)),
        (KeyAccess("x-api-key", ""), "sk-1", (("x-api-key", "sk-1"),)),
        (KeyAccess(), "", ()),
        (JwtAccess(), "", ()),
        (JwtAccess(), "sk-1", (("authorization", "Bearer sk-1"),)),
        (JwtAccess(), "a.b.c", (("authorization", "Bearer a.b.c"),)),
        (JwtAccess(), "a.", (("authorization", "Bearer a."),)),
    ],
)
def test_a_key_is_a_header(access: Access, key: str, headers: tuple[tuple[str, str], ...]) -> None:
    assert access.headers(key, "", REQUEST, 0.0) == headers
    assert access.exchange(key, {}, 0.0) is None
    assert access.body(b"{}", place("https://host")) == b"{}"


def test_a_key_of_two_halves_signs_a_token() -> None:
    now = 1_750_000_000.25
    ((header, value),) = JwtAccess().headers("the-id.the-secret", "", REQUEST, now)
    assert header == "authorization"
    token = value.removeprefix("Bearer ")
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "sign_type": "SIGN", "typ": "JWT"}
    signed, _, signature = token.rpartition(".")
    digest = hmac.new(b"the-secret", signed.encode(), hashlib.sha256).digest()
    assert jwt.utils.base64url_decode(signature) == digest
    claims = jwt.decode(token, options={"verify_signature": False, "verify_exp": False})
    assert claims == {"api_key": "the-id", "exp": 1_750_000_180_250, "timestamp": 1_750_000_000_250}
    assert "the-secret" not in value


def test_who_takes_keys_as_they_are_has_no_tickets() -> None:
    for access in (KeyAccess(), JwtAccess(), AwsAccess()):
        with pytest.raises(ValueError, match="as it is"):
            access.ticket(b'{"access_token": "t"}', 0.0)


@pytest.mark.parametrize(
    ("body", "ticket"),
    [
        (b'{"access_token": "t", "expires_in": 3599, "token_type": "Bearer"}', ("t", 4599.0)),
        (b'{"access_token": "t", "expires_in": "3599"}', ("t", 4599.0)),
        (b'{"access_token": "t"}', ("t", 4600.0)),
    ],
)
def test_the_ticket_of_an_exchange(body: bytes, ticket: tuple[str, float]) -> None:
    assert oauth_ticket(body, 1000.0) == ticket
    assert AzureAccess().ticket(body, 1000.0) == ticket
    assert VertexAccess().ticket(body, 1000.0) == ticket


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff",
        b"null",
        b"{}",
        b'{"access_token": ""}',
        b'{"access_token": 1}',
        b'{"access_token": "s3cret", "expires_in": "soon"}',
        b'{"access_token": "s3cret", "expires_in": -1}',
        b'{"access_token": "s3cret", "expires_in": "nan"}',
        b'{"access_token": "s3cret", "expires_in": "inf"}',
        b"[" * 100_000,
    ],
)
def test_an_answer_without_a_ticket(body: bytes) -> None:
    with pytest.raises(ValueError, match="no access token") as raised:
        oauth_ticket(body, 0.0)
    assert "s3cret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_an_exchange_does_not_show_its_body() -> None:
    assert "s3cret" not in repr(Exchange("https://login.example", (), b"client_secret=s3cret"))


def test_a_form_is_percent_encoded() -> None:
    assert form({"a": "1 &=+é", "b": "x"}) == b"a=1%20%26%3D%2B%C3%A9&b=x"


def test_every_access_is_one() -> None:
    """That they fit the Protocol is for mypy to say; that they are values, so that catalogs can hold them, is not."""
    assert len(set(EVERY)) == len(EVERY)


def test_what_shows_the_credential_takes_the_place_of_the_same_header() -> None:
    request = Unsigned("POST", "https://a.example/v1", (("accept", "*/*"), ("x-api-key", "the caller's")), b"{}")
    assert signed(KeyAccess("x-api-key", ""), request, "k", "", 0.0) == (("accept", "*/*"), ("x-api-key", "k"))
    assert signed(KeyAccess(), request, "", "", 0.0) == request.headers
