"""While one caller's large request is read, the others are answered: nothing holds the loop for long.

Counted are the seconds for which this process computed between two turns of the loop, so that other processes on a busy
machine do not count.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest
from e2e.serving import KEY, PRICE

from oneapi_asgi import Channel, Gateway, MemoryStorage, Secret, TokenDraft, key_digest
from oneapi_asgi.testing import StreamingClient
from oneapi_asgi.upstream import Outgoing

MIB = 1 << 20
TURN = b'{"role":"user","content":"x"}'


def conversation(turns: bytes) -> bytes:
    return b'{"model":"MODEL","messages":[' + turns + b"]}"


def said(text: str) -> bytes:
    return json.dumps({"model": "MODEL", "messages": [{"role": "user", "content": text}]}, ensure_ascii=False).encode()


def members(count: int) -> bytes:
    return b",".join(b'"k%d":1' % number for number in range(count))


def unicode_of(count: int) -> str:
    rng = random.Random(1)
    return "".join(chr(rng.randint(0x100, 0xD000)) for _ in range(count // 100)) * 100


BODIES: dict[str, tuple[Callable[[], bytes], int, float]] = {
    "330,000 turns": (lambda: conversation(b",".join([TURN] * 330_000)), 400, 0.25),
    "45,000 turns": (lambda: conversation(b",".join([TURN] * 45_000)), 200, 0.25),
    "800,000 keys": (lambda: conversation(TURN)[:-1] + b',"metadata":{' + members(800_000) + b"}}", 400, 0.25),
    "90,000 keys": (lambda: conversation(TURN)[:-1] + b',"metadata":{' + members(90_000) + b"}}", 200, 0.25),
    "90,000 keys at the top": (lambda: conversation(TURN)[:-1] + b"," + members(90_000) + b"}", 200, 0.25),
    "3,000,000 turns that are empty": (lambda: conversation(b",".join([b"{}"] * 3_000_000)), 400, 0.25),
    "a million words": (lambda: said("word " * 1_000_000), 200, 0.1),
    "one word of 10 MB": (lambda: said("a" * 10_000_000), 200, 0.1),
    "10 MB of all languages": (lambda: said(unicode_of(3_500_000)), 200, 0.1),
    "10 MB of escapes": (lambda: json.dumps(json.loads(said(unicode_of(1_600_000)))).encode(), 200, 0.25),
}
"""What the body is, the status of its answer, and the most seconds."""


ANSWERS = {
    "openai-compatible": b'{"choices":[{"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":1}}',
    "anthropic": b'{"type":"message","role":"assistant","id":"m","model":"m","content":[{"type":"text","text":"x"}],'
    b'"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}',
    "gemini": b'{"candidates":[{"content":{"parts":[{"text":"x"}],"role":"model"},"finishReason":"STOP"}],'
    b'"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1}}',
}


class Answer:
    status = 200
    headers = (("content-type", "application/json"),)

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._body

    async def close(self) -> None:
        pass


class Upstream:
    """One that costs nothing, and knows from the URL which it is."""

    async def send(self, request: Outgoing) -> Answer:
        return Answer(next(answer for name, answer in ANSWERS.items() if name in request.url))


@pytest.fixture(scope="module")
async def gateway() -> AsyncIterator[Gateway]:
    channels = [
        Channel(
            id=0,
            name=name,
            provider=name,
            base_url=f"http://127.0.0.1:9/{name}",
            api_keys=(Secret("k"),),
            models=(name,),
        )
        for name in ANSWERS
    ]
    storage = MemoryStorage()
    gateway = Gateway(storage, upstream=Upstream(), channels=channels, prices={"*": PRICE})
    await storage.add_user("bob", wallet=10**15)
    await storage.add_token(TokenDraft(name="bob", digest=key_digest(KEY), user="bob", quota=10**15))
    async with gateway:
        yield gateway


@contextmanager
def lag() -> Iterator[list[float]]:
    """The longest turn of the loop so far, as the one element."""
    worst = [0.0]

    async def watch() -> None:
        while True:
            before = time.process_time()
            await asyncio.sleep(0.002)
            worst[0] = max(worst[0], time.process_time() - before)

    task = asyncio.create_task(watch())
    try:
        yield worst
    finally:
        task.cancel()


async def answered(gateway: Gateway, body: bytes, row: str) -> int:
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    async with StreamingClient(gateway, lifespan=False) as client:
        answer = await client.request(
            "POST", "/v1/chat/completions", content=body.replace(b"MODEL", row.encode(), 1), headers=headers
        )
    return answer.status


@pytest.mark.parametrize("row", ANSWERS)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "330,000 turns" else pytest.mark.slow) for name in BODIES]
)
async def test_the_loop_goes_on(gateway: Gateway, name: str, row: str) -> None:
    """For who passes the request on as it is, and for who says it anew."""
    make, status, most = BODIES[name]
    body = make()
    before = psutil.Process().memory_info().rss
    with lag() as worst:
        await asyncio.sleep(0.01)
        assert await answered(gateway, body, row) == status
    assert worst[0] < most
    if status == 400:
        assert psutil.Process().memory_info().rss - before < 32 * MIB + len(body)
