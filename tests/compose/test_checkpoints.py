"""What a call has cost so far, noted while it runs: so that a process that dies has given nothing away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from e2e.hangup import asking, read_until
from e2e.serving import LOOPBACK, eventually, served
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from oneapi_asgi import (
    NANO,
    Call,
    Candidate,
    Channel,
    HttpxUpstream,
    KeyAuthenticator,
    MemoryStorage,
    Price,
    PriceBook,
    Quota,
    QuotaGuard,
    Relay,
    Secret,
    TokenAuth,
    TokenDraft,
    Usage,
    UsageMeter,
    key_digest,
)
from oneapi_asgi.pricing import cost, estimated
from oneapi_asgi.testing import Answer, FakeUpstream, Part

from .test_components import under

PRICE = Price(input=NANO, output=10 * NANO, per_call=7)
CHAT: dict[str, Any] = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
SPEECH: dict[str, Any] = {"model": "m", "input": "hi " * 60, "voice": "alloy"}
EVENTS = (("content-type", "text/event-stream"),)
WORD = b'data: {"choices":[{"index":0,"delta":{"content":"word"},"finish_reason":null}]}\n\n'
ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}\n\n'


class Seen:
    """Keeps the call."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.call: Call | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.call = Call.of(scope)
        await self.app(scope, receive, send)


class Stand:
    """A stack at work, whose process may die."""

    def __init__(self, url: str, storage: MemoryStorage, quota: Quota, seen: Seen) -> None:
        self.api = f"{url}/v1"
        self.storage = storage
        self.quota = quota
        self._seen = seen

    @property
    def call(self) -> Call:
        assert self._seen.call is not None
        return self._seen.call

    @property
    def began(self) -> bool:
        return self._seen.call is not None and self._seen.call.id in self.storage._holds

    def noted(self) -> int:
        return self.storage._holds[self.call.id].so_far

    async def noted_is(self, true: Callable[[int], bool]) -> int:
        async def so() -> bool:
            return true(self.noted())

        await eventually(so, within=5)
        return self.noted()


@asynccontextmanager
async def standing(inner: ASGIApp) -> AsyncIterator[Stand]:
    storage = MemoryStorage()
    await storage.add_user("bob")
    await storage.add_token(TokenDraft(name="bob", digest=key_digest("sk-bob"), user="bob", quota=NANO))
    quota = Quota(storage, PriceBook(storage, declared={"*": PRICE}), checkpoint=0.02)
    seen = Seen(QuotaGuard(inner, quota))
    async with served(under(TokenAuth(seen, KeyAuthenticator(storage)), quota), lifespan="auto") as url:
        yield Stand(url, storage, quota, seen)


@asynccontextmanager
async def relaying(*scripts: Answer) -> AsyncIterator[Stand]:
    async with AsyncExitStack() as stack:
        fakes = [await stack.enter_async_context(FakeUpstream()) for _ in scripts]
        for fake, script in zip(fakes, scripts, strict=True):
            fake.script(script)
        plan = [
            Candidate(Channel(id=number, name="c", base_url=fake.url, api_keys=(Secret("sk"),)), 0, "m")
            for number, fake in enumerate(fakes, 1)
        ]
        upstream = await stack.enter_async_context(HttpxUpstream(guard=LOOPBACK))
        yield await stack.enter_async_context(standing(Relay(upstream, plan=plan)))


class ModelServer:
    """Somebody's own: three words, then nothing for long."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    async def chat(self, request: Request) -> StreamingResponse:
        return StreamingResponse(self._pieces(), media_type=self._kind)

    async def _pieces(self) -> AsyncIterator[bytes]:
        for _ in range(3):
            yield WORD
        await asyncio.sleep(60)


@asynccontextmanager
async def metering(kind: str) -> AsyncIterator[Stand]:
    app = Starlette(routes=[Route("/v1/chat/completions", ModelServer(kind).chat, methods=["POST"])])
    async with standing(UsageMeter(app)) as stand:
        yield stand


STANDS: dict[str, Callable[[], Any]] = {
    "relayed events": lambda: relaying(Answer(headers=EVENTS, parts=[Part(WORD * 3)], then="hang")),
    "relayed sound": lambda: relaying(
        Answer(headers=[("content-type", "audio/mpeg")], parts=[Part(WORD)], then="hang")
    ),
    "metered events": lambda: metering("text/event-stream"),
    "metered text": lambda: metering("text/plain"),
}


@pytest.mark.parametrize("name", STANDS)
async def test_what_was_relayed_is_noted_while_it_streams(name: str) -> None:
    async with STANDS[name]() as stand:
        asked, path = (SPEECH, "/audio/speech") if "sound" in name else (CHAT, "/chat/completions")
        async with asking(stand.api, asked, key="sk-bob", path=path) as reader:
            await read_until(reader, b"word")
            noted = await stand.noted_is(lambda so_far: so_far > cost(Usage(input=40), PRICE))
            assert stand.call.usage is None
            assert noted < cost(Usage(input=100, output=200), PRICE)
            if name.endswith("events"):
                assert noted == cost(estimated(stand.call.body or b"", 3), PRICE)
        await eventually(lambda: _ended(stand), within=5)
        assert stand.call.cost >= noted


async def _ended(stand: Stand) -> bool:
    await stand.quota.settled()
    return stand.storage._holds[stand.call.id].state == "settled"


async def test_an_attempt_that_may_still_fail_is_noted_as_free() -> None:
    """The first channel never gets to the content; then the second one does."""
    first = Answer(headers=EVENTS, parts=[Part(ROLE), (b"", 0.3)], then="close")
    second = Answer(headers=EVENTS, parts=[(WORD, 0.0), (WORD, 0.2)], then="hang")
    async with relaying(first, second) as stand, asking(stand.api, CHAT, key="sk-bob") as reader:
        async with asyncio.timeout(5):
            while not stand.began:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        while not stand.call.attempts:
            assert stand.noted() == 0
            await asyncio.sleep(0.01)
        await read_until(reader, b"word")
        one = await stand.noted_is(bool)
        assert await stand.noted_is(lambda so_far: so_far > one)
