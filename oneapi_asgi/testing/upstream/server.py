"""The server: sockets, the queue of scripted answers, and the journal."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections import deque
from collections.abc import Collection
from types import TracebackType
from typing import Self, cast

import msgspec
from msgspec.structs import replace

from .answers import answer_to
from .ask import JSON, error
from .formats import Rules
from .http import Malformed, Request, frame, framed, head, take_request
from .script import Answer, Journaled, Part

__all__ = ["FakeUpstream"]


class FakeUpstream:
    """Every provider on one port of 127.0.0.1, on real sockets: the path of a request says whose format it is. Fails on
    demand.

        async with FakeUpstream() as upstream:
            upstream.script(Answer(head=False, then="reset"))  # the next request; those after it are answered
            client = AsyncOpenAI(base_url=upstream.url, api_key="sk-any")
            client = AsyncAnthropic(base_url=upstream.root, api_key="any")

    OpenAI's side takes what it can answer; ``strict`` makes it refuse what OpenAI would refuse. The other formats are
    always strict. ``foreign_keys`` are keys that must never arrive: those of the callers of a gateway in front. With
    ``aws_secret`` the signatures of requests to Bedrock are computed once more, without it they only have to be there.

    ``root`` is where Anthropic, Gemini, Bedrock, Cohere, Ollama and Azure are found, ``url`` (it ends in ``/v1``) where
    OpenAI is. ``journal`` holds every request that arrived whole, in that order.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        strict: bool = False,
        foreign_keys: Collection[str] = (),
        aws_secret: str | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.journal: list[Journaled] = []
        self._rules = Rules(strict, frozenset(foreign_keys), aws_secret)
        self._scripted: deque[Answer] = deque()
        self._connections: set[_Connection] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._answering = 0
        self._opened = 0
        self._serial = 0

    @property
    def root(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.root}/v1"

    def script(self, *answers: Answer) -> None:
        """Queue answers for the next requests, whatever they ask for."""
        self._scripted.extend(answers)

    async def idle(self, within: float = 5.0) -> None:
        """Wait until no request is being answered.

        :raises TimeoutError: not so ``within`` seconds
        """
        async with asyncio.timeout(within):
            await self._idle.wait()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connect, self.host, self.port, backlog=4096)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        tasks = [connection.task for connection in self._connections]
        for connection in list(self._connections):
            connection.end()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _connect(self) -> _Connection:
        self._opened += 1
        return _Connection(self, self._opened)

    def joined(self, connection: _Connection) -> None:
        self._connections.add(connection)

    def left(self, connection: _Connection) -> None:
        self._connections.discard(connection)

    def began(self, entry: Journaled) -> None:
        self.journal.append(entry)
        self._answering += 1
        self._idle.clear()

    def ended(self, entry: Journaled) -> None:
        entry.ended = time.monotonic()
        self._answering -= 1
        if not self._answering:
            self._idle.set()

    def answer(self, request: Request) -> Answer:
        self._serial += 1
        return self._scripted.popleft() if self._scripted else answer_to(request, self._serial, self._rules)

    def journal_page(self, method: str) -> Answer:
        if method == "DELETE":
            self.journal.clear()
        body = msgspec.json.encode(self.journal)
        return Answer(headers=(JSON,), parts=(Part(body),), content_length=len(body))


class _Connection(asyncio.Protocol):
    """One connection, answered request by request in a task; the protocol's callbacks watch the peer meanwhile."""

    task: asyncio.Task[None]
    _transport: asyncio.Transport

    def __init__(self, upstream: FakeUpstream, number: int) -> None:
        self._upstream = upstream
        self._number = number
        self._buffer = bytearray()
        self._arrived = asyncio.Event()
        self._gone = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._entry: Journaled | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class is none of asyncio's
        # A full socket pauses us at once, so that bytes count as sent when the kernel has them.
        self._transport.set_write_buffer_limits(high=0)
        self.task = asyncio.get_running_loop().create_task(self._serve())
        self._upstream.joined(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._arrived.set()

    def eof_received(self) -> bool:
        self._leave()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self._leave()
        self._upstream.left(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def end(self) -> None:
        self._transport.abort()
        self._leave()

    def _leave(self) -> None:
        if self._entry:
            self._entry.aborted = True
            self._finish()
        for event in (self._gone, self._arrived, self._writable):
            event.set()

    def _finish(self) -> None:
        if self._entry:
            self._upstream.ended(self._entry)
            self._entry = None

    async def _serve(self) -> None:
        try:
            while request := await self._next_request():
                if not await self._answer(request):
                    break
        except ConnectionResetError:
            pass
        finally:
            self._transport.close()

    async def _next_request(self) -> Request | None:
        while not self._gone.is_set():
            self._arrived.clear()
            try:
                request = take_request(self._buffer)
            except Malformed as bad:
                await self._write_all(error(400, str(bad), 0), None)
                return None
            if request:
                return request
            await self._arrived.wait()
        return None

    async def _answer(self, request: Request) -> bool:
        """Whether the connection lives on."""
        if request.path == "/_journal":
            await self._write_all(self._upstream.journal_page(request.method), None)
            return True
        entry = Journaled(
            method=request.method,
            path=request.path,
            headers=request.headers,
            body=request.body,
            started=time.monotonic(),
            connection=self._number,
        )
        self._upstream.began(entry)
        self._entry = entry
        answer = self._upstream.answer(request)
        await self._write_all(answer, entry)
        await self._conclude(answer)
        wants_close = dict(request.headers).get("connection", "").lower() == "close"
        return answer.then == "keep" and framed(answer) and not wants_close

    async def _write_all(self, answer: Answer, entry: Journaled | None) -> None:
        if entry:
            entry.usage = answer.usage
        await self._pause(answer.wait)
        self._transport.write(head(answer))
        if entry and answer.head:
            entry.status = answer.status
        for part in answer.parts:
            await self._write_part(answer, part if isinstance(part, Part) else Part(*part), entry)
        if answer.then == "keep":
            self._transport.write(frame(answer, b""))
        await self._drained()

    async def _write_part(self, answer: Answer, part: Part, entry: Journaled | None) -> None:
        await self._pause(part.delay)
        if not part.data:
            return
        self._transport.write(frame(answer, part.data))
        if entry:
            entry.bytes_sent += len(part.data)
            if entry.usage:
                entry.usage = replace(entry.usage, output=entry.usage.output + part.output)
        await self._drained()

    async def _conclude(self, answer: Answer) -> None:
        if answer.then == "hang":
            await self._gone.wait()
        if answer.then == "reset":
            self._reset()
        self._finish()

    def _reset(self) -> None:
        """Closing with lingering time 0 makes it a RST."""
        connection: socket.socket = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    async def _pause(self, seconds: float) -> None:
        """Sleep, or until the peer leaves.

        :raises ConnectionResetError: the peer has left
        """
        if not seconds:
            await asyncio.sleep(0)
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._gone.wait()
        self._check_peer()

    async def _drained(self) -> None:
        await self._writable.wait()
        self._check_peer()

    def _check_peer(self) -> None:
        if self._gone.is_set():
            raise ConnectionResetError
