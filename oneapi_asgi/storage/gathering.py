"""Questions that wait at one moment are asked together: a storm of them costs a few statements, not one each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

__all__ = ["Gathering"]

T = TypeVar("T")

_AT_ONCE = 500


class Gathering(Generic[T]):
    """``ask`` is given up to 500 keys and answers those that there are. Who comes while it is being asked is part of
    the next question; who is cancelled only stops waiting."""

    def __init__(self, ask: Callable[[Sequence[str]], Awaitable[Mapping[str, T]]]) -> None:
        self._ask = ask
        self._waiting: dict[str, asyncio.Future[T | None]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def find(self, key: str) -> T | None:
        """What is known of the key, as of a moment after this was called."""
        answer = self._waiting.get(key)
        if answer is None:
            answer = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._asking is None:
            self._asking = asyncio.create_task(self._all(), name="questions")
        return await asyncio.shield(answer)

    async def _all(self) -> None:
        try:
            while self._waiting:
                some = dict(list(self._waiting.items())[:_AT_ONCE])
                for key in some:
                    del self._waiting[key]
                await self._some(some)
        finally:
            self._asking = None

    async def _some(self, waiting: Mapping[str, asyncio.Future[T | None]]) -> None:
        try:
            found = await self._ask([*waiting])
        except Exception as error:  # everybody's, as it was everybody's question
            for answer in waiting.values():
                answer.set_exception(error)
                answer.exception()  # told, should nobody wait any more
            return
        except BaseException:
            for answer in waiting.values():
                answer.cancel()
            raise
        for key, answer in waiting.items():
            answer.set_result(found.get(key))
