"""Commands to one Redis: what waits at one moment is one round trip, and a server that is gone is not asked.

The round trips are made by a worker, so that no caller that hangs up can break one off half-way.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

from ...errors import NotStarted
from .breaker import Breaker

__all__ = ["Answer", "Argument", "Command", "Link", "Script", "ended"]

_log = logging.getLogger(__name__)

_GROUP = 256
_MOST_WAITING = 20_000
_LINGER = 0.005
"""Seconds that what nobody waits for may wait for company."""

Argument = str | int | float
Command = tuple[Argument, ...]
Answer = object
"""What Redis answered, or None: it did not, or with an error. Then nobody knows what was done."""


async def ended(task: asyncio.Task[None]) -> None:
    """Cancel a task until it is over: a cancellation that meets the end of a timeout in the client gets lost."""
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=0.1)


class Script:
    """A Lua script, sent by its digest."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    def command(self, keys: Sequence[str], *arguments: Argument) -> Command:
        return ("EVALSHA", self.digest, len(keys), *keys, *arguments)


class _Waiting(NamedTuple):
    command: Command
    answer: asyncio.Future[Answer] | None
    orphaned: Callable[[Answer], None] | None


class Link:
    """The way to a Redis, through a pool of connections. An async context manager's parts: ``open`` and ``close``.

    A round trip may take ``timeout`` seconds, with all that belongs to it. One that fails takes all with it that wait:
    they shall not wait again. ``opened`` is set when the breaker has opened.
    """

    def __init__(
        self, url: str, scripts: Sequence[Script], *, timeout: float, max_connections: int, breaker: Breaker
    ) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=max_connections,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )
        self.client: Redis = Redis(connection_pool=pool)
        self.breaker = breaker
        self.opened = asyncio.Event()
        self._pool = pool
        self._scripts = {script.digest: script for script in scripts}
        self._timeout = timeout
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._worker: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._worker = asyncio.create_task(self._work(), name="redis")

    async def close(self) -> None:
        """What waits is sent still, unless Redis is gone."""
        worker, self._worker = self._worker, None
        self._wake.set()
        if worker is not None:
            await asyncio.wait((worker,))
        await self._pool.disconnect(inuse_connections=True)

    @property
    def up(self) -> bool:
        """
        :raises NotStarted: the context was not entered
        """
        if self._worker is None:
            raise NotStarted("Redis is not connected: enter its context (the gateway's lifespan) first.")
        return self.breaker.closed

    async def submit(self, command: Command, *, orphaned: Callable[[Answer], None]) -> Answer:
        """Send a command with the next group. ``orphaned`` gets the answer if the caller is cancelled meanwhile."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(command, answer, orphaned))
        self._wake.set()
        try:
            return await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled():  # both happened in one turn of the loop
                orphaned(answer.result())
            raise

    def post(self, command: Command) -> None:
        """Send a command some time soon, or never: while Redis is gone, or too much waits, it is dropped."""
        if self._worker is None or not self.breaker.closed or len(self._waiting) >= _MOST_WAITING:
            return
        self._waiting.append(_Waiting(command, None, None))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LINGER, self._wake.set)

    async def probe(self, command: Command) -> Answer:
        """Send a command now, by itself, even while the breaker is open: it closes if that succeeds."""
        answers = await self._sent([command])
        return answers[0]

    async def _work(self) -> None:
        while self._worker is not None:
            await self._wake.wait()
            self._wake.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            while self._waiting:
                group, self._waiting = self._waiting[:_GROUP], self._waiting[_GROUP:]
                await self._run(group)

    async def _run(self, group: Sequence[_Waiting]) -> None:
        live = [item for item in group if item.answer is None or not item.answer.cancelled()]
        if not live:
            return
        answers = await self._sent([item.command for item in live])
        if not any(answer is not None for answer in answers):
            live, self._waiting = [*live, *self._waiting], []
            answers = [None] * len(live)
        for item, answer in zip(live, answers, strict=True):
            if item.answer is None:
                continue
            if not item.answer.done():
                item.answer.set_result(answer)
            elif item.orphaned is not None:
                item.orphaned(answer)

    async def _sent(self, commands: Sequence[Command]) -> list[Answer]:
        """The answers, None for each that failed; the breaker is told."""
        try:
            async with asyncio.timeout(self._timeout):
                answers = await self._answers(commands)
        except Exception as error:  # whatever it is: the worker lives on, and nobody waits in vain
            self._failed(error)
            return [None] * len(commands)
        errors = [answer for answer in answers if isinstance(answer, Exception)]
        if errors:
            self._failed(errors[0])
        elif self.breaker.succeeded():
            _log.warning("redis is back")
        return [None if isinstance(answer, Exception) else answer for answer in answers]

    async def _answers(self, commands: Sequence[Command]) -> list[Answer]:
        answers = await self._pipelined(commands)
        missing = [index for index, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if missing:  # a server that was started anew knows no scripts; what it did not know it did not run
            wanted = {str(commands[index][1]) for index in missing}
            await self._pipelined([("SCRIPT", "LOAD", self._scripts[digest].source) for digest in wanted])
            again = await self._pipelined([commands[index] for index in missing])
            for index, answer in zip(missing, again, strict=True):
                answers[index] = answer
        return answers

    async def _pipelined(self, commands: Sequence[Command]) -> list[Answer]:
        async with self.client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            answers: list[Answer] = await pipeline.execute(raise_on_error=False)
            return answers

    def _failed(self, error: Exception) -> None:
        if self.breaker.failed():
            where = {name: self._pool.connection_kwargs.get(name) for name in ("host", "port", "db")}
            _log.error(
                "redis at %(host)s:%(port)s/%(db)s is not used for now: %(error)s",
                where | {"error": type(error).__name__},
            )
            self.opened.set()
