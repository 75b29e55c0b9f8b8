"""A gateway with real money and an SQLite file, in front of scripted upstreams.

Callers name a model by the format of its channel: ``anthropic`` is one at an upstream that speaks Anthropic's, and
``spared-anthropic`` the same with a second channel behind the first, whose requests come below ``/spare``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from e2e.serving import KEY, LOOPBACK, UPSTREAM_KEY, eventually, make_storage, served
from faults.auditor import Books, read_books
from servers.databases import rows
from starlette.types import ASGIApp, Receive, Scope, Send

from oneapi_asgi import Channel, Ejection, Gateway, Price, Secret, Timeouts, TokenDraft, key_digest
from oneapi_asgi.call import Call
from oneapi_asgi.retry import RetryBudget
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.testing.upstream.http import Request
from oneapi_asgi.upstream.httptools import HttptoolsUpstream

from .audit import Audit
from .caller import Answered, Asking, Leave, asking
from .dialects import DIALECTS, Name
from .upstream import ScriptedUpstream

__all__ = ["PER_TOKEN", "Lab", "Named", "add_caller", "channels_of", "gateway_of", "is_spare", "open_lab", "percentile"]

PER_TOKEN = 7
"""Nano-dollars for each token of output. Prompts are free: theirs may have to be estimated."""

_PRICE = Price(output=1_000_000 * PER_TOKEN)
_WALLET = 10**15


class Named:
    """Takes the name of a call from its caller, so that reservation and record bear it too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (name := dict(scope["headers"]).get(b"x-name")):
            Call.of(scope).id = name.decode()
        await self.app(scope, receive, send)


def channels_of(root: str) -> list[Channel]:
    found = []
    for number, (name, dialect) in enumerate(DIALECTS.items()):
        for role, served_models in (("main", (name, f"spared-{name}")), ("spare", (f"spared-{name}",))):
            channel = Channel(
                id=0,
                name=f"{role}-{name}",
                provider=dialect.provider,
                dialects=(name,),
                base_url=f"{root}/{role}{dialect.below}",
                api_keys=(Secret(f"{UPSTREAM_KEY}{number}"),),
                models=(),
                model_map=dict.fromkeys(served_models, dialect.model),
                priority=1 if role == "main" else 0,
            )
            found.append(channel)
    return found


def is_spare(request: Request) -> bool:
    return request.path.startswith("/spare/")


def gateway_of(database: str, root: str, **options: Any) -> Gateway:
    """Channels are always fit, and every call may be tried again: what they are told to do is what is tested."""
    given = {
        "channels": channels_of(root),
        "health": Ejection(judge=False),
        "prices": {"*": _PRICE},
        "retries": RetryBudget(least=1_000),
        **options,
    }
    return Gateway(SQLStorage(database), upstream=HttptoolsUpstream(guard=LOOPBACK), **given)


async def add_caller(database: str) -> None:
    async with SQLStorage(database) as storage:
        await storage.add_user("bob", wallet=_WALLET)
        await storage.add_token(TokenDraft(name="bob", digest=key_digest(KEY), quota=_WALLET, user="bob"))


class Lab:
    def __init__(self, url: str, database: str, upstream: ScriptedUpstream, gateway: Gateway | None = None) -> None:
        self.url = url
        self.database = database
        self.upstream = upstream
        self._gateway = gateway

    def asking(
        self, client: Name, model: str = "", *, stream: bool = True, name: str = "", leave: Leave = "fin"
    ) -> AbstractAsyncContextManager[Asking]:
        """In the client's format, of its own channel unless another ``model`` is named."""
        dialect, model = DIALECTS[client], model or client
        body = dialect.ask(model, stream, name)
        return asking(self.url, dialect.path_of(model, stream=stream), body, key=KEY, name=name, leave=leave)

    async def ask(self, client: Name, model: str = "", *, stream: bool = True, name: str = "") -> Answered:
        """The whole answer."""
        async with self.asking(client, model, stream=stream, name=name) as asked:
            return await asked.answered()

    async def quiet(self, *, within: float = 10.0) -> None:
        """Until no call is under way, and all that ended is settled and written down."""
        held = "SELECT count(*) FROM reservations WHERE state = 'held'"
        unwritten = "SELECT count(*) FROM reservations WHERE id NOT IN (SELECT id FROM records)"

        async def over() -> bool:
            if self._gateway is not None:
                await self._gateway.quota.settled()
                await self._gateway.records.written()
            return not self.upstream.answering and all(rows(self.database, sql) == [(0,)] for sql in (held, unwritten))

        await eventually(over, within=within)

    async def books(self) -> Books:
        await self.quiet()
        return await read_books(self.database)


@asynccontextmanager
async def open_lab(
    folder: Path, audit: Audit, *, timeouts: Timeouts | None = None, **options: Any
) -> AsyncIterator[Lab]:
    """In this process."""
    async with AsyncExitStack() as stack:
        make_storage("sqlite", folder)
        database = f"sqlite:///{folder}/gateway.db"
        await add_caller(database)
        upstream = await stack.enter_async_context(ScriptedUpstream())
        gateway = gateway_of(database, upstream.root, timeouts=timeouts, **options)
        url = await stack.enter_async_context(served(Named(gateway)))
        lab = Lab(url, database, upstream, gateway)
        yield lab
        await lab.quiet()
        asked = len(upstream.seen)
        upstream.forget()  # pytest keeps what a test was given
    audit.books(database, asked=asked)


def percentile(seconds: Sequence[float], share: float) -> float:
    return sorted(seconds)[min(int(len(seconds) * share), len(seconds) - 1)]
