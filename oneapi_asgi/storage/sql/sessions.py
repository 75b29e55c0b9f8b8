"""Transactions on a server, in tasks that own a connection each.

Whoever waits for one may be cancelled and never touches the connection: it is put away as clean as it was taken. One
whose state is in doubt (it was broken off, or its commit was not answered) is closed, not used again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ...lived import Alarm
from .. import StorageError
from .faults import is_conflict, is_disconnect, is_timeout, unfit

__all__ = ["LIMIT", "Sessions", "limited_on_mysql"]

T = TypeVar("T")

_log = logging.getLogger(__name__)

_TRIES = 3
_WAIT = 1.0
"""Seconds that work may wait for a session, which cannot take anything on while the loop stands still."""

LIMIT = 5
"""Seconds that a transaction may take. A server that hangs would keep a session for ever."""

_LONG_LOCK_WAIT = 60
"""Seconds that long work waits for a lock."""

_CONNECT = 2.0
_ROLLBACK = 1.0


class _Job:
    def __init__(self, work: Callable[[Connection], Any], *, long: bool) -> None:
        self.work = work
        self.long = long
        self.outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.alarm: Alarm | None = None

    def refuse(self) -> None:
        """It has waited long enough for a session."""
        self.fail(StorageError(f"all connections to the database were busy for {_WAIT:.0f} s"))

    def fail(self, error: Exception) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(error)

    def succeed(self, result: object) -> None:
        if not self.outcome.done():
            self.outcome.set_result(result)


class _Stage:
    """How far a transaction has come."""

    def __init__(self) -> None:
        self.connected = self.committing = self.late = False

    @property
    def may_be_repeated(self) -> bool:
        """Nothing of it was done: what was not committed is rolled back when its connection ends, at the latest."""
        return self.connected and not (self.committing or self.late)


class Sessions:
    """``count`` tasks with a connection each, made when it is first needed. See ``Runner``."""

    def __init__(self, engine: AsyncEngine, count: int) -> None:
        self._engine = engine
        self._count = count
        self._waiting: deque[_Job] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self._serve(), name="oneapi-asgi-sql") for _ in range(self._count)]

    async def run(self, work: Callable[[Connection], T], *, long: bool = False) -> T:
        if self._closed:
            raise RuntimeError("the storage is closed")
        job = _Job(work, long=long)
        self._waiting.append(job)
        if self._idle:
            self._idle.popleft().set_result(None)
        elif not long:
            job.alarm = Alarm(asyncio.get_running_loop().call_later, _WAIT, job.refuse)
        return await job.outcome  # type: ignore[no-any-return]

    async def close(self) -> None:
        self._closed = True
        while self._idle:
            self._idle.popleft().set_result(None)
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self) -> None:
        connection: AsyncConnection | None = None
        while (job := await self._next()) is not None:
            connection = await self._carry_out(connection, job)
        if connection is not None:
            with suppress(Exception):  # it ends, whatever the server says to that
                async with asyncio.timeout(_ROLLBACK):
                    await connection.close()

    async def _next(self) -> _Job | None:
        while True:
            while self._waiting:
                job = self._waiting.popleft()
                if job.alarm is not None:
                    job.alarm.cancel()
                if not job.outcome.done():
                    return job
            if self._closed:
                return None
            idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(idle)
            await idle

    async def _carry_out(self, connection: AsyncConnection | None, job: _Job) -> AsyncConnection | None:
        """Do it, and return the connection if it is as good as new."""
        for left in reversed(range(_TRIES)):
            stage = _Stage()
            try:
                connection = connection or await self._connect()
                stage.connected = True
                async with nullcontext() if job.long else _deadline(connection, stage):
                    result = await connection.run_sync(_transaction, job, stage)
            except Exception as error:
                gone = is_disconnect(error, connection)
                again = left and stage.may_be_repeated and (gone or is_conflict(error))
                if not again:
                    job.fail(_told(error, stage))
                sure = not (gone or stage.committing or stage.late)
                connection = await _cleaned(connection, sure=sure)
                if not again or job.outcome.done():
                    return connection
            else:
                job.succeed(result)
                return await _cleaned(connection, sure=False) if job.long else connection
        return connection

    async def _connect(self) -> AsyncConnection:
        async with asyncio.timeout(_CONNECT):  # drivers do not count the greeting in theirs
            return await self._engine.connect()


async def _driver(connection: AsyncConnection) -> Any:
    """The driver's own connection."""
    return (await connection.get_raw_connection()).driver_connection


