"""What of the seams an extra brings, where it is installed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..errors import NotStarted
from ..extra import installed, needs
from ..models import Secret
from .guard import AddressGuard
from .seam import Timeouts
from .sockets import Socket, Sockets

if TYPE_CHECKING:
    from .aiohttp_sockets import AiohttpSockets

__all__ = ["InstalledSockets", "installed_sockets"]


class InstalledSockets:
    """Those of the extra, loaded with the first session: few gateways hold any, and they weigh ten megabytes."""

    def __init__(self, guard: AddressGuard | None = None) -> None:
        self._guard = guard
        self._stack: AsyncExitStack | None = None
        self._sockets: Sockets | None = None
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._stack = await AsyncExitStack().__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        stack, self._stack, self._sockets = self._stack, None, None
        if stack is not None:
            await stack.aclose()

    async def connect(
        self, url: str, headers: Sequence[tuple[str, str]], timeouts: Timeouts, proxy: Secret | None = None
    ) -> Socket:
        if self._stack is None:
            raise NotStarted("Sockets are opened when entered: use 'async with' in the host's lifespan.")
        async with self._opening:
            if self._sockets is None:
                made = (await asyncio.to_thread(_load))(guard=self._guard)
                self._sockets = await self._stack.enter_async_context(made)
        return await self._sockets.connect(url, headers, timeouts, proxy)


def _load() -> type[AiohttpSockets]:
    with needs("standalone"):
        from .aiohttp_sockets import AiohttpSockets
    return AiohttpSockets


def installed_sockets(guard: AddressGuard | None = None) -> InstalledSockets | None:
    """Those of the extra, not opened yet (``async with`` opens them); None where it is missing."""
    return InstalledSockets(guard) if installed("aiohttp") else None
