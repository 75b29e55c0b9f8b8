"""An upstream whose answers are as long as the request says, beside those that ``upstream`` gives."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from functools import cache

import uvloop

from .traffic import ANSWER, MODEL, USAGE
from .upstream import LENGTH, Answering

__all__ = ["sized"]

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
WORDS = "and so it went on "
SIZED = re.compile(rb"In bytes: (\d+)")
LOOKED_AT = 400  # bytes of a body, in which the first message stands


def sized(answer: int) -> str:
    """What a request's first message says to have so many bytes of answer; 0 for the usual one."""
    return f"In bytes: {answer}"


@cache
def answer_of(size: int) -> bytes:
    """Head and body."""

    def filled(text: str) -> bytes:
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": MODEL}
        return json.dumps({**head, "choices": [choice], "usage": USAGE}).encode()

    missing = max(size - len(filled("")), 1)
    body = filled((WORDS * (missing // len(WORDS) + 1))[:missing]) if size else ANSWER
    return HEAD % len(body) + body


class AnsweringInSize(Answering):
    """Reads bodies of many megabytes without copying what it has at each piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.missing = 0

    def data_received(self, data: bytes) -> None:
        if self.missing:
            self.pieces.append(data)
            self.missing -= len(data)
            if self.missing > 0:
                return
            data = b"".join(self.pieces)
            self.pieces, self.missing = [], 0
        elif (end := data.find(b"\r\n\r\n")) >= 0 and (found := LENGTH.search(data, 0, end)):
            self.missing = end + 4 + int(found[1]) - len(data)
            if self.missing > 0:
                self.pieces.append(data)
                return
        self.missing = 0
        super().data_received(data)

    def answer(self, body: bytes) -> None:
        found = SIZED.search(body, 0, LOOKED_AT)
        if found is None:
            super().answer(body)
        else:
            self.transport.write(answer_of(int(found[1])))


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(AnsweringInSize, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth_upstream")
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))
