"""An upstream that writes into each event when it was sent, and callers that look when it came.

All are on one event loop and so on one clock: what a proxy on the way adds is the difference, to the millisecond.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import httpx2
from msgspec import Struct
from starlette.types import Message, Receive, Scope, Send

__all__ = ["EVENTS", "PERIOD", "Heard", "clockwork", "judged", "listen"]

PERIOD = 0.05
EVENTS = 12


class Heard(Struct, frozen=True):
    """What is judged of a stream. ``late``: seconds from when an event was sent to when it came, of the first one or of
    the usual one, whichever is more. ``lumps``: how many events came with the one before them, though they were sent a
    ``PERIOD`` after it."""

    late: float
    lumps: int


def judged(times: Sequence[tuple[float, float]]) -> Heard:
    """``times``: seconds on the monotonic clock at which each event was sent, and came."""
    delays = [came - sent for sent, came in times]
    pairs = list(pairwise(times))
    lumps = sum(came - before < PERIOD / 5 <= sent - earlier for (earlier, before), (sent, came) in pairs)
    return Heard(max(delays[0], statistics.median(delays)), lumps)


async def clockwork(scope: Scope, receive: Receive, send: Send) -> None:
    """A provider of chats, as an ASGI app."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    for _ in range(EVENTS):
        await send(_body(_event(repr(time.monotonic()))))
        await asyncio.sleep(PERIOD)
    await send({**_body(_event("", "stop") + b"data: [DONE]\n\n"), "more_body": False})


async def _lifespan(receive: Receive, send: Send) -> None:
    while (told := (await receive())["type"]) != "lifespan.shutdown":
        await send({"type": f"{told}.complete"})
    await send({"type": "lifespan.shutdown.complete"})


def _body(data: bytes) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": True}


def _event(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": [choice]}
    return b"data: %s\n\n" % json.dumps(chunk).encode()


async def listen(client: httpx2.AsyncClient, api: str, body: Any) -> Heard:
    """The best of three calls at once."""
    heard = await asyncio.gather(*[_listen(client, api, body) for _ in range(3)])
    return Heard(min(each.late for each in heard), min(each.lumps for each in heard))


async def _listen(client: httpx2.AsyncClient, api: str, body: Any) -> Heard:
    times, rest = list[tuple[float, float]](), b""
    async with client.stream("POST", f"{api}/chat/completions", json=body) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert "content-encoding" not in answer.headers
        async for piece in answer.aiter_raw():
            now = time.monotonic()
            *events, rest = (rest + piece).split(b"\n\n")
            times += [(float(text), now) for event in events if (text := _text(event))]
    assert len(times) == EVENTS
    return judged(times)


def _text(event: bytes) -> str:
    data = event.removeprefix(b"data: ")
    if not data.startswith(b"{"):
        return ""
    choices = json.loads(data)["choices"]
    text: str = choices[0]["delta"].get("content", "") if choices else ""
    return text
