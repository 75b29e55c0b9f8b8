"""The standalone app, as ``oneapi-asgi serve`` runs it, with a page that tells how late its event loop has been."""

from __future__ import annotations

import os
import sys

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from oneapi_asgi.app import app_from_environ
from oneapi_asgi.serving import serve
from oneapi_asgi.settings import find_config, load_settings
from oneapi_asgi.shedding import LoopLag

__all__ = ["app"]


def app() -> ASGIApp:
    """``GET /_lag`` gives the seconds of each look since the last time it was asked."""
    inner, lags = app_from_environ(), list[float]()
    watch = LoopLag(lags.append)

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        watch.start()
        if scope["type"] != "http" or scope["path"] != "/_lag":
            await inner(scope, receive, send)
            return
        body = msgspec.json.encode(lags)
        lags.clear()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return watched


if __name__ == "__main__":
    sys.exit(serve(app, load_settings(find_config(os.environ), os.environ).server))
