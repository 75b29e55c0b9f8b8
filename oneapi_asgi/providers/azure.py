"""Azure OpenAI and Azure AI Foundry: deployments or one root in the URL, a key or Entra ID as the credential.

Base URLs are https://RESOURCE.openai.azure.com, https://RESOURCE.services.ai.azure.com, or either with /openai/v1.
Options: ``api_version`` asks for URLs of deployments and names their version; ``authority`` is where Entra answers, for
sovereign clouds; ``scope`` what is asked of it.

Keys: a key of the resource; ``TENANT|CLIENT_ID|CLIENT_SECRET`` of an application in Entra ID; or ``Bearer TOKEN``,
a token that somebody else keeps fresh.
https://learn.microsoft.com/azure/ai-foundry/openai/reference
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import quote

from msgspec import Struct

from .access import FORM, Exchange, Place, Unsigned, filled, form, joined, oauth_ticket, option

__all__ = ["AzureAccess"]

_AUTHORITY = "https://login.microsoftonline.com"
_SCOPE = "https://cognitiveservices.azure.com/.default"
_BEARER = "bearer "

_DEPLOYMENTS = "/deployments/"
"""In a base URL: it is one deployment's, whatever the model is called."""

_OF_DEPLOYMENTS = ("/chat/completions", "/completions", "/embeddings", "/audio/", "/images/")
"""What is asked of one deployment; the rest (/responses, /files …) is asked of the resource."""


class AzureAccess(Struct, frozen=True):
    exchanges: ClassVar[bool] = True
    fixed: ClassVar[bool] = False

    def url(self, place: Place, key: str = "") -> str:  # noqa: ARG002
        base = filled(place.base_url, place.options).rstrip("/")
        if place.dialect == "anthropic":
            return joined(base if base.endswith(("/anthropic", "/v1")) else f"{base}/anthropic", "v1", place.path)
        version = option(place.options, "api_version")
        if _DEPLOYMENTS in base:
            return joined(f"{base}?api-version={version}" if version and "?" not in base else base, "", place.path)
        resource = base.removesuffix("/v1").removesuffix("/openai")
        if version is None or version == "v1":
            return f"{resource}/openai/v1{place.path}"
        return joined(f"{resource}/openai?api-version={version}", "", _deployed(place))

    def exchange(self, key: str, options: Mapping[str, str], now: float) -> Exchange | None:  # noqa: ARG002
        """https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow"""
        if "|" not in key:
            return None
        tenant, client, secret = _application(key)
        authority = (options.get("authority") or _AUTHORITY).rstrip("/")
        authority = authority if "://" in authority else f"https://{authority}"
        fields = {
            "grant_type": "client_credentials",
            "client_id": client,
            "client_secret": secret,
            "scope": options.get("scope") or _SCOPE,
        }
        return Exchange(f"{authority}/{quote(tenant, safe='')}/oauth2/v2.0/token", FORM, form(fields))

    def ticket(self, body: bytes, now: float) -> tuple[str, float]:
        return oauth_ticket(body, now)

    def body(self, body: bytes, place: Place) -> bytes:  # noqa: ARG002
        return body

    def headers(self, key: str, ticket: str, request: Unsigned, now: float) -> tuple[tuple[str, str], ...]:  # noqa: ARG002
        if ticket:
            return (("authorization", f"Bearer {ticket}"),)
        if "|" in key:
            raise ValueError("a key of the form TENANT|CLIENT_ID|CLIENT_SECRET has to be exchanged for a ticket")
        if key[: len(_BEARER)].lower() == _BEARER:
            return (("authorization", f"Bearer {key[len(_BEARER) :].strip()}"),)
        return (("api-key", key),) if key else ()


def _deployed(place: Place) -> str:
    if place.path.startswith("/realtime?"):
        return place.path.replace("?model=", "?deployment=", 1)
    if not place.path.startswith(_OF_DEPLOYMENTS):
        return place.path
    return f"/deployments/{quote(place.model, safe='')}{place.path}"


def _application(key: str) -> list[str]:
    parts = [part.strip() for part in key.split("|", 2)]
    if len(parts) != 3 or not all(parts):
        raise ValueError("a key for Entra ID has the form TENANT|CLIENT_ID|CLIENT_SECRET")
    return parts
