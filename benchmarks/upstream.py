"""An upstream that costs next to nothing: fixed answers, written by an asyncio protocol on uvloop.

What it is asked for it finds by a search in the body, and it trusts its peers to speak proper HTTP/1.1.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import re
from typing import cast

import uvloop

from .traffic import ANSWER, EVENTS, MANNER, PACE, Mode

GOLDEN = 0.618034
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER)
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
CHUNKS: dict[Mode, tuple[bytes, ...]] = {
    mode: tuple(b"%x\r\n%b\r\n" % (len(event), event) for event in events) for mode, events in EVENTS.items() if events
}
WHOLE = {
    mode.encode(): STREAM_HEAD + b"".join(CHUNKS[mode]) + LAST if mode in CHUNKS else PLAIN
    for mode in EVENTS
    if mode not in PACE
}
PACED = {mode.encode(): (CHUNKS[mode], pace) for mode, pace in PACE.items()}
PHASES = (number * GOLDEN % 1 for number in itertools.count())
"""Of the pace: when a connection's streams have their second event. Streams that began at one moment would else have
each of their events at one moment, and a proxy a single turn of its loop for all of them."""
ASKED = re.compile(re.escape(MANNER) + rb"([a-z-]+)")


class Answering(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self) -> None:
        self.buffer = b""
        self.timer: asyncio.TimerHandle | None = None
        self.phase = next(PHASES)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own class is none of asyncio's

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            found = LENGTH.search(self.buffer, 0, end)
            stop = end + 4 + (int(found[1]) if found else 0)
            if len(self.buffer) < stop:
                return
            body, self.buffer = self.buffer[end + 4 : stop], self.buffer[stop:]
            self.answer(body)

    def answer(self, body: bytes) -> None:
        asked = ASKED.search(body)
        manner = asked[1] if asked else b"plain"
        if manner in PACED:
            self.transport.write(STREAM_HEAD)
            self.write_chunk(*PACED[manner], 0)
        else:
            self.transport.write(WHOLE[manner])

    def write_chunk(self, chunks: tuple[bytes, ...], pace: float, index: int) -> None:
        last = index == len(chunks) - 1
        self.transport.write(chunks[index] + LAST if last else chunks[index])
        if not last:
            pause = pace if index else pace * self.phase
            self.timer = asyncio.get_running_loop().call_later(pause, self.write_chunk, chunks, pace, index + 1)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        if self.timer:
            self.timer.cancel()


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upstream")
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))
