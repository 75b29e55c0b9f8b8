"""An upstream that costs next to nothing and tells what it sees: paced, stamped or endless streams on one loop.

What a stream is like is said in the request's ``user``, in JSON: see ``Pace``. ``GET /_seen`` answers with ``Seen``.
Run as a program it prints its URL.
"""

from __future__ import annotations

import asyncio
import re
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen
from typing import cast
from urllib.request import urlopen

import msgspec
import uvloop
from msgspec import Struct

__all__ = ["Pace", "Seen", "pacer", "seen_of"]

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
_LAST = b"0\r\n\r\n"
_SENDING = 128 * 1024
"""Bytes that the system takes of each connection, which would otherwise be megabytes: a peer that does not read shall
be noticed soon."""


class Pace(Struct, frozen=True, kw_only=True):
    """``events`` of ``size`` bytes of text, the first after ``wait`` seconds, the next ``every`` so many. 0 seconds:
    as fast as they are taken. ``stamped``: each event's text ends with the time at which it was sent. No ``events``:
    an answer that is no stream, after ``wait``."""

    events: int = 0
    every: float = 0.0
    size: int = 16
    wait: float = 0.0
    stamped: bool = False


class Seen(Struct, kw_only=True):
    """``open`` answers are not ended yet, ``blocked`` of them wait for the peer to read; ``aborted`` ones were left.
    ``sent`` are bytes that the system has taken."""

    requests: int = 0
    open: int = 0
    blocked: int = 0
    aborted: int = 0
    connections: int = 0
    sent: int = 0


class _Asked(Struct):
    user: str = "{}"
    stream: bool = False


_asked = msgspec.json.Decoder(_Asked)
_pace = msgspec.json.Decoder(Pace)
_json = msgspec.json.Encoder()


def _chunk(choices: object, usage: object = None) -> bytes:
    fields = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "gpt-4o"}
    event = b"data: %b\n\n" % _json.encode({**fields, "choices": choices, "usage": usage})
    return b"%x\r\n%b\r\n" % (len(event), event)


def _delta(delta: object, finish: str | None = None) -> bytes:
    return _chunk([{"index": 0, "delta": delta, "finish_reason": finish}])


_USAGE = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
_DONE = b"e\r\ndata: [DONE]\n\n\r\n"
_ENDING = _delta({}, "stop") + _chunk([], _USAGE) + _DONE + _LAST
_WHOLE = _json.encode(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt-4o",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
        "usage": _USAGE,
    }
)


class _Answering(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        self.buffer = b""
        self.pace: Pace | None = None
        self.left = 0
        self.blocked = False
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own class is none of asyncio's
        self.seen.connections += 1

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self.buffer, 0, end)
            stop = end + 4 + (int(found[1]) if found else 0)
            if len(self.buffer) < stop:
                return
            head, body, self.buffer = self.buffer[:end], self.buffer[end + 4 : stop], self.buffer[stop:]
            self.answer(head, body)

    def answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET /_seen"):
            told = _json.encode(self.seen)
            self.transport.write(_PLAIN % (len(told), told))
            return
        self.seen.requests += 1
        self.seen.open += 1
        self.pace = _pace.decode(_asked.decode(body).user)
        self.left = self.pace.events
        self.text = "x" * self.pace.size
        self.event = _delta({"content": self.text})
        loop = asyncio.get_running_loop()
        self.timer = loop.call_later(self.pace.wait, self.begin)

    def begin(self) -> None:
        assert self.pace is not None
        if not self.pace.events:
            self.write(_PLAIN % (len(_WHOLE), _WHOLE))
            self.over()
            return
        self.write(_HEAD + _delta({"role": "assistant", "content": ""}))
        self.tick()

    def tick(self) -> None:
        pace, self.timer = self.pace, None
        assert pace is not None
        while self.left and not self.blocked:
            self.left -= 1
            self.write(_delta({"content": f"{self.text}@{time.monotonic():.6f}"}) if pace.stamped else self.event)
            if pace.every and self.left:
                self.timer = asyncio.get_running_loop().call_later(pace.every, self.tick)
                return
        if not self.left:
            self.write(_ENDING)
            self.over()

    def write(self, data: bytes) -> None:
        self.transport.write(data)
        self.seen.sent += len(data)

    def over(self) -> None:
        self.pace = None
        self.seen.open -= 1

    def pause_writing(self) -> None:
        self.blocked = True
        self.seen.blocked += 1

    def resume_writing(self) -> None:
        self.blocked = False
        self.seen.blocked -= 1
        if self.pace is not None and self.timer is None:
            asyncio.get_running_loop().call_soon(self.resumed)

    def resumed(self) -> None:
        if self.pace is not None and self.timer is None and not self.blocked:
            self.tick()

    def connection_lost(self, exc: Exception | None) -> None:
        self.seen.connections -= 1
        self.seen.blocked -= self.blocked
        self.blocked = False
        if self.timer:
            self.timer.cancel()
        if self.pace is not None:
            self.seen.aborted += 1
            self.over()


async def _serve() -> None:
    seen = Seen()
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENDING)  # of what it accepts
    server = await asyncio.get_running_loop().create_server(lambda: _Answering(seen), sock=listening)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)  # noqa: T201
    await server.serve_forever()


@contextmanager
def pacer() -> Iterator[str]:
    """One as a process: its URL."""
    with Popen([sys.executable, __file__], stdout=PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def seen_of(url: str) -> Seen:
    with urlopen(f"{url}/_seen", timeout=20) as answer:
        return msgspec.json.decode(answer.read(), type=Seen)


if __name__ == "__main__":
    uvloop.run(_serve())
