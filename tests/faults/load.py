"""Callers, and what they were answered."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import aiohttp

from oneapi_asgi.keys import key_digest
from oneapi_asgi.models import TokenDraft
from oneapi_asgi.storage.sql import SQLStorage

__all__ = ["KEY", "Answered", "Callers", "add_callers", "open_session", "share"]

KEY = "sk-caller" + "c" * 39
_SECONDS = 60.0


@dataclass
class Answered:
    """``status`` is 0 when there was none. ``whole``: the answer came to its end as the dialect has it; ``told``: an
    error was told in its midst; ``left``: the caller did not wait for it. Times are of the monotonic clock."""

    name: str
    began: float
    took: float = 0.0
    status: int = 0
    whole: bool = False
    told: bool = False
    code: str | None = None
    retry_after: str | None = None
    events: int = 0
    left: bool = False


class Callers:
    """Ask, each under a name of its own, over as many connections as it takes."""

    def __init__(self, session: aiohttp.ClientSession, prefix: str = "call") -> None:
        self._session = session
        self._names = (f"{prefix}-{number}" for number in count())
        self.answered: list[Answered] = []

    async def ask(self, url: str, key: str = KEY, **fake: Any) -> Answered:
        """One plain call."""
        return await self._ask(url, key, fake, stream=False)

    async def stream(self, url: str, key: str = KEY, *, leave_after: int | None = None, **fake: Any) -> Answered:
        """One call whose answer comes in events; the caller may leave after some of them."""
        return await self._ask(url, key, fake, stream=True, leave_after=leave_after)

    async def _ask(
        self, url: str, key: str, fake: Mapping[str, Any], *, stream: bool, leave_after: int | None = None
    ) -> Answered:
        answered = Answered(next(self._names), time.monotonic(), left=leave_after is not None)
        self.answered.append(answered)
        try:
            async with asyncio.timeout(_SECONDS):
                await self._send(url, key, fake, answered, stream, leave_after)
        except (aiohttp.ClientError, OSError):  # the process was killed; that of a timeout is one too
            pass
        answered.took = time.monotonic() - answered.began
        return answered

    async def _send(
        self, url: str, key: str, fake: Mapping[str, Any], answered: Answered, stream: bool, leave_after: int | None
    ) -> None:
        body = {
            "model": "gpt-4o",
            "messages": [{"role": "user", "content": "What does the fox do today?"}],
            "metadata": {"fake": json.dumps(fake), "name": answered.name},
            "max_tokens": max(fake.get("tokens", 8), 1),
            "stream": stream,
        }
        headers = {"authorization": f"Bearer {key}", "x-name": answered.name}
        async with self._session.post(f"{url}/v1/chat/completions", json=body, headers=headers) as answer:
            answered.status = answer.status
            answered.retry_after = answer.headers.get("retry-after")
            if stream and answer.status == 200:
                await _read_events(answer, answered, leave_after)
            else:
                content = json.loads(await answer.read())
                answered.whole = True
                answered.code = content.get("error", {}).get("code")


async def _read_events(answer: aiohttp.ClientResponse, answered: Answered, leave_after: int | None) -> None:
    async for line in answer.content:
        if line.startswith(b"data: [DONE]"):
            answered.whole = True
        elif line.startswith(b'data: {"error"'):
            answered.told = True
        elif line.startswith(b"data:"):
            answered.events += 1
            if answered.events == leave_after:
                return answer.close()
    return None


async def share(work: Iterable[Callable[[], Awaitable[object]]], connections: int) -> None:
    """Do it all, so many at a time."""
    left = iter(work)

    async def one() -> None:
        for each in left:
            await each()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(one())


def open_session() -> aiohttp.ClientSession:
    """With as many connections as are wanted."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


async def add_callers(
    database: str, *, wallet: int | None, quotas: Sequence[int | None] = (None,)
) -> dict[str, tuple[int, ...]]:
    """A user with a token for each quota; their keys, with the accounts of each."""
    async with SQLStorage(database) as storage:
        await storage.add_user("bob", wallet=wallet)
        keys = [KEY if number == 0 else f"sk-caller-{number:038}" for number in range(len(quotas))]
        drafts = [
            TokenDraft(name=f"token-{number}", digest=key_digest(key), quota=quota, user="bob")
            for number, (key, quota) in enumerate(zip(keys, quotas, strict=True))
        ]
        return {key: (await storage.add_token(draft)).accounts for key, draft in zip(keys, drafts, strict=True)}
