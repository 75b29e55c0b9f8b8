"""An upstream that holds sessions as OpenAI's Realtime API does, and a gateway in front of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from oneapi_asgi import Channel, Secret, Usage
from oneapi_asgi.realtime import RealtimeRelay
from oneapi_asgi.upstream.aiohttp_sockets import AiohttpSockets

from .serving import KEY, LOOPBACK, UPSTREAM_KEY, Kind, Rig, make_storage, open_rig

__all__ = [
    "CREATE",
    "ONE",
    "Talker",
    "address",
    "created",
    "dial",
    "done",
    "ended",
    "event",
    "gone",
    "open_talk",
    "relay_of",
    "talker",
    "until",
]

CREATE = '{"type": "response.create"}'


USAGE: Mapping[str, Any] = {
    "total_tokens": 150,
    "input_tokens": 100,
    "output_tokens": 50,
    "input_token_details": {
        "cached_tokens": 30,
        "text_tokens": 60,
        "audio_tokens": 40,
        "image_tokens": 0,
        "cached_tokens_details": {"text_tokens": 20, "audio_tokens": 10, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 20, "audio_tokens": 30},
}

ONE = Usage(input=100, output=50, cache_read=30, input_audio=30, output_audio=30)
"""The same as one of ours: cached audio is cached, and no audio any more."""

Script = Callable[["Talker", web.WebSocketResponse], Awaitable[None]]


def event(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "event_id": f"event_{kind}", **fields})


def done(name: str = "resp_1", usage: Mapping[str, Any] | None = USAGE, status: str = "completed") -> str:
    response: dict[str, Any] = {"id": name, "status": status, "output": [], "usage": usage, "conversation_id": "conv_1"}
    return event("response.done", response=response)


def created(name: str = "resp_1") -> str:
    return event("response.created", response={"id": name, "status": "in_progress", "output": []})


async def talk(upstream: Talker, socket: web.WebSocketResponse) -> None:
    """Says hello, answers each ``response.create``, echoes what it does not know."""
    await socket.send_str(event("session.created", session={"type": "realtime", "model": "upstream-rt"}))
    count = 0
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
            continue
        said = json.loads(message.data) if message.data.startswith("{") else {}
        if said.get("type") != "response.create":
            await socket.send_str(message.data)
            continue
        count += 1
        await socket.send_str(created(f"resp_{count}"))
        delta = {"response_id": f"resp_{count}", "item_id": "item_1", "output_index": 0, "content_index": 0}
        await socket.send_str(event("response.output_text.delta", delta="Hel", **delta))
        await socket.send_str(done(f"resp_{count}"))


@dataclass
class Talker:
    """One upstream on a port of its own; what it was asked and told is kept."""

    script: Script = talk
    status: int = 101
    url: str = ""
    asked: list[web.Request] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    closed: list[int | None] = field(default_factory=list)
    open: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        if self.status != 101:
            location = {"location": "http://127.0.0.1:9/"} if 300 <= self.status < 400 else None
            return web.Response(status=self.status, headers=location)
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        self.open += 1
        try:
            await self.script(self, socket)
        finally:
            self.open -= 1
            self.closed.append(socket.close_code)
        return socket


@asynccontextmanager
async def talker(upstream: Talker) -> AsyncIterator[Talker]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", upstream.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    upstream.url = f"http://127.0.0.1:{port}/v1"
    try:
        yield upstream
    finally:
        await runner.cleanup()


def channel(number: int, upstream: Talker, **changed: Any) -> Channel:
    told: dict[str, Any] = {
        "id": 0,
        "name": f"channel-{number}",
        "base_url": upstream.url,
        "api_keys": (Secret(UPSTREAM_KEY),),
        "model_map": {"gpt-realtime": "upstream-rt"},
        "priority": -number,
    }
    return Channel(**told | changed)


@asynccontextmanager
async def open_talk(
    folder: Path, *upstreams: Talker, kind: Kind = "memory", change: Mapping[str, Any] | None = None, **options: Any
) -> AsyncIterator[Rig]:
    """A gateway with a channel to each upstream, in this order."""
    async with asyncio.timeout(30):
        running = [talker(upstream) for upstream in upstreams]
        for each in running:
            await each.__aenter__()
        channels = [channel(number, each, **(change or {})) for number, each in enumerate(upstreams, start=1)]
        options = {"sockets": AiohttpSockets(guard=LOOPBACK), **options}
        try:
            async with open_rig(
                make_storage(kind, folder), channels=lambda _: channels, ws="websockets-sansio", **options
            ) as rig:
                yield rig
        finally:
            for each in running:
                await each.__aexit__(None, None, None)


# --- the client's side ------------------------------------------------------------------------------------------------


def address(rig: Rig, query: str = "?model=gpt-realtime") -> str:
    return f"ws{rig.api.removeprefix('http')}/realtime{query}"


def dial(rig: Rig, query: str = "?model=gpt-realtime", key: str | None = KEY, **options: Any) -> connect:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return connect(address(rig, query), additional_headers=headers, proxy=None, **options)


async def until(client: ClientConnection, kind: str) -> dict[str, Any]:
    while True:
        said: dict[str, Any] = json.loads(await client.recv())
        if said["type"] == kind:
            return said


async def ended(client: ClientConnection) -> tuple[list[dict[str, Any]], int, str]:
    """What was still said, and how the session was closed."""
    said, frame = [], None
    try:
        while True:
            said.append(json.loads(await client.recv()))
    except ConnectionClosed as closed:
        frame = closed.rcvd
    return said, frame.code if frame else 1006, frame.reason if frame else ""


async def gone(upstream: Talker) -> bool:
    return upstream.open == 0


def relay_of(rig: Rig) -> RealtimeRelay:
    """The innermost component of the gateway's sessions."""
    app: Any = rig.gateway._realtime
    while not isinstance(app, RealtimeRelay):
        app = app.app
    return app
