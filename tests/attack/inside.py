"""Calls on a gateway without sockets, so that they can be ended at any instant."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from e2e.serving import KEY, PRICE, QUOTA, UPSTREAM_KEY, chat

from oneapi_asgi import NANO, Balance, Channel, Gateway, MemoryStorage, Secret, TokenDraft, Usage, key_digest
from oneapi_asgi.upstream import Outgoing, UpstreamFault

__all__ = ["Answer", "Caller", "Stub", "event", "gateway_on", "money"]

WALLET = 100 * NANO


def event(content: str | None = None, *, usage: Usage | None = None, end: bool = False) -> bytes:
    choice = {"index": 0, "delta": {"content": content} if content else {}, "finish_reason": "stop" if end else None}
    body: dict[str, Any] = {"choices": [choice] if usage is None else []}
    if usage is not None:
        body["usage"] = counts(usage)
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def counts(usage: Usage) -> dict[str, int]:
    return {"prompt_tokens": usage.input, "completion_tokens": usage.output}


class Answer:
    def __init__(self, chunks: Sequence[bytes], headers: Sequence[tuple[str, str]], rng: random.Random) -> None:
        self.status = 200
        self.headers = headers
        self._chunks = chunks
        self._rng = rng
        self.closed = False

    async def chunks(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            await pause(self._rng)
            if self._rng.random() < 0.02:
                raise UpstreamFault("cut")
            yield chunk

    async def close(self) -> None:
        self.closed = True


async def pause(rng: random.Random) -> None:
    for _ in range(rng.choice([0, 0, 1, 2, 5])):
        await asyncio.sleep(0)
    if rng.random() < 0.1:
        await asyncio.sleep(rng.uniform(0, 0.005))


@dataclass
class Stub:
    """An upstream that answers with ten tokens, in one piece or as events."""

    rng: random.Random
    answers: list[Answer] = field(default_factory=list)
    usage: Usage = field(default_factory=lambda: Usage(input=7, output=10))

    async def send(self, request: Outgoing) -> Answer:
        await pause(self.rng)
        if self.rng.random() < 0.05:
            raise UpstreamFault("connect")
        stream = json.loads(request.body).get("stream", False)
        answer = Answer(*(self.events() if stream else self.whole()), self.rng)
        self.answers.append(answer)
        return answer

    def whole(self) -> tuple[list[bytes], list[tuple[str, str]]]:
        body = json.dumps({"choices": [], "usage": counts(self.usage)}).encode()
        return [body[:20], body[20:]], [("content-type", "application/json")]

    def events(self) -> tuple[list[bytes], list[tuple[str, str]]]:
        chunks = [*[event("word") for _ in range(10)], event(end=True), event(usage=self.usage), b"data: [DONE]\n\n"]
        return chunks, [("content-type", "text/event-stream")]


class Caller:
    """One call. ``gone`` tells the gateway that it hung up, ``task.cancel()`` is what the host may do."""

    def __init__(
        self, gateway: Gateway, rng: random.Random, *, stream: bool, key: str = KEY, sound: bool = False
    ) -> None:
        self.gone = asyncio.Event()
        self.got: list[dict[str, Any]] = []
        self._asked = False
        self._rng = rng
        speech = {"model": "gpt-4o", "input": "hi", "voice": "v"}
        self._body = json.dumps(speech if sound else chat(stream=stream)).encode()
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/audio/speech" if sound else "/v1/chat/completions",
            "headers": [(b"authorization", f"Bearer {key}".encode()), (b"content-type", b"application/json")],
            "query_string": b"",
            "client": ("127.0.0.1", 1),
        }
        self.task = asyncio.create_task(gateway(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await pause(self._rng)
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await pause(self._rng)
        self.got.append(message)
        await pause(self._rng)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.gone.set()

    @property
    def status(self) -> int:
        return self.got[0]["status"] if self.got else 0

    @property
    def whole(self) -> bool:
        return bool(self.got) and self.status == 200 and not self.got[-1].get("more_body", True)


async def gateway_on(storage: MemoryStorage, upstream: Any, **options: Any) -> tuple[Gateway, Sequence[int]]:
    """A gateway that is still to be entered, and the accounts of its caller."""
    channel = Channel(id=1, name="one", base_url="http://127.0.0.1:9/v1", api_keys=(Secret(UPSTREAM_KEY),))
    gateway = Gateway(storage, upstream=upstream, channels=[channel], prices={"*": PRICE}, **options)
    await storage.add_user("bob", wallet=WALLET)
    token = await storage.add_token(TokenDraft(name="bob", digest=key_digest(KEY), quota=QUOTA, user="bob"))
    return gateway, token.accounts


async def money(storage: MemoryStorage, accounts: Sequence[int]) -> tuple[int, int]:
    """What was spent, and what is still held."""
    cap, wallet = await storage.balances(accounts)
    assert cap.used == wallet.used

    def held(balance: Balance, funds: int) -> int:
        return funds - balance.used - balance.available + balance.overdraft

    assert held(cap, QUOTA) == held(wallet, WALLET)
    return cap.used, held(cap, QUOTA)
