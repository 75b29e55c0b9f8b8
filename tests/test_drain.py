"""A process stops: who is still served, who is told what, and in which order."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from types import FrameType
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from oneapi_asgi.call import Call
from oneapi_asgi.drain import Drain, DrainGuard, draining_on_signals
from oneapi_asgi.errors import GatewayError
from oneapi_asgi.models import EndReason
from oneapi_asgi.wire.dialects import client_of

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


class Works:
    """An app whose calls take as long as they are told to, and end in one of three ways when they are told to end."""

    def __init__(self, *, begins: bool = False, heeds: bool = True) -> None:
        self.begins = begins
        self.heeds = heeds
        self.done = asyncio.Event()
        self.entered = asyncio.Event()
        self.ends: list[tuple[GatewayError, EndReason]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call.of(scope)
        if self.heeds:
            call.end = self.end
        if self.begins:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        self.entered.set()
        await self.done.wait()

    def end(self, error: GatewayError, reason: EndReason) -> None:
        self.ends.append((error, reason))
        self.done.set()


class Caller:
    """One call of an app, and what came back."""

    def __init__(self, app: DrainGuard, path: str = CHAT) -> None:
        self.sent: list[Message] = []
        scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
        self.task = asyncio.create_task(self._ask(app, scope))

    async def _ask(self, app: DrainGuard, scope: dict[str, Any]) -> None:
        await app(scope, _nothing, self._send)

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


async def _nothing() -> Message:
    raise AssertionError("nobody reads")


@asynccontextmanager
async def calling(app: Works, drain: Drain, **options: Any) -> AsyncIterator[Caller]:
    """A call that is open."""
    caller = Caller(DrainGuard(app, drain, **options))
    await app.entered.wait()
    try:
        yield caller
    finally:
        caller.task.cancel()
        await asyncio.wait([caller.task])


async def until(true: Callable[[], bool]) -> None:
    for _ in range(5_000):
        if true():
            return
        await asyncio.sleep(0.001)
    raise TimeoutError


async def test_open_calls_have_their_time() -> None:
    drain, app = Drain(grace=30), Works()
    async with calling(app, drain) as caller:
        running = asyncio.create_task(drain.run())
        await until(lambda: drain.closed)
        assert not running.done()
        assert not app.ends
        app.done.set()
        await asyncio.wait_for(running, 5)
        assert caller.task.done()
    assert app.ends == []


async def test_after_it_they_are_told() -> None:
    drain, app = Drain(grace=0.05), Works(begins=True)
    async with calling(app, drain) as caller:
        await drain.run()
        assert caller.task.done()
        assert not caller.task.cancelled()
    [(error, reason)] = app.ends
    assert (error.status, error.code, reason) == (503, "shutting_down", "drained")


async def test_a_call_that_can_be_told_later_is_told_then() -> None:
    drain, app = Drain(grace=0), Works(heeds=False)
    caller = Caller(DrainGuard(app, drain))
    await app.entered.wait()
    running = asyncio.create_task(drain.run())
    await until(lambda: drain.closed)
    for call in drain._open.values():  # as the relay does when a call has come so far
        call.end = app.end
    await running
    assert caller.task.done()
    assert [reason for _, reason in app.ends] == ["drained"]


@pytest.mark.parametrize(("path", "envelope"), [(CHAT, b'{"error":{'), (MESSAGES, b'{"type":"error"')])
async def test_who_cannot_be_told_and_has_seen_nothing_is_refused(path: str, envelope: bytes) -> None:
    drain, app = Drain(grace=0, last_words=0.02), Works(heeds=False)

    async def meant(scope: Scope, receive: Receive, send: Send) -> None:
        Call.of(scope).dialect = client_of(path.removeprefix("/v1"), {}, "")
        await app(scope, receive, send)

    caller = Caller(DrainGuard(meant, drain), path)
    await app.entered.wait()
    await drain.run()
    assert not caller.task.cancelled()
    assert caller.status == 503
    assert caller.headers[b"connection"] == b"close"
    assert caller.body.startswith(envelope)


async def test_who_cannot_be_told_and_has_seen_a_part_is_cut_off() -> None:
    drain, app = Drain(grace=0, last_words=0.02), Works(begins=True, heeds=False)
    async with calling(app, drain) as caller:
        await drain.run()
        assert caller.task.cancelled()
        assert len(caller.sent) == 1


async def test_as_long_as_calls_end_the_others_are_waited_for() -> None:
    """Were they very many, the last would be told late."""
    drain, slow = Drain(grace=0, last_words=1.0), Works(begins=True, heeds=False)
    quick = [Works(begins=True, heeds=False) for _ in range(4)]
    async with calling(slow, drain) as caller:
        for app in quick:
            Caller(DrainGuard(app, drain))
            await app.entered.wait()
        ending = asyncio.create_task(drain.end())
        for app in quick:
            await asyncio.wait([ending], timeout=0.3)
            app.done.set()
        assert not ending.done()
        slow.done.set()
        await ending
        assert not caller.task.cancelled()


async def test_another_cancellation_is_none_of_its_business() -> None:
    drain, app = Drain(), Works()
    async with calling(app, drain) as caller:
        caller.task.cancel()
        await asyncio.wait([caller.task])
        assert caller.task.cancelled()
        assert caller.sent == []


async def test_new_calls_are_taken_in_the_delay_and_refused_after_it() -> None:
    drain, app = Drain(delay=0.1), Works()
    closings: list[bool] = []
    running = asyncio.create_task(drain.run(closing=lambda: closings.append(drain.closed)))
    await until(lambda: drain.begun)
    assert not drain.closed
    async with calling(app, drain):
        await until(lambda: drain.closed)
        assert closings == [True]
        late = Caller(DrainGuard(app, drain), MESSAGES)
        await late.task
        assert late.status == 503
        assert late.headers[b"retry-after"] == b"1"
        assert late.headers[b"connection"] == b"close"
        assert late.body.startswith(b'{"type":"error"')
        app.done.set()
        await running


async def test_what_needs_no_key_is_answered_to_the_end() -> None:
    drain, app = Drain(), Works()
    app.done.set()
    await drain.run()
    probe = Caller(DrainGuard(app, drain, exempt={"/healthz"}), "/healthz")
    await probe.task
    assert app.entered.is_set()
    assert probe.status is None


async def test_a_hurry_ends_all_waiting() -> None:
    drain, app = Drain(grace=60, delay=60), Works()
    async with calling(app, drain):
        running = asyncio.create_task(drain.run())
        await until(lambda: drain.begun)
        drain.hurry()
        await asyncio.wait_for(running, 5)
    assert len(app.ends) == 1


async def test_who_leaves_ends_the_calls_at_once_and_each_once() -> None:
    drain, app = Drain(grace=60), Works()
    async with calling(app, drain):
        await asyncio.gather(drain.end(), drain.end(), drain.run(0))
    assert len(app.ends) == 1


async def test_an_open_call_may_end_the_others() -> None:
    """It does not wait for itself."""
    drain = Drain(last_words=0.02)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await drain.end()

    await asyncio.wait_for(Caller(DrainGuard(app, drain)).task, 5)


async def test_one_that_goes_on_takes_calls_again() -> None:
    drain, app = Drain(), Works()
    await drain.run()
    drain.reopen()
    assert not drain.begun
    async with calling(app, drain):
        assert not drain.closed


# --- signals ----------------------------------------------------------------------------------------------------------


class Server:
    """Whose handler was there first."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.heard.append(number)


