"""A gateway with real money in front of channels that do what they are told, and callers that come at a rate."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from e2e.serving import KEY, LOOPBACK, UPSTREAM_KEY, make_storage, served
from lab.audit import Audit
from lab.rig import Lab, add_caller
from lab.upstream import JSON, Script, ScriptedUpstream, Seen, Step, answer
from msgspec import Struct
from servers.databases import rows

from oneapi_asgi import Channel, Ejection, Gateway, Price, Secret, Timeouts, Upstream
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.testing.upstream.http import Request
from oneapi_asgi.upstream.httptools import HttptoolsUpstream

__all__ = [
    "GOOD",
    "HANGS",
    "MODEL",
    "OUTPUT",
    "PRICES",
    "Act",
    "Clock",
    "Routes",
    "Said",
    "Tried",
    "after",
    "channel",
    "fails",
    "name_of",
    "open_loop",
    "open_routes",
    "statuses",
]

MODEL = "gpt-4o"
OUTPUT = 7
"""Tokens that every good answer has. Prompts are free."""

PRICES = {"*": Price(output=1_000_000)}

Act = Callable[[Request], Script]


def _whole(value: object, status: int = 200, **headers: str) -> bytes:
    told = answer([json.dumps(value).encode()], kind=JSON, framing="length", then="keep", status=status, **headers)
    return b"".join(step if isinstance(step, bytes) else step.data for step in told.steps)


_ANSWER = _whole(
    {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": OUTPUT, "total_tokens": 5 + OUTPUT},
    }
)
GOOD = Script([_ANSWER])
HANGS = Script(then="hang")


def after(seconds: float) -> Script:
    """A good answer that is long in coming."""
    return Script([Step(_ANSWER, seconds)])


def fails(status: int = 500, *, code: str | None = None, message: str = "It fails.", **headers: str) -> Script:
    """An error in the words of OpenAI; underscores in names of headers become hyphens."""
    return Script([_whole({"error": {"message": message, "type": "told", "code": code}}, status, **headers)])


def channel(name: str, root: str, **more: Any) -> Channel:
    """One that serves everything, at a place of its own below the upstream's root."""
    given: dict[str, Any] = {
        "id": 0,
        "name": name,
        "base_url": f"{root}/{name}/v1",
        "api_keys": (Secret(f"{UPSTREAM_KEY}-{name}"),),
        **more,
    }
    return Channel(**given)


def name_of(request: Request) -> str:
    """Of the place that was asked."""
    return request.path.split("/")[1]


class Clock:
    """The gateway's own, in what concerns channels: ``ahead`` of the monotonic one, which may be stopped."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._stopped: float | None = None

    def __call__(self) -> float:
        return self.ahead + (time.monotonic() if self._stopped is None else self._stopped)

    def stop(self) -> None:
        self._stopped = time.monotonic()


class Said(Struct, frozen=True):
    """An answer. ``began`` is on the monotonic clock, ``took`` are the seconds until it was whole; ``retry_after`` is 0
    if it says nothing of it."""

    status: int
    code: str | None
    retry_after: float
    began: float
    took: float


class Tried(Struct, frozen=True):
    """An attempt, as the record of its call tells of it."""

    channel: str
    key: int
    status: int | None
    failure: str


@dataclass
class Routes:
    """``acts`` say what a place does; it answers well unless something is said of it."""

    url: str
    gateway: Gateway
    lab: Lab
    clock: Clock
    http: aiohttp.ClientSession
    acts: dict[str, Act] = field(default_factory=dict)

    @property
    def upstream(self) -> ScriptedUpstream:
        return self.lab.upstream

    def act(self, request: Request) -> Script:
        act = self.acts.get(name_of(request))
        return act(request) if act is not None else GOOD

    def always(self, script: Script, *names: str) -> None:
        for name in names:
            self.acts[name] = lambda _: script

    def seen(self, *names: str) -> list[Seen]:
        """What these places were asked; without names, all of them."""
        return [seen for seen in self.upstream.seen if not names or name_of(seen.request) in names]

    async def ask(self, model: str = MODEL, *, text: str = "What does the fox do today?", **headers: str) -> Said:
        """Underscores in names of headers become hyphens."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 50}
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        began = time.monotonic()
        async with self.http.post(f"{self.url}/v1/chat/completions", json=body, headers=told) as said:
            content = await said.json()
            took = time.monotonic() - began
            code = content.get("error", {}).get("code")
            return Said(said.status, code, float(said.headers.get("retry-after", 0)), began, took)

    async def asks(self, count: int) -> list[Said]:
        """One after the other."""
        return [await self.ask() for _ in range(count)]

    async def tried(self) -> list[list[Tried]]:
        """The attempts of each call, the first call first."""
        await self.lab.quiet()
        found = rows(self.lab.database, "SELECT attempts FROM records ORDER BY at, seq")
        return [
            [Tried(each["channel"], each["key"], each["status"], each["failure"]) for each in json.loads(attempts)]
            for (attempts,) in found
        ]


def statuses(said: Sequence[Said]) -> set[int]:
    return {each.status for each in said}


async def open_loop(ask: Callable[[], Awaitable[Said]], *, rate: float, seconds: float) -> list[Said]:
    """So many calls a second, whatever becomes of those before: in the order in which they were begun."""

    async def one(number: int, answers: list[Said | None]) -> None:
        answers[number] = await ask()

    answers: list[Said | None] = [None] * round(rate * seconds)
    began = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for number in range(len(answers)):
            await asyncio.sleep(max(began + number / rate - time.monotonic(), 0))
            tasks.create_task(one(number, answers))
    return [said for said in answers if said is not None]


@asynccontextmanager
async def open_routes(
    folder: Path,
    audit: Audit,
    channels: Callable[[str], Sequence[Channel]] | None,
    *,
    upstream: Upstream | None = None,
    timeouts: Timeouts | None = None,
    **options: Any,
) -> AsyncIterator[Routes]:
    """``channels`` get the root of the upstream, at which each has a place of its name; None: those of the storage."""
    clock = Clock()
    async with AsyncExitStack() as stack:
        make_storage("sqlite", folder)
        database = f"sqlite:///{folder}/gateway.db"
        await add_caller(database)
        scripted = await stack.enter_async_context(ScriptedUpstream())
        given: dict[str, Any] = {"health": Ejection(clock=clock), "prices": PRICES, **options}
        gateway = Gateway(
            SQLStorage(database),
            upstream=upstream or HttptoolsUpstream(guard=LOOPBACK),
            channels=channels(scripted.root) if channels is not None else None,
            timeouts=timeouts or Timeouts(),
            **given,
        )
        url = await stack.enter_async_context(served(gateway))
        http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=2),  # servers keep connections for five seconds
            headers={"authorization": f"Bearer {KEY}"},
            timeout=aiohttp.ClientTimeout(total=60),
        )
        await stack.enter_async_context(http)
        routes = Routes(url, gateway, Lab(url, database, scripted, gateway), clock, http)
        scripted.play = routes.act
        yield routes
        await routes.lab.quiet()
        asked = len(scripted.seen)
    audit.books(database, asked=asked)
