"""An ASGI client in the process of the app that hands on each chunk when the app sends it.

Clients that collect the answer first (``httpx.ASGITransport``, Starlette's ``TestClient``) cannot show whether an app
streams, nor what it does when the client leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import unquote

import anyio
import msgspec
from msgspec import Struct

__all__ = ["Response", "StreamedResponse", "StreamingClient"]

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]
Headers = Mapping[str, str] | Iterable[tuple[str, str]]

GRACE = 5.0  # seconds an app may take to end once its client has left


class Response(Struct, frozen=True):
    """``headers`` by lower-case name; several of one name are joined by a comma."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class StreamingClient:
    """Calls ``app``, within its lifespan if it has one.

        async with StreamingClient(app) as client:
            response = await client.request("POST", "/v1/chat/completions", json={...})
            async with client.stream("POST", "/v1/chat/completions", json={...}) as response:
                async for chunk in response: ...

    An exception of the app is raised where the answer is awaited. Every call ends within ``timeout`` seconds.
    """

    def __init__(self, app: App, *, lifespan: bool = True, timeout: float = 60.0) -> None:
        self._app = app
        self._lifespan = _Lifespan(app) if lifespan else None
        self._timeout = timeout

    async def __aenter__(self) -> Self:
        if self._lifespan:
            await self._lifespan.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._lifespan:
            await self._lifespan.stop()

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | Sequence[bytes] = b"",
        headers: Headers = (),
        root_path: str = "",
        client: tuple[str, int] | None = ("127.0.0.1", 1234),
    ) -> Response:
        """Several pieces of ``content`` are several messages. ``path`` follows ``root_path``, and has the query."""
        exchange = self.stream(
            method, path, json=json, content=content, headers=headers, root_path=root_path, client=client
        )
        async with exchange as streamed:
            return Response(streamed.status, streamed.headers, await streamed.read())

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | Sequence[bytes] = b"",
        headers: Headers = (),
        root_path: str = "",
        client: tuple[str, int] | None = ("127.0.0.1", 1234),
    ) -> AsyncIterator[StreamedResponse]:
        """The answer once it has begun. Leaving the block before its end disconnects, and waits for the app to end."""
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        fields = list(cast("Iterable[tuple[str, str]]", pairs))
        if json is not None:
            content = msgspec.json.encode(json)
            fields.append(("content-type", "application/json"))
        pieces = [content] if isinstance(content, bytes) else list(content)
        scope = _scope(method, path, fields, pieces, root_path, client)
        if self._lifespan:
            scope["state"] = self._lifespan.state.copy()
        exchange = _Exchange(pieces)
        async with asyncio.timeout(self._timeout):
            exchange.start(self._app, scope)
            try:
                status, raw = await exchange.head()
                yield StreamedResponse(status, raw, exchange)
            finally:
                await exchange.leave()
            exchange.check()


