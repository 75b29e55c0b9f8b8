"""One gateway as a process: ``python -m faults.replica PLAN``, the plan as JSON. Ends in order at SIGTERM."""

from __future__ import annotations

import sys
from typing import Any, Self

import msgspec
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from oneapi_asgi import AddressGuard, Channel, Ejection, Gateway, Secret, Timeouts
from oneapi_asgi.call import Call
from oneapi_asgi.reaper import Reaper
from oneapi_asgi.storage.sql import SQLStorage
from oneapi_asgi.upstream.httptools import HttptoolsUpstream

from .plan import Plan


class Named:
    """Takes the name of a call from its caller, so that reservation and record bear it too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (name := dict(scope["headers"]).get(b"x-name")):
            Call.of(scope).id = name.decode()
        await self.app(scope, receive, send)


class Reaped(SQLStorage):
    """Looked through every ``interval`` seconds, which the gateway's own reaper need not be told."""

    def __init__(self, url: str, *, interval: float) -> None:
        super().__init__(url)
        self._reaper = Reaper(self, interval=interval, grace=0.0)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        await self._reaper.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._reaper.__aexit__(*error)
        await super().__aexit__(*error)


def gateway(plan: Plan) -> Gateway:
    channel = Channel(id=0, name="only", base_url=plan.upstream, api_keys=(Secret("sk-upstream" + "u" * 37),))
    made = Gateway(
        Reaped(plan.url, interval=plan.reap),
        upstream=HttptoolsUpstream(guard=AddressGuard(["127.0.0.0/8"])),
        channels=[channel],
        prices={"*": plan.price},
        health=Ejection(judge=False),
        timeouts=Timeouts(total=120.0),
    )
    made.quota.lease, made.quota._checkpoint = plan.lease, plan.checkpoint
    return made


def main(plan: Plan) -> None:
    uvicorn.run(
        Named(gateway(plan)),
        port=plan.port,
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1], type=Plan))
