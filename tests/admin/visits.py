"""A browser, the providers that it is sent to, and what is asked of both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from servers.prepared import Prepared

from oneapi_asgi.admin import Route
from oneapi_asgi.admin.oauth import OAuth
from oneapi_asgi.admin.oidc import OIDC
from oneapi_asgi.admin.providers import GitHub
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.storage.sql.desk.identities import SQLIdentities
from oneapi_asgi.storage.sql.desk.members import SQLMembers

from .issuer import CLIENT, SECRET, FakeGitHub, Issuer
from .net import Told, fetching, listening
from .outsiders import Kept, Signed
from .rig import Written, asked

SITE = "http://gate.example"


@dataclass
class Scene:
    browser: httpx2.AsyncClient
    issuer: Issuer
    hub: FakeGitHub
    options: Told
    members: SQLMembers
    identities: SQLIdentities
    signed: Signed
    kept: Kept
    events: Written
    routes: tuple[Route, ...]

    async def start(self, provider: str = "oidc", **query: str) -> str:
        """Where the browser is sent to."""
        answer = await self.browser.get(f"/oauth/{provider}/start", params=query)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def back(self, provider: str = "oidc", **query: str) -> httpx2.Response:
        return await self.browser.get(f"/oauth/{provider}", params=query)

    async def signed_in(self, provider: str = "oidc", **query: str) -> httpx2.Response:
        elsewhere = self.hub if provider == "github" else self.issuer
        return await self.back(provider, **elsewhere.visited(await self.start(provider, **query)))

    async def people(self) -> int:
        return sum([await self.members.member(number) is not None for number in range(1, 20)])

    async def refused(self, answer: httpx2.Response, code: str = "oauth_refused") -> None:
        assert answer.json()["code"] == code, answer.text
        assert self.signed.members == []
        assert "session=" not in str(answer.headers)
        assert await self.people() == 1  # root


@asynccontextmanager
async def visited(tmp_path: Path, prepared: Prepared) -> AsyncIterator[Scene]:
    issuer, hub, signed, kept, events = Issuer(), FakeGitHub(), Signed(), Kept(), Written()
    async with AsyncExitStack() as stack:
        storage = await stack.enter_async_context(SQLStorage(stack.enter_context(prepared("sqlite", tmp_path))))
        issuer.url = await stack.enter_async_context(listening(issuer))
        site = await stack.enter_async_context(listening(hub))
        fetcher = await stack.enter_async_context(fetching())
        options = Told(ServerAddress=SITE, RegisterEnabled=True, OidcEnabled=True, OidcClientId=CLIENT,
                       OidcClientSecret=SECRET, OidcWellKnown=f"{issuer.url}/.well-known/openid-configuration",
                       GitHubOAuthEnabled=True, GitHubClientId=CLIENT, GitHubClientSecret=SECRET)  # fmt: skip
        members, identities = SQLMembers(storage), SQLIdentities(storage)
        providers = (OIDC(fetcher, options), GitHub(fetcher, options, site=site, api=site))
        oauth = OAuth(providers, identities, members, kept, signed, events, options)
        browser = await stack.enter_async_context(asked(oauth.routes(), events))
        del browser.headers["x-actor"]
        yield Scene(browser, issuer, hub, options, members, identities, signed, kept, events, oauth.routes())
