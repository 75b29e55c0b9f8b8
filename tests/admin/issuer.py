"""An OpenID issuer, and a GitHub, that give what a test wants."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import Key, RSAKey

from .net import Answer, Asked

__all__ = ["CLIENT", "SECRET", "FakeGitHub", "Issuer", "key"]

CLIENT, SECRET = "gate", "s3cret of the client"


@cache
def key(name: str = "first") -> RSAKey:
    """A key that is called so; each has a name and a number of its own."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return RSAKey.import_key(made, {"kid": name})


def _said(status: int, content: object) -> Answer:
    return status, {"content-type": "application/json"}, json.dumps(content).encode()


class Issuer:
    """``subject`` is who signs in next, ``change`` what is different about the token, ``sign`` how it is signed.
    ``form`` is what the client shows in the form, None: it uses the Authorization header."""

    def __init__(self) -> None:
        self.url = ""
        self.subject = "248289761001"
        self.more: dict[str, Any] = {"email": "ann@a.example", "email_verified": True, "name": "Ann"}
        self.change: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
        self.sign: Callable[[dict[str, Any]], str] = sign
        self.published: list[Key] = [key()]
        self.discovery: dict[str, Any] = {}
        self.form: dict[str, str] | None = None
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[Asked] = []

    def __call__(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        match asked.path:
            case "/.well-known/openid-configuration":
                return _said(200, self._discovered() | self.discovery)
            case "/jwks":
                return _said(200, {"keys": [one.as_dict(private=False) for one in self.published]})
            case "/token":
                return self._token(asked)
        return _said(404, {})

    def _discovered(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        }

    def visited(self, location: str) -> dict[str, str]:
        """A browser comes with this URL, and its person agrees: what it goes back with."""
        sent = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        code = f"code-{len(self.codes)}"
        self.codes[code] = sent
        return {"code": code, "state": sent["state"]}

    def _token(self, asked: Asked) -> Answer:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        sent = self.codes.pop(form["code"], None)
        both = base64.b64encode(f"{CLIENT}:{SECRET.replace(' ', '+')}".encode()).decode()
        known = f"Basic {both}" if self.form is None else None
        named = {name: form.get(name) for name in ("client_id", "client_secret") if name in form}
        if sent is None or asked.headers.get("authorization") != known or named != (self.form or {}):
            return _said(400, {"error": "invalid_grant"})
        if form["redirect_uri"] != sent["redirect_uri"] or ("code_challenge" in sent and not _proved(sent, form)):
            return _said(400, {"error": "invalid_grant"})
        now = int(time.time())
        claims = {"iss": self.url, "sub": self.subject, "aud": CLIENT, "exp": now + 300, "iat": now, **self.more}
        if "nonce" in sent:
            claims["nonce"] = sent["nonce"]
        return _said(200, {"access_token": "a", "token_type": "Bearer", "id_token": self.sign(self.change(claims))})


def _proved(sent: dict[str, str], form: dict[str, str]) -> bool:
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return sent["code_challenge_method"] == "S256" and sent["code_challenge"] == proof


def sign(claims: dict[str, Any], by: RSAKey | None = None, **header: str) -> str:
    used = by or key()
    return jwt.encode({"alg": "RS256", "kid": "first", **header}, claims, used)


def signed_by_secret(claims: dict[str, Any], secret: str) -> str:
    """By hand: libraries refuse to take a public key for a secret."""
    signed = _joined({"alg": "HS256", "kid": "first"}, claims)
    mac = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def unsigned(claims: dict[str, Any]) -> str:
    return _joined({"alg": "none"}, claims) + "."


def _joined(*parts: dict[str, Any]) -> str:
    return ".".join([base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts])


class FakeGitHub:
    """``number`` and ``login`` are whose account signs in next."""

    def __init__(self) -> None:
        self.number: object = 583231
        self.login = "octocat"
        self.codes: dict[str, dict[str, str]] = {}

    def visited(self, location: str) -> dict[str, str]:
        sent = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        code = f"hub-{len(self.codes)}"
        self.codes[code] = sent
        return {"code": code, "state": sent["state"]}

    def __call__(self, asked: Asked) -> Answer:
        if asked.path == "/user":
            if asked.headers.get("authorization") != "Bearer gho_token":
                return _said(401, {"message": "Bad credentials"})
            return _said(200, {"id": self.number, "login": self.login, "email": "ann@a.example"})
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        sent = self.codes.pop(form["code"], None)
        if sent is None or form["client_secret"] != SECRET or ("code_challenge" in sent and not _proved(sent, form)):
            return _said(200, {"error": "bad_verification_code"})  # GitHub says so with a 200
        return _said(200, {"access_token": "gho_token"})
