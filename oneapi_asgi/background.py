"""Work that goes on beside the calls, as long as a context lasts.

    async with Background(look_after, name="reaper"): ...

What it is that goes on, and what it does about errors, is the work's own affair.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

__all__ = ["Background"]


class Background:
    """Entering starts ``work`` in a task of that name, leaving cancels it and waits for its end."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]], *, name: str) -> None:
        self._work = work
        self._name = name
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._work(), name=self._name)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.end()

    async def end(self) -> None:
        """Of one that was never entered, or has ended, there is nothing to end."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
