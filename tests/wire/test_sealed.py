"""Signatures that survive a trip through a client of another format."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.wire.sealed import SEALED, Signature, seal, unseal

texts = st.text(st.characters(codec="utf-8"), max_size=60)


@settings(max_examples=60)
@given(texts, texts, texts)
def test_round_trip(dialect: str, model: str, value: str) -> None:
    signature = Signature(dialect, model, value)
    sealed = seal(signature)
    assert base64.b64encode(base64.b64decode(sealed, validate=True)).decode() == sealed
    assert sealed.encode().startswith(SEALED)
    assert unseal(sealed, "other") == signature
    urlsafe = sealed.replace("+", "-").replace("/", "_")
    assert unseal(urlsafe, "other") == signature, "clients for whom bytes are base64url"
    assert unseal(urlsafe.rstrip("="), "other") == signature, "and have no padding"


@settings(max_examples=60)
@given(texts)
def test_what_is_not_sealed_is_bare(value: str) -> None:
    assert unseal(value, "gemini") == Signature("gemini", "", value)


def wrapped(inner: bytes) -> str:
    return base64.b64encode(b"oneapi1:" + inner).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no base64!",
        "grüß",
        "EqoBCkgIARAB",
        wrapped(b""),
        wrapped(b"{}"),
        wrapped(b'["a","b"]'),
        wrapped(b'["a","b",1]'),
        wrapped(b'["a","b","\xff"]'),
        wrapped(b"[" * 100_000),
        base64.b64encode(b'oneapi2:["a","b","c"]').decode(),
    ],
)
def test_damaged(text: str) -> None:
    assert unseal(text, "anthropic") == Signature("anthropic", "", text)
