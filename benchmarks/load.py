"""A closed-loop load generator: each connection asks again as soon as it has its answer. Prints one line of JSON.

Every answer must have status 200 and the right length, and a stream must end with ``[DONE]``; else the run fails.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from typing import cast

import httptools
import uvloop
from msgspec import Struct

from .traffic import LENGTHS, MODES, PATH, TOKEN, Mode, body_of

__all__ = ["Load"]

PATIENCE = 60.0  # seconds after the end of the run for the last answers


class Load(Struct, frozen=True):
    """Latencies and times to the first byte of the body are in seconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    first_byte: float


class Run:
    """What the connections share: when to stop, and the latencies they saw."""

    deadline: float

    def __init__(self, mode: Mode, connections: int, limit: int) -> None:
        self.mode = mode
        self.left = limit
        self.latencies: list[float] = []
        self.first_bytes: list[float] = []
        self.running = connections
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def more(self) -> bool:
        self.left -= 1
        return self.left >= 0 and time.perf_counter() < self.deadline

    def stopped(self) -> None:
        self.running -= 1
        if not self.running and not self.done.done():
            self.done.set_result(None)

    def fail(self, reason: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(reason))


class Asking(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, run: Run, request: bytes) -> None:
        self.run = run
        self.request = request
        self.finished = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own class is none of asyncio's

    def ask(self) -> None:
        if not self.run.more():
            self.finished = True
            self.transport.close()
            self.run.stopped()
            return
        self.parser = httptools.HttpResponseParser(self)
        self.length, self.first_byte, self.tail = 0, 0.0, b""
        self.started = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        if not self.length:
            self.first_byte = time.perf_counter() - self.started
        self.length += len(body)
        self.tail = body if len(body) >= 16 else self.tail[-16:] + body

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        if reason := self.mistake():
            self.run.fail(reason)
            return
        self.run.latencies.append(now - self.started)
        self.run.first_bytes.append(self.first_byte)
        # Not from within the parser, which is still at work on this answer.
        asyncio.get_running_loop().call_soon(self.ask)

    def mistake(self) -> str | None:
        mode, status = self.run.mode, self.parser.get_status_code()
        if status != 200:
            return f"status {status}: {self.tail.decode(errors='replace')}"
        if self.length != LENGTHS[mode]:
            return f"{self.length} bytes of body, not {LENGTHS[mode]}"
        if mode != "plain" and not self.tail.endswith(b"[DONE]\n\n"):
            return "the stream did not end with [DONE]"
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.finished:
            self.run.fail(f"the connection was closed: {exc!r}")


def request_of(mode: Mode, host: str) -> bytes:
    body = body_of(mode)
    head = (
        f"POST {PATH} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n"
    )
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def generate(port: int, mode: Mode, connections: int, seconds: float, limit: int) -> Load:
    run = Run(mode, connections, limit)
    request = request_of(mode, f"127.0.0.1:{port}")
    loop = asyncio.get_running_loop()
    opened = [await loop.create_connection(lambda: Asking(run, request), "127.0.0.1", port) for _ in range(connections)]
    started = time.perf_counter()
    run.deadline = started + seconds
    for _, asking in opened:
        asking.ask()
    async with asyncio.timeout(seconds + PATIENCE):
        await run.done
    took = time.perf_counter() - started
    latencies, first_bytes = sorted(run.latencies), sorted(run.first_bytes)
    count = len(latencies)
    return Load(count, took, latencies[count // 2], latencies[count * 99 // 100], first_bytes[count // 2])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mode", choices=MODES, default="plain")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--requests", type=int, default=1 << 40, help="stop after so many, whatever the time")
    options = parser.parse_args()
    load = uvloop.run(generate(options.port, options.mode, options.connections, options.seconds, options.requests))
    print(json.dumps({name: getattr(load, name) for name in Load.__struct_fields__}))


if __name__ == "__main__":
    main()