@asynccontextmanager
async def _deadline(connection: AsyncConnection, stage: _Stage) -> AsyncIterator[None]:
    """Break a transaction off when it has taken too long."""

    def break_off() -> None:
        stage.late = True
        # What waits for an answer of asyncpg's fails at once then, while its cancellation would wait for the server.
        # asyncmy has nothing like it, and needs none: the timeout below cancels it.
        if hasattr(driver, "terminate"):
            driver.terminate()

    driver = await _driver(connection)
    timer = asyncio.get_running_loop().call_later(LIMIT, break_off)
    try:
        async with asyncio.timeout(LIMIT + 0.1):
            yield
    finally:
        timer.cancel()


def _transaction(connection: Connection, job: _Job, stage: _Stage) -> Any:
    """Without a context manager: that would roll back on connections which hang."""
    transaction = connection.begin()
    if job.long:
        for statement in _UNLIMITED[connection.dialect.name]:
            connection.exec_driver_sql(statement)
    result = job.work(connection)
    stage.committing = True
    transaction.commit()
    return result


def limited_on_mysql(lock_wait: int, statement: int) -> str:
    """In UTC, since its clock is read by way of local time, of which an hour comes twice a year. Seconds for a lock,
    and for a statement: MariaDB knows a limit for all of them, MySQL for those that read."""
    return (
        f"SET SESSION time_zone = '+00:00', innodb_lock_wait_timeout = {lock_wait}, lock_wait_timeout = {lock_wait} "
        f"/*M!100100 , max_statement_time = {statement} */ /*!80000 , max_execution_time = {statement * 1000} */"
    )


_UNLIMITED = {
    # Not one SELECT: after that the work could not choose its isolation level any more.
    "postgresql": ("SET LOCAL statement_timeout = 0", f"SET LOCAL lock_timeout = '{_LONG_LOCK_WAIT}s'"),
    "mysql": (limited_on_mysql(_LONG_LOCK_WAIT, 0),),
}
"""PostgreSQL forgets it with the transaction; of MySQL the connection is closed after it."""


async def _cleaned(connection: AsyncConnection | None, *, sure: bool) -> AsyncConnection | None:
    """The connection, rolled back, or None if it was closed since nobody can be ``sure`` of it."""
    if connection is None:
        return None
    if sure:
        try:
            async with asyncio.timeout(_ROLLBACK):
                await connection.rollback()
        except Exception as error:  # whatever it is: another one will do
            _log.warning("a connection to the database is given up: %s", type(error).__name__)
        else:
            return connection
    await _close_hard(connection)
    return None


async def _close_hard(connection: AsyncConnection) -> None:
    """Without a word to the server, which may not be listening."""
    with suppress(Exception):  # it may be gone already
        driver = await _driver(connection)
        getattr(driver, "terminate", driver.close)()
    with suppress(Exception):
        async with asyncio.timeout(_ROLLBACK):
            await connection.invalidate()
            await connection.close()


def _told(error: Exception, stage: _Stage) -> Exception:
    if stage.committing:
        return StorageError("the database did not confirm what it was told: look whether it was done before a repeat")
    if stage.late or isinstance(error, TimeoutError):
        return StorageError("the database did not answer in time")
    if not stage.connected:
        reason = error.orig if isinstance(error, DBAPIError) else error
        told = StorageError(f"no connection to the database: {reason}")
        told.__cause__ = error
        return told
    if isinstance(error, OSError) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return StorageError("the connection to the database broke off")
    if is_timeout(error):
        return StorageError("the database was busy for too long: a statement or a lock of it ran out of time")
    return unfit(error) or error
