"""A gateway inside of other people's services, at any place, on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from e2e.serving import CHAT, KEY, PRICE, make_storage, make_upstream, served
from fastapi import FastAPI
from litestar import Litestar, asgi
from litestar import get as litestar_get
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from oneapi_asgi import NANO, Channel, Gateway, MemoryStorage, Secret, TokenDraft, Usage, key_digest
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.testing import FakeUpstream

Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]


def make_gateway(fake: FakeUpstream, storage: MemoryStorage | SQLStorage | None = None, *, key: str = KEY) -> Gateway:
    return Gateway(
        storage or MemoryStorage(),
        upstream=make_upstream("httpx2"),
        channels=[Channel(id=0, name="c", base_url=fake.url, api_keys=(Secret("sk-up"),), models=("gpt-4o",))],
        tokens=[TokenDraft(name="t", digest=key_digest(key), quota=NANO)],
        prices={"*": PRICE},
    )


def fastapi_host(prefix: str, gateway: ASGIApp, lifespan: Lifespan | None) -> ASGIApp:
    host = FastAPI(lifespan=lifespan)

    @host.get("/own")
    def own() -> str:
        return "own"

    host.mount(prefix, gateway)
    return host


def starlette_host(prefix: str, gateway: ASGIApp, lifespan: Lifespan | None) -> ASGIApp:
    routes = [Route("/own", lambda _: PlainTextResponse("own")), Mount(prefix, gateway)]
    return Starlette(routes=routes, lifespan=lifespan)


def litestar_host(prefix: str, gateway: ASGIApp, lifespan: Lifespan | None) -> Any:
    @litestar_get("/own", sync_to_thread=False)
    def own() -> str:
        return "own"

    @asgi(prefix, is_mount=True, copy_scope=True)
    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        await gateway(scope, receive, send)

    return Litestar([own, mounted], lifespan=[lifespan] if lifespan else [], openapi_config=None, logging_config=None)


HOSTS: dict[str, Callable[[str, ASGIApp, Lifespan | None], ASGIApp]] = {
    "fastapi": fastapi_host,
    "starlette": starlette_host,
    "litestar": litestar_host,
}
PREFIXES = {"/": "/v1", "/llm": "/llm/v1", "/a/b": "/a/b/v1", "/a/b/v1": "/a/b/v1", "/v1": "/v1"}
host_param = pytest.mark.parametrize("host", HOSTS)


async def chat(api: str, key: str = KEY) -> str | None:
    async with openai.AsyncOpenAI(
        api_key=key, base_url=api, max_retries=0, timeout=10, _strict_response_validation=True
    ) as client:
        answer = await client.chat.completions.create(**CHAT)
        stream = await client.chat.completions.create(**CHAT, stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(pieces) == answer.choices[0].message.content
        assert [model.id async for model in client.models.list()] == ["gpt-4o"]
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(**CHAT | {"model": "zebra"})
    return str(answer.choices[0].message.content)


@host_param
@pytest.mark.parametrize("prefix", PREFIXES)
async def test_mounted(host: str, prefix: str) -> None:
    async with FakeUpstream() as fake, httpx2.AsyncClient(trust_env=False) as client:
        gateway = make_gateway(fake)
        async with served(HOSTS[host](prefix, gateway, gateway.lifespan)) as url:
            assert await chat(url + PREFIXES[prefix])
            assert "own" in (await client.get(url + "/own")).text
            for path in ("/chat/completions", "/chat/completions/"):
                where = url + PREFIXES[prefix] + path
                answer = await client.post(where, json=CHAT, headers={"authorization": f"Bearer {KEY}"})
                assert answer.status_code == 200, where
            for path in ("/models", "/models/", "/models/gpt-4o", "/dashboard/billing/usage/"):
                answer = await client.get(url + PREFIXES[prefix] + path, headers={"authorization": f"Bearer {KEY}"})
                assert answer.status_code == 200, path
            answer = await client.get(url + PREFIXES[prefix] + "/nothing", headers={"authorization": f"Bearer {KEY}"})
            assert answer.json()["error"]["code"] == "unknown_url"
        assert {entry.path for entry in fake.journal} == {"/v1/chat/completions"}


@host_param
async def test_a_host_with_a_lifespan_of_its_own(host: str) -> None:
    events: list[str] = []
    async with FakeUpstream() as fake:
        gateway = make_gateway(fake)

        @asynccontextmanager
        async def lifespan(_: Any) -> AsyncIterator[None]:
            events.append("host up")
            async with gateway:
                yield
            events.append("host down")

        async with served(HOSTS[host]("/llm", gateway, lifespan)) as url:
            assert await chat(f"{url}/llm/v1")
    assert events == ["host up", "host down"]


@host_param
async def test_a_gateway_that_was_never_started_says_what_to_do(host: str) -> None:
    async with FakeUpstream() as fake, httpx2.AsyncClient(trust_env=False) as client:
        app = HOSTS[host]("/llm", make_gateway(fake), None)
        async with served(app) as url:
            headers = {"authorization": f"Bearer {KEY}"}
            answer = await client.post(f"{url}/llm/v1/chat/completions", json=CHAT, headers=headers)
            other = await client.post(f"{url}/llm/v1/messages", json=CHAT, headers=headers)
            assert (await client.get(f"{url}/own")).status_code == 200
        assert other.json()["type"] == "error", "in the caller's format"
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "not_started"
        assert "lifespan=gateway.lifespan" in answer.json()["error"]["message"]
        assert "async with gateway" in answer.json()["error"]["message"]
        assert fake.journal == []


async def test_two_gateways_in_one_process(tmp_path: Path) -> None:
    async with FakeUpstream() as left_fake, FakeUpstream() as right_fake:
        left_store, right_store = MemoryStorage(), make_storage("sqlite", tmp_path)
        left = make_gateway(left_fake, left_store, key="sk-left")
        right = make_gateway(right_fake, right_store, key="sk-right")

        @asynccontextmanager
        async def lifespan(_: Any) -> AsyncIterator[None]:
            async with left, right:
                yield
                await left.quota.settled()
                for storage, spends in ((left_store, True), (right_store, False)):
                    (token,) = await storage.list_tokens()
                    (cap,) = await storage.balances(token.accounts[:1])
                    assert (cap.used > 0) is spends

        app = Starlette(routes=[Mount("/left", left), Mount("/right", right)], lifespan=lifespan)
        async with served(app) as url:
            assert await chat(f"{url}/left/v1", "sk-left")
            with pytest.raises(openai.AuthenticationError):
                await chat(f"{url}/right/v1", "sk-left")
        assert (len(left_fake.journal), len(right_fake.journal)) == (2, 0)


async def test_outermost(tmp_path: Path) -> None:
    async with FakeUpstream() as fake:
        gateway = make_gateway(fake, make_storage("sqlite", tmp_path))
        for _ in range(2):  # it may be started anew
            async with served(gateway, lifespan="on") as url:
                assert await chat(f"{url}/v1")


async def test_a_start_that_fails_fails_the_server(tmp_path: Path) -> None:
    async with FakeUpstream() as fake:
        gateway = make_gateway(fake, make_storage("sqlite", tmp_path / "missing"))
        with pytest.raises(RuntimeError, match="did not start"):
            async with served(gateway):
                pass


async def test_under_middleware_that_copies_the_scope() -> None:
    class Copying:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.app(dict(scope), receive, send)

    async def dispatch(request: Request, call_next: Callable[[Request], Any]) -> Response:
        response: Response = await call_next(request)
        response.headers["x-seen"] = "1"
        return response

    async with FakeUpstream() as fake, httpx2.AsyncClient(trust_env=False) as client:
        storage = MemoryStorage()
        gateway = make_gateway(fake, storage)
        app = Starlette(
            routes=[Mount("/llm", Copying(gateway))],
            middleware=[Middleware(BaseHTTPMiddleware, dispatch=dispatch)],
            lifespan=gateway.lifespan,
        )
        async with served(app) as url:
            assert await chat(f"{url}/llm/v1")
            assert (await client.get(f"{url}/llm/v1/models")).headers["x-seen"] == "1"
        ended = [(record.status, record.reason, record.usage) for record in await storage.list_records()]
        served_whole = (200, "done", Usage(input=6, output=8))
        assert ended == [(404, "refused", None), served_whole, served_whole]


async def test_a_mount_in_a_mount() -> None:
    async with FakeUpstream() as fake:
        gateway = make_gateway(fake)
        inner = FastAPI()
        inner.mount("/llm", gateway)
        outer = FastAPI(lifespan=gateway.lifespan)
        outer.mount("/tenant", inner)
        async with served(outer) as url:
            assert await chat(f"{url}/tenant/llm/v1")


async def test_entering_twice_is_refused() -> None:
    async with FakeUpstream() as fake:
        gateway = make_gateway(fake)
        async with gateway:
            with pytest.raises(RuntimeError, match="running already"):
                await gateway.__aenter__()
