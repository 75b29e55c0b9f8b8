"""Signatures of AWS requests, made once more to compare: version 4.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
import re
from hashlib import sha256
from urllib.parse import parse_qsl, quote

from .checking import Refused
from .http import Request

__all__ = ["check_signed"]

SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[^/,\s]+/(?P<scope>\d{8}/[a-z0-9-]+/bedrock/aws4_request), ?"
    r"SignedHeaders=(?P<names>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


def check_signed(request: Request, secret: str | None) -> None:
    """
    :raises Refused: the header is not of this form, leaves out what has to be signed, or (with ``secret``) is wrong
    """
    headers = dict(request.headers)
    found = SIGNED.fullmatch(headers.get("authorization", ""))
    if not found:
        what = "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters."
        raise Refused(403, what, "IncompleteSignatureException")
    names = found["names"].split(";")
    moment = headers.get("x-amz-date", "")
    if not {"host", "x-amz-date"} <= set(names) or not re.fullmatch(r"\d{8}T\d{6}Z", moment):
        raise Refused(403, "'Host' and 'X-Amz-Date' must be 'SignedHeaders'.", "InvalidSignatureException")
    if moment[:8] != found["scope"][:8]:
        raise Refused(403, "Date in Credential scope does not match that of the request.", "InvalidSignatureException")
    if secret is not None and _signature(request, headers, found["scope"], names, secret) != found["signature"]:
        what = "The request signature we calculated does not match the signature you provided."
        raise Refused(403, what, "InvalidSignatureException")


def _signature(request: Request, headers: dict[str, str], scope: str, names: list[str], secret: str) -> str:
    asked = _canonical(request, headers, names)
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, sha256(asked.encode()).hexdigest()])
    key = b"AWS4" + secret.encode()
    for step in (*scope.split("/"), text):
        key = hmac.digest(key, step.encode(), "sha256")
    return key.hex()


def _canonical(request: Request, headers: dict[str, str], names: list[str]) -> str:
    """The path is encoded once more than it is sent, as for every service but S3."""
    path, _, query = request.path.partition("?")
    pairs = sorted(
        (quote(name, safe=""), quote(value, safe="")) for name, value in parse_qsl(query, keep_blank_values=True)
    )
    lines = [f"{name}:{' '.join(headers.get(name, '').split())}" for name in names]
    return "\n".join(
        [
            request.method,
            quote(path, safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in pairs),
            *lines,
            "",
            ";".join(names),
            sha256(request.body).hexdigest(),
        ]
    )