@contextmanager
def handled_by(handler: Any, *numbers: int) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, was in before.items():
            signal.signal(number, was)


TERM, INT = signal.SIGTERM, signal.SIGINT


@pytest.mark.parametrize("number", [TERM, INT])
async def test_a_signal_drains_before_the_server_hears_of_it(number: int) -> None:
    drain, app, server = Drain(delay=0.05), Works(), Server()
    with handled_by(server, TERM, INT):
        async with draining_on_signals(drain), calling(app, drain):
            os.kill(os.getpid(), number)
            await until(lambda: drain.begun)
            assert server.heard == []
            await until(lambda: drain.closed)
            assert server.heard == [number]
            app.done.set()
        assert signal.getsignal(number) is server


@pytest.mark.parametrize(("same", "hurried"), [(0.0, True), (60.0, False)])
async def test_a_second_signal_hurries_and_a_repeated_one_does_not(same: float, hurried: bool) -> None:
    drain, app, server = Drain(grace=60), Works(), Server()
    with handled_by(server, TERM, INT):
        async with draining_on_signals(drain, same=same), calling(app, drain):
            os.kill(os.getpid(), TERM)
            await until(lambda: drain.closed)
            os.kill(os.getpid(), INT)
            with suppress(TimeoutError):
                async with asyncio.timeout(5 if hurried else 0.05):
                    await app.done.wait()
            assert bool(app.ends) is hurried
    assert server.heard == [TERM]


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler])
async def test_signals_that_no_server_hears_are_left_alone(handler: Any) -> None:
    with handled_by(handler, TERM, INT):
        async with draining_on_signals(Drain()):
            assert signal.getsignal(TERM) is handler
            assert signal.getsignal(INT) is handler


async def test_a_handler_that_came_later_is_left_in_place() -> None:
    first, second = Server(), Server()
    with handled_by(first, TERM):
        async with draining_on_signals(Drain()):
            signal.signal(TERM, second)
        assert signal.getsignal(TERM) is second


async def test_outside_of_the_main_thread_nothing_is_heard() -> None:
    async def inside() -> None:
        async with draining_on_signals(Drain()):
            pass

    run: Callable[[], Awaitable[None]] = partial(asyncio.to_thread, asyncio.run, inside())
    await run()