class StreamedResponse:
    """An answer that has begun; iterating gives the body's chunks, one for each message of the app."""

    def __init__(self, status: int, raw_headers: Sequence[tuple[bytes, bytes]], exchange: _Exchange) -> None:
        self.status = status
        self.raw_headers = list(raw_headers)
        self._exchange = exchange

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name; several of one name are joined by a comma."""
        joined: dict[str, str] = {}
        for raw_name, raw_value in self.raw_headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
        return joined

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (chunk := await self._exchange.chunk()) is not None:
            if chunk:
                yield chunk

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self])


class _Exchange:
    """One call of the app: what it receives, and its messages, handed over one by one."""

    _task: asyncio.Task[None]

    def __init__(self, pieces: Sequence[bytes]) -> None:
        last = len(pieces) - 1
        self._inbox = [{"type": "http.request", "body": p, "more_body": i < last} for i, p in enumerate(pieces)]
        self._sent, self._taken = anyio.create_memory_object_stream[Message](0)
        self._left = asyncio.Event()
        self._complete = False

    def start(self, app: App, scope: Message) -> None:
        async def call() -> None:
            with self._sent:
                await app(scope, self._receive, self._send)

        self._task = asyncio.create_task(call())

    async def _receive(self) -> Message:
        if self._inbox:
            return self._inbox.pop(0)
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        """Returns when the client has taken the message; says nothing once it has left, as servers do."""
        with suppress(anyio.BrokenResourceError):
            await self._sent.send(message)

    async def head(self) -> tuple[int, Sequence[tuple[bytes, bytes]]]:
        message = await self._next("http.response.start")
        return message["status"], message.get("headers", ())

    async def chunk(self) -> bytes | None:
        """The next piece of the body, None after the last."""
        if self._complete:
            return None
        message = await self._next("http.response.body")
        if not message.get("more_body", False):
            self._complete = True
            self._left.set()  # a server tells of a disconnect after the answer, too
        return bytes(message.get("body", b""))

    async def _next(self, kind: str) -> Message:
        try:
            message = await self._taken.receive()
        except anyio.EndOfStream:
            await asyncio.wait((self._task,))
            self.check()
            raise RuntimeError("the app returned before its answer was complete") from None
        if message["type"] != kind:
            raise RuntimeError(f"the app sent {message['type']!r} where {kind!r} was due")
        return message

    async def leave(self) -> None:
        """
        :raises TimeoutError: the app goes on although its client has left
        """
        self._left.set()
        self._taken.close()
        _, running = await asyncio.wait((self._task,), timeout=GRACE)
        if running:
            self._task.cancel()
            await asyncio.wait((self._task,))
            raise TimeoutError(f"the app was still running {GRACE} s after its client had left")

    def check(self) -> None:
        """Raise the app's exception."""
        if self._task.done():
            self._task.result()


class _Lifespan:
    """The app's lifespan, in a task of its own."""

    def __init__(self, app: App) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._outbox: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}

        async def call() -> None:
            await self._app(scope, self._inbox.get, self._outbox.put)

        self._task = asyncio.create_task(call())
        answer = await self._tell("startup")
        if answer is None:  # it raised or returned at once: it has no lifespan
            with suppress(Exception):
                await self._task
            self._task = None

    async def stop(self) -> None:
        if self._task is None:
            return
        try:
            await self._tell("shutdown")
            await self._task
        finally:
            self._task.cancel()

    async def _tell(self, phase: str) -> Message | None:
        """
        :raises RuntimeError: the app says that the phase failed
        """
        assert self._task is not None  # noqa: S101 - for the type checker
        self._inbox.put_nowait({"type": f"lifespan.{phase}"})
        answering = asyncio.ensure_future(self._outbox.get())
        await asyncio.wait((answering, self._task), return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            answering.cancel()
            return None
        answer = answering.result()
        if answer["type"] == f"lifespan.{phase}.failed":
            await asyncio.wait((self._task,))
            cause = None if self._task.cancelled() else self._task.exception()
            self._task = None
            raise RuntimeError(f"lifespan {phase} failed: {answer.get('message', '')}") from cause
        return answer


def _scope(
    method: str,
    path: str,
    headers: list[tuple[str, str]],
    pieces: Sequence[bytes],
    root_path: str,
    client: tuple[str, int] | None,
) -> Message:
    raw_path, _, query = path.partition("?")
    fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    names = {name for name, _ in fields}
    if b"host" not in names:
        fields.insert(0, (b"host", b"testserver"))
    length = sum(map(len, pieces))
    if length and not names & {b"content-length", b"transfer-encoding"}:
        fields.append((b"content-length", b"%d" % length))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},  # 2.4 would make send() raise after a disconnect
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": root_path + unquote(raw_path),
        "raw_path": (root_path + raw_path).encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": root_path,
        "headers": fields,
        "client": client,
        "server": ("testserver", 80),
    }
