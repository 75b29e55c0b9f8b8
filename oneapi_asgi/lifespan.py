"""The lifespan of an app that is an async context manager."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from starlette.types import Receive, Send

__all__ = ["live"]


async def live(opened: AbstractAsyncContextManager[object], receive: Receive, send: Send) -> None:
    """Answer the server's lifespan events: enter when it starts, leave when it shuts down, and say what failed."""
    await receive()
    try:
        await opened.__aenter__()
    except Exception as error:
        await send({"type": "lifespan.startup.failed", "message": f"{type(error).__name__}: {error}"})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    try:
        await opened.__aexit__(None, None, None)
    except Exception as error:
        await send({"type": "lifespan.shutdown.failed", "message": f"{type(error).__name__}: {error}"})
        return
    await send({"type": "lifespan.shutdown.complete"})
