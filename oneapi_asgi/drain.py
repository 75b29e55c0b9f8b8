"""How a process stops and loses no call: it is not ready any more, then takes no new calls, gives the open ones some
time, and tells those which are not done by then.

    drain = Drain(grace=30.0)
    app = DrainGuard(app, drain)
    await drain.run()                       # when the process is to stop; or, while it runs:
    async with draining_on_signals(drain): ...

A call that has begun is told in-band, in its caller's dialect, another is refused; both are charged for what was
relayed. Who only leaves ends the open calls at once: ``await drain.end()``.

*Reads* ``call.end``. *Writes* ``call.dialect`` of a call that it refuses. Options: ``grace``, ``delay``,
``last_words``; the guard's are ``exempt`` (paths that are answered to the end), ``on_error``.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Container
from contextlib import asynccontextmanager, suppress
from functools import partial
from types import FrameType

from starlette.types import ASGIApp, Receive, Scope, Send

from .call import Call
from .errors import Unavailable
from .http import Answer, OnError, Refusal, api_path, query_of
from .wire.dialects import client_of

__all__ = ["Drain", "DrainGuard", "draining_on_signals"]

_LOOK = 0.02
_TELLING = 10.0
_SETTLING = 5.0
"""Seconds: between two looks for calls that can be told by now; for all to be told, were they very many; for those that
were cancelled to settle."""

_RETRY_AFTER = 1.0
"""Seconds after which another replica, or the next process, may be asked."""


class Drain:
    """The calls that are open, and their end.

    ``delay`` is how many seconds calls are still taken after the process has said that it is not ready, so that load
    balancers hear of it; ``grace`` how many the open ones have from then on. What is told to those that run on has
    ``last_words`` seconds to be read; then they are cancelled.
    """

    def __init__(self, *, grace: float = 30.0, delay: float = 0.0, last_words: float = 1.0) -> None:
        self.grace = grace
        self.delay = delay
        self._last_words = last_words
        self._open: dict[asyncio.Task[object], Call] = {}
        self._told: set[asyncio.Task[object]] = set()
        self._cut: set[asyncio.Task[object]] = set()
        self._begun = self._closed = self._hurried = False
        self._news = asyncio.Event()

    @property
    def begun(self) -> bool:
        """Whether the process is about to stop: nobody should send it calls."""
        return self._begun

    @property
    def closed(self) -> bool:
        """Whether new calls are refused."""
        return self._closed

    def reopen(self) -> None:
        """Begin anew, in a process that goes on after all."""
        self._begun = self._closed = self._hurried = False
        self._news.clear()

    def enter(self, task: asyncio.Task[object], call: Call) -> None:
        self._open[task] = call

    def leave(self, task: asyncio.Task[object]) -> None:
        self._open.pop(task, None)
        self._told.discard(task)
        self._cut.discard(task)
        if self._begun and not self._open:
            self._news.set()

    def has_cut(self, task: asyncio.Task[object]) -> bool:
        """Whether it was from here that a call was cancelled."""
        return task in self._cut

    async def run(self, grace: float | None = None, *, closing: Callable[[], object] | None = None) -> None:
        """Drain, and return when no call is open. ``grace`` in place of the usual one; ``closing`` is called when new
        calls are no longer taken.
        """
        if not self._begun:
            self._begun = True
            if self.delay:
                await self._wait(self.delay, even_idle=True)
        self._closed = True
        if closing is not None:
            closing()
        if self._open:
            await self._wait(self.grace if grace is None else grace)
        await self.end()

    def hurry(self) -> None:
        """Have a drain that runs end the open calls now."""
        self._hurried = True
        self._news.set()

    async def end(self) -> None:
        """End what is open now. Each call is told as soon as it can be; when none has ended for ``last_words`` seconds
        those which are left are cancelled, and have some more to settle."""
        self._begun = self._closed = True
        loop, own = asyncio.get_running_loop(), asyncio.current_task()
        latest = loop.time() + _TELLING
        until, left = loop.time() + self._last_words, self._open.keys() - {own}
        while left and loop.time() < min(until, latest):
            for task in left - self._told:
                self._tell(task)
            await self._wait(_LOOK, even_hurried=True)
            before, left = len(left), self._open.keys() - {own}
            if len(left) < before:
                until = loop.time() + self._last_words
        for task in left - self._cut:
            self._cut.add(task)
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=_SETTLING)

    def _tell(self, task: asyncio.Task[object]) -> None:
        end = self._open[task].end
        if end is not None:
            self._told.add(task)
            end(_shutting_down(), "drained")

    async def _wait(self, seconds: float, *, even_idle: bool = False, even_hurried: bool = False) -> None:
        """Until nothing is open, somebody is in a hurry, or the time is over."""
        until = asyncio.get_running_loop().time() + seconds
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while (self._open or even_idle) and (even_hurried or not self._hurried):
                    self._news.clear()
                    await self._news.wait()


def _shutting_down(*headers: tuple[str, str]) -> Unavailable:
    return Unavailable(
        "The gateway is shutting down. Ask again: another process takes its place.",
        code="shutting_down",
        retry_after=_RETRY_AFTER,
        headers=headers,
    )


class DrainGuard:
    """Keeps account of the calls that pass through it, and refuses new ones once the drain is closed."""

    def __init__(self, app: ASGIApp, drain: Drain, *, exempt: Container[str] = (), on_error: OnError = Refusal) -> None:
        self.app = app
        self._drain = drain
        self._exempt = exempt
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if self._drain.closed:
            return await self._late(scope, receive, send)
        call, answer, task = Call.of(scope), Answer.of(send), asyncio.current_task()
        assert task is not None  # noqa: S101
        self._drain.enter(task, call)
        try:
            await self.app(scope, receive, answer.send)
        except asyncio.CancelledError:
            if answer.begun or not self._drain.has_cut(task) or task.uncancel():
                raise
            await self._on_error(_shutting_down(("connection", "close")), call)(scope, receive, send)
        finally:
            self._drain.leave(task)
        return None

    async def _late(self, scope: Scope, receive: Receive, send: Send) -> None:
        if api_path(scope) in self._exempt:
            return await self.app(scope, receive, send)
        call = Call.of(scope)
        call.dialect = client_of(api_path(scope), dict(scope["headers"]), query_of(scope))
        await self._on_error(_shutting_down(("connection", "close")), call)(scope, receive, send)
        return None


@asynccontextmanager
async def draining_on_signals(drain: Drain, *, same: float = 1.0) -> AsyncIterator[None]:
    """Drain when the process is told to stop by SIGTERM or SIGINT; when told again, hurry.

    The server's own handler, which was there before, is called once no new calls are taken: it closes the connections
    as they become idle, and ends the lifespan after the last. Without such a handler, and outside of the main thread,
    signals are left alone. Those within ``same`` seconds are one: service managers tell all processes of a group, and
    a supervisor its own.
    """
    loop = asyncio.get_running_loop()
    running: asyncio.Task[None] | None = None
    at = 0.0

    def heard(number: int) -> None:
        nonlocal running, at
        if running is None:
            at = loop.time()
            running = loop.create_task(drain.run(closing=partial(handlers[number], number, None)), name="drain")
        elif loop.time() - at >= same:
            drain.hurry()

    def hear(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # signals are told so
        loop.call_soon_threadsafe(heard, number)

    handlers = _handlers()
    for number in handlers:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if signal.getsignal(number) is hear:
                signal.signal(number, handler)
        if running is not None:
            running.cancel()
            await asyncio.wait([running])


def _handlers() -> dict[int, Callable[[int, FrameType | None], object]]:
    """What would be done about a signal: not what Python does by itself, which is to break off."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    found = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    return {
        number: handler
        for number, handler in found.items()
        if callable(handler) and handler is not signal.default_int_handler
    }
