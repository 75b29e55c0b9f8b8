"""Single components around other people's apps, under a real server."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx2
import pytest
from e2e.hangup import asking, read_until
from e2e.serving import LOOPBACK, eventually, served
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from oneapi_asgi import (
    NANO,
    Call,
    CallRecorder,
    Candidate,
    Channel,
    ChannelPool,
    HttpxUpstream,
    KeyAuthenticator,
    MemoryStorage,
    ModelRouter,
    Price,
    PriceBook,
    Quota,
    QuotaGuard,
    RateLimit,
    RateLimiter,
    RecordWriter,
    Relay,
    Secret,
    Token,
    TokenAuth,
    TokenDraft,
    Usage,
    UsageMeter,
    key_digest,
)
from oneapi_asgi.pricing import cost
from oneapi_asgi.testing import Answer, FakeUpstream, Part

AUTH = {"authorization": "Bearer sk-bob"}
CHAT: dict[str, Any] = {"model": "own-1", "messages": [{"role": "user", "content": "hi"}]}
PRICE = Price(input=1_000_000_007, output=3_000_000_013)
QUOTA = NANO


async def store_with_bob(**options: Any) -> MemoryStorage:
    storage = MemoryStorage()
    await storage.add_user("bob")
    await storage.add_token(TokenDraft(name="bob", digest=key_digest("sk-bob"), user="bob", quota=QUOTA, **options))
    return storage


async def cap(storage: MemoryStorage) -> tuple[int, int]:
    """What bob has left, and has used."""
    (token,) = await storage.list_tokens()
    (balance,) = await storage.balances(token.accounts[:1])
    return balance.available, balance.used


def under(app: ASGIApp, *parts: AbstractAsyncContextManager[Any]) -> Starlette:
    """The host: its lifespan runs the parts that have something to start."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with parts[0]:
            if len(parts) > 1:
                async with parts[1]:
                    yield
            else:
                yield

    return Starlette(routes=[Mount("/", app)], lifespan=lifespan if parts else None)


@asynccontextmanager
async def client_of(app: ASGIApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        served(app, lifespan="auto") as url,
        httpx2.AsyncClient(base_url=url, headers=AUTH, trust_env=False) as client,
    ):
        yield client


# --- TokenAuth, KeyAuthenticator --------------------------------------------------------------------------------------


async def hello(request: Request) -> Response:
    token = Call.of(request.scope).token
    assert token is not None
    return PlainTextResponse(f"hello {token.user_name}")


async def test_token_auth_around_a_foreign_app() -> None:
    foreign = Starlette(routes=[Route("/tool", hello, methods=["GET", "POST"])])
    async with client_of(TokenAuth(foreign, KeyAuthenticator(await store_with_bob()))) as client:
        assert (await client.get("/tool")).text == "hello bob"
        refused = await client.post("/tool", headers={"authorization": "Bearer sk-wrong"}, content=b"\xff not JSON")
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")


