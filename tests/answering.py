"""An upstream without a network: it answers as it is told, and keeps what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from msgspec import Struct

from oneapi_asgi.upstream.seam import Incoming, Outgoing, UpstreamFault

__all__ = ["Answering", "Given"]


class Given(Struct, kw_only=True):
    """One answer. ``fault`` is raised behind the chunks; ``wait`` seconds pass before each of them."""

    status: int = 200
    headers: Sequence[tuple[str, str]] = (("content-type", "application/json"),)
    body: Sequence[bytes] = ()
    fault: UpstreamFault | None = None
    wait: float = 0.0
    closed: bool = False

    async def chunks(self) -> AsyncIterator[bytes]:
        for chunk in self.body:
            await asyncio.sleep(self.wait)
            yield chunk
        if self.fault is not None:
            raise self.fault

    async def close(self) -> None:
        self.closed = True


class Answering:
    """``answer`` makes the answer to a request, or raises."""

    def __init__(self, answer: Callable[[Outgoing], Given]) -> None:
        self.asked: list[Outgoing] = []
        self.given: list[Given] = []
        self.open = asyncio.Event()
        self.open.set()
        self._answer = answer

    async def send(self, request: Outgoing) -> Incoming:
        self.asked.append(request)
        await self.open.wait()
        given = self._answer(request)
        self.given.append(given)
        return given
