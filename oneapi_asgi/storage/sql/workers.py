"""Threads with a connection each, on which work is carried out as transactions.

One worker writes: SQLite lets one connection write at a time, so queueing in the process costs nothing and saves
waiting for its lock. A few others read, so that a long read never holds up the ledger. A queue and a callback cost
less than an executor, and a quarter of what an async driver costs, which hops at every step of a statement.

Callers may be cancelled at any moment: they only stop waiting, the transaction is carried out or rolled back whole.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import closing
from queue import SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection

from .faults import unfit

__all__ = ["Workers"]

T = TypeVar("T")
_Job = tuple[Callable[[Connection], Any], asyncio.Future[Any]]


class Workers:
    """``connect`` is called in each of ``count`` threads and gives the connection that the thread closes at its end.
    See ``Runner``."""

    def __init__(self, connect: Callable[[], Connection], count: int = 1) -> None:
        self._connect = connect
        self._count = count
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        self._ended: list[asyncio.Future[None]] = []

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        opened: list[asyncio.Future[None]] = [loop.create_future() for _ in range(self._count)]
        self._ended = [loop.create_future() for _ in range(self._count)]
        for futures in zip(opened, self._ended, strict=True):
            threading.Thread(target=self._serve, args=futures, name="oneapi-asgi-sql", daemon=True).start()
        await asyncio.gather(*opened)

    async def run(self, work: Callable[[Connection], T], *, long: bool = False) -> T:  # noqa: ARG002  # nothing hangs
        if self._closed:
            raise RuntimeError("the storage is closed")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put((work, future))
        return await future

    async def close(self) -> None:
        self._closed = True
        for _ in self._ended:
            self._queue.put(None)
        if self._ended:
            await asyncio.wait(self._ended)

    def _serve(self, opened: asyncio.Future[None], ended: asyncio.Future[None]) -> None:
        try:
            connection = self._connect()
        except BaseException as error:
            _answer(opened, None, error)
        else:
            _answer(opened, None, None)
            with closing(connection):
                while (job := self._queue.get()) is not None:
                    _carry_out(connection, *job)
        _answer(ended, None, None)


def _carry_out(connection: Connection, work: Callable[[Connection], T], future: asyncio.Future[T]) -> None:
    try:
        with connection.begin():
            result = work(connection)
    except BaseException as error:
        _answer(future, None, unfit(error) or error)
    else:
        _answer(future, result, None)


def _answer(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    loop = future.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(_resolve, future, result, error)


def _resolve(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
