"""Amazon Bedrock: requests signed with AWS Signature Version 4, or a Bedrock API key.

Base URLs name the region (https://bedrock-runtime.us-east-1.amazonaws.com) or leave it to the option ``region``.
``service`` is what the signature is for; it follows from the host unless it is set.

Keys: ``ACCESS_KEY_ID|SECRET_ACCESS_KEY``, with ``|SESSION_TOKEN`` for temporary ones; or a Bedrock API key.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

from msgspec import Struct

from .access import Exchange, KeyAccess, Place, Unsigned, needed, option, signing

__all__ = ["AwsAccess"]

_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-\d+")
_KEY = re.compile(r"[!-~]+")
_MANTLE = "bedrock-mantle"
_SIGNED = ("content-type",)
"""Beside host and x-amz-…: what a client or a proxy changes on the way must not be part of the signature."""

_PLAIN = KeyAccess()


class AwsAccess(Struct, frozen=True):
    exchanges: ClassVar[bool] = False
    fixed: ClassVar[bool] = False

    def url(self, place: Place, key: str = "") -> str:
        url = _PLAIN.url(place, key)
        _region(url, place.options)
        return url

    def exchange(self, key: str, options: Mapping[str, str], now: float) -> Exchange | None:
        return _PLAIN.exchange(key, options, now)

    def ticket(self, body: bytes, now: float) -> tuple[str, float]:
        return _PLAIN.ticket(body, now)

    def body(self, body: bytes, place: Place) -> bytes:
        return _PLAIN.body(body, place)

    def headers(self, key: str, ticket: str, request: Unsigned, now: float) -> tuple[tuple[str, str], ...]:
        if "|" not in key:
            return _PLAIN.headers(key, ticket, request, now)
        parts = [part.strip() for part in key.split("|")]
        if len(parts) not in (2, 3) or not all(map(_KEY.fullmatch, parts)):
            raise ValueError("a key of AWS has the form ACCESS_KEY_ID|SECRET_ACCESS_KEY or …|SESSION_TOKEN")
        moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        added = [("x-amz-date", moment)] + [("x-amz-security-token", token) for token in parts[2:]]
        return (*added, ("authorization", _signature(parts, request, added, moment)))


def _region(url: str, options: Mapping[str, str]) -> str:
    """
    :raises ValueError: neither the option nor the host tells
    """
    labels = (urlsplit(url).hostname or "").split(".")
    named = next((label for label in reversed(labels) if _REGION.fullmatch(label)), None)
    return option(options, "region") or named or needed(options, "region")


def _service(url: str, options: Mapping[str, str]) -> str:
    host = urlsplit(url).hostname or ""
    return option(options, "service") or (_MANTLE if _MANTLE in host.split(".") else "bedrock")


def _signature(parts: list[str], request: Unsigned, added: list[tuple[str, str]], moment: str) -> str:
    """The value of the header. The signer is asked step by step, since only so it can be told what time it is."""
    with signing("aws"):
        from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
        from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
        from botocore.credentials import Credentials  # type: ignore[import-untyped]
    own = [(name, value) for name, value in request.headers if _is_signed(name)]
    signer: Any = SigV4Auth(
        Credentials(*parts), _service(request.url, request.options), _region(request.url, request.options)
    )
    asked: Any = AWSRequest(request.method, request.url, headers=dict(own + added), data=request.body)
    asked.context["timestamp"] = moment
    signature = signer.signature(signer.string_to_sign(asked, signer.canonical_request(asked)), asked)
    names = signer.signed_headers(signer.headers_to_sign(asked))
    return f"AWS4-HMAC-SHA256 Credential={signer.scope(asked)}, SignedHeaders={names}, Signature={signature}"


def _is_signed(name: str) -> bool:
    return name.lower() in _SIGNED or name.lower().startswith("x-amz-")