async def test_token_auth_holds_a_token_to_its_models_without_a_router() -> None:
    async def echo(request: Request) -> Response:
        return JSONResponse(await request.json())

    foreign = Starlette(routes=[Route("/v1/chat/completions", echo, methods=["POST"])])
    guarded = TokenAuth(foreign, KeyAuthenticator(await store_with_bob(models=("own-*",))))
    async with client_of(guarded) as client:
        assert (await client.post("/v1/chat/completions", json=CHAT)).json() == CHAT
        refused = await client.post("/v1/chat/completions", json=CHAT | {"model": "dear"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_not_allowed")


async def test_key_authenticator_as_a_dependency() -> None:
    authenticator = KeyAuthenticator(await store_with_bob())
    app = FastAPI()

    @app.get("/me")
    async def me(token: Token = Depends(authenticator.dependency)) -> str:  # noqa: B008  # FastAPI's way
        return token.user_name

    async with client_of(app) as client:
        assert (await client.get("/me")).json() == "bob"
        assert (await client.get("/me", headers={"authorization": "Bearer sk-wrong"})).status_code == 401
        del client.headers["authorization"]
        refused = await client.get("/me")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")


# --- QuotaGuard, UsageMeter -------------------------------------------------------------------------------------------


class ModelServer:
    """Somebody's own OpenAI-compatible app. It keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.lengths: list[tuple[int, int]] = []
        self.app = Starlette(routes=[Route("/v1/chat/completions", self.chat, methods=["POST"])])

    async def chat(self, request: Request) -> Response:
        body = await request.body()
        self.lengths.append((int(request.headers["content-length"]), len(body)))
        asked = json.loads(body)
        self.asked.append(asked)
        if asked.get("user") == "refuse":
            return JSONResponse({"error": {"message": "no", "code": "mine"}}, 422)
        if asked.get("stream"):
            return StreamingResponse(self.events(asked), media_type="text/event-stream")
        return JSONResponse({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 22}})

    async def events(self, asked: dict[str, Any]) -> AsyncIterator[str]:
        slow = asked.get("user") == "slow"
        for word in ("a", "b", "c") * (500 if slow else 1):
            yield f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': word}}]})}\n\n"
            await asyncio.sleep(0.02 if slow else 0)
        yield f"data: {json.dumps({'choices': [{'index': 0, 'delta': {}, 'finish_reason': 'stop'}]})}\n\n"
        if (asked.get("stream_options") or {}).get("include_usage"):
            yield 'data: {"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":33}}\n\n'
        yield "data: [DONE]\n\n"


@asynccontextmanager
async def metered(server: ModelServer, storage: MemoryStorage) -> AsyncIterator[tuple[httpx2.AsyncClient, Quota]]:
    quota = Quota(storage, PriceBook(storage, declared={"*": PRICE}))
    app = TokenAuth(QuotaGuard(UsageMeter(server.app), quota), KeyAuthenticator(storage))
    async with client_of(under(app, quota)) as client:
        yield client, quota


async def spent(storage: MemoryStorage, quota: Quota, amount: int) -> None:
    """A call is settled a moment after its caller has the answer."""

    async def so() -> bool:
        await quota.settled()
        return await cap(storage) == (QUOTA - amount, amount)

    await eventually(so, within=5)


async def test_quota_and_meter_around_a_model_server() -> None:
    server, storage = ModelServer(), await store_with_bob()
    async with metered(server, storage) as (client, quota):
        answer = await client.post("/v1/chat/completions", json=CHAT)
        assert answer.json()["usage"] == {"prompt_tokens": 11, "completion_tokens": 22}
        first = cost(Usage(input=11, output=22), PRICE)
        await spent(storage, quota, first)

        answer = await client.post("/v1/chat/completions", json=CHAT | {"stream": True})
        assert "usage" not in answer.text
        assert answer.text.endswith("data: [DONE]\n\n")
        assert answer.text.count("content") == 3
        second = first + cost(Usage(input=11, output=33), PRICE)
        await spent(storage, quota, second)

        body = CHAT | {"stream": True, "stream_options": {"include_usage": True}}
        answer = await client.post("/v1/chat/completions", json=body)
        assert '"completion_tokens":33' in answer.text
        await spent(storage, quota, second + cost(Usage(input=11, output=33), PRICE))
    assert server.asked == [CHAT, body, body]
    assert [announced for announced, _ in server.lengths] == [length for _, length in server.lengths]


async def test_a_refusal_of_the_model_server_costs_nothing() -> None:
    server, storage = ModelServer(), await store_with_bob()
    async with metered(server, storage) as (client, quota):
        answer = await client.post("/v1/chat/completions", json=CHAT | {"user": "refuse"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "mine")
        await spent(storage, quota, 0)


async def test_a_hang_up_on_the_model_server_is_charged() -> None:
    server, storage = ModelServer(), await store_with_bob()
    async with metered(server, storage) as (client, quota):
        body = CHAT | {"stream": True, "user": "slow"}
        async with asking(f"{str(client.base_url).rstrip('/')}/v1", body, key="sk-bob") as reader:
            await read_until(reader, b'"c"')

        async def settled() -> bool:
            await quota.settled()
            return (await cap(storage))[1] > 0 and sum(await cap(storage)) == QUOTA

        await eventually(settled, within=5)
        _, used = await cap(storage)
        assert cost(Usage(input=1, output=3), PRICE) <= used <= cost(Usage(input=100, output=100), PRICE)


async def test_a_poor_caller_never_reaches_the_model_server() -> None:
    server, storage = ModelServer(), await store_with_bob()
    (token,) = await storage.list_tokens()
    await storage.credit(token.accounts[0], -QUOTA)
    async with metered(server, storage) as (client, _):
        answer = await client.post("/v1/chat/completions", json=CHAT)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "insufficient_quota")
    assert server.asked == []


async def test_a_quota_that_was_not_started_refuses() -> None:
    server, storage = ModelServer(), await store_with_bob()
    quota = Quota(storage, PriceBook(storage, declared={"*": PRICE}))
    app = TokenAuth(QuotaGuard(UsageMeter(server.app), quota), KeyAuthenticator(storage))
    async with client_of(under(app)) as client:
        answer = await client.post("/v1/chat/completions", json=CHAT)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_started")
    assert server.asked == []


# --- ModelRouter, Relay -----------------------------------------------------------------------------------------------


async def test_model_router_before_an_endpoint_of_ones_own() -> None:
    async def show(request: Request) -> Response:
        return JSONResponse([[step.channel.name, step.upstream_model] for step in Call.of(request.scope).plan])

    channels = [
        Channel(id=1, name="one", models=("gpt-4o",), priority=5),
        Channel(id=2, name="two", model_map={"gpt-4o": "deployment"}, models=("other",)),
        Channel(id=3, name="vips", groups=("vip",)),
    ]
    app = Starlette(routes=[Route("/v1/chat/completions", show, methods=["POST"])])
    async with client_of(ModelRouter(app, ChannelPool(MemoryStorage(channels=channels)))) as client:
        answer = await client.post("/v1/chat/completions", json=CHAT | {"model": "gpt-4o"})
        assert answer.json() == [["one", "gpt-4o"], ["two", "deployment"]]
        refused = await client.post("/v1/chat/completions", json=CHAT | {"model": "zebra"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions/"])
async def test_relay_as_a_failover_proxy(path: str) -> None:
    async with FakeUpstream() as broken, FakeUpstream() as well, HttpxUpstream(guard=LOOPBACK) as upstream:
        broken.script(Answer(status=500, parts=[Part(b"{}")]))
        plan = [
            Candidate(Channel(id=n, name=f"{n}", base_url=fake.url, api_keys=(Secret(f"sk-{n}"),)), 0, f"up-{n}")
            for n, fake in enumerate((broken, well))
        ]
        async with client_of(Relay(upstream, plan=plan)) as client:
            answer = await client.post(path, json=CHAT)
            assert answer.json()["model"] == "up-1"
            assert [fake.journal[0].header("authorization") for fake in (broken, well)] == [
                "Bearer sk-0",
                "Bearer sk-1",
            ]
            stream = await client.post(path, json=CHAT | {"stream": True})
            assert stream.text.endswith("data: [DONE]\n\n")
            refused = await client.post(path, content=b"{")
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_json")


# --- RateLimit, CallRecorder ------------------------------------------------------------------------------------------


async def test_rate_limit_with_token_auth() -> None:
    foreign = Starlette(routes=[Route("/tool", hello)])
    limited = RateLimit(foreign, limiter=RateLimiter(requests_per_minute=3))
    async with client_of(TokenAuth(limited, KeyAuthenticator(await store_with_bob()))) as client:
        answers = [await client.get("/tool") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert 15 <= int(answers[-1].headers["retry-after"]) <= 20
    assert answers[-1].headers["x-should-retry"] == "true"


async def test_call_recorder_alone() -> None:
    async def tool(request: Request) -> Response:
        return PlainTextResponse("x", int(request.query_params.get("status", "200")))

    storage = MemoryStorage()
    writer = RecordWriter(storage)
    recorded = CallRecorder(Starlette(routes=[Route("/tool", tool)]), writer)
    async with client_of(under(recorded, writer)) as client:
        await client.get("/tool")
        await client.get("/tool?status=418")
        await writer.written()
        records = await storage.list_records()
    assert [(record.status, record.reason, record.cost) for record in records] == [
        (418, "refused", 0),
        (200, "done", 0),
    ]


async def test_a_recorder_that_was_not_started_refuses() -> None:
    recorded = CallRecorder(Starlette(routes=[Route("/tool", hello)]), RecordWriter(MemoryStorage()))
    async with client_of(under(recorded)) as client:
        answer = await client.get("/tool")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_started")
    assert "record writer" in answer.json()["error"]["message"]


# --- a slot that nobody has filled ------------------------------------------------------------------------------------


def without_auth(kind: str) -> ASGIApp:
    storage, app = MemoryStorage(), Starlette(routes=[])
    quota = Quota(storage, PriceBook(storage))
    made: dict[str, ASGIApp] = {
        "QuotaGuard": QuotaGuard(app, quota),
        "RateLimit": RateLimit(app),
        "Relay": Relay(HttpxUpstream()),
    }
    return made[kind]


CURES = {
    "QuotaGuard": "QuotaGuard reads call.token, which is empty: put TokenAuth outside of it",
    "RateLimit": "RateLimit reads call.token, which is empty: put TokenAuth outside of it",
    "Relay": "Relay has no plan: put ModelRouter outside of it, or give it a plan of its own",
}


@pytest.mark.parametrize("kind", CURES)
async def test_an_empty_slot_names_its_cure(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    async with client_of(under(without_auth(kind))) as client:
        assert (await client.post("/v1/chat/completions", json=CHAT)).status_code == 500
    raised = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert raised == [CURES[kind]]
