"""A closed-loop load over many tokens and models, with bodies and answers of any size. Prints one line of JSON.

Requests follow each other by token and by model, whichever connection is free: each is used as often as any other.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator

import msgspec
import uvloop
from msgspec import Struct

from .asking import Asking
from .growth_config import key_of, model_of
from .growth_upstream import sized
from .load import PATIENCE, Load, Run, quantile
from .processes import OTHER_CORE, ROOT, module
from .traffic import PATH

__all__ = ["Asked", "requests_of", "run_asked"]

WORDS = "I have seen it. "


class Asked(Struct, frozen=True):
    """``body`` and ``answer`` in bytes, 0 for what is usual. ``calls`` is how many there are at most.
    ``pinned``: on the core that gateways of one process leave free."""

    tokens: int = 1
    models: int = 1
    body: int = 0
    answer: int = 0
    connections: int = 32
    seconds: float = 1.0
    calls: int = 1 << 40
    pinned: bool = True


def requests_of(asked: Asked, host: str) -> list[bytes]:
    """Head and body of as many requests as it takes to use each token and each model."""
    bodies = [_body(model_of(number), asked.body, asked.answer) for number in range(asked.models)]
    count = max(asked.tokens, asked.models)
    return [
        (
            f"POST {PATH} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key_of(number % asked.tokens)}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        ).encode()
        + body
        for number, body in zip(range(count), itertools.cycle(bodies), strict=False)
    ]


def _body(model: str, size: int, answer: int) -> bytes:
    def filled(text: str) -> bytes:
        messages = [
            {"role": "system", "content": f"You are a helpful assistant. {sized(answer)}."},
            {"role": "user", "content": f"Tell me why the sky is blue. {text}"},
        ]
        return json.dumps({"model": model, "max_tokens": 64, "messages": messages}).encode()

    missing = max(size - len(filled("")), 0)
    return filled((WORDS * (missing // len(WORDS) + 1))[:missing])


class AskingInTurn(Asking):
    """Each time with the request that is next of all."""

    def __init__(self, requests: Iterator[bytes], failed: Callable[[str], None]) -> None:
        super().__init__("plain", b"", exact=False, failed=failed)
        self._requests = requests

    def ask(self, ended: Callable[[Asking], None], began: Callable[[Asking], None] | None = None) -> None:
        self._request = next(self._requests)
        super().ask(ended, began)


def run_asked(port: int, asked: Asked) -> Load:
    """In a process of its own.

    :raises RuntimeError: an answer was not right
    """
    command = module("growth_load", port=port, asked=msgspec.json.encode(asked).decode())
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=asked.seconds + 2 * PATIENCE, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr.decode()[-2000:]}")
    return msgspec.json.decode(done.stdout, type=Load)


async def generate(port: int, asked: Asked) -> Load:
    run = Run(asked.connections, asked.calls)
    requests = itertools.cycle(requests_of(asked, f"127.0.0.1:{port}"))
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: AskingInTurn(requests, run.fail), "127.0.0.1", port)
        for _ in range(asked.connections)
    ]
    started = time.perf_counter()
    run.deadline = started + asked.seconds
    for _, asking in opened:
        run.ask(asking)
    async with asyncio.timeout(asked.seconds + PATIENCE):
        await run.done
    took = time.perf_counter() - started
    waits, first = sorted(run.latencies), sorted(run.first_bytes)
    return Load(len(waits), took, quantile(waits, 0.5), quantile(waits, 0.99), quantile(first, 0.5))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth_load")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--asked", required=True, help="an Asked, as JSON")
    options = parser.parse_args()
    asked = msgspec.json.decode(options.asked, type=Asked)
    if asked.pinned and hasattr(os, "sched_setaffinity") and OTHER_CORE in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {OTHER_CORE})
    load = uvloop.run(generate(options.port, asked))
    print(msgspec.json.encode(load).decode())


if __name__ == "__main__":
    main()
