"""What tests of Idempotency-Keys stand on: a model behind one or several gateways, with one store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from starlette.types import Receive, Scope, Send

from oneapi_asgi.call import Call
from oneapi_asgi.idempotency import Idempotency
from oneapi_asgi.kept import Claim, Conclude, Kept
from oneapi_asgi.models import Token, Usage
from oneapi_asgi.storage.memory import MemoryStorage
from oneapi_asgi.testing import Response, StreamingClient

__all__ = [
    "CHAT",
    "DELIVERED",
    "IN_PROGRESS",
    "LOST",
    "REUSED",
    "As",
    "Clock",
    "Counting",
    "Model",
    "Stack",
    "refused",
    "until",
]

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Model:
    """The app inside: answers when it is told to, and charges for it."""

    def __init__(
        self, body: bytes = b"{}", *, status: int = 200, kind: str = "application/json", cost: int = 3
    ) -> None:
        self.body = body
        self.status = status
        self.kind = kind
        self.cost = cost
        self.calls: list[Call] = []
        self.seen: list[bytes] = []
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call.of(scope)
        self.calls.append(call)
        try:
            await self._answer(call, receive, send)
        finally:
            if self.cost:
                call.usage, call.cost = Usage(input=1), self.cost

    async def _answer(self, call: Call, receive: Receive, send: Send) -> None:
        self.seen.append((await receive()).get("body", b""))
        gone = asyncio.ensure_future(receive())
        opened = asyncio.ensure_future(self.open.wait())
        await asyncio.wait((gone, opened), return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()
        if gone.done():
            return
        gone.cancel()
        if self.error is not None:
            raise self.error
        headers = [(b"Content-Type", self.kind.encode("latin-1")), (b"x-request-id", call.id.encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        half = len(self.body) // 2
        await send({"type": "http.response.body", "body": self.body[:half], "more_body": True})
        await send({"type": "http.response.body", "body": self.body[half:]})


class As:
    """Puts a token into the call, and keeps the call."""

    def __init__(self, app: Idempotency, token: int = 1) -> None:
        self.app = app
        self.token = Token(id=token, name="t", digest="")
        self.calls: list[Call] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call.of(scope)
        call.token = self.token
        self.calls.append(call)
        await self.app(scope, receive, send)


class Counting:
    """A store that counts what it is asked, and may fail or hang."""

    def __init__(self, store: MemoryStorage) -> None:
        self.store = store
        self.asked: list[str] = []
        self.renewed: list[Sequence[Claim]] = []
        self.fails: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()

    async def claim_answer(self, claim: Claim) -> Kept | None:
        self.asked.append(claim.call_id)
        found = await self.store.claim_answer(claim)
        await self.open.wait()
        if self.fails is not None:  # done, but not told
            raise self.fails
        return found

    async def renew_answers(self, claims: Sequence[Claim]) -> None:
        self.renewed.append(claims)
        if len(self.renewed) == 1:
            raise OSError("the first time")
        await self.store.renew_answers(claims)

    async def conclude_answers(self, ended: Sequence[Conclude]) -> None:
        await self.store.conclude_answers(ended)

    async def purge_answers(self) -> int:
        return await self.store.purge_answers()


class Stack:
    """Gateways in a row, each a process for all that they know of each other."""

    def __init__(self, store: Any = None, model: Model | None = None, count: int = 1, **options: Any) -> None:
        self.store = store if store is not None else MemoryStorage()
        self.model = model or Model()
        self.parts = [Idempotency(self.model, self.store, **options) for _ in range(count)]
        self.apps = [As(part) for part in self.parts]
        self.clients = [StreamingClient(app, lifespan=False) for app in self.apps]
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Stack:
        for part in self.parts:
            await self._running.enter_async_context(part)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    async def post(
        self, key: str | None = "k", *, at: int = 0, json: object = CHAT, path: str = "/v1/chat/completions"
    ) -> Response:
        headers = {"Idempotency-Key": key} if key is not None else {}
        return await self.clients[at].request("POST", path, json=json, headers=headers)

    def start(self, key: str = "k", *, at: int = 0) -> asyncio.Task[Response]:
        return asyncio.create_task(self.post(key, at=at))

    async def settled(self) -> None:
        for part in self.parts:
            await part.settled()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - of any kind
            await asyncio.sleep(0.001)


def refused(answer: Response) -> tuple[int, str, str]:
    return answer.status, answer.json()["error"]["code"], answer.headers["x-should-retry"]


DELIVERED = (409, "idempotency_delivered", "false")
LOST = (409, "idempotency_lost", "false")
IN_PROGRESS = (409, "idempotency_in_progress", "true")
REUSED = (422, "idempotency_key_reused", "false")
