from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Sequence

from . import FakeUpstream


async def run(host: str, port: int, *, strict: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with FakeUpstream(host=host, port=port, strict=strict) as upstream:
        print(upstream.url, flush=True)  # noqa: T201 - this is how the caller learns it
        await stop.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m oneapi_asgi.testing.upstream", description="A fake provider.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--strict", action="store_true", help="refuse what OpenAI would refuse, too")
    options = parser.parse_args(arguments)
    asyncio.run(run(options.host, options.port, strict=options.strict))


if __name__ == "__main__":
    main()
