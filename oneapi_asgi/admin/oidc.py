"""OpenID Connect with any issuer, found by discovery: the code flow with PKCE and a nonce, the ID token verified.

What decides whether a token is good is joserfc (signature) and Authlib (claims); what they are given comes through the
``Fetcher``. Algorithms are those of asymmetric keys alone: a token that is signed with a secret that its reader also
has, or not at all, is nobody's.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote_plus, urlencode

import msgspec
from msgspec import Struct

from ..desk.identities import Identity, oidc_subject
from ..desk.members import check_email
from ..extra import needs
from .fetching import Fetcher, FetchError, check_url
from .outside import Options
from .providers import FORM, JSON, Person, ProviderError, Refused, Trip, check_enabled, fields, with_query

__all__ = ["OIDC", "Issuer"]

_WELL_KNOWN = "/.well-known/openid-configuration"
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
_KEPT_SECONDS = 600.0
_LEEWAY = 60
"""Seconds by which the issuer's clock may differ."""


class Issuer(Struct, frozen=True, kw_only=True):
    """What discovery says, as far as it is used (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    id_token_signing_alg_values_supported: Sequence[str] = ("RS256",)
    token_endpoint_auth_methods_supported: Sequence[str] = ("client_secret_basic",)


class OIDC:
    """What an issuer says of itself, and its keys, are known for ten minutes; keys are asked for again when a token
    names one that is not among them."""

    name = "oidc"

    def __init__(self, fetcher: Fetcher, options: Options, *, clock: Callable[[], float] = time.time) -> None:
        self._fetcher = fetcher
        self._options = options
        self._clock = clock
        self._issuers: dict[str, tuple[float, Issuer]] = {}
        self._keys: dict[str, tuple[float, dict[str, Any]]] = {}

    async def check(self) -> None:
        await check_enabled(self._options, "OidcEnabled", "OidcClientId", "OidcWellKnown")

    async def page(self, trip: Trip, state: str) -> str:
        issuer = await self._issuer()
        return with_query(
            issuer.authorization_endpoint,
            response_type="code",
            client_id=await self._options.text("OidcClientId"),
            redirect_uri=trip.redirect,
            scope="openid profile email",
            state=state,
            nonce=trip.nonce,
            code_challenge=trip.challenge,
            code_challenge_method="S256",
        )

    async def person(self, trip: Trip, code: str) -> Person:
        issuer = await self._issuer()
        token = (await self._exchange(issuer, trip, code)).get("id_token")
        if not isinstance(token, str):
            raise ProviderError(f"{issuer.issuer} gave no id_token")
        claims = await self._claims(issuer, token, trip.nonce)
        subject = claims["sub"]
        if not isinstance(subject, str) or not subject or len(subject) > 255:
            raise Refused("the token has no usable sub")
        label = next((claims[name] for name in ("preferred_username", "name", "email") if claims.get(name)), "")
        identity = Identity("oidc", oidc_subject(issuer.issuer, subject), str(label)[:255])
        return Person(identity, _verified_address(claims))

    async def _issuer(self) -> Issuer:
        url = await self._options.text("OidcWellKnown")
        until, issuer = self._issuers.get(url, (0.0, None))
        if issuer is not None and until > self._clock():
            return issuer
        try:
            said = fields(await self._fetcher.fetch("GET", url, headers=(JSON,)), "discovery")
            issuer = msgspec.convert(said, Issuer)
            for endpoint in (issuer.authorization_endpoint, issuer.token_endpoint, issuer.jwks_uri):
                check_url(endpoint)
        except (FetchError, Refused) as error:
            raise ProviderError(str(error)) from None
        except (msgspec.ValidationError, ValueError) as error:
            raise ProviderError(f"what discovery says is not usable: {error}") from None
        if issuer.issuer.rstrip("/") + _WELL_KNOWN != url:
            raise ProviderError(f"OidcWellKnown belongs to another issuer than it names: {issuer.issuer[:200]!r}")
        self._issuers = {url: (self._clock() + _KEPT_SECONDS, issuer)}
        return issuer

    async def _exchange(self, issuer: Issuer, trip: Trip, code: str) -> Mapping[str, Any]:
        client = await self._options.text("OidcClientId")
        secret = await self._options.secret("OidcClientSecret")
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": trip.redirect}
        if trip.verifier:
            form["code_verifier"] = trip.verifier
        headers = [FORM, JSON]
        if not secret:
            form["client_id"] = client  # a public client: PKCE shows that it is the one that began
        elif "client_secret_basic" in issuer.token_endpoint_auth_methods_supported:
            both = f"{quote_plus(client)}:{quote_plus(secret)}".encode()  # RFC 6749, section 2.3.1
            headers.append(("authorization", f"Basic {base64.b64encode(both).decode()}"))
        else:
            form |= {"client_id": client, "client_secret": secret}
        try:
            answer = await self._fetcher.fetch(
                "POST", issuer.token_endpoint, headers=headers, body=urlencode(form).encode()
            )
        except FetchError as error:
            raise ProviderError(str(error)) from None
        return fields(answer, issuer.issuer)

    async def _claims(self, issuer: Issuer, token: str, nonce: str) -> Mapping[str, Any]:
        client = await self._options.text("OidcClientId")
        keys = await self._jwks(issuer, again=False)
        try:
            return self._verified(issuer, token, keys, client, nonce)
        except Refused:
            fresh = await self._jwks(issuer, again=True)
            if fresh == keys:
                raise
            return self._verified(issuer, token, fresh, client, nonce)

    async def _jwks(self, issuer: Issuer, *, again: bool) -> dict[str, Any]:
        until, known = self._keys.get(issuer.jwks_uri, (0.0, None))
        if known is not None and until > self._clock() and not again:
            return known
        try:
            said = dict(fields(await self._fetcher.fetch("GET", issuer.jwks_uri, headers=(JSON,)), "the issuer's keys"))
        except (FetchError, Refused) as error:
            raise ProviderError(str(error)) from None
        self._keys = {issuer.jwks_uri: (self._clock() + _KEPT_SECONDS, said)}
        return said

    def _verified(self, issuer: Issuer, token: str, keys: dict[str, Any], client: str, nonce: str) -> Mapping[str, Any]:
        """
        :raises Refused: whoever made this token is not the issuer, or it is for another moment, visit or client
        """
        with needs("oidc"):
            from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
            from joserfc import jwt
            from joserfc.errors import JoseError
            from joserfc.jwk import KeySet
        allowed = [name for name in _ALGORITHMS if name in issuer.id_token_signing_alg_values_supported]
        try:
            decoded = jwt.decode(token, KeySet.import_key_set(keys), algorithms=allowed)  # type: ignore[arg-type]
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {"iss": {"essential": True, "value": issuer.issuer}, "aud": {"essential": True, "value": client}},
                {"nonce": nonce or None, "client_id": client},
            )
            claims.validate(now=int(self._clock()), leeway=_LEEWAY)
            return dict(claims)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise Refused(f"the issuer's token is not good: {type(error).__name__}") from None


def _verified_address(claims: Mapping[str, Any]) -> str:
    email = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(email, str):
        return ""
    try:
        return check_email(email)
    except ValueError:
        return ""
