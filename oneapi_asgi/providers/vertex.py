"""Google Vertex AI: models of Google, Anthropic and others, each at the path of its publisher.

Options: ``project`` (a service account names its own), ``location`` ("global" unless set), ``api_version`` ("v1"; new
features of Gemini come at "v1beta1" first).

Keys: the JSON of a service account; an access token (``ya29.…``) that somebody else keeps fresh; or an API key, which
needs no project (express mode).
https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct

from ..unreadable import UNREADABLE
from .access import FORM, Exchange, Place, Unsigned, filled, form, joined, needed, oauth_ticket, option, signing

__all__ = ["VertexAccess"]

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105
_LIFETIME = 3600

_CLAUDE_VERSION = "vertex-2023-10-16"
_CLAUDE_PATHS = {"/messages": None, "/messages/count_tokens": "count-tokens"}

_HOSTS = {
    "global": "https://aiplatform.googleapis.com",
    "us": "https://aiplatform.us.rep.googleapis.com",
    "eu": "https://aiplatform.eu.rep.googleapis.com",
}
_PROJECT = "/projects/"
"""In a base URL: it is complete, down to the location."""

_DEFAULT_BASES = ("", "https://{location}-aiplatform.googleapis.com")


class _Account(Struct):
    client_email: str
    private_key: str
    private_key_id: str = ""
    project_id: str = ""
    token_uri: str = _TOKEN_URI


_account_decoder = msgspec.json.Decoder(_Account)
_object = msgspec.json.Decoder(dict[str, Raw])


class VertexAccess(Struct, frozen=True):
    exchanges: ClassVar[bool] = True
    fixed: ClassVar[bool] = False

    def url(self, place: Place, key: str = "") -> str:
        base = _base(place)
        version = option(place.options, "api_version") or "v1"
        root = joined(base, "" if _PROJECT in base else version, "")
        return _PATHS.get(place.dialect, _openai)(root, place, key)

    def exchange(self, key: str, options: Mapping[str, str], now: float) -> Exchange | None:  # noqa: ARG002
        """https://developers.google.com/identity/protocols/oauth2/service-account#httprest"""
        if not _is_account(key):
            return None
        account = _account(key)
        fields = {"grant_type": _GRANT, "assertion": _assertion(account, int(now))}
        return Exchange(account.token_uri, FORM, form(fields))

    def ticket(self, body: bytes, now: float) -> tuple[str, float]:
        return oauth_ticket(body, now)

    def body(self, body: bytes, place: Place) -> bytes:
        """Claude's model is in the URL, and its API's version in the body."""
        if place.dialect != "anthropic":
            return body
        try:
            fields = _object.decode(body)
        except UNREADABLE:
            raise ValueError("the body is no JSON object") from None
        if _CLAUDE_PATHS.get(place.path.partition("?")[0]) is None:
            fields.pop("model", None)
        return msgspec.json.encode({"anthropic_version": _CLAUDE_VERSION, **fields})

    def headers(self, key: str, ticket: str, request: Unsigned, now: float) -> tuple[tuple[str, str], ...]:  # noqa: ARG002
        if ticket:
            return (("authorization", f"Bearer {ticket}"),)
        if _is_account(key):
            raise ValueError("the key of a service account has to be exchanged for a ticket")
        if _is_token(key):
            return (("authorization", f"Bearer {_bare(key)}"),)
        return (("x-goog-api-key", key),) if key else ()


# --- URLs -------------------------------------------------------------------------------------------------------------


def _base(place: Place) -> str:
    if place.base_url not in _DEFAULT_BASES:
        return filled(place.base_url, place.options)
    location = option(place.options, "location") or "global"
    return _HOSTS.get(location) or f"https://{location}-aiplatform.googleapis.com"


def _scope(place: Place, key: str) -> str:
    """The path of project and location; a service account knows its project."""
    options = place.options
    if not option(options, "project") and _is_account(key):
        options = {**options, "project": _account(key).project_id}
    location = option(options, "location") or "global"
    return f"/projects/{needed(options, 'project')}/locations/{location}"


def _gemini(root: str, place: Place, key: str) -> str:
    if _PROJECT in root:
        return f"{root}/publishers/google{place.path}"
    express = not (_is_account(key) or _is_token(key) or option(place.options, "project"))
    scope = "" if express and key else _scope(place, key)
    return f"{root}{scope}/publishers/google{place.path}"


def _claude(root: str, place: Place, key: str) -> str:
    path, _, query = place.path.partition("?")
    if path not in _CLAUDE_PATHS:
        raise ValueError(f"Claude on Vertex AI has no {path}")
    verb = "streamRawPredict" if place.stream else "rawPredict"
    fixed = _CLAUDE_PATHS[path]
    name = f"{fixed}:rawPredict" if fixed else f"{quote(place.model, safe='@')}:{verb}"
    scope = "" if _PROJECT in root else _scope(place, key)
    return f"{root}{scope}/publishers/anthropic/models/{name}{'?' if query else ''}{query}"


def _openai(root: str, place: Place, key: str) -> str:
    """All publishers' models by OpenAI's format; OpenAI's own answer at a path of theirs."""
    scope = "" if _PROJECT in root else _scope(place, key)
    below = "/publishers/openai/v1" if place.path.startswith("/responses") else "/endpoints/openapi"
    return f"{root}{scope}{below}{place.path}"


_PATHS = {"gemini": _gemini, "anthropic": _claude}


# --- credentials ------------------------------------------------------------------------------------------------------


def _is_account(key: str) -> bool:
    return key.lstrip().startswith("{")


def _bare(key: str) -> str:
    scheme, _, token = key.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else key


def _is_token(key: str) -> bool:
    return key.startswith("ya29.") or key.lower().startswith("bearer ")


def _account(key: str) -> _Account:
    with suppress(*UNREADABLE):
        return _account_decoder.decode(key)
    # Not within a handler: the traceback that would be chained could show a part of the key.
    raise ValueError("the key looks like the JSON of a service account, and has no client_email or private_key")


def _assertion(account: _Account, now: int) -> str:
    claims: dict[str, Any] = {
        "iss": account.client_email,
        "scope": _SCOPE,
        "aud": account.token_uri,
        "iat": now,
        "exp": now + _LIFETIME,
    }
    with signing("google"):
        import jwt
    headers = {"kid": account.private_key_id} if account.private_key_id else None
    signed = ""
    with suppress(ValueError, TypeError, NotImplementedError, jwt.PyJWTError):
        signed = jwt.encode(claims, account.private_key, algorithm="RS256", headers=headers)
    if not signed:
        raise ValueError("the private key of the service account cannot be read: paste its JSON as it was downloaded")
    return signed
