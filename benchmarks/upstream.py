"""An upstream that costs next to nothing: fixed answers, written by an asyncio protocol on uvloop.

It tells the kind of request by a search in its body and trusts its peers to speak proper HTTP/1.1.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from typing import cast

import uvloop

from .traffic import ANSWER, EVENTS, PACE

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER)
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNKS = {mode: tuple(b"%x\r\n%b\r\n" % (len(event), event) for event in events) for mode, events in EVENTS.items()}
PACED = CHUNKS["paced"]
LAST = b"0\r\n\r\n"
STREAM, LONG = (STREAM_HEAD + b"".join(CHUNKS[mode]) + LAST for mode in ("stream", "long"))


class Answering(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self) -> None:
        self.buffer = b""
        self.timer: asyncio.TimerHandle | None = None

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
        if b'"paced"' in body:
            self.transport.write(STREAM_HEAD)
            self.write_chunk(0)
        else:
            self.transport.write(LONG if b'"long"' in body else STREAM if b'"stream"' in body else PLAIN)

    def write_chunk(self, index: int) -> None:
        last = index == len(PACED) - 1
        self.transport.write(PACED[index] + LAST if last else PACED[index])
        if not last:
            self.timer = asyncio.get_running_loop().call_later(PACE, self.write_chunk, index + 1)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        if self.timer:
            self.timer.cancel()


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upstream")
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))
