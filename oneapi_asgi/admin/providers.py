"""Who says who somebody is: what is asked of a provider, and GitHub."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlencode

from msgspec import Struct

from ..desk.identities import Identity
from ..errors import Unavailable
from .fetching import Fetched, Fetcher, FetchError
from .outside import Options

__all__ = [
    "FORM",
    "JSON",
    "GitHub",
    "Person",
    "Provider",
    "ProviderError",
    "Refused",
    "Trip",
    "check_enabled",
    "fields",
    "new_trip",
    "with_query",
]

FORM = ("content-type", "application/x-www-form-urlencoded")
JSON = ("accept", "application/json")


class ProviderError(Exception):
    """The provider does not do its part; the text is for whoever runs the gateway."""


class Refused(Exception):
    """The code is not good, or what came for it: nobody is signed in. The text is for the log."""


class Trip(Struct, frozen=True):
    """What belongs to one visit at a provider. ``verifier`` (PKCE, RFC 7636) and ``nonce`` are empty where a page has
    sent the browser there by itself, and could not know them."""

    redirect: str
    verifier: str = ""
    nonce: str = ""

    @property
    def challenge(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Person(Struct, frozen=True):
    """``email`` is an address that the provider has verified, or empty."""

    identity: Identity
    email: str = ""


class Provider(Protocol):
    @property
    def name(self) -> str: ...

    async def check(self) -> None:
        """
        :raises Unavailable: it is switched off, or not set up
        """
        ...

    async def page(self, trip: Trip, state: str) -> str:
        """The URL to send the browser to.

        :raises ProviderError: the provider does not say
        """
        ...

    async def person(self, trip: Trip, code: str) -> Person:
        """Who has come back with this code.

        :raises Refused: it is not good
        :raises ProviderError: the provider could not be asked
        """
        ...


def new_trip(redirect: str) -> Trip:
    return Trip(redirect, secrets.token_urlsafe(48), secrets.token_urlsafe(32))


def with_query(url: str, **values: str) -> str:
    """The URL, with these added to its query; empty ones are left out."""
    given = urlencode({name: value for name, value in values.items() if value})
    return f"{url}{'&' if '?' in url else '?'}{given}"


def fields(answer: Fetched, what: str) -> Mapping[str, Any]:
    """What a successful answer says.

    :raises Refused: the provider refuses (a 4xx, or an ``error`` as OAuth has it)
    :raises ProviderError: it is no answer
    """
    if answer.status >= 500:
        raise ProviderError(f"{what} answered with status {answer.status}")
    try:
        said = answer.json()
    except FetchError as error:
        raise ProviderError(f"{what}: {error}") from None
    if answer.status >= 300 or "error" in said:
        code = str(said.get("error", ""))[:50]
        raise Refused(f"{what} answered with status {answer.status} {code if code.isidentifier() else ''}".rstrip())
    return said


class GitHub:
    """Known by their number, since a login may be given up, and then taken by another."""

    name = "github"

    def __init__(
        self,
        fetcher: Fetcher,
        options: Options,
        *,
        site: str = "https://github.com",
        api: str = "https://api.github.com",
    ) -> None:
        self._fetcher = fetcher
        self._options = options
        self._site = site
        self._api = api

    async def check(self) -> None:
        await check_enabled(self._options, "GitHubOAuthEnabled", "GitHubClientId", "GitHubClientSecret")

    async def page(self, trip: Trip, state: str) -> str:
        return with_query(
            f"{self._site}/login/oauth/authorize",
            client_id=await self._options.text("GitHubClientId"),
            redirect_uri=trip.redirect,
            state=state,
            scope="read:user",
            code_challenge=trip.challenge,
            code_challenge_method="S256",
        )

    async def person(self, trip: Trip, code: str) -> Person:
        form = {
            "client_id": await self._options.text("GitHubClientId"),
            "client_secret": await self._options.secret("GitHubClientSecret"),
            "code": code,
        }
        if trip.verifier:
            form |= {"redirect_uri": trip.redirect, "code_verifier": trip.verifier}
        try:
            answer = await self._fetcher.fetch(
                "POST",
                f"{self._site}/login/oauth/access_token",
                headers=(JSON, FORM),
                body=urlencode(form).encode(),
            )
            token = fields(answer, "GitHub").get("access_token")
            if not isinstance(token, str) or not token.isprintable() or not token.isascii():
                raise ProviderError("GitHub gave no access token")
            answer = await self._fetcher.fetch(
                "GET", f"{self._api}/user", headers=(JSON, ("authorization", f"Bearer {token}"))
            )
        except FetchError as error:
            raise ProviderError(str(error)) from None
        said = fields(answer, "GitHub")
        number = said.get("id")
        if type(number) is not int or number <= 0:
            raise ProviderError("GitHub did not say which account it is")
        return Person(Identity("github", str(number), str(said.get("login") or "")[:255]))


async def check_enabled(options: Options, flag: str, client_id: str, *needed: str) -> None:
    """
    :raises Unavailable: the flag is off, or one of the others is missing
    """
    if not await options.flag(flag):
        raise Unavailable(f"This way to sign in is switched off (option {flag}).", code="provider_off")
    missing = [] if await options.text(client_id) else [client_id]
    for name in needed:
        told = options.secret if name.endswith("Secret") else options.text
        if not await told(name):
            missing.append(name)
    if missing:
        raise Unavailable(f"This way to sign in is not set up: root sets {', '.join(missing)}.", code="provider_off")
